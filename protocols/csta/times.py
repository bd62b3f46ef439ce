"""Times as CSTA writes them: ISO 8601 with its signs, or without (ASN.1's GeneralizedTime)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from protocols.csta.fields import ValueRefusedError

_form = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[T ]?(\d\d):?(\d\d):?(\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)


def read_time(text: str) -> float | None:
    """Make seconds since the epoch of a time; None of an empty text.

    Args:
        text: without a zone it is UTC.

    Raises:
        ValueRefusedError: it is no time, or one before 1970.
    """
    if not text:
        return None
    found = _form.fullmatch(text)
    if found is None:
        raise ValueRefusedError("is a time such as 2026-11-23T13:00:00.5Z")
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    micros = int((found[7] or "0").ljust(6, "0")[:6])
    try:
        zone = _zone(found[8])
        date = datetime(year, month, day, hour, minute, second, micros, tzinfo=zone)
        moment = date.timestamp()
    except (ValueError, OverflowError):
        raise ValueRefusedError("is not a time of the calendar") from None
    if moment < 0:
        raise ValueRefusedError("is a time before 1970")
    return moment


def write_time(seconds: float) -> str:
    """Write seconds since the epoch in UTC, to the microsecond."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _zone(text: str | None) -> timezone:
    if text is None or text == "Z":
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))

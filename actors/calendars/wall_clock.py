"""What the clock on the wall of a zone shows, as moments: also where it is put forward or back.

A time that comes twice, as the clock is put back, has a first and a last moment. A time that never
comes, as the clock is put forward, stands for the moment at which that is done (PEP 495 calls the
two a fold and a gap).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from math import floor
from zoneinfo import ZoneInfo

DAY_MINUTES = 1_440

EARLIEST = 0.0
LATEST = 32_503_680_000.0
"""The moments that are understood: from 1970 to the end of 2999, seconds since the epoch."""


class MomentOutOfRange(ValueError):  # noqa: N818 named for what it says of the moment
    """A moment is not within the years that calendars are reckoned for."""

    def __init__(self, at: float) -> None:
        super().__init__(f"at: must be from {EARLIEST:.0f} to {LATEST:.0f} (found {at})")


def day_of(zone: ZoneInfo, at: float) -> date:
    """The date on the wall.

    Args:
        zone: where.
        at: when, seconds since the epoch.

    Raises:
        MomentOutOfRange: it is not from 1970 to 2999.
    """
    if not EARLIEST <= at <= LATEST:  # nan is not either
        raise MomentOutOfRange(at)
    return datetime.fromtimestamp(at, zone).date()


def moments(zone: ZoneInfo, day: date, minutes: int) -> tuple[float, float]:
    """The first and the last moment at which the clock shows a time.

    Args:
        zone: where.
        day: the date.
        minutes: since its midnight; 1,440 and more are on the next days.

    Returns:
        Seconds since the epoch; mostly the same twice.
    """
    wall = datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(minutes=minutes)
    before, after = wall.utcoffset(), wall.replace(fold=1).utcoffset()
    assert before is not None
    assert after is not None
    shown = (wall.replace(tzinfo=UTC) - _EPOCH).total_seconds()
    first, last = shown - before.total_seconds(), shown - after.total_seconds()
    if first <= last:
        return first, last
    jump = _jump(zone, last, first)
    return jump, jump


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _jump(zone: ZoneInfo, before: float, after: float) -> float:
    """The moment between two at which the offset of a zone changes, to the second."""
    low, high = floor(before), floor(after)
    old = _offset(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle) == old:
            low = middle
        else:
            high = middle
    return float(high)


def _offset(zone: ZoneInfo, at: float) -> timedelta | None:
    return datetime.fromtimestamp(at, zone).utcoffset()

"""Opening hours: whether a calendar is open at a moment, in its own zone's time.

Periods are wall-clock time: on the days on which the clocks change they are as long as the clocks
say. One that ends at or before its beginning goes on into the next day.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.routing_core.rules import Calendar

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOUR_MIN = 60
DAY_MIN = 24 * HOUR_MIN

Span = tuple[int, int]
"""From and to, minutes since midnight; to may be on the next day."""

Spans = tuple[Span, ...]


class Hours(Protocol):
    """When something is open: a calendar of the rules, or one from elsewhere."""

    @property
    def zone(self) -> ZoneInfo:
        """Whose wall clock counts."""

    def is_open(self, at: float) -> bool:
        """Whether it is open at a moment, seconds since the epoch."""


class Opening(Struct, frozen=True):
    """A calendar, made ready.

    Attributes:
        zone: whose wall clock counts.
        week: spans by day of the week, Monday first.
        yearly: spans of special days of every year, by month and day.
        dated: spans of special days.
    """

    zone: ZoneInfo
    week: tuple[Spans, ...]
    yearly: Mapping[tuple[int, int], Spans]
    dated: Mapping[date, Spans]

    def is_open(self, at: float) -> bool:
        """Whether a calendar is open.

        Args:
            at: seconds since the epoch.
        """
        local = datetime.fromtimestamp(at, self.zone)
        minute = local.hour * HOUR_MIN + local.minute
        today = local.date()
        if any(start <= minute < end for start, end in _of(self, today)):
            return True
        late = minute + DAY_MIN
        return any(late < end for _, end in _of(self, today - timedelta(days=1)))


def known_zone(name: str) -> bool:
    """Whether the machine's time zone database has a zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def opening(calendar: Calendar) -> Opening:
    """Make a calendar ready.

    Args:
        calendar: checked rules.
    """
    special: dict[str, tuple[str, ...]] = dict.fromkeys(calendar.holidays, ())
    special.update(calendar.days)
    yearly: dict[tuple[int, int], Spans] = {}
    dated: dict[date, Spans] = {}
    for day, periods in special.items():
        numbers = [int(part) for part in day.split("-")]
        if len(numbers) == len(("month", "day")):
            yearly[numbers[0], numbers[1]] = _spans(periods)
        else:
            dated[date(*numbers)] = _spans(periods)
    week: Mapping[str, Sequence[str]] = {str(day): spans for day, spans in calendar.week.items()}
    spans = tuple(_spans(week.get(day, ())) for day in DAYS)
    return Opening(ZoneInfo(calendar.zone), spans, yearly, dated)


def local_time(hours: Hours, at: float) -> str:
    """A moment as the calendar's zone reads it, for people.

    Args:
        hours: of the calendar.
        at: seconds since the epoch.
    """
    return datetime.fromtimestamp(at, hours.zone).strftime("%Y-%m-%d %H:%M %Z")


def _of(hours: Opening, day: date) -> Spans:
    spans = hours.dated.get(day)
    if spans is None:
        spans = hours.yearly.get((day.month, day.day))
    return hours.week[day.weekday()] if spans is None else spans


def _spans(periods: Sequence[str]) -> Spans:
    return tuple(_span(period) for period in periods)


def _span(period: str) -> Span:
    start, end = (_minute(clock) for clock in period.split("-"))
    return (start, end) if start < end else (start, end + DAY_MIN)


def _minute(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * HOUR_MIN + int(minute)

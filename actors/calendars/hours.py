"""Opening hours: whether something is open, and when that changes next. Pure.

An interval belongs to the day on which it begins, also where it ends after midnight. What holds for
a day is, in this order: its exception, closed periods, public holidays, the plan of the week. A
beginning is the first moment at which the clock shows it, an end the last one; so nothing opens or
closes twice in the hour that comes twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from msgspec import Struct

from actors.calendars import wall_clock
from actors.calendars.feasts import Holidays

HORIZON_DAYS = 400
"""What does not change for so long is said never to change: more than a year of any plan."""

_BACK = timedelta(2)
"""An interval is at most a day long, and the clock at most a day off."""


class Interval(Struct, frozen=True, order=True):
    """From one time of the clock to another.

    Attributes:
        start: minutes since midnight, 0 to 1,439.
        end: minutes since the same midnight, above `start` and at most a day later.
    """

    start: int
    end: int


Intervals = tuple[Interval, ...]
"""Of one day, in order, none of which begins before the one before has ended."""

CLOSED: Intervals = ()


class Calendar(Struct, frozen=True, kw_only=True):
    """The opening hours of something.

    Attributes:
        name: by which routing points name it.
        zone: whose clock its times are of.
        week: the intervals of Monday to Sunday.
        days: exceptions, by date.
        closed: first and last day of periods without openings.
        holidays: the public holidays that it keeps.
        on_holidays: the intervals of those.
    """

    name: str
    zone: ZoneInfo
    week: tuple[Intervals, ...]
    days: Mapping[date, Intervals] = MappingProxyType({})
    closed: tuple[tuple[date, date], ...] = ()
    holidays: tuple[Holidays, ...] = ()
    on_holidays: Intervals = CLOSED

    def on(self, day: date) -> Intervals:
        """The intervals that begin on a day."""
        exception = self.days.get(day)
        if exception is not None:
            return exception
        if any(first <= day <= last for first, last in self.closed):
            return CLOSED
        if any(day in one.of(day.year) for one in self.holidays):
            return self.on_holidays
        return self.week[day.weekday()]


class Status(Struct, frozen=True):
    """How it stands with a calendar.

    Attributes:
        open: whether it is open.
        at: the moment that was asked for, seconds since the epoch.
        until: when that changes; None where it does not within `HORIZON_DAYS`.
    """

    open: bool
    at: float
    until: float | None

    def holds(self, at: float) -> bool:
        """Whether it is so at another moment too, as far as this tells."""
        return self.at <= at and (self.until is None or at < self.until)


def status(calendar: Calendar, at: float) -> Status:
    """Whether a calendar is open, and until when that is so.

    Args:
        calendar: the calendar.
        at: the moment, seconds since the epoch.

    Raises:
        MomentOutOfRange: it is not from 1970 to 2999.
    """
    horizon = at + HORIZON_DAYS * 86_400
    for start, end in _spans(calendar, at):
        if end <= at:
            continue
        if at < start:
            return Status(False, at, start if start <= horizon else None)
        return Status(True, at, end if end <= horizon else None)
    return Status(False, at, None)


def is_open(calendar: Calendar, at: float) -> bool:
    """Whether a calendar is open.

    Args:
        calendar: the calendar.
        at: the moment, seconds since the epoch.

    Raises:
        MomentOutOfRange: it is not from 1970 to 2999.
    """
    day = wall_clock.day_of(calendar.zone, at) - _BACK
    return any(
        start <= at < end
        for ahead in range(2 * _BACK.days + 1)
        for start, end in _spans_of(calendar, day + timedelta(ahead))
    )


def next_change(calendar: Calendar, at: float) -> float | None:
    """The first moment after another at which a calendar opens or closes.

    Args:
        calendar: the calendar.
        at: the moment, seconds since the epoch.

    Returns:
        Seconds since the epoch; None where nothing changes within `HORIZON_DAYS`.

    Raises:
        MomentOutOfRange: it is not from 1970 to 2999.
    """
    return status(calendar, at).until


def _spans(calendar: Calendar, at: float) -> Iterator[tuple[float, float]]:
    """When it is open, from before a moment to the horizon, what touches made one."""
    day = wall_clock.day_of(calendar.zone, at) - _BACK
    held: tuple[float, float] | None = None
    for ahead in range(HORIZON_DAYS + 2 * _BACK.days + 1):
        for start, end in _spans_of(calendar, day + timedelta(ahead)):
            if held is None:
                held = start, end
            elif start <= held[1]:
                held = held[0], max(held[1], end)
            else:
                yield held
                held = start, end
    if held is not None:
        yield held


def _spans_of(calendar: Calendar, day: date) -> Iterator[tuple[float, float]]:
    for interval in calendar.on(day):
        start = wall_clock.moments(calendar.zone, day, interval.start)[0]
        end = wall_clock.moments(calendar.zone, day, interval.end)[1]
        if start < end:  # else all of it is in the hour that never comes
            yield start, end

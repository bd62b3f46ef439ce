"""When a tick is due: periods that begin at multiples of themselves on the wall clock.

A period of 60 s ticks on the minute, one of 3,600 s on the hour, in UTC. The number of a period
since the epoch tells whether it has been told already, so a clock that is set back an hour does
not tell the same hour twice, and one that is set forward tells the last period only. Only where
the clock went back further than a period does counting begin anew at the new time; the
monotonic clock shows that: a whole period has gone by and yet the number is lower.
"""

from __future__ import annotations

from math import floor

from msgspec import Struct


class Schedule(Struct):
    """One period and how far it has been told.

    Attributes:
        period_s: Its length, seconds.
        told: Number of the last period that was told, or in which counting began.
        since: Monotonic seconds at that moment.
        last: Number of the last period that somebody was told of; None before the first.
    """

    period_s: float
    told: int
    since: float
    last: int | None = None


class Due(Struct, frozen=True):
    """A period has begun.

    Attributes:
        at: When it began, seconds since the epoch: a multiple of the period.
        missed: Periods before it that nobody was told of.
    """

    at: float
    missed: int


def begin(period_s: float, wall: float, now: float) -> Schedule:
    """Begin to count: the period that runs now is not told, the next one is.

    Args:
        period_s: Length of the period, seconds, above 0.
        wall: Seconds since the epoch.
        now: Monotonic seconds.
    """
    return Schedule(period_s, _number(period_s, wall), now)


def advance(schedule: Schedule, wall: float, now: float) -> Due | None:
    """Look at the clock: return what is due, and count it as told.

    Args:
        schedule: Is changed.
        wall: Seconds since the epoch.
        now: Monotonic seconds.
    """
    number = _number(schedule.period_s, wall)
    if number > schedule.told:
        missed = number - schedule.told - 1
        schedule.told, schedule.since = number, now
        if number == schedule.last:
            return None  # counting began anew just before the last one
        schedule.last = number
        return Due(number * schedule.period_s, missed)
    if number < schedule.told and now - schedule.since >= schedule.period_s:
        schedule.told, schedule.since = number, now
    return None


def wait_s(schedule: Schedule, wall: float) -> float:
    """Return the seconds from `wall` to the end of the period that runs then; above 0."""
    end = (_number(schedule.period_s, wall) + 1) * schedule.period_s
    return max(end - wall, 1e-6)


def _number(period_s: float, wall: float) -> int:
    return floor(wall / period_s)

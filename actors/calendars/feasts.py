"""Public holidays by rule: dates of every year, days counted from Easter, weekdays of a month."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache

from msgspec import Struct

LAST = -1
"""The last such weekday of a month."""

YEARS_KEPT = 256
"""Years of holidays that need not be reckoned again."""

_WEEK = 7


class NthWeekday(Struct, frozen=True):
    """A weekday of a month, such as the last Monday in May.

    Attributes:
        nth: 1 to 5, or `LAST`.
        weekday: 0 for Monday to 6 for Sunday.
        month: 1 to 12.
    """

    nth: int
    weekday: int
    month: int

    def of(self, year: int) -> date | None:
        """The day in a year; None where the month has no fifth one."""
        if self.nth == LAST:
            after = date(year + self.month // 12, self.month % 12 + 1, 1)
            return after - timedelta(1 + (after.weekday() - 1 - self.weekday) % _WEEK)
        first = date(year, self.month, 1)
        found = first + timedelta((self.weekday - first.weekday()) % _WEEK + _WEEK * (self.nth - 1))
        return found if found.month == self.month else None


class Holidays(Struct, frozen=True):
    """The public holidays of some place.

    Attributes:
        fixed: month and day of those that are on the same date every year.
        easter: days from Easter Sunday of the Western churches; 0 is that day, 1 the Monday.
        orthodox: days from Easter Sunday of the Eastern churches.
        weekdays: those that are a weekday of a month.
        dates: those of one year only.
    """

    fixed: tuple[tuple[int, int], ...] = ()
    easter: tuple[int, ...] = ()
    orthodox: tuple[int, ...] = ()
    weekdays: tuple[NthWeekday, ...] = ()
    dates: frozenset[date] = frozenset()

    def of(self, year: int) -> frozenset[date]:
        """All holidays of a year.

        Args:
            year: from 1583, the first whole one of the Gregorian calendar.
        """
        return _of_year(self, year)

    def reckoned(self, year: int) -> Iterator[date]:
        """Those that follow from rules; a day may come twice."""
        for month, day in self.fixed:
            if (month, day) != (2, 29) or _is_leap(year):
                yield date(year, month, day)
        western, eastern = easter(year), orthodox_easter(year)
        yield from (western + timedelta(days) for days in self.easter)
        yield from (eastern + timedelta(days) for days in self.orthodox)
        yield from (found for rule in self.weekdays if (found := rule.of(year)) is not None)


@lru_cache(maxsize=YEARS_KEPT)
def _of_year(rules: Holidays, year: int) -> frozenset[date]:
    return frozenset(rules.reckoned(year)) | rules.dates


def easter(year: int) -> date:
    """Easter Sunday of the Western churches: Gauss's computus in the form of Meeus, Jones, Butcher.

    Args:
        year: from 1583.
    """
    golden, century, place = year % 19, year // 100, year % 100
    shift = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - century // 4 - shift + 15) % 30
    to_sunday = (32 + 2 * (century % 4) + 2 * (place // 4) - epact - place % 4) % 7
    late = (golden + 11 * epact + 22 * to_sunday) // 451
    days = epact + to_sunday - 7 * late + 114
    return date(year, days // 31, days % 31 + 1)


def orthodox_easter(year: int) -> date:
    """Easter Sunday of the Eastern churches, which reckon it by the Julian calendar (Meeus, 9).

    Args:
        year: from 1583; the date is that of the Gregorian calendar.
    """
    golden = (19 * (year % 19) + 15) % 30
    days = golden + (2 * (year % 4) + 4 * (year % 7) - golden + 34) % 7 + 114
    julian_lag = year // 100 - year // 400 - 2
    return date(year, days // 31, days % 31 + 1) + timedelta(julian_lag)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)

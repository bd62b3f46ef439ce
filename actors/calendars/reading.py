"""Calendars from TOML: every mistake with its key and its rule."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import date
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct

from actors import settings
from actors.calendars.feasts import LAST, Holidays, NthWeekday
from actors.calendars.hours import CLOSED, Calendar, Interval, Intervals
from actors.calendars.wall_clock import DAY_MINUTES
from actors.settings import Mistake

T = TypeVar("T")

MAX_BYTES = 1_048_576
"""Of a file."""

MAX_INTERVALS = 24
"""Of one day."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NTH = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": LAST}

Name = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Za-z*#+@._:-]{1,64}\Z",
        description="1 to 64 of the characters 0-9 A-Z a-z * # + @ . _ : -",
    ),
]
Offset = Annotated[int, Meta(ge=-150, le=150)]
Text = Annotated[str, Meta(max_length=64)]


class HolidaysTable(Struct, frozen=True, kw_only=True):
    """`[holidays.NAME]`: public holidays of some place."""

    fixed: tuple[Text, ...] = ()
    easter: tuple[Offset, ...] = ()
    orthodox: tuple[Offset, ...] = ()
    weekdays: tuple[Text, ...] = ()
    dates: tuple[Text, ...] = ()


class WeekTable(Struct, frozen=True, kw_only=True):
    """`[calendar.NAME.week]`: the intervals of each day."""

    mon: tuple[Text, ...] = ()
    tue: tuple[Text, ...] = ()
    wed: tuple[Text, ...] = ()
    thu: tuple[Text, ...] = ()
    fri: tuple[Text, ...] = ()
    sat: tuple[Text, ...] = ()
    sun: tuple[Text, ...] = ()


class CalendarTable(Struct, frozen=True, kw_only=True):
    """`[calendar.NAME]`: the opening hours of something."""

    zone: Text
    week: WeekTable = WeekTable()
    holidays: tuple[Text, ...] = ()
    on_holidays: tuple[Text, ...] = ()
    closed: tuple[Text, ...] = ()
    days: dict[str, tuple[Text, ...]] = {}


class File(Struct, frozen=True, kw_only=True):
    """The whole file."""

    holidays: dict[Name, HolidaysTable] = {}
    calendar: dict[Name, CalendarTable] = {}


class CalendarsInvalid(Exception):  # noqa: N818 named for what it says of the file
    """A file of calendars has mistakes.

    Attributes:
        mistakes: all of them, by key; never empty.
    """

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("; ".join(map(str, mistakes)))
        self.mistakes = mistakes


def read_file(path: Path) -> Mapping[str, Calendar]:
    """Read a file of calendars.

    Args:
        path: the file.

    Returns:
        The calendars by name.

    Raises:
        CalendarsInvalid: with every mistake that was found.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CalendarsInvalid([Mistake("", f"{path} must have at most {MAX_BYTES} bytes")])
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        why = f"{path} cannot be read: {error.strerror}"
        raise CalendarsInvalid([Mistake("", why)]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CalendarsInvalid([Mistake("", f"{path} is not TOML: {error}")]) from error
    return read(document)


def read(document: Mapping[str, Any]) -> Mapping[str, Calendar]:
    """Make calendars of a parsed document.

    Args:
        document: as `tomllib` makes it.

    Returns:
        The calendars by name.

    Raises:
        CalendarsInvalid: with every mistake that was found.
    """
    file, mistakes = settings.read(File, document)
    reader = _Reader(mistakes)
    holidays = {
        name: reader.holidays(f"holidays.{name}", table) for name, table in file.holidays.items()
    }
    calendars = {
        name: reader.calendar(f"calendar.{name}", name, table, holidays)
        for name, table in file.calendar.items()
    }
    if mistakes:
        raise CalendarsInvalid(sorted(mistakes, key=lambda mistake: mistake.key))
    return MappingProxyType(calendars)


class _Rule(ValueError):  # noqa: N818 it says what should hold
    """A text breaks a rule, which is the message."""


class _Reader:
    """Reads what the schema alone does not tell, and gathers mistakes."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        self._mistakes = mistakes

    def holidays(self, key: str, table: HolidaysTable) -> Holidays:
        """One table of holidays."""
        return Holidays(
            fixed=self._each(f"{key}.fixed", table.fixed, _fixed),
            easter=table.easter,
            orthodox=table.orthodox,
            weekdays=self._each(f"{key}.weekdays", table.weekdays, _weekday),
            dates=frozenset(self._each(f"{key}.dates", table.dates, _date)),
        )

    def calendar(
        self, key: str, name: str, table: CalendarTable, known: Mapping[str, Holidays]
    ) -> Calendar:
        """One calendar."""
        zone = self._one(f"{key}.zone", table.zone, _zone) or ZoneInfo("UTC")
        week = (self.day(f"{key}.week.{day}", getattr(table.week, day)) for day in DAYS)
        days = (
            (self._one(f"{key}.days.{day}", day, _date), self.day(f"{key}.days.{day}", texts))
            for day, texts in table.days.items()
        )
        return Calendar(
            name=name,
            zone=zone,
            week=tuple(week),
            days=MappingProxyType({day: intervals for day, intervals in days if day is not None}),
            closed=self._each(f"{key}.closed", table.closed, _period),
            holidays=self._each(f"{key}.holidays", table.holidays, _named(known)),
            on_holidays=self.day(f"{key}.on_holidays", table.on_holidays),
        )

    def day(self, key: str, texts: tuple[str, ...]) -> Intervals:
        """The intervals of one day, in order."""
        if len(texts) > MAX_INTERVALS:
            self._note(key, f"must be at most {MAX_INTERVALS} intervals", str(len(texts)))
            return CLOSED
        intervals = self._each(key, texts, _interval)
        for before, after in pairwise(intervals):
            if after.start < before.end:
                self._note(key, "must be intervals in order that do not overlap", ", ".join(texts))
        return intervals

    def _each(self, key: str, texts: tuple[str, ...], read: Callable[[str], T]) -> tuple[T, ...]:
        found = (self._one(f"{key}[{index}]", text, read) for index, text in enumerate(texts))
        return tuple(one for one in found if one is not None)

    def _one(self, key: str, text: str, read: Callable[[str], T]) -> T | None:
        try:
            return read(text)
        except _Rule as rule:
            self._note(key, f"must be {rule}", text)
            return None

    def _note(self, key: str, rule: str, value: str) -> None:
        self._mistakes.append(Mistake(key, rule, repr(value)))


_INTERVAL = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_FIXED = re.compile(r"[0-9]{2}-[0-9]{2}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _interval(text: str) -> Interval:
    found = _INTERVAL.fullmatch(text)
    if not found:
        raise _Rule("HH:MM-HH:MM, from 00:00 to 24:00")
    hours, minutes, end_hours, end_minutes = map(int, found.groups())
    start, end = hours * 60 + minutes, end_hours * 60 + end_minutes
    if end > DAY_MINUTES:
        raise _Rule("HH:MM-HH:MM, from 00:00 to 24:00")
    return Interval(start, end if end > start else end + DAY_MINUTES)


def _fixed(text: str) -> tuple[int, int]:
    rule = "a date of every year, MM-DD"
    if not _FIXED.fullmatch(text):
        raise _Rule(rule)
    try:
        found = date.fromisoformat(f"2000-{text}")  # a leap year
    except ValueError:
        raise _Rule(rule) from None
    return found.month, found.day


def _date(text: str) -> date:
    rule = "a date, YYYY-MM-DD"
    if not _DATE.fullmatch(text):
        raise _Rule(rule)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _Rule(rule) from None


def _period(text: str) -> tuple[date, date]:
    rule = "a date, or the first and the last one with / between them (ISO 8601)"
    first, _, last = text.partition("/")
    try:
        period = _date(first), _date(last or first)
    except _Rule:
        raise _Rule(rule) from None
    if period[0] > period[1]:
        raise _Rule(rule)
    return period


def _weekday(text: str) -> NthWeekday:
    words = text.split()
    try:
        nth, day, month = words
        return NthWeekday(_NTH[nth], DAYS.index(day), MONTHS.index(month) + 1)
    except (ValueError, KeyError):
        raise _Rule("such as 'last mon may': first to fifth or last, a day, a month") from None


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _Rule("a time zone of the IANA data base, such as Europe/Paris") from None


def _named(known: Mapping[str, Holidays]) -> Callable[[str], Holidays]:
    def read(text: str) -> Holidays:
        if text not in known:
            raise _Rule(f"one of [holidays]: {', '.join(known) or 'there is none'}")
        return known[text]

    return read

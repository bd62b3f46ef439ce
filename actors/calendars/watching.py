"""Who is to be told when a calendar opens or closes, and when there is something to tell. Pure.

What is told is how it is now: where the clock was set, or the node was busy, while a calendar
closed and opened again, nobody is told of either.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from actors.calendars.hours import Calendar, Status, status
from actors.calendars.wall_clock import MomentOutOfRange

AGAIN_S = 86_400.0
"""A calendar that does not change within its horizon is looked at again after this, seconds."""


class Opening(Struct, frozen=True):
    """How it is with a calendar, from now on.

    Attributes:
        calendar: its name.
        open: whether it is open.
        at: when that was seen, seconds since the epoch.
        until: when it changes next; None where nothing does for more than a year.
    """

    calendar: str
    open: bool
    at: float
    until: float | None


class CalendarRefused(Struct, frozen=True):
    """Refusal: there is no such calendar, or it is needed."""

    rule: str


class Watch(Struct):
    """A calendar that somebody subscribes to.

    Attributes:
        status: how it was when it was reckoned last.
        told: whether subscribers think that it is open.
        subscribers: who they are, each with what its end is noticed by.
    """

    status: Status
    told: bool
    subscribers: dict[Any, Any] = {}


class Watches(Struct):
    """The calendars, and those of them that somebody subscribes to.

    Attributes:
        calendars: by name.
        watched: by name.
        told: changes that were told.
    """

    calendars: Mapping[str, Calendar] = MappingProxyType({})
    watched: dict[str, Watch] = {}
    told: int = 0


def begin(watches: Watches, name: object, wall: float) -> Opening | CalendarRefused:
    """Watch a calendar, from now on or already.

    Args:
        watches: is changed.
        name: of the calendar.
        wall: seconds since the epoch.

    Returns:
        How it is now.
    """
    calendar = watches.calendars.get(name) if isinstance(name, str) else None
    if calendar is None or not isinstance(name, str):
        known = ", ".join(watches.calendars) or "there is none"
        return CalendarRefused(f"calendar: must be one of: {known}")
    watch = watches.watched.get(name)
    if watch is None:
        try:
            found = status(calendar, wall)
        except MomentOutOfRange as error:
            return CalendarRefused(str(error))
        watch = watches.watched[name] = Watch(found, found.open)
    return Opening(name, watch.told, wall, watch.status.until)


def end(watches: Watches, name: str, subscriber: object) -> object | None:
    """Have a subscriber told no more; a calendar that nobody subscribes to is not watched.

    Args:
        watches: is changed.
        name: of the calendar.
        subscriber: who.

    Returns:
        What its end was noticed by; None where it does not subscribe.
    """
    watch = watches.watched.get(name)
    if watch is None or subscriber not in watch.subscribers:
        return None
    ended: object = watch.subscribers.pop(subscriber)
    if not watch.subscribers:
        del watches.watched[name]
    return ended


def look(watches: Watches, wall: float) -> list[Opening]:
    """Look at the clock: return what is to be told, and count it as told.

    Args:
        watches: is changed.
        wall: seconds since the epoch.
    """
    news = []
    for name, watch in watches.watched.items():
        if not _holds(watch.status, wall):
            _reckon(watch, watches.calendars[name], wall)
        if watch.status.open is not watch.told:
            watch.told = watch.status.open
            watches.told += 1
            news.append(Opening(name, watch.told, wall, watch.status.until))
    return news


def replaced(watches: Watches, calendars: Mapping[str, Calendar]) -> CalendarRefused | None:
    """Go by other calendars from now on; what has become different is told at the next look.

    Args:
        watches: is changed.
        calendars: all of them, by name.

    Returns:
        Why not: somebody subscribes to one that is not among them.
    """
    missing = [name for name in watches.watched if name not in calendars]
    if missing:
        return CalendarRefused(f"calendars: must have those in use: {', '.join(missing)}")
    watches.calendars = calendars
    for watch in watches.watched.values():
        watch.status = Status(watch.told, watch.status.at, watch.status.at)
    return None


def waits_s(watches: Watches, wall: float) -> list[float]:
    """The seconds from `wall` to each next change; above 0."""
    untils = (watch.status.until for watch in watches.watched.values())
    return [max(until - wall, 1e-6) for until in untils if until is not None]


def _holds(known: Status, wall: float) -> bool:
    return known.holds(wall) and (known.until is not None or wall - known.at < AGAIN_S)


def _reckon(watch: Watch, calendar: Calendar, wall: float) -> None:
    try:
        watch.status = status(calendar, wall)
    except MomentOutOfRange:
        return  # a clock that is so wrong is not gone by

"""Interception lists: numbers whose calls go somewhere else, msisdnInter and its like.

Lists are looked at in the order of the file. In one list a whole number goes before a beginning,
and a longer beginning before a shorter one. An entry whose time is over is as good as none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.routing_core.rules import Interception, InterceptionList


class Numbers(Struct, frozen=True):
    """One list, made ready.

    Attributes:
        name: as the rules call it.
        dnis: numbers dialled that it holds for; None: all.
        exact: entries by whole number.
        prefix: entries by how a number begins.
        lengths: of these beginnings, the longest first.
    """

    name: str
    dnis: frozenset[str] | None
    exact: Mapping[str, Interception]
    prefix: Mapping[str, Interception]
    lengths: tuple[int, ...]

    def find(self, number: str, dnis: str, at: float) -> Hit | None:
        """The first entry that holds for a call; None where none does.

        Args:
            number: the caller's, normalised.
            dnis: the number dialled.
            at: seconds since the epoch.
        """
        if self.dnis is None or dnis in self.dnis:
            return _in_list(self, number, at)
        return None


class NumberList(Protocol):
    """A list of numbers, wherever it is kept."""

    def find(self, number: str, dnis: str, at: float) -> Hit | None:
        """As `Numbers.find`."""
        ...


class Hit(Struct, frozen=True):
    """A number that is on a list.

    Attributes:
        numbers: the list.
        match: the number or the beginning that is on it.
        entry: what is done with it.
    """

    numbers: str
    match: str
    entry: Interception


def numbers(name: str, entries: InterceptionList) -> Numbers:
    """Make a list ready.

    Args:
        name: as the rules call it.
        entries: checked rules.
    """
    lengths = sorted({len(beginning) for beginning in entries.prefix}, reverse=True)
    dnis = frozenset(entries.dnis) or None
    return Numbers(name, dnis, entries.exact, entries.prefix, tuple(lengths))


def look_up(lists: Sequence[NumberList], number: str, dnis: str, at: float) -> Hit | None:
    """Find the first entry that holds for a call.

    Args:
        lists: in the order in which they count.
        number: the caller's, normalised.
        dnis: the number dialled.
        at: seconds since the epoch.
    """
    for one in lists:
        hit = one.find(number, dnis, at)
        if hit is not None:
            return hit
    return None


def _in_list(one: Numbers, number: str, at: float) -> Hit | None:
    entry = one.exact.get(number)
    if entry is not None and _holds(entry, at):
        return Hit(one.name, number, entry)
    for length in one.lengths:
        entry = one.prefix.get(number[:length])
        if entry is not None and length <= len(number) and _holds(entry, at):
            return Hit(one.name, number[:length], entry)
    return None


def _holds(entry: Interception, at: float) -> bool:
    return at < entry.until.timestamp()

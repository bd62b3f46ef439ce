"""What the cells of a CSV file may be: each kind reads a text and says by which rule it failed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args

from actors.config_values import SendField
from protocols.numbering import MAX_CHARS, normalise

Reader: TypeAlias = Callable[[str], Any]
"""Makes a value of the text of a cell, or raises `BadCell`."""

MAX_WORDS = 64
"""Entries of one cell that holds a list."""

MAX_TEXT_CHARS = 128

TAIL_DIGITS = 4
"""Digits at the end of a number that do not tell whether its plan knows it."""

MAX_HEADS = 100_000
"""Heads of numbers that are remembered while a file is read."""

_CODE = re.compile(r"[0-9A-Za-z*#+@._:-]{1,64}")
_LANG = re.compile(r"[A-Za-z]{2,3}(-[0-9A-Za-z]{2,8}){0,3}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_PREFIX = re.compile(r"\+?[0-9*#]{1,15}")
_WHOLE = re.compile(r"[0-9]{1,9}")
_SEND_FIELD = re.compile(get_args(SendField)[1].pattern)
_FLAGS = {"0": False, "1": True, "false": False, "true": True, "no": False, "yes": True}


class BadCell(ValueError):  # noqa: N818 it says what is wrong with a file, not with the program
    """A text breaks the rule of its column; the message is the rule."""


def text(cell: str) -> str:
    """Read words for people."""
    if len(cell) > MAX_TEXT_CHARS or not cell.isprintable():
        raise BadCell(f"at most {MAX_TEXT_CHARS} printable characters")
    return cell


def code(cell: str) -> str:
    """Read a code: a target, a product, a name of something else."""
    if not _CODE.fullmatch(cell):
        raise BadCell("1 to 64 of the characters 0-9 A-Z a-z * # + @ . _ : -")
    return cell


def lang(cell: str) -> str:
    """Read a language tag (RFC 5646, 2.1)."""
    if not _LANG.fullmatch(cell):
        raise BadCell("a language tag of RFC 5646, such as fr or fr-CA")
    return cell


def flag(cell: str) -> bool:
    """Read a yes or a no."""
    try:
        return _FLAGS[cell.lower()]
    except KeyError:
        raise BadCell(f"one of {', '.join(_FLAGS)}") from None


def whole(least: int, most: int) -> Reader:
    """Make a reader of whole numbers.

    Args:
        least: the smallest one.
        most: the greatest one.
    """

    def read(cell: str) -> int:
        if not _WHOLE.fullmatch(cell) or not least <= int(cell) <= most:
            raise BadCell(f"a whole number from {least} to {most}")
        return int(cell)

    return read


def choice(values: Any) -> Reader:
    """Make a reader of the words of a `Literal`."""
    words: tuple[str, ...] = get_args(values)
    assert get_args(Literal[words]) == words  # nothing else is handed in

    def read(cell: str) -> str:
        if cell not in words:
            raise BadCell(f"one of {', '.join(words)}")
        return cell

    return read


def words(each: Reader) -> Reader:
    """Make a reader of lists, whose entries are parted by commas."""

    def read(cell: str) -> tuple[Any, ...]:
        entries = cell.split(",")
        if len(entries) > MAX_WORDS:
            raise BadCell(f"at most {MAX_WORDS} entries, parted by commas")
        found = tuple(each(entry.strip()) for entry in entries)
        if len(set(found)) != len(found):
            raise BadCell("entries that differ from each other")
        return found

    return read


def moment(cell: str) -> float:
    """Read a moment with its zone (ISO 8601); returns seconds since the epoch."""
    rule = "a moment of ISO 8601 with its zone, such as 2026-12-31T23:59:59+01:00"
    try:
        at = datetime.fromisoformat(cell)
        if at.tzinfo is None:
            raise BadCell(rule)
        return at.timestamp()
    except (ValueError, OverflowError):
        raise BadCell(rule) from None


def send_field(cell: str) -> str:
    """Read the name of what an IVR application is sent."""
    if not _SEND_FIELD.match(cell):
        raise BadCell("a field of a session, services, routing.target, customer.KEY or ud.KEY")
    return cell


def prefix(cell: str) -> str:
    """Read a whole number or the beginning of one, as it is compared with normalised callers."""
    if not _PREFIX.fullmatch(cell):
        raise BadCell("E.164 with its +, the beginning of it, or a number dialled within a network")
    return cell


class Numbers:
    """Reads telephone numbers as E.164 (ITU-T); remembers what it has learnt of their plans.

    A number that is E.164 in its form already is asked of its plan by its head only: whether its
    length is possible and no digit of it is a national prefix does not depend on the last four.

    Args:
        region: whose plan national numbers are read by, ISO 3166-1.
    """

    def __init__(self, region: str) -> None:
        self._region = region
        self._plain: dict[tuple[str, int], bool] = {}

    def __call__(self, cell: str) -> str:
        """Return the number with its `+`."""
        if not _E164.fullmatch(cell):
            return self._read(cell)
        head = (cell[:-TAIL_DIGITS], len(cell))
        plain = self._plain.get(head)
        if plain is None:
            plain = self._read(cell) == cell
            if len(self._plain) < MAX_HEADS:
                self._plain[head] = plain
        return cell if plain else self._read(cell)

    def _read(self, cell: str) -> str:
        found = normalise(cell, self._region)
        if found.type != "public" or not _E164.fullmatch(found.number):
            shown = f"a number of at most {MAX_CHARS} characters that can be read as E.164"
            raise BadCell(f"{shown} (region {self._region})")
        return found.number

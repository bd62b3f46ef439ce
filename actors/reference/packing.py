"""Rows on their way into a packed table: gathered in any order, laid out sorted by their keys."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from actors.reference import number_keys
from actors.reference.catalogue import KeyKind

MAX_RECORD_BYTES = 2**32 - 1
"""Bytes of all records of a table together, which the offsets of four bytes can tell apart."""


class TooLarge(ValueError):  # noqa: N818 it says what is wrong with a file, not with the program
    """The rows of a table take more room than a packed table has."""


class Packed(NamedTuple):
    """The rows of a table, laid out.

    Attributes:
        keys: of numbers: 8 bytes each; of names: where each ends, 4 bytes each, after a 0.
        text: names, one after another; empty for numbers.
        ends: where each record ends, 4 bytes each, after a 0.
        records: as msgpack, one after another.
        lengths: of the beginnings of numbers among the keys, the longest first.
    """

    keys: array[int]
    text: bytes
    ends: array[int]
    records: bytearray
    lengths: tuple[int, ...] = ()


class Packing:
    """Gathers rows.

    Args:
        keys: what the keys are.
    """

    def __init__(self, keys: KeyKind) -> None:
        self._named = keys == "text"
        self._keys: list[Any] = []
        self._ends = array("I", [0])
        self._records = bytearray()
        self._prefixes: set[int] = set()
        self._encode_into = msgspec.msgpack.Encoder().encode_into

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._keys)

    def add(self, key: str, record: object, *, prefix: bool = False) -> None:
        """Take a row.

        Args:
            key: a name, or a number that `number_keys.pack` understands.
            record: of the row.
            prefix: whether the key stands for all numbers that begin so.

        Raises:
            TooLarge: the table is full.
        """
        packed = key.encode() if self._named else number_keys.pack(key, prefix=prefix)
        assert packed is not None  # the cell was read as a number
        if prefix:
            self._prefixes.add(len(key.lstrip("+")))
        self._encode_into(record, self._records, len(self._records))
        if len(self._records) > MAX_RECORD_BYTES:
            raise TooLarge(f"at most {MAX_RECORD_BYTES} bytes of records")
        self._keys.append(packed)
        self._ends.append(len(self._records))

    def sorted(self) -> tuple[Packed, list[tuple[int, int]]]:
        """Lay the rows out.

        Returns:
            The rows, and the numbers of each two rows that have one key, the earlier one first;
            where there are any the rows are of no use.
        """
        keys = self._keys
        ends, records = self._ends, self._records
        doubled: list[tuple[int, int]] = []
        if any(keys[row] >= keys[row + 1] for row in range(len(keys) - 1)):
            order = array("I", sorted(range(len(keys)), key=keys.__getitem__))
            doubled = list(_doubled(keys, order))
            keys = [keys[row] for row in order]
            ends, records = self._laid(order)
        if self._named:
            return Packed(_ends_of(keys), b"".join(keys), ends, records), doubled
        return Packed(array("Q", keys), b"", ends, records, self._lengths()), doubled

    def _lengths(self) -> tuple[int, ...]:
        return tuple(sorted(self._prefixes, reverse=True))

    def _laid(self, order: Sequence[int]) -> tuple[array[int], bytearray]:
        ends, records = array("I", [0]), bytearray()
        for row in order:
            records += self._records[self._ends[row] : self._ends[row + 1]]
            ends.append(len(records))
        return ends, records


def _doubled(keys: Sequence[Any], order: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Rows of one key: sorting leaves them beside each other, in the order of the file."""
    for place in range(len(order) - 1):
        if keys[order[place]] == keys[order[place + 1]]:
            yield order[place], order[place + 1]


def _ends_of(names: Sequence[bytes]) -> array[int]:
    ends, end = array("I", [0]), 0
    for name in names:
        end += len(name)
        ends.append(end)
    return ends

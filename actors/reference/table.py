"""One version of a reference table, packed into one block of memory, and what reading it counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from actors.reference.catalogue import KINDS, TableKind
from actors.reference.keys import NO_KEYS, Keys

R = TypeVar("R", bound=Struct)

# Made now, by one thread: msgspec crashes where several work out one type at the same time.
_DECODERS: dict[type, Any] = {
    kind.record: msgspec.msgpack.Decoder(kind.record).decode for kind in KINDS.values()
}


class Version(Struct, frozen=True):
    """Which version of a table this is.

    Attributes:
        number: counts loads of the table, 1 for the first one; 0 for the empty table before it.
        rows: how many there are.
        sha256: of the CSV file, hexadecimal.
        source: the file.
        built_at: when it was read, seconds since the epoch.
    """

    number: int = 0
    rows: int = 0
    sha256: str = ""
    source: str = ""
    built_at: float = 0.0


class Reads(Struct):
    """What has been asked of a table, in whatever version of it.

    Attributes:
        hits: keys that were there.
        misses: keys that were not.
    """

    hits: int = 0
    misses: int = 0


class Rows(NamedTuple):
    """The rows of a table as they lie in memory.

    Attributes:
        keys: in the order of the rows.
        ends: where each record ends, and what the first one begins with: 0.
        records: as msgpack, one after another.
        size: bytes of all three.
        lengths: of the beginnings of numbers among the keys, the longest first.
    """

    keys: Keys
    ends: Sequence[int]
    records: Any
    size: int
    lengths: tuple[int, ...] = ()


NO_ROWS = Rows(NO_KEYS, (0,), b"", 0)


class Table(Generic[R]):
    """One version of a table; never changed. A reader keeps to it as long as it has hold of it.

    Args:
        kind: what it is.
        rows: its rows.
        version: which one it is.
        reads: counted on from version to version.

    Attributes:
        kind: what it is.
        version: which one it is.
        reads: what has been asked of it.
        size: bytes that its rows take.
    """

    __slots__ = ("_decode", "_rows", "kind", "reads", "size", "version")

    def __init__(self, kind: TableKind, rows: Rows, version: Version, reads: Reads) -> None:
        self.kind, self.version, self.reads, self.size = kind, version, reads, rows.size
        self._rows = rows
        known = _DECODERS.get(kind.record)
        self._decode = known or msgspec.msgpack.Decoder(kind.record).decode

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._rows.keys)

    def get(self, key: str) -> R | None:
        """Read the row of a key; counted.

        Args:
            key: a number as it is once normalised (E.164 with its `+`), or a name.

        Returns:
            The record, None where the table has no such key.
        """
        row = self._rows.keys.find(key)
        if row < 0:
            self.reads.misses += 1
            return None
        self.reads.hits += 1
        return self._record(row)

    def peek(self, key: str) -> R | None:
        """Read the row of a key, the exact one before that of a beginning of numbers; not counted.

        Args:
            key: as `get` takes it.
        """
        for prefix in (False, True):
            row = self._rows.keys.find(key, prefix=prefix)
            if row >= 0:
                return self._record(row)
        return None

    def matching(self, number: str) -> Iterator[tuple[str, R]]:
        """The rules of a table of numbers and beginnings, the most specific first; counted.

        The whole number comes first, then what it begins with, the longest beginning first. Only
        lengths that there are in the table are looked up.

        Args:
            number: as it is once normalised: E.164 with its `+`, or dialled within a network.

        Yields:
            The key of the rule, and the rule.
        """
        found = False
        for row in self._rows_for(number):
            if not found:
                found = True
                self.reads.hits += 1
            yield self._rows.keys.at(row), self._record(row)
        if not found:
            self.reads.misses += 1

    def items(self) -> Iterator[tuple[str, R]]:
        """Every row, by the order of its keys in memory; not counted."""
        for row in range(len(self)):
            yield self._rows.keys.at(row), self._record(row)

    def _rows_for(self, number: str) -> Iterator[int]:
        row = self._rows.keys.find(number)
        if row >= 0:
            yield row
        symbols = number.lstrip("+")
        sign = number[: len(number) - len(symbols)]
        for length in self._rows.lengths:
            if length <= len(symbols):
                row = self._rows.keys.find(sign + symbols[:length], prefix=True)
                if row >= 0:
                    yield row

    def _record(self, row: int) -> R:
        rows = self._rows
        return self._decode(rows.records[rows.ends[row] : rows.ends[row + 1]])  # type: ignore[return-value]


def empty(kind: TableKind, reads: Reads | None = None) -> Table[Any]:
    """A table before anything has been loaded into it.

    Args:
        kind: what it is.
        reads: what has been asked of it before.
    """
    return Table(kind, NO_ROWS, Version(), reads or Reads())

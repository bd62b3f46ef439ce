"""A table from its CSV file: every row checked, every mistake named by file, line, column, rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from actors.reference.catalogue import Column, TableKind
from actors.reference.cells import BadCell, Reader
from actors.reference.csv_file import CsvFile, CsvInvalid, CsvMistake
from actors.reference.packing import Packed, Packing, TooLarge
from protocols.numbering import normalise

MAX_MISTAKES = 20
"""More are not looked for: the file is refused, and nobody reads on."""


class Limits(Struct, frozen=True):
    """How large a file may be.

    Attributes:
        rows: apart from the header.
        file_bytes: all of it.
    """

    rows: int
    file_bytes: int


class Built(NamedTuple):
    """A table as it was read.

    Attributes:
        rows: how many there are.
        packed: them, laid out.
        sha256: of the file, hexadecimal.
    """

    rows: int
    packed: Packed
    sha256: str


def build(kind: TableKind, path: Path, region: str, limits: Limits) -> Built:
    """Read a file.

    Args:
        kind: the table that it is for.
        path: the file.
        region: whose plan national numbers are read by, ISO 3166-1.
        limits: how large it may be.

    Raises:
        CsvInvalid: with the first mistakes of a file that is refused.
    """
    file = CsvFile(path, limits.file_bytes)
    reading = _Reading(kind, file, region, limits.rows)
    packing = Packing(kind.keys)
    try:
        for line, key, record in reading.records():
            try:
                packing.add(key, record, prefix=getattr(record, "match", "") == "prefix")
            except TooLarge as error:
                raise file.refusal(str(error), line) from None
    except CsvInvalid as invalid:
        raise CsvInvalid([*reading.mistakes, *invalid.mistakes]) from None
    packed, doubled = packing.sorted()
    reading.mistakes += [
        file.mistake(f"a key that line {first + 2} does not have", second + 2, kind.key.name)
        for first, second in doubled[:MAX_MISTAKES]
    ]
    if reading.mistakes:
        raise CsvInvalid(reading.mistakes[:MAX_MISTAKES])
    return Built(len(packing), packed, file.sha256)


class _Reading:
    """Reads records of one file, and gathers what is wrong with it."""

    def __init__(self, kind: TableKind, file: CsvFile, region: str, max_rows: int) -> None:
        self._kind, self._file, self._region, self._max_rows = kind, file, region, max_rows
        self._readers = kind.readers(region)
        self.mistakes: list[CsvMistake] = []

    def records(self) -> Iterator[tuple[int, str, Any]]:
        """The rows that are right, with the numbers of their lines."""
        rows = self._file.rows()
        header = self._header(next(rows, None))
        order = self._order(header)
        for line, cells in rows:
            if line - 1 > self._max_rows:
                raise self._file.refusal(f"at most {self._max_rows} rows", line)
            if len(cells) != len(header):
                self._note(f"{len(header)} cells, as the header has (found {len(cells)})", line)
                continue
            found = self._record(cells, order, line)
            if found is not None:
                yield line, *found

    def _note(self, rule: str, line: int, column: str = "", value: str | None = None) -> None:
        self.mistakes.append(self._file.mistake(rule, line, column, value))
        if len(self.mistakes) >= MAX_MISTAKES:
            raise self._file.refusal(f"without so many mistakes: only {MAX_MISTAKES} are told")

    def _header(self, first: tuple[int, list[str]] | None) -> list[str]:
        known = self._kind.header
        header = [] if first is None else first[1]
        rule = f"{len(known)} columns: {', '.join(known)}"
        wrong = [
            *(("a column once", name) for name in known if header.count(name) > 1),
            *((f"one of {rule}", name) for name in dict.fromkeys(header) if name not in known),
            *((f"there, for there are {rule}", name) for name in known if name not in header),
        ]
        if wrong:
            raise CsvInvalid([self._file.mistake(what, 1, name) for what, name in wrong])
        return header

    def _order(self, header: Sequence[str]) -> list[tuple[Column, int, Reader]]:
        columns = (self._kind.key, *self._kind.columns)
        return [(one, header.index(one.name), self._readers[one.name]) for one in columns]

    def _record(
        self, cells: Sequence[str], order: Sequence[tuple[Column, int, Reader]], line: int
    ) -> tuple[str, Any] | None:
        values: dict[str, Any] = {}
        for column, place, read in order:
            cell = cells[place]
            if not cell:
                if column.required:
                    self._note("given", line, column.name)
                    return None
                continue
            try:
                values[column.name] = read(cell)
            except BadCell as bad:
                self._note(str(bad), line, column.name, cell)
                return None
        return self._checked(values, line)

    def _checked(self, values: dict[str, Any], line: int) -> tuple[str, Any] | None:
        key = values.pop(self._kind.key.name)
        record = self._kind.record(**{**self._kind.defaults, **values})
        broken = self._kind.check(record)
        if broken is not None:
            column, rule = broken
            self._note(rule, line, column)
            return None
        if self._kind.keys == "prefix":
            return self._caller(key, record, line)
        return key, record

    def _caller(self, number: str, record: Any, line: int) -> tuple[str, Any] | None:
        """A number that callers have is looked up as they are: normalised."""
        if record.match == "prefix":
            return number, record
        found = normalise(number, self._region)
        if found.type == "unknown":
            rule = f"a number that can be read in region {self._region}, or a private one"
            self._note(rule, line, self._kind.key.name, number)
            return None
        return found.number, record


def plain(kind: TableKind, key: str, record: Struct) -> dict[str, Any]:
    """A row as plain data, by the names of its columns.

    Args:
        kind: of the table.
        key: of the row.
        record: the rest of it.
    """
    values: Mapping[str, Any] = {
        name: getattr(record, name) for name in type(record).__struct_fields__
    }
    return {kind.key.name: key, **msgspec.to_builtins(values)}

"""Reference tables as CSV files: `;` between cells, UTF-8, one header, and no doubt about a row.

Quotes are those of RFC 4180. A cell holds no line break, so that a row is a line and a mistake can
name it. A byte order mark, as spreadsheets write it, is passed over.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

DELIMITER = ";"

MAX_LINE_BYTES = 65_536

SHOWN_CHARS = 40
"""Characters of a refused cell that are told."""


class CsvMistake(Struct, frozen=True):
    """One thing that is wrong with a file.

    Attributes:
        file: its path.
        rule: what should hold.
        line: number of the line, 1 for the header; 0 where it is about the whole file.
        column: its name; empty where it is about the whole line.
        value: of the cell, as far as it is shown; None where there is none.
    """

    file: str
    rule: str
    line: int = 0
    column: str = ""
    value: str | None = None

    def __str__(self) -> str:
        """Say it in one line: file, line, column, rule."""
        line = f"line {self.line}" if self.line else ""
        column = f"column {self.column}" if self.column else ""
        place = ", ".join(part for part in (self.file, line, column) if part)
        found = "" if self.value is None else f" (found {self.value!r})"
        return f"{place}: must be {self.rule}{found}"


class CsvInvalid(Exception):  # noqa: N818 named for what it says of the file
    """A file is refused.

    Attributes:
        mistakes: what is wrong with it; never empty.
    """

    def __init__(self, mistakes: Sequence[CsvMistake]) -> None:
        super().__init__("; ".join(map(str, mistakes)))
        self.mistakes = tuple(mistakes)


class CsvFile:
    """A file, read once; counts its bytes and digests them on the way.

    Args:
        path: of the file.
        max_bytes: a longer one is refused.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._digest = hashlib.sha256()
        self._bytes = 0

    @property
    def sha256(self) -> str:
        """Of what has been read, hexadecimal."""
        return self._digest.hexdigest()

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Read the header and the rows.

        Yields:
            The number of the line, and its cells.

        Raises:
            CsvInvalid: the file cannot be read, is too long, no text, or no CSV.
        """
        try:
            with self._open() as file:
                yield from self._parsed(file)
        except OSError as error:
            raise self.refusal(f"a file that can be read: {error.strerror}") from error

    def refusal(
        self, rule: str, line: int = 0, column: str = "", value: str | None = None
    ) -> CsvInvalid:
        """Make the error of one mistake."""
        return CsvInvalid([self.mistake(rule, line, column, value)])

    def mistake(
        self, rule: str, line: int = 0, column: str = "", value: str | None = None
    ) -> CsvMistake:
        """Note one mistake.

        Args:
            rule: what should hold.
            line: its number.
            column: its name.
            value: of the cell.
        """
        if value is not None and len(value) > SHOWN_CHARS:
            value = value[:SHOWN_CHARS] + "..."
        return CsvMistake(str(self._path), rule, line, column, value)

    def _open(self) -> BinaryIO:
        # Not blocking: a FIFO that nobody writes to would be waited for.
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise self.refusal("a regular file")
        return os.fdopen(descriptor, "rb", buffering=1_048_576)

    def _lines(self, file: BinaryIO) -> Iterator[str]:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise self.refusal(f"at most {MAX_LINE_BYTES} bytes in a line", number)
            self._bytes += len(line)
            if self._bytes > self._max_bytes:
                raise self.refusal(f"a file of at most {self._max_bytes} bytes", number)
            self._digest.update(line)
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                raise self.refusal("UTF-8", number) from None

    def _parsed(self, file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(self._lines(file), delimiter=DELIMITER, strict=True)
        before = 0
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                rule = f"CSV with {DELIMITER!r} between cells (RFC 4180): {error}"
                raise self.refusal(rule, max(reader.line_num, 1)) from None
            if reader.line_num != before + 1:
                raise self.refusal("a row on one line, without line breaks in cells", before + 1)
            before = reader.line_num
            yield before, cells


def write(header: Sequence[str], rows: Iterator[Sequence[str]]) -> bytes:
    """Write a file as `CsvFile` reads it.

    Args:
        header: the names of the columns.
        rows: the cells of each row, without line breaks.
    """
    out = io.StringIO()
    writer = csv.writer(out, delimiter=DELIMITER, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode()

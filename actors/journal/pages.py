"""A damaged SQLite database, read page by page: what SQLite itself refuses as a whole.

Only what a journal needs: tables with rowids, text in UTF-8, pages of a size that is known and
without a reserved end. The header, which tells these, is believed in nothing. After "Database File
Format" of the SQLite documentation, sections 1.3, 1.5, 1.6, 2.1 and 4.1 to 4.4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

HEADER_BYTES = 100
WAL_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
WAL_MAGIC = 0x377F0682
"""The last bit is the byte order of the checksums: 0 little, 1 big."""

LEAF, INTERIOR = 13, 5
"""Types of the pages of tables."""

MAX_VARINT_BYTES = 9
MAX_COLUMNS = 64
_INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)
_REAL, _ZERO, _ONE, _FIRST_BLOB = 7, 8, 9, 12

Value: TypeAlias = "int | float | str | bytes | None"
Pages: TypeAlias = Mapping[int, bytes]


class Unreadable(ValueError):  # noqa: N818 - said of a page or a cell
    """Bytes that are not what they should be; the text says in what way."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table as it lies in a page.

    Attributes:
        page: number of the page, from 1.
        rowid: its rowid.
        values: its columns.
    """

    page: int
    rowid: int
    values: tuple[Value, ...]


class Image:
    """The pages of a database, those of its write-ahead log over those of its file.

    Args:
        file: the content of the database file.
        page_bytes: size of a page.
        log: pages that replace those of the file, or come after them.
    """

    def __init__(self, file: bytes, page_bytes: int, log: Pages) -> None:
        self._file = memoryview(file)
        self._log = log
        self.page_bytes = page_bytes
        self.count = max(-(-len(file) // page_bytes), max(log, default=0))
        self.usable = page_bytes

    def page(self, number: int) -> bytes:
        """A page by its number, from 1; filled up with zeros where the file ends early.

        Raises:
            Unreadable: There is none of this number.
        """
        if not 1 <= number <= self.count:
            raise Unreadable(f"page {number} of {self.count} does not exist")
        if number in self._log:
            return self._log[number]
        first = (number - 1) * self.page_bytes
        return bytes(self._file[first : first + self.page_bytes]).ljust(self.page_bytes, b"\0")

    def free(self) -> set[int]:
        """The pages that are free, as far as their list can be read."""
        found: set[int] = set()
        trunk = int.from_bytes(self.page(1)[32:36], "big")
        while 1 < trunk <= self.count and trunk not in found:
            page = self.page(trunk)
            found.add(trunk)
            count = min(int.from_bytes(page[4:8], "big"), self.usable // 4 - 2)
            leaves = struct.unpack_from(f">{count}I", page, 8)
            found.update(leaf for leaf in leaves if 1 < leaf <= self.count)
            trunk = int.from_bytes(page[:4], "big")
        return found

    def rows(self, number: int) -> Iterator[Row | Unreadable]:
        """The rows of a leaf page; in the place of one that cannot be read, why.

        Args:
            number: of the page, whatever type it says it has.
        """
        try:
            page = self.page(number)
        except Unreadable as error:
            yield error
            return
        for place in self._cells(page, number, head=8):
            try:
                yield self._row(page, number, place)
            except Unreadable as error:
                yield Unreadable(f"page {number}, byte {place}: {error}")

    def leaves(self, root: int) -> tuple[list[int], list[str]]:
        """The leaf pages of a table.

        Args:
            root: its root page.

        Returns:
            Their numbers in the order of the rows, and what is wrong with the pages above them.
        """
        found: list[int] = []
        wrong: list[str] = []
        seen: set[int] = set()
        waiting = [root]
        while waiting:
            number = waiting.pop()
            if number in seen or not 1 <= number <= self.count:
                wrong.append(f"page {number} is where no page can be")
                continue
            seen.add(number)
            kind = self.page(number)[HEADER_BYTES if number == 1 else 0]
            if kind == INTERIOR:
                waiting += reversed(self._children(number))
                continue
            if kind != LEAF:
                wrong.append(f"page {number} says that it is of type {kind}")
            found.append(number)
        return found, wrong

    def _children(self, number: int) -> list[int]:
        page = self.page(number)
        base = HEADER_BYTES if number == 1 else 0
        below = [
            int.from_bytes(page[place : place + 4], "big")
            for place in self._cells(page, number, head=12)
        ]
        return [*below, int.from_bytes(page[base + 8 : base + 12], "big")]

    def _cells(self, page: bytes, number: int, *, head: int) -> tuple[int, ...]:
        base = HEADER_BYTES if number == 1 else 0
        count = int.from_bytes(page[base + 3 : base + 5], "big")
        room = (self.usable - base - head) // 2
        return struct.unpack_from(f">{min(count, room)}H", page, base + head)

    def _row(self, page: bytes, number: int, place: int) -> Row:
        size, place = varint(page, place)
        rowid, place = varint(page, place)
        if size > self.usable * self.count:
            raise Unreadable("a row longer than the file")
        local = self._local(size)
        if place + local > self.usable:
            raise Unreadable("a row beyond the end of its page")
        payload = page[place : place + local]
        if local < size:
            at = place + local
            payload += self._overflow(int.from_bytes(page[at : at + 4], "big"), size - local)
        signed = rowid - (1 << 64) if rowid >> 63 else rowid
        return Row(number, signed, record(payload))

    def _local(self, size: int) -> int:
        """How much of a row of this size lies in the page itself."""
        most = self.usable - 35
        if size <= most:
            return size
        least = (self.usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (self.usable - 4)
        return local if local <= most else least

    def _overflow(self, number: int, size: int) -> bytes:
        parts: list[bytes] = []
        while size > 0:
            page = self.page(number)
            part = page[4 : 4 + min(size, self.usable - 4)]
            parts.append(part)
            size -= len(part)
            number = int.from_bytes(page[:4], "big")
        return b"".join(parts)


def logged(log: bytes) -> dict[int, bytes]:
    """The pages of a write-ahead log that belong to complete transactions, the latest of each.

    Args:
        log: the content of the file; it is read up to the first frame that is not valid.
    """
    if len(log) < WAL_HEADER_BYTES:
        return {}
    magic, _, size = struct.unpack_from(">3I", log)
    order = ">" if magic & 1 else "<"
    sums = summed(log[:24], order, (0, 0))
    if magic & ~1 != WAL_MAGIC or sums != struct.unpack_from(">2I", log, 24):
        return {}
    committed: dict[int, bytes] = {}
    pending: dict[int, bytes] = {}
    before = 0
    for place in range(WAL_HEADER_BYTES, len(log) - size - 23, size + FRAME_HEADER_BYTES):
        frame = log[place : place + FRAME_HEADER_BYTES + size]
        sums = summed(frame[FRAME_HEADER_BYTES:], order, summed(frame[:8], order, sums))
        if frame[8:16] != log[16:24] or sums != struct.unpack_from(">2I", frame, 16):
            break
        number, count = struct.unpack_from(">2I", frame)
        pending[number] = frame[FRAME_HEADER_BYTES:]
        if count:
            committed |= pending
            if count < before:
                committed = {page: data for page, data in committed.items() if page <= count}
            pending, before = {}, count
    return committed


def summed(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    """The running checksum of a log, over whole pairs of words (section 4.4)."""
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for one, other in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    return first, second


def varint(data: bytes, place: int) -> tuple[int, int]:
    """Read a number of variable length.

    Returns:
        The number, and the place after it.

    Raises:
        Unreadable: The bytes end before it does.
    """
    value = 0
    for count in range(1, MAX_VARINT_BYTES + 1):
        if place >= len(data):
            raise Unreadable("a number beyond the end")
        byte = data[place]
        place += 1
        if count == MAX_VARINT_BYTES:
            return value << 8 | byte, place
        value = value << 7 | byte & 0x7F
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follow
            break
    return value, place


def record(payload: bytes) -> tuple[Value, ...]:
    """Read the columns of a row.

    Raises:
        Unreadable: It is no record.
    """
    length, place = varint(payload, 0)
    kinds: list[int] = []
    while place < length:
        kind, place = varint(payload, place)
        kinds.append(kind)
    if place != length or len(kinds) > MAX_COLUMNS:
        raise Unreadable("no record")
    values: list[Value] = []
    for kind in kinds:
        value, place = _value(payload, place, kind)
        values.append(value)
    return tuple(values)


def _value(payload: bytes, place: int, kind: int) -> tuple[Value, int]:
    size = _size(kind)
    data = payload[place : place + size]
    if len(data) != size:
        raise Unreadable("a column beyond the end of its row")
    place += size
    if kind < _REAL:
        return (int.from_bytes(data, "big", signed=True) if kind else None), place
    if kind in (_ZERO, _ONE):
        return kind - _ZERO, place
    if kind == _REAL:
        return struct.unpack(">d", data)[0], place
    if kind % 2 == 0:
        return data, place
    try:
        return data.decode(), place
    except UnicodeDecodeError:
        raise Unreadable("text that is not UTF-8") from None


def _size(kind: int) -> int:
    if kind < _REAL:
        return _INTEGER_BYTES[kind]
    if kind == _REAL:
        return 8
    if kind in (_ZERO, _ONE):
        return 0
    if kind < _FIRST_BLOB:
        raise Unreadable(f"a column of type {kind}")
    return (kind - _FIRST_BLOB) // 2

"""A table on the disk as it lies in memory: read back in one go, after a restart or an upgrade.

``VIGIEREF``, the length of the header (4 bytes, big-endian), the header (msgpack), the keys, the
names, the ends of the records, the records, and the SHA-256 of all that comes before it. Whole
numbers are those of the machine, which the header names.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import sys
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
from msgspec import Struct

from actors import atomic_file
from actors.reference.keys import Keys, NumberKeys, TextKeys
from actors.reference.table import Rows, Version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.reference.building import Built
    from actors.reference.catalogue import TableKind

MAGIC = b"VIGIEREF"
FORMAT = 1
MAX_HEADER_BYTES = 65_536
CHUNK_BYTES = 4_194_304
"""What is read or written at once; other threads run meanwhile."""

_DIGEST_BYTES = hashlib.sha256().digest_size
_LENGTH_BYTES = 4
_WORD = array("I").itemsize


class SnapshotDamaged(Exception):  # noqa: N818 named for what it says of the file
    """A snapshot cannot be used.

    Attributes:
        path: of the file.
        why: what is wrong with it.
    """

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


class Header(Struct, frozen=True):
    """What a snapshot says of itself.

    Attributes:
        format: of the file.
        table: its name.
        schema: version of the records.
        byteorder: of the whole numbers.
        version: of the table.
        key_words: whole numbers among the keys: 8 bytes each for numbers, 4 for names.
        text_bytes: of the names.
        record_bytes: of the records.
        lengths: of the beginnings of numbers among the keys, the longest first.
    """

    format: int
    table: str
    schema: int
    byteorder: str
    version: Version
    key_words: int
    text_bytes: int
    record_bytes: int
    lengths: tuple[int, ...] = ()


# Made now, by one thread: msgspec crashes where several work out one type at the same time.
_decode_header = msgspec.msgpack.Decoder(Header).decode


def write(path: Path, kind: TableKind, version: Version, built: Built) -> None:
    """Write a snapshot aside, bring it to the disk and put it in place.

    Args:
        path: the file.
        kind: of the table.
        version: of the table.
        built: its rows.

    Raises:
        OSError: the disk does not take it; there is no new file then.
    """
    aside = path.with_name(f".{path.name}.new")
    digest = hashlib.sha256()
    try:
        with aside.open("wb") as file:
            for chunk in _chunks(_parts(kind, version, built)):
                digest.update(chunk)
                file.write(chunk)
            file.write(digest.digest())
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    atomic_file.sync(path.parent)


def read(path: Path, kind: TableKind) -> tuple[Rows, Version]:
    """Read a snapshot; most of the time other threads run.

    Args:
        path: the file.
        kind: of the table that it should be of.

    Returns:
        The rows, in memory that is given back when nobody reads them any more, and their version.

    Raises:
        SnapshotDamaged: it is not whole, not of this table, or of another release or machine.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < len(MAGIC) + _LENGTH_BYTES + _DIGEST_BYTES:
            raise SnapshotDamaged(path, "it is cut off")
        block = _loaded(path, file, size)
    header, start = _header(path, block)
    _fit(path, header, kind)
    return _rows(path, kind, header, memoryview(block)[start : size - _DIGEST_BYTES])


def _parts(kind: TableKind, version: Version, built: Built) -> Iterator[Any]:
    packed = built.packed
    header = msgspec.msgpack.encode(
        Header(
            FORMAT,
            kind.name,
            kind.schema,
            sys.byteorder,
            version,
            len(packed.keys),
            len(packed.text),
            len(packed.records),
            packed.lengths,
        )
    )
    yield MAGIC + len(header).to_bytes(_LENGTH_BYTES, "big") + header
    yield from (packed.keys, packed.text, packed.ends, packed.records)


def _chunks(parts: Iterator[Any]) -> Iterator[memoryview]:
    for part in parts:
        view = memoryview(part).cast("B")
        for start in range(0, len(view), CHUNK_BYTES):
            yield view[start : start + CHUNK_BYTES]


def _loaded(path: Path, file: BinaryIO, size: int) -> mmap.mmap:
    """Read all of it into memory of its own, and see whether it is what was written."""
    block = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    view, digest, at = memoryview(block), hashlib.sha256(), 0
    while at < size:
        count = file.readinto(view[at : at + CHUNK_BYTES])  # type: ignore[attr-defined]
        if not count:
            raise SnapshotDamaged(path, "it was cut off while it was read")
        digest.update(view[at : min(at + count, size - _DIGEST_BYTES)])
        at += count
    if digest.digest() != view[size - _DIGEST_BYTES :]:
        raise SnapshotDamaged(path, "its checksum is another one")
    return block


def _header(path: Path, block: mmap.mmap) -> tuple[Header, int]:
    if block[: len(MAGIC)] != MAGIC:
        raise SnapshotDamaged(path, "it is no snapshot of a reference table")
    at = len(MAGIC) + _LENGTH_BYTES
    length = int.from_bytes(block[len(MAGIC) : at], "big")
    if length > MAX_HEADER_BYTES:
        raise SnapshotDamaged(path, f"its header has more than {MAX_HEADER_BYTES} bytes")
    try:
        return _decode_header(block[at : at + length]), at + length
    except msgspec.MsgspecError as error:
        raise SnapshotDamaged(path, f"its header cannot be read: {error}") from None


def _fit(path: Path, header: Header, kind: TableKind) -> None:
    found = (header.format, header.table, header.schema, header.byteorder)
    wanted = (FORMAT, kind.name, kind.schema, sys.byteorder)
    names = ("format", "table", "schema version", "byte order")
    for name, one, other in zip(names, found, wanted, strict=True):
        if one != other:
            raise SnapshotDamaged(path, f"its {name} is {one!r}, not {other!r}")


def _rows(path: Path, kind: TableKind, header: Header, body: memoryview) -> tuple[Rows, Version]:
    rows = header.version.rows
    named = kind.keys == "text"
    key_bytes = header.key_words * (_WORD if named else 8)
    sizes = (key_bytes, header.text_bytes, (rows + 1) * _WORD, header.record_bytes)
    if sum(sizes) != len(body) or header.key_words != rows + named:
        raise SnapshotDamaged(path, "its parts have other lengths than its header says")
    parts, at = [], 0
    for size in sizes:
        parts.append(body[at : at + size])
        at += size
    keys: Keys = TextKeys(parts[0].cast("I"), parts[1]) if named else NumberKeys(parts[0].cast("Q"))
    ends = parts[2].cast("I")
    return Rows(keys, ends, parts[3], len(body), header.lengths), header.version

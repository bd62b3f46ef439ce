"""A write-ahead log that SQLite reads only in part: whether it goes on behind what is damaged.

SQLite ends at the first frame whose checksum is wrong, whatever is behind it. Where that is the end
of a torn write this is right; where a byte in the middle is wrong, whole commits are behind it.
After "Database File Format" of the SQLite documentation, sections 4.1 to 4.4.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from actors.journal.pages import (
    FRAME_HEADER_BYTES,
    WAL_HEADER_BYTES,
    WAL_MAGIC,
    summed,
)
from actors.journal.schema import PAGE_BYTES

FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES

Sums = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of a log.

    Attributes:
        index: its place, from 1.
        page: the number of its page, if it is sound.
        pages: how many pages the database has after the commit that it ends; 0 where it ends none.
        sound: whether it is of the log's generation and its checksum is right.
        data: the page.
    """

    index: int
    page: int
    pages: int
    sound: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Log:
    """What is in a log.

    Attributes:
        frames: up to the last one that is sound.
        broken: the first one that is not sound; 0 is the log's header. None where there is none.
    """

    frames: tuple[Frame, ...]
    broken: int | None

    @property
    def goes_on(self) -> bool:
        """Whether frames that are sound are behind what is broken, where SQLite never looks."""
        return self.broken is not None and bool(self.frames)

    @property
    def where(self) -> str:
        """What is broken, in words."""
        return f"frame {self.broken}" if self.broken else "its header"

    def pages(self) -> dict[int, bytes]:
        """The pages of complete transactions, the latest of each, broken ones left out."""
        committed: dict[int, bytes] = {}
        pending: dict[int, bytes] = {}
        before = 0
        for frame in self.frames:
            if frame.sound:
                pending[frame.page] = frame.data
            if frame.sound and frame.pages:
                committed |= pending
                if frame.pages < before:
                    committed = {page: committed[page] for page in committed if page <= frame.pages}
                pending, before = {}, frame.pages
        return committed

    def doubtful(self) -> list[Frame]:
        """The frames that are broken and of which no later one tells that its page was written."""
        later: set[int] = set()
        found: list[Frame] = []
        for frame in reversed(self.frames):
            if frame.sound:
                later.add(frame.page)
            elif frame.page not in later:
                found.append(frame)
        return found[::-1]


def read(log: bytes) -> Log:
    """Read a log beyond what SQLite reads of it.

    Args:
        log: the content of the file.
    """
    if len(log) < WAL_HEADER_BYTES + FRAME_BYTES:
        return Log((), None)
    found = list(_frames(log))
    last = max((frame.index for frame in found if frame.sound), default=0)
    broken = 0 if not _header(log)[0] else None
    if broken is None:
        broken = next((frame.index for frame in found[:last] if not frame.sound), None)
    return Log(tuple(found[:last]), broken)


def _header(log: bytes) -> tuple[bool, str, Sums]:
    """Whether it is sound, the byte order of the checksums, and its own checksum."""
    magic, _, size = struct.unpack_from(">3I", log)
    order = ">" if magic & 1 else "<"
    if magic & ~1 != WAL_MAGIC:
        order = "<" if sys.byteorder == "little" else ">"
    stored: Sums = struct.unpack_from(">2I", log, 24)
    reckoned = summed(log[:24], order, (0, 0))
    whole = magic & ~1 == WAL_MAGIC and size == PAGE_BYTES and stored == reckoned
    return whole, order, stored


def _frames(log: bytes) -> Iterator[Frame]:
    """Every frame. Each goes on with the checksum of the one before: as stored, or as reckoned."""
    whole, order, stored = _header(log)
    # A header that is not whole says nothing of the generation; the first frame then does.
    salts = log[16:24] if whole else log[WAL_HEADER_BYTES + 8 : WAL_HEADER_BYTES + 16]
    seeds = {stored, summed(log[:24], order, (0, 0))}
    places = range(WAL_HEADER_BYTES, len(log) - FRAME_BYTES + 1, FRAME_BYTES)
    for index, place in enumerate(places, 1):
        head = log[place : place + FRAME_HEADER_BYTES]
        data = log[place + FRAME_HEADER_BYTES : place + FRAME_BYTES]
        told: Sums = struct.unpack_from(">2I", head, 16)
        page, pages = struct.unpack_from(">2I", head)
        same = head[8:16] == salts  # else it is of a former generation, or broken
        sums = {summed(data, order, summed(head[:8], order, seed)) for seed in seeds if same}
        sound = told in sums
        seeds = {told} if sound else {told, *sums}
        if len(seeds) > MAX_SEEDS:
            seeds = {told}
        yield Frame(index, page, pages, sound, data)


MAX_SEEDS = 3
"""Checksums that are tried for the frame after one that is broken."""

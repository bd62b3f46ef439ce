"""How many sessions are open, kept where a killed process leaves it behind.

Eight bytes of a shared mapping: an update is a write to memory, and the kernel keeps what a killed
process has written. The next node reads it and can say how many sessions went down with the last
one. (A crash of the whole machine leaves what was last flushed, which no session survives either.)
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_COUNT = struct.Struct("<Q")


class OpenCount:
    """The count of open sessions.

    Args:
        path: of the file; its directory exists.

    Attributes:
        lost: sessions that were open when the last process that used the file ended.
    """

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, _COUNT.size)
            self._map = mmap.mmap(descriptor, _COUNT.size)
        finally:
            os.close(descriptor)
        (self.lost,) = _COUNT.unpack_from(self._map)
        self._set(0)

    @property
    def open(self) -> int:
        """Sessions that are open now."""
        (count,) = _COUNT.unpack_from(self._map)
        return int(count)

    def opened(self) -> None:
        """One more session is open."""
        self._set(self.open + 1)

    def ended(self) -> None:
        """One session is closed, or has ended otherwise."""
        self._set(max(0, self.open - 1))

    def _set(self, count: int) -> None:
        _COUNT.pack_into(self._map, 0, count)

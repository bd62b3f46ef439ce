"""How many sessions are open, kept where a killed process leaves it behind.

Eight bytes of a shared mapping: an update is a write to memory, and the kernel keeps what a killed
process has written. The next node reads it and can say how many sessions went down with the last
one. (A crash of the whole machine leaves what was last flushed, which no session survives either.)

It counts sessions, not events: a session may be told of any number of times, by each of its
incarnations and by whoever sees that it does not come back.
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
        self._sessions: set[str] = set()
        self._write()

    @property
    def open(self) -> int:
        """Sessions that are open now."""
        return len(self._sessions)

    def opened(self, session: str) -> None:
        """A session is open, or is open again after a crash.

        Args:
            session: its id.
        """
        self._sessions.add(session)
        self._write()

    def ended(self, session: str) -> None:
        """A session is closed, or has ended otherwise; any other id changes nothing.

        Args:
            session: its id.
        """
        self._sessions.discard(session)
        self._write()

    def _write(self) -> None:
        _COUNT.pack_into(self._map, 0, len(self._sessions))

"""How many sessions are open, kept where a killed process leaves it behind.

Eight bytes of a shared mapping: an update is a write to memory, and the kernel keeps what a killed
process has written. The next node reads it, compares it with what the journal gives back, and can
say how many sessions went down with the last one: none, while all is well.

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
        before: sessions that were open when the last process that used the file ended.
    """

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._map = _mapped(descriptor)
        finally:
            os.close(descriptor)
        (self.before,) = _COUNT.unpack_from(self._map)
        self._sessions: set[str] = set()
        # A process that ends before has changed nothing of what the next is told.
        self._begun = False
        self._lost = 0

    @property
    def open(self) -> int:
        """Sessions that are open now."""
        return len(self._sessions)

    @property
    def lost(self) -> int:
        """Sessions that were open when the last process ended and did not come back."""
        return self._lost

    def begin(self) -> None:
        """All that comes back of the last process has: from now on this one is counted."""
        if not self._begun:
            self._lost = max(0, self.before - len(self._sessions))
            self._begun = True
            self._write()

    def go_on(self) -> None:
        """All sessions of a process that lived have been taken over: this one counts from now on.

        None is lost by that, though some have ended since this one looked at the count.
        """
        self._begun = True
        self._write()

    def add_lost(self, lost: int) -> None:
        """Sessions that had not come back in the process which this one takes over from.

        Args:
            lost: how many.
        """
        self._lost += lost

    def opened(self, session: str) -> None:
        """A session is open, or is open again after a crash.

        Args:
            session: its id.
        """
        self._sessions.add(session)
        if self._begun:
            _COUNT.pack_into(self._map, 0, len(self._sessions))

    def ended(self, session: str) -> None:
        """A session is closed, or has ended otherwise; any other id changes nothing.

        Args:
            session: its id.
        """
        self._sessions.discard(session)
        if self._begun:
            _COUNT.pack_into(self._map, 0, len(self._sessions))

    def _write(self) -> None:
        _COUNT.pack_into(self._map, 0, len(self._sessions))


def _mapped(descriptor: int) -> mmap.mmap:
    """Map the file; memory of the process alone where a full disk has no room for eight bytes.

    A page of a file that has no place on the disk is not to be written to: that is a SIGBUS.
    """
    found = os.fstat(descriptor)
    if found.st_size != _COUNT.size or not found.st_blocks:
        count = os.pread(descriptor, _COUNT.size, 0).ljust(_COUNT.size, b"\0")
        try:
            os.pwrite(descriptor, count, 0)
            os.ftruncate(descriptor, _COUNT.size)
        except OSError:
            return mmap.mmap(-1, _COUNT.size)
    return mmap.mmap(descriptor, _COUNT.size)

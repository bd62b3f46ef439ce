"""Room that is given up when a start finds none.

An open journal needs a little of the disk before anything can be read: SQLite's index of the log,
some tens of kilobytes. A node that starts on a full disk gives this file up for it, and serves what
was written; its commits fail until there is room again, as they do on any full disk.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.journal.file import Files

BYTES = 2 * 1_048_576
"""Of the file: the index of a log of some hundred megabytes, and a few small files."""

LEAST_FREE = 8 * BYTES
"""Below it the disk is left alone: what is there is for commits."""


def give_up(files: Files) -> bool:
    """Remove the file; return whether there was one.

    Args:
        files: of the journal.
    """
    try:
        files.reserve.unlink()
    except OSError:
        return False
    return True


def keep(files: Files) -> None:
    """Have the file, where the disk has room to spare.

    Args:
        files: of the journal.
    """
    if files.reserve.exists():
        return
    with contextlib.suppress(OSError):  # none, then: the journal works without
        room = os.statvfs(files.directory)
        if room.f_bavail * room.f_frsize >= LEAST_FREE:
            _make(files)


def _make(files: Files) -> None:
    descriptor = os.open(files.reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, BYTES)
    except OSError:
        give_up(files)
        raise
    finally:
        os.close(descriptor)

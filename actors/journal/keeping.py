"""The thread that keeps the journal small: checkpoints, vacuum, and a look at the disk.

Checkpoints run on a connection of their own, beside the commits. While these go on, a checkpoint
never reaches the end of the log; the few frames that are left are brought over by the writer,
between two commits, and the log begins anew with the next.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from actors.journal import reserve
from actors.journal.committing import Committing, Tidy, named
from actors.journal.file import REFUSED, connect
from actors.journal.schema import FRAME_BYTES
from actors.journal.writer import Sizes

if TYPE_CHECKING:
    from actors.journal.holding import Holding
    from actors.journal.reading import Reading

LOOK_S = 0.25
"""Seconds between two looks."""

REST_S = 10.0
"""Seconds after which even a few frames are brought over, and the second file to the disk."""

SHARE = 8
"""A checkpoint begins when the log may have grown by this part of its limit."""

FREE_PAGES = 256
"""Free pages below which none is given back."""


class Keeping:
    """The keeper's thread.

    Args:
        holding: the open files.
        wal_max_bytes: how long the log may get.
        crashed: told of a fault of the thread's own.

    Attributes:
        sizes: when last looked at; replaced whole.
        resting: whether it begins nothing that takes long; set by another thread.
    """

    def __init__(
        self,
        holding: Holding,
        wal_max_bytes: int,
        crashed: Callable[[BaseException], None],
    ) -> None:
        self.sizes = Sizes()
        self.resting = False
        self._holding = holding
        self._generation = holding.generation
        self._wal_max_bytes = wal_max_bytes
        self._crashed = crashed
        self._connection: sqlite3.Connection | None = None
        self._rows = 0
        self._rested_at = 0.0
        self._vacuuming = False
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, committing: Committing, reading: Reading) -> None:
        """Begin to keep what these two use."""
        self._ending.clear()
        self._rows = 0
        self._thread = threading.Thread(
            target=self._run, args=(committing, reading), name="vigie-journal-keep", daemon=True
        )
        self._thread.start()

    def end(self, patience_s: float | None = None) -> bool:
        """End the thread, or leave it after so many seconds; return whether it has ended."""
        self._ending.set()
        if self._thread is None:
            return True
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    # The thread

    def _run(self, committing: Committing, reading: Reading) -> None:
        try:
            while True:
                self._look(committing, reading)
                if self._ending.wait(LOOK_S):
                    break
        except Exception as exception:  # noqa: BLE001 - told to whoever supervises the journal
            self._crashed(exception)
        finally:
            self._let_go()

    def _look(self, committing: Committing, reading: Reading) -> None:
        reading.look()
        if self._holding.gone():
            self._let_go()
            committing.renew()
            return
        try:
            self._measure()
            if self.resting:
                return
            rows, now = committing.rows, time.monotonic()
            grown = (rows - self._rows) * FRAME_BYTES
            if grown * SHARE >= self._wal_max_bytes or now - self._rested_at >= REST_S:
                if grown or self._vacuuming or self.sizes.wal > self._wal_max_bytes:
                    self._tidy(committing)
                    self._rows = rows
                self._rested_at = now
            elif self._vacuuming:
                committing.tidy(Tidy(vacuum=True))
                self._vacuuming = self._has_room()
        except REFUSED as error:
            self._let_go()
            if named(error) is None:
                raise
        except OSError:  # what was removed meanwhile is seen with the next look; else commits tell
            return

    def _tidy(self, committing: Committing) -> None:
        """Bring frames into the database, and both files to the disk."""
        row = self._connected().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        _, frames, _ = row
        self.sizes = replace(self.sizes, wal=max(0, frames) * FRAME_BYTES)
        self._vacuuming = self._has_room()
        committing.tidy(Tidy(checkpoint=frames > 0, vacuum=self._vacuuming))
        self._holding.sync()
        reserve.keep(self._holding.files)

    def _connected(self) -> sqlite3.Connection:
        if self._generation != self._holding.generation:
            self._let_go()
            self._generation = self._holding.generation
        if self._connection is None:
            self._connection = connect(self._holding.files.database)
        return self._connection

    def _has_room(self) -> bool:
        """Whether a good part of the database is free pages."""
        connection = self._connected()
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        return bool(free > FREE_PAGES and free * 4 > pages)

    def _measure(self) -> None:
        files = self._holding.files
        room = os.statvfs(files.directory)
        size = files.database.stat().st_size
        self.sizes = replace(self.sizes, database=size, free=room.f_bavail * room.f_frsize)

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

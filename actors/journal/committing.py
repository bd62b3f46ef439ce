"""The thread that commits: one statement for each commit, then the second file, then the word."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING

from msgspec import Struct

from actors.journal import schema
from actors.journal.batch import Commit
from actors.journal.file import REFUSED, connect
from actors.journal.records import JournalError
from actors.journal.writer import Standing

if TYPE_CHECKING:
    from actors.journal.holding import Holding
    from actors.journal.writer import Heard

NAMED = (
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_READONLY",
    "SQLITE_CANTOPEN",
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_CORRUPT",
    "SQLITE_NOTADB",
    "SQLITE_NOMEM",
    "SQLITE_PERM",
    "SQLITE_PROTOCOL",
)
"""What disks, their permissions and other processes do; anything else is a fault of the program."""

RENEW_S = 1.0
"""Seconds at least between two tries to put into its place what is not there."""

VACUUM_PAGES = 64
"""Pages given back at once, between two commits."""


class Tidy(Struct, frozen=True):
    """Between two commits: what the keeper asks of the only connection that writes.

    Attributes:
        checkpoint: bring the last frames into the database, so that the log begins anew.
        vacuum: give pages back to the file system.
    """

    checkpoint: bool = False
    vacuum: bool = False


class Renew(Struct, frozen=True):
    """Between two commits: see whether everything is in its place, and put it there again."""


class Committing:
    """The writer's thread.

    Args:
        holding: the open files.
        connection: to the database; belongs to the thread from now on.
        standing: what the last commit left.
        wal_max_bytes: how long the log may get before commits wait for a checkpoint.
        post: has something run on the loop.
        heard: who is told.

    Attributes:
        rows: committed since it began; read by the keeper.
    """

    def __init__(
        self,
        holding: Holding,
        connection: sqlite3.Connection | None,
        standing: Standing,
        wal_max_bytes: int,
        *,
        post: Callable[..., None],
        heard: Heard,
    ) -> None:
        self.rows = 0
        self._holding = holding
        self._connection = connection
        self._lost = ""
        self._renew_after = 0.0
        self._standing = standing
        self._wal_max_rows = wal_max_bytes // schema.FRAME_BYTES
        self._logged_rows = 0
        self._post = post
        self._heard = heard
        self._queue: SimpleQueue[tuple[Commit, float] | Tidy | Renew | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="vigie-journal", daemon=True)
        self._thread.start()

    # For other threads

    def commit(self, commit: Commit) -> None:
        """Have a commit done."""
        self._queue.put((commit, time.perf_counter()))

    def tidy(self, what: Tidy) -> None:
        """Have something done between two commits."""
        self._queue.put(what)

    def renew(self) -> None:
        """Have what is not in its place put there again."""
        self._queue.put(Renew())

    def end(self, patience_s: float | None = None) -> bool:
        """End the thread after what was given to it.

        Args:
            patience_s: seconds after which it is left to itself; None waits for it.

        Returns:
            Whether it has ended.
        """
        self._queue.put(None)
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    def take(self) -> sqlite3.Connection | None:
        """Take its connection, once it has ended."""
        return self._connection

    # The thread

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                if isinstance(item, Tidy):
                    self._tidy(item)
                    continue
                if isinstance(item, Renew):
                    self._look()
                    continue
                self._commit(*item)
                if self._logged_rows > self._wal_max_rows:  # the keeper cannot keep up
                    self._tidy(Tidy(checkpoint=True))
        except BaseException as exception:  # noqa: BLE001 - told to whoever supervises the journal
            self._post(self._heard.crashed, exception)

    def _commit(self, commit: Commit, since: float) -> None:
        if self._connection is None:
            self._look()
        if self._lost:
            self._post(self._heard.failed, commit.number, self._lost)
            return
        try:
            self._write(commit)
            self._holding.tell(commit.number)
        except REFUSED as error:
            name = named(error)
            if name is None:
                raise
            self._let_go()
            self._post(self._heard.failed, commit.number, f"{error} ({name})")
        except OSError as error:
            self._post(self._heard.failed, commit.number, f"{error.strerror} (acknowledged)")
        else:
            self.rows += commit.rows
            self._logged_rows += commit.rows
            self._post(self._heard.committed, self._standing, time.perf_counter() - since)

    def _write(self, commit: Commit) -> None:
        """Write a commit, unless it is found to be written: an attempt may fail and be durable."""
        connection = self._connection
        if connection is None:
            connection = self._connection = connect(self._holding.files.database)
            self._standing = standing_of(connection)
        if self._standing.number < commit.number:
            self._standing = write(connection, commit, self._standing)

    def _look(self) -> None:
        """Put again into its place what is not there, now and then."""
        gone, now = self._holding.gone(), time.monotonic()
        if not gone:
            self._lost = ""
        elif now >= self._renew_after:
            self._renew(gone)
            self._renew_after = time.monotonic() + RENEW_S

    def _renew(self, gone: str) -> None:
        self._lost = gone
        self._post(self._heard.lost, gone)
        self._let_go()
        try:
            self._connection = self._holding.renew()
            self._standing = standing_of(self._connection)
        except (*REFUSED, OSError, JournalError) as error:
            self._let_go()
            why = f"{gone}, and cannot be written anew: {error}"
            self._lost = f"{why}; do not restart the node, only its memory has what is open"
            self._post(self._heard.lost, self._lost)
            return
        self._lost = ""
        self._post(self._heard.renewed, gone)

    def _let_go(self) -> None:
        """Close the connection: what it knows of the file may be wrong now."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _tidy(self, what: Tidy) -> None:
        if self._connection is None:
            return
        try:
            if what.checkpoint:
                self._logged_rows = 0
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            if what.vacuum:
                vacuum = f"PRAGMA incremental_vacuum({VACUUM_PAGES})"
                self._connection.execute(vacuum).fetchall()
        except REFUSED as error:  # the next commit meets it too, and tells
            if named(error) is None:
                raise


def write(connection: sqlite3.Connection, commit: Commit, before: Standing) -> Standing:
    """Commit.

    Args:
        connection: the only one that writes.
        commit: what is written.
        before: what the commit before it left.

    Returns:
        What it left: rows of the outbox that are trimmed may have gone before, so these are asked
        for, at the price of another statement; of any other commit it is known.
    """
    connection.execute(schema.COMMIT, (commit.number, commit.work, commit.bodies))
    if commit.trims:
        return standing_of(connection)
    return Standing(commit.number, before.items + commit.appends)


def standing_of(connection: sqlite3.Connection) -> Standing:
    """What the last commit left."""
    number, _, _, items, *_ = connection.execute(schema.META).fetchone()
    return Standing(number, items)


def named(error: sqlite3.Error | UnicodeDecodeError) -> str | None:
    """SQLite's name of what disks and permissions do; None where it is a fault of the program."""
    if isinstance(error, UnicodeDecodeError):
        return "SQLITE_CORRUPT"
    name: str = getattr(error, "sqlite_errorname", "")
    return name if name.startswith(NAMED) else None

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
from actors.journal.acknowledged import Acknowledged
from actors.journal.batch import Commit
from actors.journal.file import REFUSED, connect
from actors.journal.writer import Standing

if TYPE_CHECKING:
    from pathlib import Path

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


class Committing:
    """The writer's thread.

    Args:
        path: of the database.
        connection: to it; belongs to the thread from now on.
        told: the second file.
        standing: what the last commit left.
        wal_max_bytes: how long the log may get before commits wait for a checkpoint.
        post: has something run on the loop.
        heard: who is told.

    Attributes:
        rows: committed since it began; read by the keeper.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection | None,
        told: Acknowledged,
        standing: Standing,
        wal_max_bytes: int,
        *,
        post: Callable[..., None],
        heard: Heard,
    ) -> None:
        self.rows = 0
        self._path = path
        self._connection = connection
        self._told = told
        self._standing = standing
        self._wal_max_rows = wal_max_bytes // schema.FRAME_BYTES
        self._logged_rows = 0
        self._post = post
        self._heard = heard
        self._queue: SimpleQueue[tuple[Commit, float] | Tidy | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="vigie-journal", daemon=True)
        self._thread.start()

    # For other threads

    def commit(self, commit: Commit) -> None:
        """Have a commit done."""
        self._queue.put((commit, time.perf_counter()))

    def tidy(self, what: Tidy) -> None:
        """Have something done between two commits."""
        self._queue.put(what)

    def end(self) -> sqlite3.Connection | None:
        """End the thread after what was given to it, and take its connection back."""
        self._queue.put(None)
        self._thread.join()
        return self._connection

    # The thread

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                if isinstance(item, Tidy):
                    self._tidy(item)
                    continue
                self._commit(*item)
                if self._logged_rows > self._wal_max_rows:  # the keeper cannot keep up
                    self._tidy(Tidy(checkpoint=True))
        except BaseException as exception:  # noqa: BLE001 - told to whoever supervises the journal
            self._post(self._heard.crashed, exception)

    def _commit(self, commit: Commit, since: float) -> None:
        try:
            self._write(commit)
            self._told.write(commit.number, time.time())
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
            connection = self._connection = connect(self._path)
            self._standing = standing_of(connection)
        if self._standing.number < commit.number:
            self._standing = write(connection, commit, self._standing)

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

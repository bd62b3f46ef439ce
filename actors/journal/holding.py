"""What a node holds of the journal that it has open, and whether it is still in its place.

Files that are removed, or whose directory is, go on being written to: SQLite does not notice, and
what is committed then is gone with the process. One connection here stays open whatever becomes of
the others: through it all that was committed can still be read, and is written anew.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

from actors.atomic_file import sync
from actors.journal import schema
from actors.journal.acknowledged import Acknowledged
from actors.journal.file import connect
from actors.journal.records import JournalUnusable

if TYPE_CHECKING:
    from pathlib import Path

    from actors.journal.file import Files, Lock

RENEWED = "renewed.db"
"""The new database until it is whole."""


class Holding:
    """The files of an open journal.

    Args:
        files: of the journal.
        lock: that is held on it.
        number: of the last commit.
        forced: whether what is noted of it is on the disk when this is done; else with ``sync``.

    Attributes:
        files: of the journal.
        generation: rises with each database that takes the place of the one before.

    Raises:
        OSError: a file cannot be looked at or written.
        sqlite3.Error: as SQLite says.
    """

    def __init__(self, files: Files, lock: Lock, number: int, *, forced: bool = True) -> None:
        self.files = files
        self.generation = 0
        self._lock = lock
        self._number = number
        self._told = _began(files, number) if forced else _gone_on_with(files, number)
        self._connection = _reader(files)
        self._known = {path: _identity(path) for path in self._paths()}
        if forced:
            self._lock.note(number, time.time())

    @property
    def descriptors(self) -> tuple[int, int]:
        """The open files of the lock, for another process to have too."""
        return self._lock.descriptors

    def _paths(self) -> tuple[Path, ...]:
        return self.files.database, self.files.wal, self.files.acknowledged

    def tell(self, number: int) -> None:
        """Note that a commit may be told of.

        Raises:
            OSError: as of any file.
        """
        self._told.write(number, time.time())
        self._number = number

    def sync(self) -> None:
        """Bring to the disk what was noted of commits, beside the directory as well.

        Raises:
            OSError: as of any file.
        """
        self._told.sync()
        self._lock.note(self._number, time.time())

    def gone(self) -> str:
        """What is not in its place any more, in words; empty where everything is."""
        for path, known in self._known.items():
            try:
                found = _identity(path)
            except (FileNotFoundError, NotADirectoryError):
                return f"{path.name} was removed"
            except OSError as error:
                return f"{path.name} cannot be looked at: {error.strerror}"
            if found != known:
                return f"{path.name} was replaced"
        return "" if self._lock.is_in_place else "the lock was removed or replaced"

    def renew(self) -> sqlite3.Connection:
        """Put into its place again what is not there: all that was committed, and the locks.

        Returns:
            A connection that may write.

        Raises:
            JournalError: somebody else has the place, or it holds another journal.
            OSError: the disk does not take it.
            sqlite3.Error: what was committed cannot be read, or not be written.
        """
        self._lock.renew()
        if not all(self._is_known(path) for path in (self.files.database, self.files.wal)):
            self._write_anew()
        before, self._told = self._told, _began(self.files, self._number)
        before.close()
        connection = connect(self.files.database)
        connection.execute(schema.META).fetchone()
        reader, self._connection = self._connection, _reader(self.files)
        reader.close()
        self._known = {path: _identity(path) for path in self._paths()}
        self.generation += 1
        return connection

    def _is_known(self, path: Path) -> bool:
        try:
            return _identity(path) == self._known[path]
        except OSError:
            return False

    def _write_anew(self) -> None:
        """Copy what was committed from the files that have no name any more."""
        database = self.files.database
        if not self._is_known(database) and database.exists() and database.stat().st_size:
            raise JournalUnusable(f"another journal.db is in {database.parent}: move it away")
        made = database.with_name(RENEWED)
        for path in (made, database):
            _remove_logs(path)
        made.unlink(missing_ok=True)
        with closing(sqlite3.connect(made, isolation_level=None)) as copy:
            self._connection.backup(copy)
        made.chmod(0o600)
        sync(made)
        made.replace(database)
        sync(database.parent)

    def close(self) -> None:
        """Let go of all but the lock: whoever has the last connection empties the log first."""
        self._connection.close()

    def release(self) -> None:
        """Let go of the rest, and let others have the journal."""
        try:
            self.sync()
        finally:
            self._told.close()
            self._lock.release()


def _began(files: Files, number: int) -> Acknowledged:
    told = Acknowledged(files.acknowledged)
    try:
        told.begin(number, time.time())
    except OSError:
        told.close()
        raise
    return told


def _gone_on_with(files: Files, number: int) -> Acknowledged:
    """The second file of a journal that another process has had open until now."""
    told = Acknowledged(files.acknowledged)
    try:
        told.write(number, time.time())
    except OSError:
        told.close()
        raise
    return told


def _reader(files: Files) -> sqlite3.Connection:
    """A connection that has read: only then it has the log open too."""
    connection = connect(files.database, read_only=True)
    connection.execute(schema.META).fetchone()
    return connection


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _remove_logs(database: Path) -> None:
    """SQLite would take the log of one database for that of the next."""
    for suffix in ("-wal", "-shm", "-journal"):
        database.with_name(f"{database.name}{suffix}").unlink(missing_ok=True)

"""A journal opened to be read only, also where nothing at all may be written beside it.

SQLite wants to make a file for the memory that it shares with a writer. On a read-only mount it
cannot, and need not where there is no writer.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from actors.journal.file import connect
from actors.journal.records import JournalUnusable

if TYPE_CHECKING:
    from actors.journal.file import Files

_NOT_WRITABLE = ("SQLITE_CANTOPEN", "SQLITE_READONLY")


@contextmanager
def looking(files: Files) -> Iterator[sqlite3.Connection]:
    """A connection to read by.

    Args:
        files: of the journal.

    Raises:
        sqlite3.Error: as SQLite says.
        JournalUnusable: a node has it open, and this process may not read beside it.
    """
    if _is_readable(files):
        with closing(connect(files.database, read_only=True)) as connection:
            yield connection
        return
    with (
        _no_writer(files),
        TemporaryDirectory(prefix="vigie-journal-") as place,
        closing(_without_help(files, Path(place))) as still,
    ):
        yield still


def _is_readable(files: Files) -> bool:
    """Whether SQLite can read the database where it lies: it may need to write beside it."""
    with closing(connect(files.database, read_only=True)) as connection:
        try:
            connection.execute("PRAGMA user_version").fetchone()
        except sqlite3.OperationalError as error:
            if not getattr(error, "sqlite_errorname", "").startswith(_NOT_WRITABLE):
                raise
            return False
    return True


def _without_help(files: Files, place: Path) -> sqlite3.Connection:
    """The database as it lies there; one that has a log is copied first, for that must be read."""
    if files.wal.exists() and files.wal.stat().st_size:
        for path in (files.database, files.wal):
            shutil.copyfile(path, place / path.name)
        return connect(place / files.database.name, read_only=True)
    uri = f"{files.database.absolute().as_uri()}?mode=ro&immutable=1"
    connection = sqlite3.connect(uri, isolation_level=None, check_same_thread=False, uri=True)
    connection.execute("PRAGMA cell_size_check=ON")
    return connection


@contextmanager
def _no_writer(files: Files) -> Iterator[None]:
    """Hold the lock that a writer would need; a copy has none and no writer."""
    if not files.lock.exists():
        yield
        return
    descriptor = os.open(files.lock, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        why = f"{files.directory} cannot be written to, and a node has it open"
        raise JournalUnusable(why) from None
    finally:
        os.close(descriptor)

"""Before SQLite may write: a log that it would give up too early, and overwrite, stops the start.

SQLite reads a write-ahead log up to its first broken frame and writes over the rest. Where commits
that were acknowledged are missing, that rest is all that is left of them: it is damage when they
are in it, and a copy of it is kept when it is torn.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

from actors.journal import acknowledged, schema, wal
from actors.journal.file import REFUSED, connect, refuse_lost
from actors.journal.records import JournalDamaged, JournalError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from actors.journal.file import Files

DIRECTORY = "shortfall-"
KEPT = 3
"""Copies of logs that are kept, the latest."""

_log = logging.getLogger(__name__)


def told(files: Files) -> int | None:
    """The number of the last commit acknowledged; None where that is not known."""
    last, late = acknowledged.read(files.acknowledged), acknowledged.read(files.marker)
    # The other one alone may be many commits old.
    return max(last.number, late.number) if last.there and not last.why else None


def secure(files: Files) -> None:
    """Look at a journal that is about to be opened, whose lock is held.

    Raises:
        JournalDamaged: acknowledged commits are in its log behind what is broken.
        OSError: a file cannot be read.
    """
    number = last_commit(files)
    if number is None:
        return  # SQLite itself says why
    damage = broken(files, number)
    if damage:
        raise JournalDamaged((damage,))
    expected = told(files) or acknowledged.read(files.marker).number
    if expected > number:
        _keep(files)


def broken(files: Files, number: int) -> str:
    """What is wrong with the log where it hides commits; empty where it hides none.

    Args:
        files: of the journal.
        number: of the last commit that SQLite finds.
    """
    expected = told(files)
    if (expected is not None and expected <= number) or not files.wal.exists():
        return ""  # nothing is missing: reading the log takes a second or two
    log = wal.read(files.wal.read_bytes())
    if not log.goes_on:
        return ""
    missing = "" if expected is None else f"{expected - number} "
    behind = f"{missing}acknowledged commits behind it"
    return f"the write-ahead log is damaged in {log.where}: {behind}"


def last_commit(files: Files) -> int | None:
    """The number of the last commit that SQLite finds; None where it finds none that is sure."""
    if not files.wal.exists():
        return None
    try:
        refuse_lost(files)
        with closing(connect(files.database, read_only=True)) as connection:
            return _number(connection)
    except (*REFUSED, JournalError):
        return None


def _number(connection: sqlite3.Connection) -> int | None:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if not tables:
        return 0
    rows = connection.execute(schema.META).fetchall()
    if len(rows) != 1 or any(type(value) is not int for value in rows[0]):
        return None
    number, seq, entries, items, checksum, guard = rows[0]
    sure = schema.meta_guard(number, seq, entries, items, checksum) == guard
    return number if sure else None


def _keep(files: Files) -> None:
    """Copy a torn log before it is written over; that there is no room stops nobody."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    final = files.directory / f"{DIRECTORY}{stamp}"
    made = final.with_suffix(".new")
    if not files.wal.stat().st_size or final.exists():
        return
    try:
        _remove(files.directory.glob(f"{DIRECTORY}*.new"))
        made.mkdir(mode=0o700)
        for path in (files.wal, files.acknowledged):
            if path.exists():
                shutil.copy2(path, made)
        made.rename(final)
        _remove(sorted(files.directory.glob(f"{DIRECTORY}*"))[:-KEPT])
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        _log.warning("the torn log of the journal could not be copied: %s", error)


def _remove(directories: Iterable[Path]) -> None:
    for directory in directories:
        shutil.rmtree(directory)

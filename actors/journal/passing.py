"""A journal that passes from one process to the next while it is open: what has to be the same.

The one before has verified what it read and has written every row since; nobody else could write,
for the lock was never let go of. So the next one reads only the row of sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.journal import schema
from actors.journal.committing import standing_of
from actors.journal.records import JournalUnusable

if TYPE_CHECKING:
    import sqlite3

    from actors.journal.file import Files
    from actors.journal.writer import Passed


def refuse_other(passed: Passed, mode: str) -> None:
    """Refuse a journal that this release cannot go on with, before it is touched.

    Args:
        passed: how it was left, or will be.
        mode: ``journal.mode`` of this process.

    Raises:
        JournalUnusable: naming the rule.
    """
    if passed.format != schema.FORMAT:
        raise JournalUnusable(
            f"the journal has format {passed.format}, this release writes {schema.FORMAT}: formats"
            " change with a restart, not while it is open"
        )
    if passed.mode != mode:
        raise JournalUnusable(
            f"journal.mode is {passed.mode!r} there and {mode!r} here: it changes with a restart"
        )


def refuse_missing(files: Files) -> None:
    """Refuse where the database is gone: SQLite would begin a new one.

    Raises:
        JournalUnusable: it is.
    """
    if not files.database.exists():
        raise JournalUnusable(f"{files.database} was removed")


def refuse_changed(connection: sqlite3.Connection, passed: Passed) -> None:
    """Refuse a database that is not as it was left.

    Args:
        connection: to it.
        passed: how it was left.

    Raises:
        JournalUnusable: naming what differs.
        sqlite3.Error: as SQLite says.
    """
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    standing = standing_of(connection)
    if (found, standing.number, standing.items) != (passed.format, passed.written, passed.items):
        raise JournalUnusable(
            f"the journal is not as it was left: commit {standing.number} with {standing.items}"
            f" rows in the outbox, not {passed.written} with {passed.items}"
        )

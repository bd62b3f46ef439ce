"""Whether the journal on the disk is sound, for operators; with a node running or without."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing

from actors.journal import acknowledged
from actors.journal.file import REFUSED, Files, connect, opened, refuse_format, refuse_lost
from actors.journal.records import Codec, JournalDamaged, JournalUnusable
from actors.journal.recovery import Findings, examine


def check(files: Files, codecs: Mapping[str, Codec]) -> Findings:
    """Read everything and verify it; nothing is changed.

    Args:
        files: of the journal.
        codecs: by kind: what a node could not decode is damage too.

    Returns:
        What was found; ``values`` is emptied.

    Raises:
        JournalUnusable: there is none, or it may not be read.
        JournalTooNew: it was written by a newer release.
        JournalTooOld: it was written by a release too old for this one.
    """
    if not files.database.exists() and not _traces(files):
        raise JournalUnusable(f"there is no journal in {files.directory}")
    try:
        findings = _examined(files, codecs)
    except JournalDamaged as damaged:
        told = acknowledged.read(files.acknowledged)
        findings = Findings(damage=list(damaged.findings), acknowledged=told.number)
    findings.values = {}
    return findings


def _traces(files: Files) -> bool:
    """Whether there was a journal: one that is missing altogether is no damage."""
    return files.wal.exists() or files.acknowledged.exists()


def _examined(files: Files, codecs: Mapping[str, Codec]) -> Findings:
    lost = refuse_lost(files)
    try:
        with closing(connect(files.database, read_only=True)) as connection:
            if not _is_new(connection, lost):
                return examine(connection, codecs, files.acknowledged)
    except REFUSED as error:
        raise opened(error) from error
    return Findings()


def _is_new(connection: sqlite3.Connection, lost: str) -> bool:
    """Whether a node has made the file and nothing else yet."""
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    refuse_format(found)
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and not found:
        raise JournalDamaged(("journal.db has tables, but format 0",))
    if lost and not tables:
        raise JournalDamaged((f"journal.db holds nothing, {lost}",))
    return not tables

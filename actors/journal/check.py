"""Whether the journal on the disk is sound, for operators; with a node running or without."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from actors.journal import acknowledged, evidence
from actors.journal.file import REFUSED, Files, opened, refuse_format, refuse_lost
from actors.journal.looking import looking
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
        with looking(files) as connection:
            if not _is_new(connection, lost):
                return _with_log(examine(connection, codecs, files.acknowledged), files)
    except REFUSED as error:
        raise opened(error) from error
    return Findings()


def _with_log(findings: Findings, files: Files) -> Findings:
    """Add what a start refuses before it reads anything: commits that the log hides."""
    hides = "" if findings.meta is None else evidence.broken(files, findings.meta.number)
    if hides:
        findings.damage.insert(0, hides)
    return findings


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

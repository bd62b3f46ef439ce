"""Reading the journal back: every row verified, and the sums over all of them.

No thread, no loop: a starting node runs it in a thread of its own, the commands run it as it is.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import Struct

from actors.collecting import no_collection
from actors.journal import acknowledged, schema
from actors.journal.background import in_thread
from actors.journal.file import REFUSED, Files, connect, opened
from actors.journal.records import (
    OUTBOX,
    Codec,
    JournalDamaged,
    JournalError,
    JournalTooNew,
    JournalTooOld,
    Recovered,
)
from actors.journal.writer import Found

MOST_FINDINGS = 100


class Meta(Struct, frozen=True):
    """The row that sums up the others.

    Attributes:
        number: of the last commit.
        seq: the greatest number of a row of the outbox so far.
        entries: how many there are.
        items: rows of the outbox.
        checksum: the sum of all rows' checksums.
        guard: of the others.
    """

    number: int
    seq: int
    entries: int
    items: int
    checksum: int
    guard: int


class Findings(Struct):
    """What was found when the journal was verified.

    Attributes:
        damage: each a line: what is damaged and where; empty where the journal is whole.
        meta: the row that sums up the others; None where it cannot be read.
        kinds: entries that are whole, by kind.
        items: rows of the outbox that are whole.
        acknowledged: the number of the last commit acknowledged.
        missing_commits: commits that were acknowledged and are not there.
        notes: what does not stop a node: why ``acknowledged`` cannot be read.
        newer: a line for each kind whose values were written by a newer release.
        older: the same of releases too old for this one.
        values: decoded values, by kind, by key, where codecs were given.
    """

    damage: list[str] = []
    meta: Meta | None = None
    kinds: dict[str, int] = {}
    items: int = 0
    acknowledged: int = 0
    missing_commits: int = 0
    notes: list[str] = []
    newer: set[str] = set()
    older: set[str] = set()
    values: dict[str, dict[str, Any]] = {}

    def add(self, line: str) -> None:
        """Note damage, a bounded number of times."""
        if len(self.damage) < MOST_FINDINGS:
            self.damage.append(line)


def verify(directory: Path) -> Findings:
    """Verify a journal that nobody has open; nothing is changed or decoded.

    Args:
        directory: where it is, ``DATA/journal``.

    Raises:
        JournalError: it cannot be opened at all.
    """
    files = Files(directory)
    try:
        connection = connect(files.database, read_only=True)
    except REFUSED as error:
        raise opened(error) from error
    try:
        return examine(connection, {}, files.acknowledged, files.database)
    finally:
        connection.close()


def examine(
    connection: sqlite3.Connection,
    codecs: Mapping[str, Codec],
    told: Path | None,
    database: Path | None = None,
) -> Findings:
    """Read everything, verify it and decode what has a codec.

    Args:
        connection: to the database.
        codecs: by kind; without any nothing is decoded.
        told: the file of the last commit acknowledged; None where there is none.
        database: the database, for SQLite's own check to run beside on another connection; None
            has it run before.
    """
    findings = Findings()
    # Before the rows: in a journal that is at work it may be older than they are, never newer.
    acked = None if told is None else acknowledged.read(told)
    checked = None if database is None else in_thread(_integrity_of, database)
    try:
        if checked is None:
            findings.damage += integrity(connection)
        _read(connection, codecs, findings)
    except REFUSED as error:
        findings.add(f"reading ended: SQLite says {error}")
    if checked is not None:
        findings.damage[:0] = checked.result()
    if acked is not None:
        _compare(findings, acked)
    return findings


def integrity(connection: sqlite3.Connection) -> list[str]:
    """What SQLite's own check finds: pages are followed, indexes compared with their tables.

    Python's lock is not held meanwhile: another thread reads at full speed.
    """
    found = connection.execute("PRAGMA integrity_check(20)").fetchall()
    # One finding may have several lines; the first may say no more than "main".
    return [f"SQLite finds: {'; '.join(line.splitlines())}" for (line,) in found if line != "ok"]


def _integrity_of(database: Path) -> list[str]:
    try:
        with closing(connect(database, read_only=True)) as connection:
            return integrity(connection)
    except REFUSED as error:
        return [f"SQLite's check ended: {error}"]


def _read(connection: sqlite3.Connection, codecs: Mapping[str, Codec], findings: Findings) -> None:
    connection.execute("BEGIN")
    try:
        _read_meta(connection, findings)
        total = _read_entries(connection, codecs, findings)
        total += _read_items(connection, codecs, findings)
        _compare_sums(findings, total)
    finally:
        connection.execute("ROLLBACK")


def _read_meta(connection: sqlite3.Connection, findings: Findings) -> None:
    rows = connection.execute(schema.META).fetchall()
    if len(rows) != 1:
        findings.add(f"the row of sums is there {len(rows)} times, not once")
        return
    if any(type(value) is not int for value in rows[0]):
        findings.add("the row of sums holds what is no number")
        return
    findings.meta = meta = Meta(*rows[0])
    guard = schema.meta_guard(meta.number, meta.seq, meta.entries, meta.items, meta.checksum)
    if guard != meta.guard:
        findings.add("the row of sums does not match its guard")


def _read_entries(
    connection: sqlite3.Connection, codecs: Mapping[str, Codec], findings: Findings
) -> int:
    """Verify and decode the entries; return the sum of what their checksums should be."""
    total = 0
    last = findings.meta.number if findings.meta else 0
    for kind, key, version, number, checksum, body in connection.execute(schema.ENTRIES):
        reckoned = _reckoned(schema.entry_checksum, kind, key, version, number, body)
        if reckoned != checksum:
            findings.add(f"{kind} {key}: its checksum does not match")
        elif number > last:
            findings.add(f"{kind} {key}: is of commit {number}, after the last one, {last}")
        else:
            total += reckoned
            findings.kinds[kind] = findings.kinds.get(kind, 0) + 1
            if codecs:
                _decode(codecs, (kind, key, version), body, findings)
    return total


def _reckoned(checksum: Callable[..., int], *columns: Any) -> int:
    """A row's checksum; -1 where a damaged page gives columns types that were never written."""
    try:
        return checksum(*columns)
    except (TypeError, ValueError, OverflowError):
        return -1


def _decode(
    codecs: Mapping[str, Codec], what: tuple[str, str, int], body: bytes, findings: Findings
) -> None:
    kind, key, version = what
    codec = codecs.get(kind)
    if codec is None or version > codec.version:
        findings.newer.add(f"{kind} of version {version}")
        return
    if not codec.knows(version):
        findings.older.add(f"{kind} of version {version}")
        return
    try:
        value = codec.read(body, version)
    except ValueError as error:
        findings.add(f"{kind} {key}: cannot be decoded: {error}")
        return
    findings.values.setdefault(kind, {})[key] = value


def _read_items(
    connection: sqlite3.Connection, codecs: Mapping[str, Codec], findings: Findings
) -> int:
    """Verify the rows of the outbox; they are decoded when they are read from there."""
    total = 0
    last = findings.meta.number if findings.meta else 0
    codec = codecs.get(OUTBOX)
    for seq, version, number, checksum, *names, body in connection.execute(schema.OUTBOX_ROWS):
        reckoned = _reckoned(schema.item_checksum, seq, version, number, names, body)
        if reckoned != checksum:
            findings.add(f"outbox {seq}: its checksum does not match")
        elif number > last:
            findings.add(f"outbox {seq}: is of commit {number}, after the last one, {last}")
        else:
            total += reckoned
            findings.items += 1
            if codec is not None and not codec.knows(version):
                strange = findings.newer if version > codec.version else findings.older
                strange.add(f"{OUTBOX} of version {version}")
    return total


def _compare_sums(findings: Findings, total: int) -> None:
    meta = findings.meta
    if meta is None or findings.damage:
        return
    entries = sum(findings.kinds.values())
    if entries != meta.entries:
        findings.add(f"there are {entries} entries, not {meta.entries}")
    if findings.items != meta.items:
        findings.add(f"there are {findings.items} rows of the outbox, not {meta.items}")
    if total != meta.checksum and not findings.damage:
        findings.add("the sum of all checksums does not match: a row is not what was last written")


def _compare(findings: Findings, told: acknowledged.Told) -> None:
    if not told.there and findings.meta is not None and findings.meta.number:
        findings.notes.append("acknowledged is missing: whether commits are missing is not known")
    if told.why:
        findings.notes.append(f"{told.why}: whether commits are missing is not known")
    findings.acknowledged = told.number
    if findings.meta is not None:
        findings.missing_commits = max(0, told.number - findings.meta.number)


def load(connection: sqlite3.Connection, codecs: Mapping[str, Codec], files: Files | None) -> Found:
    """Read the journal for a node.

    Args:
        connection: to the database.
        codecs: by kind.
        files: where it is; None is a database in memory.

    Raises:
        JournalDamaged: something is damaged.
        JournalTooNew: something was written by a newer release.
        JournalTooOld: something was written by a release too old for this one.
    """
    began = time.perf_counter()
    told, database = (None, None) if files is None else (files.acknowledged, files.database)
    with no_collection():
        findings = examine(connection, codecs, told, database)
    if findings.damage:
        raise JournalDamaged(tuple(findings.damage))
    if findings.newer:
        what = ", ".join(sorted(findings.newer))
        raise JournalTooNew(f"the journal has what this release does not know: {what}")
    if findings.older:
        raise JournalTooOld(too_old(findings.older))
    if files is not None:
        _compare_marker(findings, files)
    return found(findings, time.perf_counter() - began)


def too_old(what: Iterable[str]) -> str:
    """Words for values of versions that this release reads no more.

    Args:
        what: of each a line.
    """
    lines = ", ".join(sorted(what))
    return f"the journal has what is too old for this release: {lines}; start an older one first"


def _compare_marker(findings: Findings, files: Files) -> None:
    """Where the directory was removed, the number beside it is all that tells of it."""
    number = acknowledged.read(files.marker).number
    if findings.meta is not None and number > findings.acknowledged:
        if findings.meta.number == 0:
            findings.notes.append(f"the journal that was in {files.directory} is gone")
        findings.acknowledged = number
        findings.missing_commits = max(0, number - findings.meta.number)


def found(findings: Findings, seconds: float) -> Found:
    """What a node goes on with.

    Args:
        findings: without damage.
        seconds: what it took.
    """
    meta = findings.meta
    assert meta is not None
    rows = sum(findings.kinds.values()) + findings.items
    recovered = Recovered(
        findings.values, findings.missing_commits, seconds, rows, tuple(findings.notes)
    )
    # Numbers are not given twice: what was acknowledged and is missing keeps its own.
    number = max(meta.number, findings.acknowledged)
    return Found(recovered, number, meta.seq, findings.items, findings.kinds)


__all__ = ["Findings", "JournalError", "Meta", "examine", "found", "load", "verify"]

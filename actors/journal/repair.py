"""Setting aside what is damaged, so that a node can go on with everything that is whole.

The damaged files are never changed: they get a second name in a directory of their own first, and
what is whole is read from there. A repair that is cut short, at whatever point, is taken up by the
next one where it was: as long as ``journal.db`` is the damaged file nothing has been replaced.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from actors.atomic_file import sync
from actors.journal import acknowledged, evidence
from actors.journal.acknowledged import Acknowledged
from actors.journal.check import check
from actors.journal.file import Files, Lock, connect, prepare
from actors.journal.records import OUTBOX, Codec, JournalUnusable
from actors.journal.salvage import Aside, Salvaged, WholeEntry, WholeItem, in_order, salvage

REPORT = "report.jsonl"
REPAIRED = "repaired.db"
DIRECTORY = "damaged-"

_ENTRY = "INSERT INTO entry(kind, key, version, number, checksum, body) VALUES(?, ?, ?, ?, ?, ?)"
_ITEM = "INSERT INTO outbox VALUES(?, ?, ?, ?, ?, ?, ?, ?)"


class Repaired(Struct, frozen=True):
    """What a repair has done.

    Attributes:
        findings: what was damaged; empty where nothing was, and nothing was done.
        kept: rows by kind.
        aside: what was set aside, and why.
        unaccounted: rows that there should be and of which there is no trace.
        missing_commits: commits that were acknowledged and of which nothing tells.
        number: of the commit after which the node goes on.
        directory: where the damaged files and the report are; None where nothing was done.
    """

    findings: list[str]
    kept: dict[str, int] = {}
    aside: list[Aside] = []
    unaccounted: int = 0
    missing_commits: int = 0
    number: int = 0
    directory: Path | None = None


def repair(files: Files, codecs: Mapping[str, Codec]) -> Repaired:
    """Replace a damaged journal by one of all that is whole in it.

    Args:
        files: of the journal.
        codecs: by kind: what a node could not decode is set aside.

    Raises:
        JournalLocked: a node has it open.
        JournalUnusable: there is no journal, or the disk does not take the new one.
        JournalTooNew: it was written by a newer release, which may read it.
    """
    if not files.directory.is_dir():
        raise JournalUnusable(f"there is no journal in {files.directory}")
    lock = Lock(files)
    try:
        return _repair(files, codecs)
    except (OSError, sqlite3.Error) as error:
        raise JournalUnusable(f"the repair was cut short and can be repeated: {error}") from error
    finally:
        lock.release()


def _repair(files: Files, codecs: Mapping[str, Codec]) -> Repaired:
    begun = _unfinished(files)
    if begun is None:
        findings = check(files, codecs)
        if not findings.damage:
            kept = findings.kinds | ({OUTBOX: findings.items} if findings.items else {})
            return Repaired([], kept, missing_commits=findings.missing_commits)
        begun = _set_aside(files)
    else:
        findings = check(Files(begun), codecs)
    source = Files(begun)
    found = salvage(source.database, source.wal, codecs, evidence.told(source))
    done = _sum_up(source, findings.damage, found)
    if not _replaced(files, source):
        _build(files, found, done.number)
        _replace(files, done.number)
    _report(begun / REPORT, done)
    return done


def _sum_up(source: Files, damage: list[str], found: Salvaged) -> Repaired:
    told = acknowledged.read(source.acknowledged).number
    return Repaired(
        findings=damage,
        kept=found.kinds(),
        aside=found.aside,
        unaccounted=max(0, (found.rows or 0) - len(found.kept)),
        missing_commits=max(0, told - found.last),
        number=max(told, found.last),
        directory=source.directory,
    )


def _unfinished(files: Files) -> Path | None:
    """The directory of a repair that was cut short."""
    for directory in sorted(files.directory.glob(f"{DIRECTORY}*")):
        if directory.is_dir() and directory.suffix != ".new" and not (directory / REPORT).exists():
            return directory
    return None


def _replaced(files: Files, source: Files) -> bool:
    """Whether the journal is not the damaged one any more."""
    if not files.database.exists():
        return False
    return not source.database.exists() or not files.database.samefile(source.database)


def _set_aside(files: Files) -> Path:
    """Give the damaged files second names in a directory of their own, all at once."""
    for half in files.directory.glob(f"{DIRECTORY}*.new"):
        shutil.rmtree(half)
    final = files.directory / time.strftime(f"{DIRECTORY}%Y%m%dT%H%M%SZ", time.gmtime())
    made = final.with_suffix(".new")
    made.mkdir(mode=0o700)
    for path in (files.database, files.wal, files.acknowledged):
        if path.exists():
            (made / path.name).hardlink_to(path)
    made.rename(final)
    sync(files.directory)
    return final


def _build(files: Files, found: Salvaged, number: int) -> None:
    """Make the new database, complete and on the disk, beside the damaged one."""
    path = files.directory / REPAIRED
    for old in files.directory.glob(f"{REPAIRED}*"):
        old.unlink()
    with closing(connect(path)) as connection:
        prepare(connection)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_ENTRY, _entries(in_order(found)))
        connection.executemany(_ITEM, _items(in_order(found)))
        connection.execute("UPDATE meta SET seq = max(seq, ?)", (found.seq,))
        if number:
            connection.execute("INSERT INTO work(what, number) VALUES('number', ?)", (number,))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    path.chmod(0o600)
    sync(path)


def _entries(rows: Iterable[WholeEntry | WholeItem]) -> Iterator[tuple[object, ...]]:
    for row in rows:
        if isinstance(row, WholeEntry):
            yield row.kind, row.key, row.version, row.number, row.checksum(), row.body


def _items(rows: Iterable[WholeEntry | WholeItem]) -> Iterator[tuple[object, ...]]:
    for row in rows:
        if isinstance(row, WholeItem):
            yield row.seq, row.version, row.number, row.checksum(), *row.names, row.body


def _replace(files: Files, number: int) -> None:
    """Put the new database in the place of the damaged one.

    The log of the damaged one goes first: SQLite would take it for one of the new database.
    """
    for suffix in ("-wal", "-shm"):
        files.database.with_name(f"{files.database.name}{suffix}").unlink(missing_ok=True)
    sync(files.directory)
    # Its second name is the damaged file itself: a new one is written.
    files.acknowledged.unlink(missing_ok=True)
    told = Acknowledged(files.acknowledged)
    told.begin(number, time.time())
    told.close()
    (files.directory / REPAIRED).replace(files.database)
    sync(files.directory)


def _report(path: Path, done: Repaired) -> None:
    """Write what was found, kept and set aside, a line of JSON each."""
    head = {
        "at": time.time(),
        "findings": done.findings,
        "kept": done.kept,
        "set_aside": len(done.aside),
        "unaccounted": done.unaccounted,
        "missing_commits": done.missing_commits,
        "number": done.number,
    }
    made = path.with_suffix(".new")
    with made.open("w", encoding="utf-8") as file:
        for line in (head, *map(_plain, done.aside)):
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    made.replace(path)
    sync(path.parent)


def _plain(aside: Aside) -> dict[str, object]:
    line: dict[str, object] = {"what": aside.what, "reason": aside.reason}
    if aside.body is not None:
        line["body"] = aside.body.decode("utf-8", "backslashreplace")
    return line

"""What the journal holds, row by row, as plain data."""

from __future__ import annotations

import sqlite3
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from typing import Any, TypeAlias

import msgspec

from actors.journal import schema
from actors.journal.file import Files, connect
from actors.journal.records import OUTBOX
from actors.journal.salvage import (
    Aside,
    Place,
    WholeEntry,
    WholeItem,
    in_order,
    salvage,
)

Line: TypeAlias = dict[str, Any]


def export(files: Files, kind: str | None) -> Iterator[Line | Aside]:
    """Every row that is whole, and in the place of each other why it is left out.

    While a node writes, what is exported is as of one commit.

    Args:
        files: of the journal.
        kind: only rows of this kind; None for all.
    """
    done: set[Place] = set()
    try:
        with closing(connect(files.database, read_only=True)) as connection:
            yield from _through_sqlite(connection, kind, done)
    except sqlite3.Error as error:
        yield Aside("the rest", f"SQLite says {error}; what follows is read page by page")
        yield from _page_by_page(files, kind, done)


def _through_sqlite(
    connection: sqlite3.Connection, kind: str | None, done: set[Place]
) -> Iterator[Line | Aside]:
    connection.execute("BEGIN")
    if kind != OUTBOX:
        query = f"{schema.ENTRIES} WHERE ?1 IS NULL OR kind = ?1"
        for of_kind, key, version, number, checksum, body in connection.execute(query, (kind,)):
            entry = WholeEntry(of_kind, key, version, number, body)
            done.add((of_kind, key))
            yield _checked(entry, checksum)
    if kind in (None, OUTBOX):
        for seq, version, number, checksum, *names, body in connection.execute(schema.OUTBOX_ROWS):
            session, call, ani = names
            done.add(seq)
            yield _checked(WholeItem(seq, version, number, (session, call, ani), body), checksum)


def _checked(row: WholeEntry | WholeItem, checksum: int) -> Line | Aside:
    try:
        reckoned = row.checksum()
    except TypeError:  # damage may have made text or nothing of a number
        return Aside(row.name, "its columns are not of their types")
    if reckoned != checksum:
        return Aside(row.name, "its checksum does not match")
    return plain(row)


def _page_by_page(files: Files, kind: str | None, done: set[Place]) -> Iterator[Line | Aside]:
    found = salvage(files.database, files.wal, {})
    yield from found.aside
    for row in in_order(found):
        of_kind = row.kind if isinstance(row, WholeEntry) else OUTBOX
        if row.place not in done and kind in (None, of_kind):
            yield plain(row)


def plain(row: WholeEntry | WholeItem) -> Line:
    """A row as plain data; a body that is no JSON as ``body_base64``."""
    if isinstance(row, WholeEntry):
        head: Line = {"kind": row.kind, "key": row.key}
    else:
        session, call, ani = row.names
        head = {"kind": OUTBOX, "seq": row.seq, "session": session, "call": call, "ani": ani}
    head |= {"version": row.version, "number": row.number}
    try:
        return head | {"body": msgspec.json.decode(row.body)}
    except ValueError:
        return head | {"body_base64": b64encode(row.body).decode()}

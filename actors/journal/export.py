"""What the journal holds, row by row, as plain data."""

from __future__ import annotations

import sqlite3
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from actors.journal import evidence, schema
from actors.journal.file import REFUSED, Files
from actors.journal.looking import looking
from actors.journal.records import OUTBOX, Codec
from actors.journal.salvage import (
    Aside,
    Place,
    WholeEntry,
    WholeItem,
    in_order,
    salvage,
)

Line: TypeAlias = dict[str, Any]

PAGE = 500
"""Rows read at once."""

FIRST = -(2**63)
"""Below every row id."""

_ENTRIES = schema.ENTRIES.replace("SELECT ", "SELECT rowid, ", 1) + " WHERE rowid > ?1"
_ITEMS = (
    schema.OUTBOX_ROWS.replace("SELECT ", "SELECT rowid, ", 1) + " WHERE rowid > ?1 AND ?2 IS NULL"
)


def export(files: Files, kind: str | None, codecs: Mapping[str, Codec]) -> Iterator[Line | Aside]:
    """Every row that is whole, and in the place of each other why it is left out.

    A node may write meanwhile: each row that is there all the time is exported, as it is when it is
    come to. There is no long transaction, however slowly the lines are taken.

    Args:
        files: of the journal.
        kind: only rows of this kind; None for all.
        codecs: by kind: what they read is told by the names of its fields.
    """
    done: set[Place] = set()
    try:
        with looking(files) as connection:
            yield from _through_sqlite(connection, kind, codecs, done)
    except REFUSED as error:
        yield Aside("the rest", f"SQLite says {error}; what follows is read page by page")
        yield from _page_by_page(files, kind, codecs, done)


def _through_sqlite(
    connection: sqlite3.Connection,
    kind: str | None,
    codecs: Mapping[str, Codec],
    done: set[Place],
) -> Iterator[Line | Aside]:
    for row, checksum in _rows(connection, kind):
        done.add(row.place)
        try:
            reckoned = row.checksum()
        except TypeError:  # damage may have made text or nothing of a number
            yield Aside(row.name, "its columns are not of their types")
            continue
        if reckoned == checksum:
            yield plain(row, codecs)
        else:
            yield Aside(row.name, "its checksum does not match")


def _rows(
    connection: sqlite3.Connection, kind: str | None
) -> Iterator[tuple[WholeEntry | WholeItem, int]]:
    entries = f"{_ENTRIES} AND (?2 IS NULL OR kind = ?2)"
    for _, of_kind, key, version, number, checksum, body in _paged(connection, entries, kind):
        yield WholeEntry(of_kind, key, version, number, body), checksum
    if kind in (None, OUTBOX):
        for _, seq, version, number, checksum, *names, body in _paged(connection, _ITEMS, None):
            session, call, ani = names
            yield WholeItem(seq, version, number, (session, call, ani), body), checksum


def _paged(
    connection: sqlite3.Connection, query: str, kind: str | None
) -> Iterator[tuple[Any, ...]]:
    """Rows by rising row id, each page read at once: a reader that stops keeps the log growing."""
    last = FIRST
    while page := connection.execute(
        f"{query} ORDER BY rowid LIMIT {PAGE}", (last, kind)
    ).fetchall():
        yield from page
        last = page[-1][0]


def _page_by_page(
    files: Files, kind: str | None, codecs: Mapping[str, Codec], done: set[Place]
) -> Iterator[Line | Aside]:
    found = salvage(files.database, files.wal, {}, evidence.told(files))
    yield from found.aside
    for row in in_order(found):
        if row.place not in done and kind in (None, row.kind):
            yield plain(row, codecs)


def plain(row: WholeEntry | WholeItem, codecs: Mapping[str, Codec]) -> Line:
    """A row as plain data; a body that nothing can read as ``body_base64``.

    Args:
        row: whole.
        codecs: by kind.
    """
    head: Line = {"kind": row.kind}
    if isinstance(row, WholeEntry):
        head["key"] = row.key
    else:
        session, call, ani = row.names
        head |= {"seq": row.seq, "session": session, "call": call, "ani": ani}
    head |= {"version": row.version, "number": row.number}
    try:
        return head | {"body": _body(row, codecs.get(row.kind))}
    except ValueError:
        return head | {"body_base64": b64encode(row.body).decode()}


def _body(row: WholeEntry | WholeItem, codec: Codec | None) -> Any:
    if codec is None or not codec.knows(row.version):
        return msgspec.json.decode(row.body)
    try:
        return named(codec.read(row.body, row.version))
    except ValueError:
        return msgspec.json.decode(row.body)


def named(value: Any) -> Any:
    """Plain data of a value, records as objects even where they are written as arrays."""
    if isinstance(value, Struct):
        return {name: named(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {str(key): named(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [named(one) for one in value]
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return value if isinstance(value, str | int | float | None) else repr(value)

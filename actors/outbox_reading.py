"""Questions to the journal about its outbox, as they run in the reader's thread.

The rows come as one text of JSON: SQLite's module gives the interpreter's lock away for each row,
and while the loop is busy it is milliseconds before it has it back. What can be done to a row
before the loop sees it is done here.
"""

from __future__ import annotations

import sqlite3
from typing import TypeAlias

import msgspec

from actors import outbox_records
from actors.closed_sessions import Key, columns
from actors.journal.records import JournalError
from actors.journal.schema import item_checksum
from actors.outbox_records import OutboxRow
from actors.session_api import SessionView

_ROWS = (
    "SELECT CAST(json_group_array(json_array(seq, version, number, checksum, session, call, ani,"
    " CAST(body AS TEXT))) AS BLOB) FROM (SELECT * FROM outbox WHERE "
)
_PAGE = _ROWS + "seq > ? ORDER BY seq LIMIT ?)"
_FOUND: dict[Key, str] = {
    "session": _ROWS + "session = ? ORDER BY seq DESC LIMIT ?)",
    "call": _ROWS + "call = ? ORDER BY seq DESC LIMIT ?)",
    "ani": _ROWS + "ani = ? ORDER BY seq DESC LIMIT ?)",
}
_KEPT_ASIDE = (
    "SELECT CAST(json_group_array(key) AS BLOB)"
    " FROM (SELECT key FROM entry WHERE kind = ? ORDER BY number, rowid)"
)
_REFUSED = (
    "SELECT CAST(json_group_array(json_array(version, CAST(body AS TEXT))) AS BLOB)"
    " FROM (SELECT version, body FROM entry"
    " WHERE kind = ? AND json_valid(CAST(body AS TEXT)) AND CAST(body AS TEXT)->>? = ? LIMIT ?)"
)
_PLACES: dict[Key, str] = {
    "session": "$.session",
    "call": "$.record.view.call",
    "ani": "$.record.view.ani",
}
"""Where a refused session has what it is looked up by."""


_Fields: TypeAlias = tuple[int, int, int, int, str, str, str | None, str]

_rows = msgspec.json.Decoder(list[_Fields])
_keys = msgspec.json.Decoder(list[str])
_asides = msgspec.json.Decoder(list[tuple[int, str]])


def page(connection: sqlite3.Connection, after: int, limit: int) -> list[OutboxRow]:
    """Return the rows that come next, in order.

    Args:
        connection: To the journal.
        after: The number of the row before.
        limit: Greatest number of rows wanted.
    """
    return [_row(fields) for fields in _fetched(connection, _PAGE, (after, limit))]


def found(
    connection: sqlite3.Connection, by: Key, value: str, limit: int
) -> tuple[list[SessionView], list[str]]:
    """Look sessions up that are in the outbox, or were set aside out of it.

    Args:
        connection: To the journal.
        by: What they are looked up by.
        value: The id, or the number in E.164.
        limit: Greatest number of sessions wanted.

    Returns:
        The sessions, the latest closed first, and of each that is damaged a line that says so.
    """
    views, damaged = [], []
    for fields in _fetched(connection, _FOUND[by], (value, limit)):
        try:
            closed, _ = outbox_records.row_of(_verified(fields), fields[1])
            views.append(closed.view)
        except ValueError as invalid:
            damaged.append(f"session {fields[4]}: {invalid}")
    views += _refused(connection, by, value, limit)
    return views, damaged


def _refused(connection: sqlite3.Connection, by: Key, value: str, limit: int) -> list[SessionView]:
    parameters = (outbox_records.REFUSED, _PLACES[by], value, limit)
    (found,) = connection.execute(_REFUSED, parameters).fetchone()
    rows = _asides.decode(found)
    return [outbox_records.kept_aside(body.encode(), version).view for version, body in rows]


def kept_aside(connection: sqlite3.Connection) -> list[str]:
    """Return the ids of the sessions that the database refused, the oldest first."""
    (found,) = connection.execute(_KEPT_ASIDE, (outbox_records.REFUSED,)).fetchone()
    return _keys.decode(found)


def _fetched(
    connection: sqlite3.Connection, sql: str, parameters: tuple[str | int, ...]
) -> list[_Fields]:
    """The rows; what is damaged in a text shows in its row's checksum, and stops no other row."""
    (rows,) = connection.execute(sql, parameters).fetchone()
    try:
        return _rows.decode(rows.decode(errors="replace"))
    except msgspec.DecodeError as error:
        raise JournalError(f"the outbox cannot be read: {error}") from error


def _row(fields: _Fields) -> OutboxRow:
    seq, version, _, _, session, _, _, body = fields
    try:
        closed, text = outbox_records.row_of(_verified(fields), version)
        return OutboxRow(seq, session, columns(closed), text.decode())
    except ValueError as invalid:
        return OutboxRow(seq, session, (), body, str(invalid))


def _verified(fields: _Fields) -> bytes:
    """The body of a row; raises ValueError where the row is not what was written."""
    seq, version, number, checksum, session, call, ani, text = fields
    body = text.encode()
    if item_checksum(seq, version, number, (session, call, ani), body) != checksum:
        raise ValueError(f"row {seq} of the outbox is not what was written: its checksum differs")
    return body

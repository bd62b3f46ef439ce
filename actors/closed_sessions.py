"""Closed sessions in PostgreSQL: what is asked for them, and how they are stored and found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from actors.call_messages import StoreSession
from actors.database import Execute, Query
from actors.session_api import SessionView

Key: TypeAlias = Literal["session", "call", "ani"]
"""What sessions are found by."""

Columns: TypeAlias = tuple[str, str, str | None, float, float, str, str, str | None]
"""A row of the table: session, call, ani, opened, closed, why, view, ucid."""

MAX_FOUND = 1_000

_INSERT = (
    "INSERT INTO closed_session (session, call, ani, opened, closed, why, view, ucid)"
    " SELECT row->>0, row->>1, row->>2, (row->>3)::float8, (row->>4)::float8, row->>5,"
    " (row->>6)::jsonb, row->>7 FROM jsonb_array_elements($1::text::jsonb) AS rows(row)"
    " ON CONFLICT (session) DO NOTHING"
)
"""The rows come as one JSON text: of arrays the driver looks at each element in Python."""

_FIND: dict[Key, str] = {
    "session": "SELECT session, view FROM closed_session WHERE session = $1 LIMIT $2",
    "call": "SELECT session, view FROM closed_session WHERE call = $1"
    " ORDER BY opened DESC LIMIT $2",
    "ani": "SELECT session, view FROM closed_session WHERE ani = $1 ORDER BY opened DESC LIMIT $2",
}

_NUL = "\x00"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class FindClosed(Struct, frozen=True, kw_only=True):
    """Look closed sessions up; answered with `Closed` or the database's failure.

    Attributes:
        by: What they are looked up by: the session's id, the call's, or the caller's number.
        value: The id, or the number in E.164.
        limit: Greatest number of sessions wanted, the latest opened first; at most 1,000.
    """

    by: Key
    value: str
    limit: int = 100


class Closed(Struct, frozen=True):
    """Closed sessions, the latest opened first, as they were when they closed.

    Attributes:
        views: The sessions.
        missing: Why there may be more of them in the database; empty where there are not.
    """

    views: list[SessionView]
    missing: str = ""


def limit_of(wanted: FindClosed) -> int:
    """Return how many sessions a finder gets at most."""
    return max(1, min(wanted.limit, MAX_FOUND))


def query(wanted: FindClosed) -> Query:
    """Return the query that looks sessions up in the database."""
    return Query(sql=_FIND[wanted.by], args=(wanted.value, limit_of(wanted)), repeatable=True)


def columns(closed: StoreSession) -> Columns:
    """Return a session as a row of the table; what PostgreSQL cannot store in texts is replaced."""
    view = closed.view
    return (
        _clean(view.session),
        _clean(view.call),
        None if view.ani is None else _clean(view.ani),
        view.opened,
        closed.closed,
        _clean(closed.why),
        _json(view),
        _clean(view.ucid) if view.ucid else None,
    )


def insert(rows: Sequence[Columns], timeout_ms: int) -> Execute:
    """Return the statement that stores sessions; storing one twice changes nothing.

    Args:
        rows: Not empty; they are inserted in their order.
        timeout_ms: Its deadline.
    """
    text = msgspec.json.encode(rows).decode()
    return Execute(sql=_INSERT, args=(text,), repeatable=True, timeout_ms=timeout_ms)


def _json(view: SessionView) -> str:
    encoded = msgspec.json.encode(view).decode()
    if "\\u0000" in encoded:
        cleaned = _without_nul(msgspec.to_builtins(view))
        encoded = msgspec.json.encode(cleaned).decode()
    return encoded


def _without_nul(value: object) -> object:
    """PostgreSQL has no NUL in texts; a caller's data may."""
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return value


def _clean(text: str) -> str:
    return text.replace(_NUL, _REPLACEMENT)

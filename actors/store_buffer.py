"""Closed sessions on their way to the database: the pure core of sessionStore.

They wait in order of arrival, in a bound; where it is full the oldest gives way. A batch is sent at
a time. Where the database refuses the data of a batch, the next ones are halved until the session
that it refuses is alone; that one is given up, the others are stored.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from actors.call_messages import StoreSession
from actors.database import BAD_ARGUMENTS, Execute, QueryFailed
from actors.session_api import SessionView

Key: TypeAlias = Literal["session", "call", "ani"]
"""What sessions are found by."""

_INSERT = (
    "INSERT INTO closed_session (session, call, ani, opened, closed, why, view)"
    " SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::float8[],"
    " $6::text[], $7::jsonb[]) ON CONFLICT (session) DO NOTHING"
)
_DATA_ERRORS = ("22", "23", "54", BAD_ARGUMENTS)
"""SQLSTATE classes that are the data's fault: exception, constraint, limit, driver."""

_NUL = "\x00"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Buffer(Struct):
    """What waits and what became of the rest.

    Attributes:
        limit: Sessions that may be here, the batch on its way included.
        batch: Sessions of a batch, at most.
        size: Sessions of the next batch; less than `batch` after data was refused.
        waiting: In order of arrival.
        sent: The batch that the database has now.
        stored: Sessions stored; `dropped` gave way, `refused` were given up.
    """

    limit: int
    batch: int
    size: int
    waiting: deque[StoreSession]
    sent: list[StoreSession] = []
    stored: int = 0
    dropped: int = 0
    refused: int = 0

    def __len__(self) -> int:
        return len(self.waiting) + len(self.sent)


def begin(limit: int, batch: int) -> Buffer:
    """Return an empty buffer.

    Args:
        limit: Sessions that may be here.
        batch: Sessions of a batch, at most.
    """
    return Buffer(limit, batch, batch, deque())


def add(buffer: Buffer, closed: StoreSession) -> bool:
    """Put a session at the end; return whether the oldest had to give way."""
    buffer.waiting.append(closed)
    if len(buffer) <= buffer.limit:
        return False
    buffer.waiting.popleft()
    buffer.dropped += 1
    return True


def take(buffer: Buffer) -> list[StoreSession]:
    """Return the next batch, which counts as sent; empty where one is on its way."""
    if buffer.sent:
        return []
    buffer.sent = list(islice(buffer.waiting, buffer.size))
    for _ in buffer.sent:
        buffer.waiting.popleft()
    return buffer.sent


def stored(buffer: Buffer) -> int:
    """The batch is stored; return how many sessions it had."""
    count = len(buffer.sent)
    buffer.sent = []
    buffer.stored += count
    buffer.size = min(buffer.batch, 2 * buffer.size)
    return count


def failed(buffer: Buffer, failure: object) -> StoreSession | None:
    """The batch is not stored and waits again; return the session that was given up, if one was.

    Args:
        buffer: Is changed.
        failure: Why, as the database answered.
    """
    guilty = is_data_error(failure)
    if guilty and len(buffer.sent) == 1:
        buffer.refused += 1
        return buffer.sent.pop()
    if guilty:
        buffer.size = len(buffer.sent) // 2
    put_back(buffer)
    return None


def put_back(buffer: Buffer) -> None:
    """The batch on its way, if there is one, waits again before all others."""
    batch, buffer.sent = buffer.sent, []
    buffer.waiting.extendleft(reversed(batch))


def is_data_error(failure: object) -> bool:
    """Whether a failure is the fault of what was to be stored."""
    return isinstance(failure, QueryFailed) and failure.sqlstate.startswith(_DATA_ERRORS)


def found(buffer: Buffer, by: Key, value: str) -> list[SessionView]:
    """Return the sessions that are still here."""
    views = (closed.view for closed in (*buffer.sent, *buffer.waiting))
    return [view for view in views if getattr(view, by) == value]


def insert(batch: list[StoreSession], timeout_ms: int) -> Execute:
    """Return the statement that stores a batch; storing a session twice changes nothing.

    Args:
        batch: Not empty.
        timeout_ms: Its deadline.
    """
    rows = [
        (
            _clean(closed.view.session),
            _clean(closed.view.call),
            None if closed.view.ani is None else _clean(closed.view.ani),
            closed.view.opened,
            closed.closed,
            _clean(closed.why),
            _json(closed.view),
        )
        for closed in batch
    ]
    columns = tuple(list(column) for column in zip(*rows, strict=True))
    return Execute(sql=_INSERT, args=columns, repeatable=True, timeout_ms=timeout_ms)


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

"""Closed sessions as they lie in the journal: the outbox's rows, and those kept aside."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from actors.call_messages import StoreSession
from actors.closed_sessions import Columns
from actors.journal import versions
from actors.journal.records import OUTBOX, Codec
from supervision.release.versions import Conversions

VERSION = 2
"""Schema of the rows of the outbox."""


def _as_it_is(value: Any) -> Any:
    """Of version 2: what is new may be absent."""
    return value


def _unlinked(closed: Any) -> Any:
    """Of version 1: calls were not linked with others."""
    for field in ("prev_call", "ucid"):
        closed["view"].pop(field, None)
    return closed


def _refused_unlinked(value: Any) -> Any:
    _unlinked(value["record"])
    return value


WAYS = Conversions(up={1: _as_it_is}, down={2: _unlinked})
"""Between its versions."""
REFUSED = "refused"
"""The kind of the sessions that the database refuses, by session id."""
REFUSED_VERSION = 2
"""Schema of what is kept of them, a row of the outbox in it: both change together."""
REFUSED_WAYS = Conversions(up={1: _as_it_is}, down={2: _refused_unlinked})


class OutboxRow(Struct, frozen=True):
    """A row of the outbox, ready to be stored.

    Attributes:
        seq: Its number; later rows have greater ones.
        session: The session's id.
        columns: What is inserted; empty where the row is damaged.
        body: Its text, JSON, in this release's schema.
        damaged: Why it cannot be read; empty where it can.
    """

    seq: int
    session: str
    columns: Columns | tuple[()]
    body: str
    damaged: str = ""


class Refused(Struct, frozen=True):
    """A closed session that PostgreSQL refuses: kept aside for a person to look at.

    Attributes:
        session: Its id.
        at: When it was refused, seconds since the epoch.
        why: What the database said.
        record: The row of the outbox as it was, JSON.
    """

    session: str
    at: float
    why: str
    record: msgspec.Raw


def refused(row: OutboxRow, at: float, why: str) -> Refused:
    """Return a row of the outbox as it is kept aside.

    Args:
        row: As it was read.
        at: Seconds since the epoch.
        why: What the database said.
    """
    return Refused(row.session, at, why, msgspec.Raw(row.body.encode()))


_json = msgspec.json.Encoder()
_closed = msgspec.json.Decoder(StoreSession)
_refused = msgspec.json.Decoder(Refused)


def decoded(body: bytes, version: int) -> StoreSession:
    """Read a row of the outbox.

    Args:
        body: Its text.
        version: Of the schema that it was written with.

    Raises:
        ValueError: It is of another schema, or no closed session.
    """
    if version != VERSION:
        raise ValueError(f"a closed session of schema {version}, this release reads {VERSION}")
    return _closed.decode(body)


def _decode_refused(body: bytes, version: int) -> Refused:
    if version != REFUSED_VERSION:
        raise ValueError(f"a refused session of schema {version}, this is {REFUSED_VERSION}")
    return _refused.decode(body)


OUTBOX_CODEC = Codec(VERSION, _json.encode, decoded, *versions.steps(OUTBOX, WAYS))
REFUSED_CODEC = Codec(
    REFUSED_VERSION, _json.encode, _decode_refused, *versions.steps(REFUSED, REFUSED_WAYS)
)


def row_of(body: bytes, version: int) -> tuple[StoreSession, bytes]:
    """Read a row of the outbox, in a probation one that is in the schema of another release.

    Args:
        body: Its text.
        version: Of the schema that it was written with.

    Returns:
        What it says, and its text in this release's schema.

    Raises:
        ValueError: It is of a schema that this release does not read, or no closed session.
    """
    codec = OUTBOX_CODEC
    if not codec.knows(version):
        known = codec.version
        raise ValueError(f"a closed session of schema {version}, this release reads {known}")
    body = codec.raised(body, version)
    closed: StoreSession = codec.read(body, codec.version)
    return closed, body


def kept_aside(body: bytes, version: int) -> StoreSession:
    """Read a closed session that was set aside.

    Args:
        body: The text of its entry.
        version: Of the schema that it was written with.

    Raises:
        ValueError: It is of a schema that this release does not read, or no closed session.
    """
    if not REFUSED_CODEC.knows(version):
        raise ValueError(f"a refused session of schema {version}")
    record: Refused = REFUSED_CODEC.read(body, version)
    return _closed.decode(record.record)

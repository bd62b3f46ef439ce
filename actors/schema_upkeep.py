"""How the schema is brought up to date before a session is stored: pure.

What is applied is read first, so that a database where all is well needs no right but to read and
write. Only where that fails for want of a table or a column they are made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from actors import migrations
from actors.database import DatabaseRequest, Executed, QueryFailed, Rows
from actors.migrations import Applied, Migration, SchemaRefused

if TYPE_CHECKING:
    from pathlib import Path

    from actors.config import DatabaseConfig

UNIQUE_VIOLATION = "23505"
_MISSING = ("42P01", "42703", "3F000")
"""SQLSTATE undefined_table, undefined_column and invalid_schema_name."""

Phase: TypeAlias = Literal["waiting", "reading", "preparing", "migrating", "ready", "refused"]


class Ask(Struct, frozen=True):
    """Ask the database; `answered` follows."""

    request: DatabaseRequest


class Ready(Struct, frozen=True):
    """The schema is as it has to be."""


class Refused(Struct, frozen=True):
    """The schema and the migrations that ship do not go together."""

    why: str


class Failed(Struct, frozen=True):
    """A step failed; to be begun again after a while."""

    failure: Any


Step: TypeAlias = Ask | Ready | Refused | Failed


class Upkeep(Struct):
    """What is known of the schema.

    Attributes:
        migrations: Those that ship, in order.
        timeout_ms: Deadline of a step that changes the schema.
        read_timeout_ms: Deadline of the one that reads it.
        phase: How far it is; `ready` is when sessions are stored.
        prepared: Whether the table of what is applied has been made, this time.
        provisional: Whether another release may come back, which the schema has to serve.
        known: The last migration that this one knows.
        held: What waits until this one is permanent.
        again: Whether to begin again once what is under way has ended well.
    """

    migrations: list[Migration]
    timeout_ms: int
    read_timeout_ms: int
    phase: Phase = "waiting"
    prepared: bool = False
    provisional: bool = False
    known: int = 0
    held: list[Migration] = []
    again: bool = False

    @property
    def under_way(self) -> bool:
        """Whether a step is being waited for."""
        return self.phase in ("reading", "preparing", "migrating")


def of(database: DatabaseConfig, directory: Path) -> Upkeep:
    """Return what is known before anything was asked.

    Args:
        database: The configuration.
        directory: Of the migrations that ship.

    Raises:
        SchemaRefused: They are not as they have to be.
    """
    timeout_ms = round(database.migrate_timeout_s * 1000)
    return Upkeep(migrations.load(directory), timeout_ms, database.store_timeout_ms)


def begin(state: Upkeep) -> Ask:
    """See what is applied."""
    state.prepared = False
    return _read(state)


def permanent(state: Upkeep) -> Ask | None:
    """Take it that no older release comes back; what was held may be done.

    Returns:
        What to ask now; None where that is for later.
    """
    state.provisional = False
    if not state.held or state.phase == "waiting":
        return None  # whoever begins again finds what is left
    if state.under_way:
        state.again = True
        return None
    return begin(state)


def answered(state: Upkeep, answer: Any) -> Step:
    """Go on with what the database answered."""
    match state.phase, answer:
        case ("reading", Rows(rows)):
            return _apply(state, rows)
        case ("reading", QueryFailed(sqlstate)) if sqlstate in _MISSING and not state.prepared:
            state.phase, state.prepared = "preparing", True
            return Ask(migrations.prepare(state.timeout_ms))
        case ("preparing", Executed()):
            return _read(state)
        case ("migrating", Executed()):
            return _ready(state)
        case ("migrating", QueryFailed(sqlstate)) if sqlstate == UNIQUE_VIOLATION:
            return _read(state)  # another node was quicker: see what is left
    state.phase = "waiting"
    return Failed(answer)


def _read(state: Upkeep) -> Ask:
    state.phase = "reading"
    return Ask(migrations.applied(state.read_timeout_ms))


def _apply(state: Upkeep, rows: list[dict[str, Any]]) -> Step:
    try:
        applied = msgspec.convert(rows, list[Applied])
        left = migrations.pending(state.migrations, applied)
        state.held = []
        if state.provisional:
            left, state.held = migrations.expanding(left, state.known)
    except msgspec.ValidationError as invalid:
        state.phase = "refused"
        return Refused(f"the table vigie_schema cannot be read: {invalid}")
    except SchemaRefused as refused:
        state.phase = "refused"
        return Refused(str(refused))
    if not left:
        return _ready(state)
    state.phase = "migrating"
    return Ask(migrations.apply(left, state.timeout_ms))


def _ready(state: Upkeep) -> Ready | Ask:
    if state.again:
        state.again = False
        return begin(state)
    state.phase = "ready"
    return Ready()

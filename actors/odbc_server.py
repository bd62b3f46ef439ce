"""odbcServer: the way to PostgreSQL, under the name that operators know.

Its parts find each other by name and survive each other's restart. A server that cannot be reached
is no reason for any of them to end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

from actors import dispatch
from actors.config import DatabaseConfig
from actors.connection_router import ConnectionRouter
from actors.database import ROUTER
from actors.odbc_connection import OdbcConnection
from actors.permanence import Permanence
from actors.session_finder import FinderSettings, SessionFinder
from actors.session_store import SessionStore
from actors.session_sweeper import SessionSweeper
from actors.standby import Standby
from actors.store_records import StoreSettings
from supervision import ChildSpec, Supervisor, SupervisorFlags

if TYPE_CHECKING:
    from actors.alarms import Alarms
    from actors.journal.journal import Journal
    from supervision.eventloop.kernel import Kernel

DatabaseState: TypeAlias = Literal["up", "connecting", "down", "none"]


class OdbcSettings(Struct, frozen=True):
    """What odbcServer is started with.

    Attributes:
        database: The configuration; without a `dsn` there are no connections.
        intensity: Restarts within `period_s` that are allowed for each of its children.
        period_s: Seconds.
        journal: Whose outbox is drained and looked into; None where nothing is stored.
        alarms: Where operators are told; None together with the journal.
        standby: While it waits another process stores sessions.
        permanence: What takes something away from the schema waits for it.
    """

    database: DatabaseConfig
    intensity: int = 5
    period_s: float = 10.0
    journal: Journal | None = None
    alarms: Alarms | None = None
    standby: Standby = Standby()
    permanence: Permanence = Permanence()


class OdbcServer(Supervisor):
    """Supervisor of connectionRouter, odbcConnection-1..n and of what stores closed sessions."""

    def init(self, args: OdbcSettings) -> tuple[SupervisorFlags, list[ChildSpec]]:
        """Start the router first: connections announce themselves to it."""
        database = args.database
        number = database.connections if database.dsn else 0
        connections = [
            ChildSpec(f"odbcConnection-{n}", OdbcConnection, database) for n in range(1, number + 1)
        ]
        specs = [
            ChildSpec("connectionRouter", ConnectionRouter, database),
            *connections,
            *_keepers(args),
        ]
        if database.dsn:
            specs.append(ChildSpec("sessionSweeper", SessionSweeper, database))
        return SupervisorFlags("one_for_one", args.intensity * len(specs), args.period_s), specs


def _keepers(args: OdbcSettings) -> list[ChildSpec]:
    if args.journal is None or args.alarms is None:
        return []
    store = StoreSettings(args.database, args.journal, args.alarms, args.standby, args.permanence)
    finder = FinderSettings(args.database, args.journal)
    return [
        ChildSpec("sessionStore", SessionStore, store),
        ChildSpec("sessionFinder", SessionFinder, finder),
    ]


def database_state(kernel: Kernel) -> DatabaseState:
    """Return how the database is, as its router knows it.

    Args:
        kernel: The node; called on its loop.
    """
    cell = kernel.cell_of(ROUTER)
    actor = None if cell is None else cell.actor
    if not isinstance(actor, ConnectionRouter):
        return "connecting"
    core = actor.state.dispatch
    if core.unusable:
        return "none"
    if dispatch.usable(core):
        return "up"
    return "down" if dispatch.down(core) else "connecting"

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
from actors.connectors.targets import targets
from actors.customer_facts import CustomerFacts, CustomersSettings
from actors.customer_lookup import CustomerCache, cache_of
from actors.customers_config import CustomersConfig
from actors.database import ROUTER
from actors.odbc_alarms import OdbcAlarms
from actors.odbc_connection import ConnectionSettings, OdbcConnection
from actors.odbc_connector import ConnectorSettings, OdbcConnector
from actors.odbc_pool import NAME as POOL
from actors.odbc_pool import OdbcPool, PoolSettings
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

DatabaseState: TypeAlias = Literal["up", "read-only", "connecting", "down", "none"]


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
        customers: How callers are looked up.
        cache: Of what is known of them; None makes one that ends with odbcServer.
    """

    database: DatabaseConfig
    intensity: int = 5
    period_s: float = 10.0
    journal: Journal | None = None
    alarms: Alarms | None = None
    standby: Standby = Standby()
    permanence: Permanence = Permanence()
    customers: CustomersConfig = CustomersConfig()
    cache: CustomerCache | None = None


class OdbcServer(Supervisor):
    """Supervisor of connectionRouter, the connections, and what stores closed sessions."""

    def init(self, args: OdbcSettings) -> tuple[SupervisorFlags, list[ChildSpec]]:
        """Start the router first: connections announce themselves to it."""
        database = args.database
        each = database.connections if database.dsn else 0
        number = each * len(targets(database.dsn))
        specs = [
            ChildSpec("connectionRouter", ConnectionRouter, database),
            *(connection_spec(database, n) for n in range(1, number + 1)),
            *_connectors(database),
            *_keepers(args),
        ]
        if database.dsn:
            specs.append(ChildSpec(POOL, OdbcPool, PoolSettings(database, connection_spec)))
            if args.alarms is not None:
                specs.append(ChildSpec("odbcAlarms", OdbcAlarms, args.alarms))
            specs.append(ChildSpec("customerFacts", CustomerFacts, _customers(args)))
            specs.append(ChildSpec("sessionSweeper", SessionSweeper, database))
        return SupervisorFlags("one_for_one", args.intensity * len(specs), args.period_s), specs


def connection_spec(database: DatabaseConfig, number: int) -> ChildSpec:
    """How a connection is started; those that follow each other lead to one host after the other.

    Args:
        database: The configuration.
        number: Of the connection, from 1.
    """
    hosts = targets(database.dsn)
    settings = ConnectionSettings(database, hosts[(number - 1) % len(hosts)])
    return ChildSpec(f"odbcConnection-{number}", OdbcConnection, settings)


def _connectors(database: DatabaseConfig) -> list[ChildSpec]:
    hosts = targets(database.dsn)
    if len(hosts) == 1:
        return []  # it gets everything, whatever it is
    probe_s = database.probe_ms / 1000
    return [
        ChildSpec(f"odbcConnector-{n}", OdbcConnector, ConnectorSettings(target, probe_s))
        for n, target in enumerate(hosts, 1)
    ]


def _customers(args: OdbcSettings) -> CustomersSettings:
    cache = cache_of(args.customers) if args.cache is None else args.cache
    return CustomersSettings(args.customers, cache)


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
    if dispatch.unwritable(core):
        return "read-only" if dispatch.readable(core) else "down"
    return "connecting"

"""What the API needs from the rest of the node, as protocols; the node provides them.

Every method is called on the node's loop. Where a method is async its caller may be cancelled when
the request's time is up.
"""

from __future__ import annotations

from typing import Any, Protocol

from msgspec import Struct

from actors.session_api import (
    AddJourneyStep,
    CloseSession,
    Done,
    FindSessions,
    IdempotentKey,
    OpenSession,
    PatchSession,
    RouteFromIvr,
    SessionView,
)


class ReadinessReport(Struct, frozen=True, kw_only=True):
    """Whether the node takes traffic, and each part's word on it.

    Attributes:
        ready: What `/readyz` answers: 200 or 503.
        parts: State of each part by name, such as `{"cti": "accepting", "database": "down"}`.
    """

    ready: bool
    parts: dict[str, str]


class NodeCounts(Struct, frozen=True, kw_only=True):
    """How much there is in the node now, and what it has done since it started.

    Attributes:
        sessions: Sessions in memory.
        links: CTI links open.
        actors: Actors that live.
        restarts: Actors restarted by their supervisor.
        dead_letters: Messages that nobody took.
        handled: Messages handled.
        generation: Number of this node process since the anchor started.
        uptime_s: How long this node process has run, seconds.
    """

    sessions: int
    links: int
    actors: int
    restarts: int
    dead_letters: int
    handled: int
    generation: int
    uptime_s: float


class PoolReport(Struct, frozen=True, kw_only=True):
    """How many connections to the database there are.

    Attributes:
        connections: Wanted to each host.
        configured: As the configuration says, `database.connections`.
        limit: The most that may be wanted, `database.max_connections`.
        hosts: How many hosts there are.
        leaving: Connections that end as soon as what they run has.
    """

    connections: int
    configured: int
    limit: int
    hosts: int
    leaving: int


class HostReport(Struct, frozen=True, kw_only=True):
    """One host of the database.

    Attributes:
        role: `primary`, `replica`, `unreachable`, or `unknown` where it is the only one.
        why: Why it is unreachable.
        breaker: `closed`, `open` or `half-open`.
        failed: Look-ups that failed there in a row.
        opened: How often its breaker has opened.
    """

    role: str
    why: str
    breaker: str
    failed: int
    opened: int


class DatabaseReport(Struct, frozen=True, kw_only=True):
    """How the database stands.

    Attributes:
        state: `up`, `read-only`, `connecting`, `down`, or `none` where none is configured.
        primary: The host that is written to, where there are several.
        hosts: Each host, by its name.
        connections: `connecting`, `idle`, `busy` or `down`, by the name of the connection.
        waiting: Queries that wait for a connection.
        running: Queries that run.
        queries: Queries so far.
        pool: How many connections there are; None where no database is configured.
        customers: How look-ups of customers go.
    """

    state: str
    primary: str
    hosts: dict[str, HostReport]
    connections: dict[str, str]
    waiting: int
    running: int
    queries: int
    pool: PoolReport | None
    customers: dict[str, Any]


class PoolBusy(Exception):  # noqa: N818 - named for what it says
    """There is no pool of connections, or it cannot answer now."""


class PoolLimit(Exception):  # noqa: N818 - named for what it says
    """There may not be so many connections.

    Attributes:
        rule: How many there may be.
    """

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


class Database(Protocol):
    """The database, looked at and its pool changed."""

    async def report(self) -> DatabaseReport:
        """How it stands now.

        Raises:
            PoolBusy: It cannot be told now.
        """
        ...

    async def resize(self, connections: int) -> PoolReport:
        """Have so many connections to each host.

        Raises:
            PoolLimit: There may not be so many.
            PoolBusy: There is no pool, or it does not answer now.
        """
        ...


class Readiness(Protocol):
    """Tells whether the node takes traffic."""

    def report(self) -> ReadinessReport:
        """The state of each part, now."""
        ...

    def recovered(self) -> bool:
        """Whether the sessions are there that the last process left; true for good from then on."""
        ...


class Sessions(Protocol):
    """The calls' sessions.

    Each method that is given an id raises `NoSuchSession` for an unknown one, `SessionClosed` when
    the session no longer answers, and `Busy` when it cannot answer now. A change is durable when
    its method returns; where it raises `Busy` it may have been made. What carries a key is done
    once, and `KeyUsedOtherwise` raised for one that came with other content before.
    """

    def knows(self, call: str, once: IdempotentKey | None) -> bool:
        """Whether `open` would open nothing: the call has a session, or the key is known."""
        ...

    async def open(self, request: OpenSession) -> Done:
        """Open a session, or find the one that the call has.

        Returns:
            The session, and whether it was opened by this request.

        Raises:
            Busy: The node has as many sessions as it may.
            UserDataLimit: The user data is too large.
        """
        ...

    def seen(self, session: str) -> SessionView | None:
        """The session as `get` would tell it, where that needs no waiting; else None."""
        ...

    async def get(self, session: str) -> SessionView:
        """The session as it is now."""
        ...

    async def find(self, request: FindSessions) -> list[SessionView]:
        """Look sessions up; closed ones are found in the store."""
        ...

    async def patch(self, session: str, request: PatchSession) -> SessionView:
        """Change a session.

        Raises:
            RevConflict: The change was based on another revision.
            UserDataLimit: The user data would be too large.
        """
        ...

    async def add_step(self, session: str, request: AddJourneyStep) -> Done:
        """Note a step of the caller's journey.

        Raises:
            StepDataLimit: The step's data is too large.
        """
        ...

    async def route(self, session: str, request: RouteFromIvr) -> Done:
        """Decide where the call goes."""
        ...

    async def close(self, session: str, request: CloseSession) -> Done:
        """End the session; it answers for its linger time."""
        ...

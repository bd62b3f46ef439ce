"""odbcPool: how many connections there are to each host, changed while they serve.

What is wanted is compared with the children of odbcServer until they are the same, so that nothing
is lost when any of them, the router or this actor is restarted in the middle. A connection that is
one too many is withdrawn from the router first: what it runs ends, then its actor does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from actors.config import DatabaseConfig
from actors.connection_router import WATCHERS, ConnectionFreed, HostsStand, Withdraw
from actors.connectors.targets import targets
from actors.database import ROUTER
from supervision import (
    CallFailed,
    ChildSpec,
    DeleteChild,
    GenServer,
    StartChild,
    TerminateChild,
    Timeout,
    WhichChildren,
)
from supervision.eventloop.calls import PendingCall
from supervision.eventloop.cell import LocalAddress
from supervision.eventloop.timers import Timer

NAME = "odbcPool"
"""The name that `Resize` and `PoolAsked` are sent to."""

CHILD = "odbcConnection-"
AGAIN_S = 1.0
MANAGE_S = 5.0
"""How long odbcServer has to start or to end a connection, seconds."""


class PoolSettings(Struct, frozen=True):
    """What the pool is started with.

    Attributes:
        database: The configuration.
        spec: How the connection of a number, from 1, is started.
    """

    database: DatabaseConfig
    spec: Callable[[DatabaseConfig, int], ChildSpec]


class Resize(Struct, frozen=True):
    """Asked by an operator: have so many connections to each host; answered with `Pool`."""

    connections: int


class PoolAsked(Struct, frozen=True):
    """How large is it? Answered with `Pool`."""


class Pool(Struct, frozen=True):
    """How large the pool is.

    Attributes:
        connections: Wanted to each host.
        configured: As `database.connections` says.
        limit: The most that may be wanted, `database.max_connections`.
        hosts: How many there are.
        leaving: Connections that end as soon as what they run has.
    """

    connections: int
    configured: int
    limit: int
    hosts: int
    leaving: int


class PoolRefused(Struct, frozen=True):
    """Failure: so many there may not be; `rule` says how many may."""

    rule: str


class PoolState(Struct):
    """What the pool knows.

    Attributes:
        settings: As above.
        hosts: How many there are.
        live: What an operator wants; None where the configuration counts.
        leaving: Numbers of the connections that are withdrawn.
        timer: Of the next look, while not everything is as it should be.
    """

    settings: PoolSettings
    hosts: int
    live: int | None = None
    leaving: set[int] = set()
    timer: Timer | None = None

    @property
    def wanted(self) -> int:
        """Connections to each host."""
        return self.settings.database.connections if self.live is None else self.live


class PoolCarried(Struct):
    """What of a pool travels to another version: what an operator wants."""

    live: int | None = None


class _Look(Struct, frozen=True):
    """Cast to itself: compare what there is with what is wanted."""

    learn: bool = False


class OdbcPool(GenServer):
    """The pool; its argument is the `PoolSettings`."""

    version = 1
    carries_mailbox = False  # who asks there has not travelled
    carried = PoolCarried
    state: PoolState

    def init(self, args: PoolSettings) -> None:
        """Learn how many there are: one before this may have changed it."""
        self.state = PoolState(args, len(targets(args.database.dsn)))
        self.register(NAME)
        self.join(WATCHERS)
        self.cast(self.address, _Look(learn=True))

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        """Change the size, or tell it."""
        match request:
            case Resize(connections):
                limit = self.state.settings.database.max_connections
                if not 1 <= connections <= limit:
                    return PoolRefused(f"1 to {limit} (database.max_connections)")
                self.state.live = connections
                self.cast(self.address, _Look())
                return self._pool()
            case PoolAsked():
                return self._pool()
        return super().handle_call(request, from_)

    async def handle_cast(self, request: Any) -> None:
        """Look."""
        match request:
            case _Look(learn):
                await self._look(learn=learn)
            case _:
                super().handle_cast(request)

    async def handle_info(self, message: Any, sender: Any) -> None:
        """A connection that was withdrawn has nothing to do any more."""
        match message:
            case ConnectionFreed(connection):
                await self._end(str(connection.name))
            case Timeout():
                self.state.timer = None
                await self._look(learn=False)
            case HostsStand():
                pass  # the alarms' business
            case _:
                super().handle_info(message, sender)

    def hand_over(self) -> PoolCarried:
        """What an operator wants."""
        return PoolCarried(self.state.live)

    def adopt(self, state: PoolCarried) -> None:
        """Want the same, as far as this version's configuration allows it."""
        if state.live is not None:
            self.state.live = min(state.live, self.state.settings.database.max_connections)
            self.cast(self.address, _Look())

    def format_status(self, state: PoolState) -> dict[str, Any]:
        """The size, and what of it an operator has changed."""
        pool = self._pool()
        return {name: getattr(pool, name) for name in pool.__struct_fields__} | {
            "changed": state.live is not None
        }

    def _pool(self) -> Pool:
        state = self.state
        database = state.settings.database
        return Pool(
            state.wanted,
            database.connections,
            database.max_connections,
            state.hosts,
            len(state.leaving),
        )

    async def _look(self, *, learn: bool) -> None:
        there = await self._there()
        if there is None:
            self._again()
            return
        state = self.state
        if learn and there and state.live is None and len(there) // state.hosts != state.wanted:
            state.live = max(len(there) // state.hosts, 1)
        wanted = set(range(1, state.wanted * state.hosts + 1))
        state.leaving = set(there) - wanted
        for number in sorted(wanted - set(there)):
            await self._manage(StartChild(state.settings.spec(state.settings.database, number)))
        for number in state.leaving:
            await self._withdraw(number, there[number])
        if state.leaving:
            self._again()

    async def _there(self) -> dict[int, LocalAddress] | None:
        """The connections that there are; None where odbcServer cannot tell now."""
        children = await self._manage(WhichChildren())
        if not isinstance(children, list):
            return None
        return {
            int(child.id.removeprefix(CHILD)): child.address
            for child in children
            if child.id.startswith(CHILD)
        }

    async def _withdraw(self, number: int, connection: LocalAddress) -> None:
        if connection.cell is None:
            await self._end(f"{CHILD}{number}")  # it does not run: nothing has to be let end
        elif self.whereis(ROUTER) is not None:
            self.cast(ROUTER, Withdraw(connection))

    async def _end(self, child: str) -> None:
        number = int(child.removeprefix(CHILD))
        if number in self.state.leaving and number > self.state.wanted * self.state.hosts:
            await self._manage(TerminateChild(child))
            await self._manage(DeleteChild(child))
            self.state.leaving.discard(number)

    async def _manage(self, request: Any) -> Any:
        """Ask odbcServer; what it has not done is seen at the next look."""
        supervisor = self.address.parent
        if supervisor is None:
            return None
        try:
            return await self.call(supervisor, request, MANAGE_S)
        except CallFailed as failure:
            why = str(failure)
            self.kernel.report("degraded", self.address.path, part="database pool", why=why)
            self._again()
            return None

    def _again(self) -> None:
        if self.state.timer is None:
            self.state.timer = self.start_timer(AGAIN_S, "look")

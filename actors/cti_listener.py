"""ctiListener: accepts CTI connections and sees to it that every link session has an actor.

It listens on a duplicate of the inherited socket, so that its next incarnation can listen again.
What it has accepted is in the node's table of links: its own end closes no connection, and a new
listener finds there whose actor has to be started.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from actors.cti_args import LinkArgs
from actors.cti_connection import ConnectionLimits, CtiConnection
from actors.cti_greeting import LISTENER, EnsureLink
from actors.cti_link import CtiLink
from actors.entrance import Acceptor
from protocols.cti.framing import encode
from supervision import (
    ChildSpec,
    DeleteChild,
    GenServer,
    Refused,
    Response,
    StartChild,
    Started,
    Timeout,
)

if TYPE_CHECKING:
    import socket

    from actors.call_messages import CallSettings
    from actors.cti_row import LinkRow
    from actors.cti_table import LinkTable
    from actors.overload import Overload
    from actors.session_opening import Openings
    from actors.session_pool import SessionPool
    from actors.web.tokens import TokenStore
    from protocols.cti.link_state import LinkConfig

NAME = LISTENER
SUPERVISOR = "ctiSup"
BACKLOG = 256
ACCEPTS = 64
"""Connections that are accepted in one turn of the loop."""

SWEEP_S = 1.0
"""How often link sessions are looked for that nobody has resumed in time."""

KEEP_LIMIT = 10_000
"""Messages that wait for the next incarnation of a link's actor."""


class ListenerArgs(Struct, frozen=True):
    """What the listener starts with.

    Attributes:
        socket: listening; stays the owner's.
        table: of the node's links.
        settings: those of calls.
        tokens: who may connect.
        openings: how sessions are opened.
        overload: what is refused so that the rest is answered in time.
        pool: the sessions that live.
    """

    socket: socket.socket
    table: LinkTable
    settings: CallSettings
    tokens: TokenStore
    openings: Openings
    overload: Overload
    pool: SessionPool


class Turned(Struct, frozen=True):
    """Tells the listener that the entrance is open again."""


TURNED = Turned()


class ListenerState(Struct):
    """What the listener counts.

    Attributes:
        accepted: connections accepted by this incarnation.
        refused: connections refused because there were as many as may be.
        accepting: whether the port accepts.
    """

    accepted: int = 0
    refused: int = 0
    accepting: bool = False


class CtiListener(GenServer):
    """Accepts; registered as ``ctiListener``."""

    state: ListenerState

    async def init(self, args: ListenerArgs) -> None:
        """Listen, and adopt the links that have no actor."""
        self._args = args
        self.state = ListenerState()
        self._over = False
        self._starting: dict[int, LinkRow] = {}
        self._forgetting: dict[int, str] = {}
        self._limits = limits(args.table.config, args.table.limits.resume_s)
        self._acceptor = self._make_acceptor()
        self.at_end(self._end)  # killed too: two would share what comes
        self.at_end(args.table.entrance.attend(self._turned))
        await self._accept()
        self.register(NAME)
        for row in args.table.rows.values():
            self._ensure(row)
        self.start_timer(SWEEP_S, "sweep")

    def _end(self) -> None:
        """Called when the listener has ended; the links go on."""
        self._over = True
        self.state.accepting = False
        self._acceptor.end()

    def _turned(self, to_open: bool) -> None:
        """The entrance has been opened or shut."""
        if to_open:
            self.kernel.send(self.address, TURNED, None)
        else:
            self.state.accepting = False
            self._acceptor.pause()

    async def _accept(self) -> None:
        await self._acceptor.begin(self._args.socket)
        self.state.accepting = self._args.table.entrance.open and not self._over

    def status(self) -> Any:
        """What it has accepted, and the node's link sessions."""
        table = self._args.table
        return {
            "listener": self.state,
            "connections": len(table.connections),
            "link_sessions": table.sessions,
            "resting": len(table.resting),
            "counts": table.counts,
        }

    def _make_acceptor(self) -> Acceptor:
        entrance = self._args.table.entrance
        return Acceptor(entrance, self._connection, accepts=ACCEPTS, backlog=BACKLOG)

    def _connection(self) -> CtiConnection:
        table = self._args.table
        return CtiConnection(self.kernel, self._accepted, table.closed, self._limits)

    def _accepted(self, connection: CtiConnection) -> None:
        """Called by the loop with each new connection."""
        if self._over:
            connection.abort()  # the loop had accepted it just before the listener ended
            return
        row = self._args.table.accept(connection)
        if row is None:
            self._refuse(connection)
            return
        self.state.accepted += 1
        self._ensure(row)

    def _refuse(self, connection: CtiConnection) -> None:
        self.state.refused += 1
        table = self._args.table
        msg = "vigie stops" if table.stopping else f"cti.max_links is {table.limits.max_links}"
        connection.write(encode({"t": "error", "code": 503, "ref": 0, "msg": msg}))
        connection.close()

    # The actors of links

    def _ensure(self, row: LinkRow) -> None:
        """Have an actor started for a link, where it has none."""
        given = self._args
        args = LinkArgs(
            row,
            given.table,
            given.settings,
            given.tokens,
            given.openings,
            given.overload,
            given.pool,
        )
        spec = ChildSpec(
            row.child,
            CtiLink,
            args,
            restart="transient",
            on_restart="keep",
            keep_limit=KEEP_LIMIT,
        )
        self._starting[self.request(SUPERVISOR, StartChild(spec), None)] = row

    def handle_cast(self, request: EnsureLink) -> None:
        """A peer goes on with a link session that may have no actor."""
        row = self._args.table.rows.get(request.number)
        if row is not None:
            self._ensure(row)

    def handle_info(self, message: Any, sender: Any) -> Any:
        """A link has started, or could not; or its supervisor has forgotten it."""
        match message:
            case Response(request_id=number) if number in self._starting:
                self._started(self._starting.pop(number), message.value)
            case Response(request_id=number) if number in self._forgetting:
                self._forgotten(self._forgetting.pop(number), message.value)
            case Timeout():
                self._sweep()
            case Turned():
                return self._accept()
            case _:
                super().handle_info(message, sender)
        return None

    def _started(self, row: LinkRow, outcome: Any) -> None:
        if isinstance(outcome, Started):
            return
        why = outcome.why if isinstance(outcome, Refused) else ""
        if why == "already_present" and not row.over:  # somebody had it terminated
            self._forgetting[self.request(SUPERVISOR, DeleteChild(row.child), None)] = ""
            self._ensure(row)
        elif why != "already_started" and row.connection is not None and not row.over:
            row.connection.abort()

    def _sweep(self) -> None:
        table = self._args.table
        table.sweep()
        for child in table.leavers - set(self._forgetting.values()):
            self._forgetting[self.request(SUPERVISOR, DeleteChild(child), None)] = child
        self.start_timer(SWEEP_S, "sweep")

    def _forgotten(self, child: str, outcome: Any) -> None:
        if outcome is True or (isinstance(outcome, Refused) and outcome.why == "not_found"):
            self._args.table.leavers.discard(child)


def limits(config: LinkConfig, resume_s: float) -> ConnectionLimits:
    """The bounds of a connection; TCP is as patient as heartbeats are."""
    beats = config.hb
    silence_ms = beats.interval_ms + beats.limit * (beats.timeout_ms + beats.retry_ms)
    return ConnectionLimits(
        write=config.write_buffer_bytes,
        attach_s=config.handshake_timeout_ms / 1000,
        orphan_s=resume_s,
        silence_s=max(1.0, silence_ms / 1000),
    )

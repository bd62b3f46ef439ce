"""The part ``links``: CTI connections and link sessions go to another process, and none is closed.

What has not been read waits in the kernel and what has not been sent goes out first, so that a peer
sees a pause and nothing else. The actors of links do not travel: all that they know is in the
table, and new ones adopt it, as they do after a crash. Frames that are not confirmed are handed to
their sessions again, which know what they have applied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from actors.cti_connection import CtiConnection, EndOfFile
from actors.cti_greeting import LISTENER, EnsureLink
from actors.cti_listener import limits
from actors.takeover.links_state import (
    ConnectionState,
    LinksState,
    RowState,
    known_of,
    row_of,
    row_state,
    told_of,
)
from actors.takeover.links_versions import VERSION, WAYS
from actors.takeover.part_states import read, written
from actors.takeover.pauses import Held
from protocols.csta.link import Link as CstaLink
from protocols.cti.link import Link
from supervision.eventloop.managed import Cast
from supervision.release.carrier import Packed, Part
from supervision.release.sockets import Detached

if TYPE_CHECKING:
    from actors.cti_row import LinkRow
    from actors.cti_table import LinkTable
    from actors.session_pool import SessionPool
    from protocols.cti.link_session import LinkSession
    from protocols.cti.link_state import LinkConfig
    from protocols.cti.messages import HeartbeatTimes
    from supervision.eventloop.kernel import Kernel
    from supervision.release.versions import Conversions

NAME = "links"

_DECODER = msgspec.msgpack.Decoder(LinksState)  # made now: at the freeze it would take time

NOT_PASSED = "it ended while the node was handed over"
"""Of a connection whose socket does not travel, though it was open."""

NAMED = 20
"""Links that operators are told of by name because something of theirs is not done with."""


class LinksPart(Part):
    """The links of a node.

    Args:
        kernel: the node.
        table: of its links.
        pool: its sessions.

    Attributes:
        held: the connections that were taken, since when nobody read them; None before the switch.
    """

    name = NAME
    version = VERSION
    conversions: Conversions = WAYS

    def __init__(self, kernel: Kernel, table: LinkTable, pool: SessionPool) -> None:
        self._kernel = kernel
        self._table = table
        self._pool = pool
        self._held_at: float | None = None
        self._out: dict[CtiConnection, tuple[Detached, float | None]] = {}
        self._handed: list[tuple[LinkRow, RowState]] = []
        self._adopted = 0
        self.held: Held | None = None

    # The side that gives

    def hold(self) -> None:
        """Read nothing more, and let nobody in."""
        self._table.entrance.shut()
        self._table.still = True
        self._held_at = self._kernel.clock.monotonic()
        for connection in self._table.connections:
            connection.rest()

    def idle(self) -> bool:
        """Whether every frame that was read is handled and every request answered."""
        return self._table.entrance.settled and not any(map(_busy, self._table.rows.values()))

    def stragglers(self) -> list[str]:
        """The links of which something is not done with."""
        return [
            f"{row.child}: {len(row.questions.open)} requests without an answer"
            for row in self._table.rows.values()
            if _busy(row)
        ][:NAMED]

    async def stop(self) -> None:
        """Take every socket out of this process's loop."""
        for connection in self._table.connections:
            abort_at = connection.abort_at
            detached = connection.take_out()
            if detached is not None:
                self._out[connection] = (detached, abort_at)

    def pack(self, version: int) -> Packed:
        """All links, and their sockets."""
        sockets = {connection: place for place, connection in enumerate(self._out)}
        descriptors = tuple(detached.descriptor for detached, _ in self._out.values())
        return Packed(written(self, self._state(sockets), version), descriptors)

    def copy(self, version: int) -> bytes:
        """All links as they are now, as if their connections had just ended."""
        return written(self, self._state({}), version)

    def _state(self, sockets: dict[CtiConnection, int]) -> LinksState:
        table = self._table
        known = table.known
        carrying = {row.connection for row in known}
        return LinksState(
            rows=[self._row_state(row, sockets) for row in known],
            closing=[
                self._connection_state(one, sockets) for one in sockets if one not in carrying
            ],
            resting=list(table.resting.items()),
            last=table.last,
            counts=table.counts,
            held_at=self._held_at or self._kernel.clock.monotonic(),
        )

    def _row_state(self, row: LinkRow, sockets: dict[CtiConnection, int]) -> RowState:
        connection = row.connection
        state = None if connection is None else self._connection_state(connection, sockets)
        return row_state(row, state, listed=row.number in self._table.rows)

    def _connection_state(
        self, connection: CtiConnection, sockets: dict[CtiConnection, int]
    ) -> ConnectionState:
        place, link = sockets.get(connection), connection.link
        hb, window = told_of(link)
        framing_a, framing_b = known_of(link)
        lost = connection.lost
        if place is None:
            detached, abort_at = Detached(-1), None
            lost = lost or EndOfFile(NOT_PASSED)
        else:
            detached, abort_at = self._out[connection]
        return ConnectionState(
            socket=place,
            peer=connection.peer,
            unsent=detached.unsent + connection.apart,
            closing=detached.closing,
            unread=connection.reads,
            lost=lost,
            abort_at=abort_at,
            link=framing_a,
            csta=framing_b,
            arrived=link.arrived,
            hb=hb,
            window=window,
        )

    async def resume(self) -> None:
        """Put every socket back, and read and let in again."""
        out, self._out = self._out, {}
        self._put_in(out)
        self._heard_again()
        for connection in self._table.connections:
            connection.go_on()
        self._table.still = False
        self._table.entrance.reopen()

    # The side that takes

    def unpack(self, version: int, body: bytes, descriptors: tuple[int, ...]) -> None:
        """Know the links; their sockets stay as they came."""
        state = read(self, _DECODER, version, body)
        places = [one.socket for one in _connections(state) if one.socket is not None]
        if sorted(places) != list(range(len(descriptors))):
            raise ValueError(f"{len(descriptors)} sockets came for {len(places)} connections")
        self._held_at = state.held_at
        making = _Making(self._kernel, self._table, descriptors)
        rows = []
        for row_state_ in state.rows:
            row = row_of(row_state_)
            if row_state_.connection is not None:
                row.connection = making.connection(row_state_.connection, row)
            rows.append((row, row_state_.listed))
            self._handed.append((row, row_state_))
        for closing in state.closing:
            making.connection(closing, None)
        self._table.carry(state.last, rows)
        self._table.resting.update(state.resting)
        self._table.counts = state.counts
        self._out = making.out

    async def switch(self) -> None:
        """Serve every link, those first that have something to do."""
        for row, state in self._handed:
            self._find_sessions(row, state)
        rows = sorted((row for row, _ in self._handed), key=_quiet)
        self._handed = []
        out, self._out = self._out, {}
        self._adopted = len(out)
        self.held = None if self._held_at is None else Held(self._held_at, len(out))
        self._put_in(out)
        self._heard_again()
        for row in rows:
            if row.number in self._table.rows:
                self._kernel.cast(LISTENER, Cast(EnsureLink(row.number)))

    def _find_sessions(self, row: LinkRow, state: RowState) -> None:
        found = ((i, self._pool.address_of(session)) for i, session in state.handed)
        row.ways.carry(state.released, [(i, to) for i, to in found if to is not None])

    def tells(self) -> dict[str, Any]:
        """How many connections there are on this side."""
        return {"cti": self._adopted or len(self._out)}

    # Both sides

    def _put_in(self, out: dict[CtiConnection, tuple[Detached, float | None]]) -> None:
        for connection, (detached, abort_at) in out.items():
            self._table.connections.add(connection)
            connection.put_in(detached, abort_at)

    def _heard_again(self) -> None:
        """The time in which nothing was read is not held against any peer."""
        held_at, self._held_at = self._held_at, None
        if held_at is not None:
            seconds = self._kernel.clock.monotonic() - held_at
            for connection in self._table.connections:
                connection.link.unheard(seconds)


class _Making:
    """Makes the connections of a node that takes."""

    def __init__(self, kernel: Kernel, table: LinkTable, descriptors: tuple[int, ...]) -> None:
        self._kernel = kernel
        self._table = table
        self._descriptors = descriptors
        self._limits = limits(table.config, table.limits.resume_s)
        self._configs: dict[tuple[HeartbeatTimes, int], LinkConfig] = {}
        self.out: dict[CtiConnection, tuple[Detached, float | None]] = {}

    def connection(self, state: ConnectionState, row: LinkRow | None) -> CtiConnection:
        table = self._table
        made = CtiConnection(self._kernel, _nobody, table.closed, self._limits)
        made.carry(state.peer, state.unread, state.lost)
        made.link = self._link(state, None if row is None else row.session)
        if state.socket is not None:
            socket = Detached(self._descriptors[state.socket], state.unsent, state.closing)
            self.out[made] = (socket, state.abort_at)
        return made

    def _link(self, state: ConnectionState, session: LinkSession | None) -> Link | CstaLink:
        config, clock = self._config(state), self._kernel.clock
        now, wall = clock.monotonic(), clock.wall()
        if state.csta is not None:
            csta = CstaLink(config, self._table.csta, now=now, wall=wall)
            csta.carry(state.csta, session if state.csta.phase == "open" else None, state.arrived)
            return csta
        link = Link(config, now=now, wall=wall)
        if state.link is None:
            raise ValueError("a connection of no framing")
        link.carry(state.link, session if state.link.phase == "open" else None, state.arrived)
        return link

    def _config(self, state: ConnectionState) -> LinkConfig:
        """That of a link whose peer has been told other heartbeats than this configuration's."""
        told = (state.hb, state.window)
        config = self._configs.get(told)
        if config is None:
            config = structs.replace(self._table.config, hb=state.hb, window=state.window)
            self._configs[told] = config
        return config


def _nobody(connection: CtiConnection) -> None:
    """Takes the place of who takes new connections in: this one is known."""


def _busy(row: LinkRow) -> bool:
    """Whether something that was read is not handled, or a request not answered."""
    connection = row.connection
    if connection is None:
        return False
    unheard = connection.unread or connection.lost is not None
    return bool(unheard or row.events or row.questions.open)


def _quiet(row: LinkRow) -> bool:
    return not (row.pending or row.ways.waiting or _busy(row))


def _connections(state: LinksState) -> list[ConnectionState]:
    carrying = [row.connection for row in state.rows if row.connection is not None]
    return [*carrying, *state.closing]

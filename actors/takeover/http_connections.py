"""The part ``http``: connections between two requests go to another process, and none is closed.

Requests that have been read are answered before; further ones wait unread in their sockets, or with
those who connect in the backlog. What is not answered in time is named, and ends with this process.
Streams of events end when the other process serves: their readers connect again and go on after the
last event that they have seen, for the epoch, the numbers and the latest events travel as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from actors.takeover.part_states import read, written
from actors.takeover.pauses import Held
from actors.web.connections import Moving
from actors.web.event_hub import Event
from actors.web.shown import shown
from supervision.release.carrier import Packed, Part
from supervision.release.sockets import Detached
from supervision.release.versions import SAME

if TYPE_CHECKING:
    from actors.http_server import HttpEntrance
    from actors.web.event_hub import EventHub
    from supervision.eventloop.kernel import Kernel
    from supervision.release.versions import Conversions

NAME = "http"
VERSION = 1

LOOK_S = 0.002
"""Seconds between two looks at whether all requests are answered."""


class ConnectionState(Struct, kw_only=True):
    """A connection, as `actors.web.connections.Moving`.

    Attributes:
        socket: the place of its descriptor among those that travel.
    """

    socket: int
    unsent: bytes
    closing: bool
    begun: bytes
    close_at: float | None


class EndState(Struct, kw_only=True):
    """A stream of events that ends: its descriptor's place, and what is written before."""

    socket: int
    words: bytes


class HttpState(Struct, kw_only=True):
    """What travels.

    Attributes:
        connections: those between two requests.
        ends: streams of events.
        epoch: of the events.
        number: of the last event.
        events: the latest events, the oldest first; their data is plain.
        held_at: since when nothing has been read, monotonic seconds.
    """

    connections: list[ConnectionState]
    ends: list[EndState]
    epoch: str
    number: int
    events: list[Event]
    held_at: float


_DECODER = msgspec.msgpack.Decoder(HttpState)  # made now: at the freeze it would take time


class HttpPart(Part):
    """The HTTP connections of a node.

    Args:
        kernel: the node.
        entrance: where they come in.
        hub: the events of the node.

    Attributes:
        held: the connections that were taken, since when nobody read them: the time that requests
            in flight had is part of it. None before the switch.
    """

    name = NAME
    version = VERSION
    conversions: Conversions = SAME

    def __init__(self, kernel: Kernel, entrance: HttpEntrance, hub: EventHub) -> None:
        self._kernel = kernel
        self._entrance = entrance
        self._hub = hub
        self._held_at: float | None = None
        self._out: list[Moving] = []
        self._ends: list[tuple[int, bytes]] = []
        self._adopted = 0
        self.held: Held | None = None

    # The side that gives

    async def drain(self, until: float) -> None:
        """Have all requests answered that have been read, and read no more."""
        self._read_no_more()
        while self._busy() and self._kernel.clock.monotonic() < until:  # noqa: ASYNC110 - answers tell nobody
            await asyncio.sleep(LOOK_S)

    def hold(self) -> None:
        """Read no further request, and let nobody in."""
        self._read_no_more()

    def _read_no_more(self) -> None:
        if self._held_at is None:
            self._held_at = self._kernel.clock.monotonic()
        self._entrance.shut()
        if self._entrance.server is not None:
            self._entrance.server.drain()

    def _busy(self) -> list[str]:
        server = self._entrance.server
        return [] if server is None else server.busy

    def idle(self) -> bool:
        """Whether who was accepted is known; the requests have had their time."""
        return self._entrance.settled

    def stragglers(self) -> list[str]:
        """The requests that are not answered: their connections end."""
        return [f"http: {request}" for request in self._busy()]

    async def stop(self) -> None:
        """Take the connections out of this process's loop."""
        server = self._entrance.server
        if server is not None:
            self._out = server.take_out()
            self._ends = server.ends()

    def pack(self, version: int) -> Packed:
        """The connections, and the latest events."""
        descriptors = [moving.socket.descriptor for moving in self._out]
        descriptors += [descriptor for descriptor, _ in self._ends]
        return Packed(written(self, self._state(), version), tuple(descriptors))

    def copy(self, version: int) -> bytes:
        """The latest events; no connection."""
        return written(self, self._state(), version)

    def _state(self) -> HttpState:
        hub, first_end = self._hub, len(self._out)
        return HttpState(
            connections=[_written(place, moving) for place, moving in enumerate(self._out)],
            ends=[
                EndState(socket=place, words=words)
                for place, (_, words) in enumerate(self._ends, first_end)
            ],
            epoch=hub.epoch,
            number=hub.number,
            events=[
                Event(event.number, event.kind, event.at, shown(event.data)) for event in hub.kept
            ],
            held_at=self._held_at or self._kernel.clock.monotonic(),
        )

    async def resume(self) -> None:
        """Put the connections back, and read and let in again."""
        out, self._out, self._ends = self._out, [], []
        if self._entrance.server is not None:
            self._entrance.server.go_on()
        self._entrance.come(map(self._later, out))
        self._held_at = None
        self._entrance.reopen()

    # The side that takes

    def unpack(self, version: int, body: bytes, descriptors: tuple[int, ...]) -> None:
        """Know the connections and the latest events; the sockets stay as they came."""
        state = read(self, _DECODER, version, body)
        places = [one.socket for one in state.connections] + [one.socket for one in state.ends]
        if places != list(range(len(descriptors))):
            raise ValueError(f"{len(descriptors)} sockets came for {len(places)} connections")
        self._held_at = state.held_at
        self._out = [_moving(one, descriptors[one.socket]) for one in state.connections]
        self._ends = [(descriptors[one.socket], one.words) for one in state.ends]
        self._hub.carry(state.epoch, state.number, state.events)

    async def switch(self) -> None:
        """Serve the connections, and end the streams: their readers come back here."""
        out, self._out = self._out, []
        ends, self._ends = self._ends, []
        self._adopted = len(out)
        self.held = None if self._held_at is None else Held(self._held_at, len(out))
        self._entrance.come(map(self._later, out))
        for descriptor, words in ends:
            _end(descriptor, words)

    def _later(self, moving: Moving) -> Moving:
        """The time in which nothing was read is no time in which a connection was idle."""
        if moving.close_at is None or self._held_at is None:
            return moving
        held_s = self._kernel.clock.monotonic() - self._held_at
        return Moving(moving.socket, moving.begun, moving.close_at + held_s)

    def tells(self) -> dict[str, Any]:
        """How many connections there are on this side."""
        return {"http": self._adopted or len(self._out)}


def _written(place: int, moving: Moving) -> ConnectionState:
    taken = moving.socket
    return ConnectionState(
        socket=place,
        unsent=taken.unsent,
        closing=taken.closing,
        begun=moving.begun,
        close_at=moving.close_at,
    )


def _moving(state: ConnectionState, descriptor: int) -> Moving:
    return Moving(Detached(descriptor, state.unsent, state.closing), state.begun, state.close_at)


def _end(descriptor: int, words: bytes) -> None:
    """End a stream of events in order; its reader may be gone."""
    with socket.socket(fileno=descriptor) as stream, contextlib.suppress(OSError):
        stream.setblocking(False)
        stream.send(words)
        stream.shutdown(socket.SHUT_WR)  # the process that gave has the socket too

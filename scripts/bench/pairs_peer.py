"""One side of a primary/backup pair, in a process of its own: asks for routes by a schedule.

    pairs_peer.py < SHAPE      a line of JSON, see ``Shape``; then lines of JSON: ``Order``

Says ``open`` when its link is. What it asks and is told goes line by line to its ledger, which a
kill leaves as it is: ``[what, number of the question, monotonic seconds, more]``. A connection that
is lost is made again and the link session resumed. It ends when all that it asked is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from protocols.cti.client import Answered, Client, ClientEvent, Opened, ResumeLost
from protocols.cti.events import Closed, Received, Transmit
from protocols.cti.messages import Error, Hello, RouteEnd, RouteSelect, Side

if TYPE_CHECKING:
    from collections.abc import Iterable

    from protocols.cti.client_session import ClientSession

POINT = "pairs"
AGAIN_S = 0.02
"""Before another attempt to connect."""
ASK_AGAIN_S = 0.3
"""After a resume: then what is acknowledged and not answered is asked anew."""
LINGER_S = 30.0
"""How long answers are waited for at the end."""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: what is not sent is thrown away, and the other end gets RST."""


class Shape(Struct, frozen=True):
    """What this side is.

    Attributes:
        port: of the node.
        token: of scope cti.
        side: of the pair.
        run: begins the ids of calls and questions.
        ledger: file.
    """

    port: int
    token: str
    side: Side
    run: str
    ledger: str


class Order(Struct, frozen=True):
    """What to do.

    Attributes:
        t0: when question 0 is due, monotonic seconds.
        rate: questions per second.
        first: which question is asked first.
        count: which is the last one, not included.
        again: questions of the other side, asked at once.
        burst_at: when ``burst`` questions are asked at once, monotonic seconds; 0 is never.
        burst: how many.
        reset_s: how long after the burst the connection is reset; None: it is not.
    """

    t0: float
    rate: float
    first: int
    count: int
    again: tuple[int, ...] = ()
    burst_at: float = 0.0
    burst: int = 0
    reset_s: float | None = None


class Connection(asyncio.Protocol):
    """One connection of the side."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self.transport: asyncio.Transport | None = None
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._peer.client.hello())

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._peer.take(self._peer.client.receive(data, time.monotonic()))

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        del exc
        self.lost.set()

    def reset(self) -> None:
        """End it as a host that has gone does."""
        assert self.transport is not None
        sock: socket.socket = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.transport.abort()


class Peer:
    """The side: its link session, its questions."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._ledger = os.open(shape.ledger, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._connection: Connection | None = None
        self._asking: asyncio.Task[None] | None = None
        self.client = self._client(None)

    # The link

    def _client(self, session: ClientSession | None) -> Client:
        shape = self.shape
        hello = Hello(proto=1, name="pair", side=shape.side, token=shape.token)
        return Client(hello, now=time.monotonic(), wall=time.time(), session=session)

    async def keep_connected(self) -> None:
        """Connect, and again as often as it takes."""
        loop = asyncio.get_running_loop()
        while True:
            self.client = self._client(self.client.session)
            with contextlib.suppress(OSError):
                made = await loop.create_connection(
                    lambda: Connection(self), "127.0.0.1", self.shape.port
                )
                self._connection = made[1]
                await self._beat(made[1])
                self.client.close("peer", "lost")
                self._note("lost", -1)
            await asyncio.sleep(AGAIN_S)

    async def _beat(self, connection: Connection) -> None:
        """Send heartbeats until the connection is lost."""
        while not connection.lost.is_set():
            due = self.client.next_timeout
            left = 0.05 if due is None else max(0.001, due - time.monotonic())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await connection.lost.wait()
            self.take(self.client.timeout(time.monotonic()))

    def _write(self, data: bytes) -> None:
        connection = self._connection
        if data and connection is not None and connection.transport is not None:
            connection.transport.write(data)

    def take(self, events: Iterable[ClientEvent]) -> None:
        """Do what a read, or time, has brought."""
        for event in events:
            match event:
                case Transmit(data):
                    self._write(data)
                case Opened(_, resumed):
                    self._opened(resumed=resumed)
                case Answered(answer):
                    self._answered(answer)
                case Received(RouteEnd() as end):
                    self._note("end", self._number(end.xref), end.cause)
                case ResumeLost(unacknowledged, unanswered):
                    self._begin_anew([*unacknowledged, *(one.frame for one in unanswered)])
                case Closed(reason) if reason != "peer":
                    self._note("closed", -1, reason)
                    if self._connection is not None and self._connection.transport is not None:
                        self._connection.transport.abort()

    def _opened(self, *, resumed: bool) -> None:
        self._note("resumed" if resumed else "open", -1)
        if resumed:
            asyncio.get_running_loop().call_later(ASK_AGAIN_S, self._ask_again, self.client)
        elif self._asking is None:
            print("open", flush=True)

    def _ask_again(self, client: Client) -> None:
        if client is self.client and client.closed is None:
            for asked in client.acked_unanswered():
                self._write(client.ask_again(asked.xref, time.monotonic()))

    def _begin_anew(self, frames: list[Any]) -> None:
        self._note("resume-lost", -1)
        for xref, frame in {one.get("xref"): one for one in frames}.items():
            if xref is not None:
                self.client.send_frame(frame, time.monotonic())

    def _answered(self, answer: RouteSelect | Error) -> None:
        if isinstance(answer, RouteSelect):
            told = (answer.target, answer.rtype, answer.reason, answer.session, answer.durable)
            self._note("told", self._number(answer.xref), told)
        else:
            self._note("error", -1, (answer.code, answer.msg))

    # Questions

    def _number(self, xref: str) -> int:
        return int(xref.rpartition("-")[2])

    def _note(self, what: str, number: int, more: Any = None) -> None:
        line = msgspec.json.encode((what, number, time.monotonic(), more))
        os.write(self._ledger, line + b"\n")

    def ask(self, *numbers: int) -> None:
        """Ask some questions in one write."""
        data = b""
        for number in numbers:
            named = f"{self.shape.run}-{number}"
            frame = {"t": "route.request", "xref": named, "call": f"c-{named}", "rp": POINT}
            self._note("asked", number)
            data += self.client.send_frame(frame | {"ts": time.time()}, time.monotonic())
        self._write(data)

    def order(self, order: Order) -> None:
        """Begin, or go on otherwise."""
        self.ask(*order.again)
        if self._asking is not None:
            self._asking.cancel()
        self._asking = asyncio.ensure_future(self._scheduled(order))

    async def _scheduled(self, order: Order) -> None:
        number = order.first
        burst_at = order.burst_at
        while number < order.count:
            due = order.t0 + number / order.rate
            if burst_at and due >= burst_at:
                await _until(burst_at)
                burst_at, last = 0.0, min(number + order.burst, order.count)
                self.ask(*range(number, last))
                number = last
                if order.reset_s is not None:
                    await asyncio.sleep(order.reset_s)
                    self._note("cut", -1)
                    assert self._connection is not None
                    self._connection.reset()
                continue
            await _until(due)
            self.ask(number)
            number += 1
        await self._all_answered()

    async def _all_answered(self) -> None:
        async with asyncio.timeout(LINGER_S):
            while self.client.waiting:  # noqa: ASYNC110 - nobody tells that there is none any more
                await asyncio.sleep(0.01)

    async def run(self) -> None:
        """Do as ordered until all that was ordered is done."""
        reader = asyncio.StreamReader(limit=1 << 20)
        protocol = asyncio.StreamReaderProtocol(reader)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        connecting = asyncio.ensure_future(self.keep_connected())
        while line := await reader.readline():
            self.order(msgspec.json.decode(line, type=Order))
        if self._asking is not None:
            with contextlib.suppress(TimeoutError):
                await self._asking
        connecting.cancel()


async def _until(moment: float) -> None:
    left = moment - time.monotonic()
    if left > 0:
        await asyncio.sleep(left)


def main() -> None:
    """Be a side."""
    shape = msgspec.json.decode(sys.stdin.buffer.raw.readline(), type=Shape)  # type: ignore[attr-defined]
    asyncio.run(Peer(shape).run())


if __name__ == "__main__":
    main()

"""The generator of the upgrade bench: connections that must live on, whoever serves them.

    upgrade_load.py CTI_PORT HTTP_PORT SHAPE < TOKEN      SHAPE: JSON, see `Shape`

Three kinds of peers: links that ask for routes at a rate, links that exchange heartbeats only, and
HTTP connections that are idle between two requests. Prints a line of JSON when all are connected;
then each line on standard input ends a period, whose summary is printed as one line of JSON; the
end of the input ends it all.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from protocols.cti.framing import Decoder, encode

IN_TIME_S = 0.3
"""The shipped ``routing.request_timeout_ms``."""

HEARTBEAT_S = 0.3
DRAIN_S = 1.0
CONNECTS = 32
"""Connections that are made at once."""


@dataclass(frozen=True)
class Shape:
    """What is generated.

    Attributes:
        links: that ask for routes.
        rate: requests per second, over all links.
        quiet: links that only exchange heartbeats.
        http: idle HTTP connections.
        keep: calls that are never cleared, the first ones.
    """

    links: int = 8
    rate: float = 1_000.0
    quiet: int = 500
    http: int = 500
    keep: int = 0


@dataclass
class Tally:
    """What happened in a period; waits in seconds from the instant at which a request was due."""

    sent: int = 0
    answered: int = 0
    late: int = 0
    doubled: int = 0
    reordered: int = 0
    resets: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    beats: list[float] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """As JSON has it, in milliseconds."""
        waits, beats = sorted(self.waits), sorted(self.beats)
        return {
            "sent": self.sent,
            "answered": self.answered,
            "late": self.late,
            "refused": dict(self.refused),
            "doubled": self.doubled,
            "reordered": self.reordered,
            "resets": self.resets,
            "p50_ms": _ms(waits, 0.50),
            "p99_ms": _ms(waits, 0.99),
            "max_ms": _ms(waits, 1.0),
            "beat_max_ms": _ms(beats, 1.0),
        }


def _ms(ordered: list[float], share: float) -> float:
    return (
        round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3, 1)
        if ordered
        else 0.0
    )


class Ledger:
    """The tally of the period, what waits for an answer, and how many calls are to be kept."""

    def __init__(self, keep: int) -> None:
        self.now = Tally()
        self.waiting = 0
        self.keep = keep

    def turn(self) -> dict[str, Any]:
        """End the period."""
        ended, self.now = self.now, Tally()
        return ended.plain() | {"waiting": self.waiting}


class Link(asyncio.Protocol):
    """A link; a quiet one asks for nothing."""

    def __init__(self, name: str, token: str, run: str, ledger: Ledger) -> None:
        self.name = name
        self._token = token
        self._run = run
        self._ledger = ledger
        self._decoder = Decoder()
        self._sent = self._heard = 0
        self._asked: dict[int, tuple[float, str]] = {}
        self._beat_at = self._write_at = 0.0
        self.open = asyncio.Event()
        self.leaving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        hello = {"t": "hello", "proto": 1, "name": self.name, "side": "primary"}
        transport.write(encode(hello | {"token": self._token}))

    def connection_lost(self, exc: Exception | None) -> None:
        """No connection may end before the bench does."""
        del exc
        self._ledger.now.resets += not self.leaving

    def leave(self) -> None:
        """End it."""
        self.leaving = True
        self._transport.abort()

    def ask(self, due: float) -> None:
        """Send a route request of a new call."""
        number = self._sent + 1
        call = f"{self._run}-{self.name}-{number}"
        self._asked[number] = (due, call)
        self._ledger.now.sent += 1
        self._ledger.waiting += 1
        frame = {"t": "route.request", "xref": call, "call": call, "rp": "sales"}
        self._send(frame | {"ani": "+33142685300", "ts": round(time.time(), 3)})

    def beat(self) -> None:
        """Send a heartbeat where nothing else was said."""
        now = time.monotonic()
        if now - self._write_at >= HEARTBEAT_S:
            self._beat_at = now
            self._send({"t": "hb", "ts": round(time.time(), 3)})

    def _send(self, frame: dict[str, Any]) -> None:
        self._sent += 1
        self._write_at = time.monotonic()
        self._transport.write(encode(frame | {"i": self._sent}))

    def data_received(self, data: bytes) -> None:
        """Take what vigie sends, and check its numbers."""
        now = time.monotonic()
        self._decoder.feed(data)
        while (frame := self._decoder.next_frame()) is not None:
            number = frame.get("i", 0)
            if number:
                self._ledger.now.reordered += number != self._heard + 1
                self._heard = number
            self._take(frame, now)

    def _take(self, frame: dict[str, Any], now: float) -> None:
        match frame["t"]:
            case "route.select":
                self._answered(frame, now)
            case "error":
                self._refused(frame)
            case "hb":
                self._send({"t": "hb.ok", "ts": round(time.time(), 3)})
            case "hb.ok" if self._beat_at:
                self._ledger.now.beats.append(now - self._beat_at)
                self._beat_at = 0.0
            case "hello":
                self.open.set()

    def _answered(self, frame: dict[str, Any], now: float) -> None:
        tally = self._ledger.now
        asked = self._asked.pop(int(frame["xref"].rpartition("-")[2]), None)
        if asked is None:
            tally.doubled += 1
            return
        due, call = asked
        tally.answered += 1
        tally.late += now - due > IN_TIME_S
        tally.waits.append(now - due)
        self._ledger.waiting -= 1
        if self._ledger.keep:
            self._ledger.keep -= 1
            return
        self._send({"t": "call.event", "call": call, "ev": "cleared", "ts": time.time()})

    def _refused(self, frame: dict[str, Any]) -> None:
        asked = self._asked.pop(frame.get("ref", 0), None)
        rule = str(frame.get("msg", "")).partition(" ")[0]
        self._ledger.now.refused[f"{frame['code']} {rule}"] += 1
        self._ledger.waiting -= asked is not None


class Browser(asyncio.Protocol):
    """An HTTP connection that is used once in each period."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._answer: asyncio.Future[bytes] | None = None
        self.leaving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is idle now."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """No connection may end before the bench does."""
        self._ledger.now.resets += not self.leaving
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed by vigie"))

    def data_received(self, data: bytes) -> None:
        """Take the answer; it fits into one segment."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(data)

    async def get(self) -> bool:
        """Ask something; whether the answer came on this connection."""
        if self._transport.is_closing():
            return False
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(b"GET /livez HTTP/1.1\r\nHost: bench\r\n\r\n")
        try:
            async with asyncio.timeout(10.0):
                return (await self._answer).startswith(b"HTTP/1.1 200")
        except (TimeoutError, ConnectionError):
            return False

    def leave(self) -> None:
        """End it."""
        self.leaving = True
        self._transport.abort()


class Load:
    """All peers of a run."""

    def __init__(self, cti: int, http: int, token: str, shape: Shape) -> None:
        self._ports = cti, http
        self._token = token
        self._shape = shape
        self.ledger = Ledger(shape.keep)
        self.busy: list[Link] = []
        self.quiet: list[Link] = []
        self.browsers: list[Browser] = []

    async def connect(self) -> None:
        """Connect everybody."""
        run, shape = f"{time.time_ns():x}", self._shape
        names = [f"busy{one}" for one in range(shape.links)]
        names += [f"quiet{one}" for one in range(shape.quiet)]
        links = [Link(name, self._token, run, self.ledger) for name in names]
        self.busy, self.quiet = links[: shape.links], links[shape.links :]
        self.browsers = [Browser(self.ledger) for _ in range(shape.http)]
        gate = asyncio.Semaphore(CONNECTS)
        await asyncio.gather(*(self._connect(one, self._ports[0], gate) for one in links))
        await asyncio.gather(*(self._connect(one, self._ports[1], gate) for one in self.browsers))
        await self.use()

    async def _connect(self, peer: Link | Browser, port: int, gate: asyncio.Semaphore) -> None:
        async with gate:
            await asyncio.get_running_loop().create_connection(lambda: peer, "127.0.0.1", port)
            if isinstance(peer, Link):
                await peer.open.wait()

    async def use(self) -> int:
        """Use every HTTP connection once; how many of them do not work."""
        worked = await asyncio.gather(*(one.get() for one in self.browsers))
        return worked.count(False)

    async def ask(self) -> None:
        """Ask for routes at random instants, for ever."""
        due, number = time.monotonic(), 0
        while True:
            due += random.expovariate(self._shape.rate)
            number += 1
            wait = due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            elif number % 64 == 0:
                await asyncio.sleep(0)  # late: answers must be read all the same
            self.busy[number % len(self.busy)].ask(due)

    async def beat(self) -> None:
        """Have every quiet link say something when it has said nothing, for ever."""
        while True:
            for number, link in enumerate(self.quiet):
                link.beat()
                if number % 16 == 0:
                    await asyncio.sleep(HEARTBEAT_S * 16 / max(16, len(self.quiet)))
            await asyncio.sleep(0.01)

    def leave(self) -> None:
        """End every connection."""
        for one in (*self.busy, *self.quiet, *self.browsers):
            one.leave()


async def main(load: Load) -> None:
    """Serve the lines of standard input."""
    loop = asyncio.get_running_loop()
    await load.connect()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    tasks = [loop.create_task(load.ask())] if load.busy else []
    tasks.append(loop.create_task(load.beat()))
    _say({"connected": len(load.busy) + len(load.quiet) + len(load.browsers)})
    while await lines.readline():
        broken = await load.use()
        _say(load.ledger.turn() | {"http_broken": broken})
    tasks[0].cancel()
    await asyncio.sleep(DRAIN_S)
    _say({"unanswered": load.ledger.waiting, "resets": load.ledger.now.resets})
    load.leave()


def _say(told: dict[str, Any]) -> None:
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    gc.disable()
    shape = Shape(**json.loads(sys.argv[3]))
    token = sys.stdin.readline().strip()
    asyncio.run(main(Load(int(sys.argv[1]), int(sys.argv[2]), token, shape)))

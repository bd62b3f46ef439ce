"""The IVR side of the call path's bench: reads and writes of sessions at a rate, over HTTP.

    callpath_load.py PORT      stdin: the token, and a line of JSON, see `Shape`

Requests are due at random instants, whether or not those before are answered; each waits for a
connection that is free, and its wait counts. A write says which revision it is based on; one that
is told to be stale is done again on what it was told. In the end each session that was written to
is read: it must have as many changes as were answered with 200. Prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

CONNECTIONS = 64
END = b"\r\n\r\n"
APPLIED, STALE = 200, 412
LEFT_S = 10.0
"""Seconds for what is under way at the end."""


@dataclass(frozen=True)
class Shape:
    """What is generated.

    Attributes:
        sessions: ids of open sessions, whose revision is 0 or 1 at first.
        reads, writes: of them per second.
        seconds: how long.
    """

    sessions: list[str]
    reads: float = 1_000.0
    writes: float = 200.0
    seconds: float = 120.0


@dataclass(frozen=True)
class Answer:
    """Status, revision and body of an answer."""

    status: int
    tag: str
    body: bytes


@dataclass
class Tally:
    """Of one kind of requests; waits in seconds from the instant at which they were due."""

    waits: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        waits = sorted(self.waits)
        at = {"p50_ms": 0.5, "p99_ms": 0.99, "max_ms": 1.0}
        shares = {name: _ms(waits, share) for name, share in at.items()}
        return {"answered": len(waits), "statuses": dict(self.statuses), **shares}


def _ms(waits: list[float], share: float) -> float:
    if not waits:
        return 0.0
    return round(waits[min(len(waits) - 1, int(len(waits) * share))] * 1e3, 2)


class Connection(asyncio.Protocol):
    """A connection that is kept: one request at a time."""

    def __init__(self) -> None:
        self._read = b""
        self._answer: asyncio.Future[Answer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """No connection may end while it is asked something."""
        if self._answer is not None:
            self._answer.set_exception(exc or ConnectionResetError("closed by the server"))

    def data_received(self, data: bytes) -> None:
        """Take an answer, once it is whole."""
        self._read += data
        head, found, body = self._read.partition(END)
        if not found:
            return
        line, *lines = head.decode("latin-1").split("\r\n")
        fields = {one.partition(":")[0].lower(): one.partition(":")[2].strip() for one in lines}
        length = int(fields["content-length"])
        if len(body) < length:
            return
        self._read = body[length:]
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.set_result(Answer(int(line.split()[1]), fields.get("etag", ""), body[:length]))

    async def ask(self, request: bytes) -> Answer:
        """Send a request, and wait for its answer."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer


class Client:
    """All connections to a server."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._head = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        self._free: asyncio.Queue[Connection] = asyncio.Queue()

    async def connect(self) -> None:
        """Connect."""
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            _, made = await loop.create_connection(Connection, "127.0.0.1", self._port)
            self._free.put_nowait(made)

    async def get(self, session: str) -> Answer:
        """Read a session."""
        return await self._ask(f"GET /api/v1/sessions/{session} HTTP/1.1\r\n{self._head}\r\n", b"")

    async def patch(self, session: str, tag: str, body: bytes) -> Answer:
        """Change a session that is of the revision ``tag``."""
        line = f"PATCH /api/v1/sessions/{session} HTTP/1.1\r\n{self._head}If-Match: {tag}\r\n"
        kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return await self._ask(line + kind, body)

    async def _ask(self, head: str, body: bytes) -> Answer:
        connection = await self._free.get()
        answer = await connection.ask(head.encode("latin-1") + body)
        self._free.put_nowait(connection)
        return answer


class Load:
    """Readers and writers of a run."""

    def __init__(self, client: Client, shape: Shape) -> None:
        self._client = client
        self._shape = shape
        self._tags: dict[str, str] = {}
        self._busy: set[str] = set()
        self.reads, self.writes = Tally(), Tally()
        self.applied: Counter[str] = Counter()

    async def read(self, due: float) -> None:
        """Read some session."""
        answer = await self._client.get(random.choice(self._shape.sessions))  # noqa: S311 - load
        self.reads.statuses[answer.status] += 1
        self.reads.waits.append(time.monotonic() - due)

    async def write(self, due: float) -> None:
        """Change some session that nobody else here changes now."""
        session = random.choice(self._shape.sessions)  # noqa: S311 - load
        while session in self._busy:
            session = random.choice(self._shape.sessions)  # noqa: S311 - load
        self._busy.add(session)
        body = json.dumps({"set": {"ud.count": str(self.applied[session] + 1)}}).encode()
        status = STALE
        while status == STALE:
            answer = await self._client.patch(session, self._tags.get(session, '"0"'), body)
            status = answer.status
            if answer.tag:  # who is turned away is not told one
                self._tags[session] = answer.tag
        self.applied[session] += status == APPLIED
        self.writes.statuses[status] += 1
        self.writes.waits.append(time.monotonic() - due)
        self._busy.discard(session)

    async def lost(self) -> int:
        """Changes that were answered with 200 and are not there."""
        return sum([await self._missing(*one) for one in self.applied.items() if one[1]])

    async def _missing(self, session: str, applied: int) -> int:
        answer = await self._client.get(session)
        return applied - int(json.loads(answer.body)["ud"].get("count", 0))


def instants(rate: float, seconds: float) -> Iterator[float]:
    """Instants of arrival, seconds from the beginning."""
    at = 0.0
    while rate and (at := at + random.expovariate(rate)) < seconds:
        yield at


async def arrive(
    begun: float, due: Iterator[float], begin: Callable[[float], Any], under_way: deque[Any]
) -> None:
    """Begin what arrives, each at its instant."""
    loop = asyncio.get_running_loop()
    for at in due:
        wait = begun + at - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        under_way.append(loop.create_task(begin(begun + at)))
        while under_way and under_way[0].done():
            under_way.popleft().result()


async def main(port: int, token: str, shape: Shape) -> dict[str, Any]:
    """Generate the load; what came of it."""
    client = Client(port, token)
    await client.connect()
    load, begun = Load(client, shape), time.monotonic()
    reading: deque[Any] = deque()
    writing: deque[Any] = deque()
    await asyncio.gather(
        arrive(begun, instants(shape.reads, shape.seconds), load.read, reading),
        arrive(begun, instants(shape.writes, shape.seconds), load.write, writing),
    )
    async with asyncio.timeout(LEFT_S):
        await asyncio.gather(*reading, *writing)
    lost = await load.lost()
    return {"reads": load.reads.plain(), "writes": load.writes.plain(), "lost": lost}


if __name__ == "__main__":
    secret = sys.stdin.readline().strip()
    given = Shape(**json.loads(sys.stdin.readline()))
    gc.disable()
    print(json.dumps(asyncio.run(main(int(sys.argv[1]), secret, given))), flush=True)

"""The feed's shell against a server on a real socket, whose decisions are vigie's own `Link`."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator

import pytest

from protocols.cti.events import Closed, HelloReceived, Received, Transmit
from protocols.cti.link import Link
from protocols.cti.link_state import LinkConfig
from protocols.cti.messages import (
    CallEvent,
    HeartbeatTimes,
    RerouteRequest,
    RouteRequest,
    RouteSelect,
)
from protocols.feed.client import FeedRefusedError
from protocols.feed.file import read_steps
from protocols.feed.run import FeedOptions, run
from protocols.feed.schedule import Load


class Server:
    """Answers requests, keeps a session per call, and misbehaves when told to."""

    def __init__(self) -> None:
        self.sessions: dict[str, dict] = {}
        self.connections: list[asyncio.Transport] = []
        self.silent = False
        self.token = "token"
        self.link_config = LinkConfig(hb=HeartbeatTimes(interval_ms=50, limit=100))
        self.requests = 0
        self.first_request = asyncio.Event()

    def answer(self, message) -> list:
        match message:
            case RouteRequest():
                self.requests += 1
                self.first_request.set()
                self.sessions[message.call] = {
                    "ani": message.ani,
                    "rp": message.rp,
                    "routing": {"target": "7001"},
                    "state": "new",
                }
                return [] if self.silent else [self.select(message.xref, "7001")]
            case RerouteRequest():
                call = message.xref.partition("/")[0]
                self.sessions[call]["routing"] = {"target": "7002"}
                return [self.select(message.xref, "7002")]
            case CallEvent():
                states = {"cleared": "closed", "abandoned": "closed", "queued": "queued"}
                self.sessions[message.call]["state"] = states.get(message.ev, "connected")
        return []

    def select(self, xref: str, target: str) -> RouteSelect:
        return RouteSelect(
            xref=xref, target=target, rtype="direct", session="0" * 20, rev=1, reason="configured"
        )


class Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self.server = server
        self.now = asyncio.get_running_loop().time
        self.link = Link(server.link_config, now=self.now(), wall=time.time())

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.server.connections.append(transport)

    def data_received(self, data: bytes) -> None:
        self.do(self.link.receive(data, self.now()))

    def do(self, events: list) -> None:
        for event in events:
            match event:
                case Transmit(data):
                    self.transport.write(data)
                case HelloReceived(hello):
                    known = hello.token == self.server.token
                    self.do(
                        self.link.accept("s", self.now())
                        if known
                        else self.link.refuse(401, "unknown token", "token")
                    )
                case Received(message):
                    for answer in self.server.answer(message):
                        self.transport.write(self.link.send(answer, self.now()))
                case Closed():
                    self.transport.close()


class HangsUp(asyncio.Protocol):
    def connection_made(self, transport) -> None:
        transport.close()


@contextlib.asynccontextmanager
async def serving(port: int = 0) -> AsyncIterator[tuple[Server, int]]:
    server = Server()
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: Connection(server), "127.0.0.1", port)
    try:
        yield server, listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for transport in server.connections:
            transport.abort()


def options(port: int, load, **more) -> FeedOptions:
    return FeedOptions(host="127.0.0.1", port=port, token="token", load=load, **more)


def brief(rate: float = 200, seconds: float = 0.5, **more) -> Load:
    return Load(rate=rate, seconds=seconds, tail_s=0.2, speed=2_000, **more)


def test_a_feed_of_whole_calls_is_answered_and_agrees_with_what_the_server_knows():
    async def scenario():
        async with serving() as (server, port):

            async def sessions(calls: list[str]) -> dict:
                return {call: server.sessions[call] for call in calls}

            return await run(options(port, brief(), answer_report=True), sessions=sessions), server

    report, server = asyncio.run(scenario())
    assert report.answered == report.sent > 50
    assert (report.lost, report.doubled, report.unasked, report.errors) == (0, 0, 0, {})
    assert report.comparison.compared == server.requests
    assert report.comparison.differences == []
    assert {row.target for row in report.answers} <= {"7001", "7002"}
    assert report.latency.p99_ms <= report.latency.max_ms
    assert report.latency.max_ms <= report.latency_from_schedule.max_ms


def test_what_is_not_answered_is_lost():
    async def scenario():
        async with serving() as (server, port):
            server.silent = True
            return await run(options(port, brief(life_cycles=False), wait_s=0.1))

    report = asyncio.run(scenario())
    assert report.sent == report.lost > 50
    assert report.answered == 0
    assert report.latency.p50_ms is None


def test_a_session_that_is_wrong_or_missing_is_a_difference():
    async def scenario():
        async with serving() as (server, port):

            async def sessions(calls: list[str]) -> dict:
                known = {call: server.sessions[call] for call in calls if call != "r-2"}
                return known | {"r-1": server.sessions["r-1"] | {"rp": "elsewhere"}}

            return await run(options(port, brief(), run="r", settle_s=0.3), sessions=sessions)

    report = asyncio.run(scenario())
    assert [difference.field for difference in report.comparison.differences] == ["rp", "session"]


def test_without_a_word_on_the_sessions_nothing_is_compared():
    async def scenario():
        async with serving() as (_, port):

            async def sessions(_: list[str]) -> None:
                return None

            return await run(options(port, brief(), settle_s=0.3), sessions=sessions)

    assert asyncio.run(scenario()).comparison is None


def test_a_link_that_ends_is_made_again():
    async def scenario():
        async with serving() as (server, port):
            feeding = asyncio.create_task(run(options(port, brief(seconds=2, life_cycles=False))))
            await server.first_request.wait()
            server.connections[0].abort()
            return await feeding, server

    report, server = asyncio.run(scenario())
    assert report.reconnects == 1
    assert len(server.connections) == 2
    assert report.sent == report.answered + report.lost


def test_a_feed_without_end_stops_when_told():
    async def scenario():
        async with serving() as (server, port):
            stop = asyncio.Event()
            load = Load(rate=100, seconds=None)
            feeding = asyncio.create_task(run(options(port, load), stop=stop))
            await server.first_request.wait()
            stop.set()
            return await feeding

    report = asyncio.run(scenario())
    assert report.sent == report.answered > 0


def test_a_load_that_ends_before_the_stop_reports_too():
    async def scenario():
        async with serving() as (_, port):
            load = brief(life_cycles=False)
            return await run(options(port, load), stop=asyncio.Event())

    assert asyncio.run(scenario()).sent > 0


def test_a_file_is_fed_in_its_order():
    request = {"t": "route.request", "xref": "x/1", "call": "x", "rp": "sales", "ts": 1}
    queued = {"t": "call.event", "call": "x", "ev": "queued", "ts": 2}
    steps = read_steps(
        [json.dumps({"at": 0.01, "frame": queued}), json.dumps({"at": 0, "frame": request})]
    )

    async def scenario():
        async with serving() as (server, port):
            return await run(options(port, tuple(steps))), server

    report, server = asyncio.run(scenario())
    assert (report.frames, report.sent, report.answered) == (2, 1, 1)
    assert server.sessions["x"]["state"] in ("queued", "new")


def test_an_unknown_token_is_an_error_of_the_start():
    async def scenario():
        async with serving() as (server, port):
            server.token = "another"
            await run(options(port, brief()))

    with pytest.raises(FeedRefusedError) as refused:
        asyncio.run(scenario())
    assert refused.value.code == 401


def test_a_port_where_nothing_listens_is_an_error_of_the_start():
    async def scenario():
        async with serving() as (_, port):
            pass
        await run(options(port, brief()))

    with pytest.raises(OSError, match="Connect"):
        asyncio.run(scenario())


def test_a_server_that_hangs_up_before_the_answer_is_an_error_of_the_start():
    async def scenario():
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(HangsUp, "127.0.0.1", 0)
        async with listener:
            await run(options(listener.sockets[0].getsockname()[1], brief()))

    with pytest.raises(FeedRefusedError) as refused:
        asyncio.run(scenario())
    assert refused.value.code == 503


def test_an_idle_feed_answers_heartbeats():
    request = {"t": "route.request", "xref": "x/1", "call": "x", "rp": "sales", "ts": 1}
    steps = read_steps([json.dumps({"at": 0.4, "frame": request})])

    async def scenario():
        async with serving() as (_, port):
            return await run(options(port, tuple(steps)))

    assert asyncio.run(scenario()).answered == 1

"""The feed's shell against a server on a real socket, whose decisions are vigie's own `Link`."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from protocols.cti import link_session
from protocols.cti.events import Closed, HelloReceived, Received, Transmit
from protocols.cti.link import Link
from protocols.cti.link_session import LinkSession
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
        self.links: dict[str, LinkSession] = {}
        self.deaf: list[asyncio.Transport] = []
        self.ignored = asyncio.Event()
        self.forgetful = False
        self.applied: Counter[tuple[str, int]] = Counter()

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
                self.applied[message.call, message.seq] += 1
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
        session = self.link.session
        if session is not None and not self.is_deaf and not self.transport.is_closing():
            link_session.recorded(session, session.confirmed_in)
            self.transport.write(self.link.ack(self.now()))

    def do(self, events: list) -> None:
        for event in events:
            match event:
                case Transmit(data):
                    self.transport.write(data)
                case HelloReceived(hello):
                    self.do(self.greet(hello))
                case Received(message, _, again):
                    self.take(message, again=again)
                case Closed():
                    self.transport.close()

    @property
    def is_deaf(self) -> bool:
        return self.transport in self.server.deaf

    def greet(self, hello) -> list:
        if hello.token != self.server.token:
            return self.link.refuse(401, "unknown token", "token")
        if hello.resume is None:
            number = len(self.server.connections)
            return self.link.accept(f"s{number}", self.now())
        session = self.server.links.get(hello.resume.session)
        if session is None or self.server.forgetful:
            return self.link.resume_lost(self.now())
        return self.link.resume(session, self.now())

    def take(self, message, *, again: bool) -> None:
        session = self.link.session
        self.server.links[session.id] = session
        if self.is_deaf:
            self.server.ignored.set()
            return
        for answer in self.server.answer(message):
            self.transport.write(self.link.send(answer, self.now()))
        link_session.confirm(session, message.i, self.now())


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


def test_a_link_that_ends_is_made_again_and_goes_on():
    async def scenario():
        async with serving() as (server, port):
            feeding = asyncio.create_task(run(options(port, brief(seconds=2))))
            await server.first_request.wait()
            server.connections[0].abort()
            return await feeding, server

    report, server = asyncio.run(scenario())
    assert (report.reconnects, report.resumed, report.resume_lost) == (1, 1, 0)
    assert len(server.connections) == 2
    assert report.sent == report.answered > 200
    assert (report.lost, report.given_up, report.unacked, report.skipped) == (0, 0, 0, 0)
    assert report.acked == report.frames
    assert set(server.applied.values()) == {1}


def test_a_server_that_forgot_the_session_gets_what_it_did_not_acknowledge_under_new_numbers():
    async def scenario():
        async with serving() as (server, port):
            feeding = asyncio.create_task(run(options(port, brief(seconds=2))))
            await server.first_request.wait()
            server.forgetful, server.deaf = True, server.connections[:1]
            await server.ignored.wait()
            server.connections[0].abort()
            return await feeding

    report = asyncio.run(scenario())
    assert (report.reconnects, report.resumed, report.resume_lost) == (1, 0, 1)
    assert report.resent > 0
    assert report.sent == report.answered
    assert (report.unacked, report.lost, report.doubled) == (0, 0, 0)
    assert report.acked == report.frames + report.asked_again


def test_a_server_that_says_nothing_any_more_is_left_and_found_again():
    async def scenario():
        async with serving() as (server, port):
            server.link_config = LinkConfig(
                hb=HeartbeatTimes(interval_ms=50, timeout_ms=50, retry_ms=20, limit=5)
            )
            feeding = asyncio.create_task(run(options(port, brief(seconds=1.5), wait_s=5)))
            await server.first_request.wait()
            server.connections[0].pause_reading()
            return await feeding, server

    report, server = asyncio.run(scenario())
    # A slow machine may be taken for a silent one once more.
    assert report.reconnects == report.resumed >= 1
    assert report.sent == report.answered
    assert report.answered_after_resume > 0
    assert report.resent + report.held > 0
    assert (report.unacked, report.lost, report.doubled) == (0, 0, 0)
    assert set(server.applied.values()) == {1}


def test_requests_that_wait_too_long_while_there_is_no_link_are_given_up():
    async def scenario():
        async with serving() as (server, port):
            load = brief(seconds=0.5, life_cycles=False)
            feeding = asyncio.create_task(run(options(port, load, wait_s=0.2, settle_s=0.2)))
            await server.first_request.wait()
            server.token = "another"
            server.connections[0].abort()
            return await feeding

    report = asyncio.run(scenario())
    assert report.given_up > 0
    assert report.given_up + report.answered == report.sent
    assert report.lost == 0
    assert report.unacked >= report.held > 0


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

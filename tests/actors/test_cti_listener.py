"""Real connections to ctiListener, while it is killed and while their peers do not read."""

import asyncio
import socket
from pathlib import Path

import pytest
from call_kit import Count, config
from journal_kit import StepWriter
from link_kit import Tokens

from actors import cti_connection
from actors.alarms import Alarms
from actors.call_messages import CallSettings
from actors.call_sup import CtiSup
from actors.config import JournalConfig, OverloadConfig
from actors.cti_connection import watch_silence
from actors.cti_link import LINKS
from actors.cti_listener import NAME, ListenerArgs
from actors.cti_table import LinkTable, TableLimits
from actors.journal.journal import Journal
from actors.journal_codecs import codecs
from actors.overload import Overload
from actors.routing import table_of
from actors.session_opening import Openings
from actors.session_pool import SessionPool
from protocols.cti.framing import encode
from protocols.cti.link_state import LinkConfig

HELLO = encode({"t": "hello", "proto": 1, "name": "n", "side": "primary", "token": "good"})
MALFORMED = b"\xff\xff\xff\xff"


class Arguments:
    """What CtiSup reads of its arguments, in the place of CallSupArgs."""

    def __init__(self, kernel, journal, listening, max_links, **limits):
        conf = config()
        self.supervision = conf.supervision
        table = table_of(conf)
        settings = CallSettings(table, conf.routing, conf.sessions, Count(), journal, "answer")
        openings = Openings(settings, "FR", lambda: 0)
        links = LinkTable(kernel, journal, LinkConfig(**limits), TableLimits(max_links=max_links))
        overload = Overload(kernel, OverloadConfig(), Alarms(kernel))
        self.listener = ListenerArgs(
            listening, links, settings, Tokens(), openings, overload, SessionPool()
        )


@pytest.fixture
def listening():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen(100)
        one.setblocking(False)
        yield one


async def start(node, listening, max_links=64, **limits):
    clock = node.kernel.clock
    kinds = codecs(clock.wall, clock.monotonic)
    journal = Journal(node.kernel, StepWriter(), kinds, JournalConfig())
    await journal.open()
    args = Arguments(node.kernel, journal, listening, max_links, **limits)
    await node.start(CtiSup, args, "ctiSup")
    node.links = args.listener.table
    return node.links


@pytest.fixture
def play(on_node):
    """Run a scenario on a node, which stops its links afterwards."""

    async def whole(scenario, node):
        try:
            await scenario(node)
        finally:
            node.links.stop()
            for connection in tuple(node.links.connections):
                connection.abort()
            await node.until(lambda: not node.links.connections)

    return lambda scenario: on_node(lambda node: whole(scenario, node))


async def connect(listening):
    return await asyncio.open_connection(*listening.getsockname())


async def greeted(listening):
    """Whether a new peer that says hello hears something before it is closed."""
    reader, writer = await connect(listening)
    writer.write(HELLO)
    async with asyncio.timeout(20):
        heard = await reader.read(1000)
    writer.close()
    return b"hello" in heard


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


async def reborn(node):
    was = node.whereis(NAME).incarnation
    node.kill(NAME)
    await node.until(lambda: node.whereis(NAME) and node.whereis(NAME).incarnation > was)


def test_a_listener_that_was_killed_accepts_no_more_and_its_successor_all(play, listening):
    async def scenario(node):
        await start(node, listening)
        await reborn(node)
        for _ in range(30):
            assert await greeted(listening)
        assert node.actor(NAME).state.accepted == 30

    play(scenario)


def test_listeners_that_are_killed_leave_no_socket_behind(play, listening):
    async def scenario(node):
        await start(node, listening)
        await reborn(node)
        before = open_files()
        for _ in range(2):
            await reborn(node)
        assert open_files() == before

    play(scenario)


def test_a_connection_that_no_link_takes_is_closed_after_the_time_of_a_handshake(play, listening):
    async def scenario(node):
        links = await start(node, listening, handshake_timeout_ms=50)
        sup = node.kernel.cell_of("ctiSup")
        sup.suspended = True
        reader, writer = await connect(listening)
        await node.until(lambda: links.connections)
        node.kill(NAME)
        async with asyncio.timeout(20):
            assert await ended(reader)
        await node.until(lambda: not links.connections)
        sup.suspended = False
        node.kernel.make_ready(sup)
        writer.close()

    play(scenario)


async def ended(reader):
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


def slow_peer(listening):
    """A peer that makes the node answer and reads nothing, until it is let go of."""
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.settimeout(20)
    peer.connect(listening.getsockname())
    peer.sendall(HELLO)
    return peer


async def clog(node, links):
    """Have more wait for the peer than its socket takes; return the connection."""
    [connection] = links.connections
    await node.until(lambda: list(node.kernel.registry.members(LINKS)))
    await node.until(lambda: not connection.write(b"x" * 100_000))
    return connection


def test_a_peer_that_does_not_read_is_cut_off_after_its_link_has_ended(
    play, listening, monkeypatch
):
    monkeypatch.setattr(cti_connection, "CLOSE_S", 0.05)

    async def scenario(node):
        links = await start(node, listening)
        with slow_peer(listening) as peer:
            await node.until(lambda: links.connections)
            await clog(node, links)
            peer.sendall(MALFORMED)
            await node.until(lambda: not links.connections)

    play(scenario)


def test_connections_whose_link_has_ended_count_until_they_are_closed(play, listening):
    async def scenario(node):
        links = await start(node, listening, max_links=1)
        with slow_peer(listening) as peer:
            await node.until(lambda: links.connections)
            connection = await clog(node, links)
            peer.sendall(MALFORMED)
            await node.until(lambda: not list(node.kernel.registry.members(LINKS)))
            await reborn(node)
            assert not await greeted(listening)
            connection.abort()
            await node.until(lambda: not links.connections)
            assert await greeted(listening)

    play(scenario)


def test_links_go_on_when_the_listener_or_those_above_are_killed(play, listening):
    async def scenario(node):
        links = await start(node, listening)
        reader, writer = await connect(listening)
        writer.write(HELLO)
        async with asyncio.timeout(20):
            assert b"hello" in await reader.read(1000)
        [connection] = links.connections
        await reborn(node)
        writer.write(encode({"t": "rp.register", "i": 1, "rp": ["*"]}))
        async with asyncio.timeout(20):
            assert b"rp.registered" in await reader.read(1000)
        assert links.connections == {connection}
        writer.close()

    play(scenario)


def test_tcp_itself_finds_out_that_a_peer_is_gone(play, listening):
    async def scenario(node):
        await start(node, listening)
        _reader, writer = await connect(listening)
        await node.until(lambda: node.links.connections)
        [connection] = node.links.connections
        raw = connection._transport.get_extra_info("socket")
        assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 3_300
        writer.close()

    play(scenario)


def test_only_tcp_is_watched_so():
    with socket.socket(socket.AF_UNIX) as other:
        watch_silence(other, 3.0)

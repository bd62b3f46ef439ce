"""Real connections to ctiListener, while it is killed and while their peers do not read."""

import asyncio
import socket
from pathlib import Path

import pytest
from call_kit import Count, config
from link_kit import Tokens

from actors import cti_connection
from actors.call_messages import CallSettings
from actors.call_sup import CtiSup
from actors.cti_link import LINKS
from actors.cti_listener import NAME, ListenerArgs
from actors.routing import table_of
from actors.session_opening import Openings
from protocols.cti.framing import encode
from protocols.cti.link_state import LinkConfig

HELLO = encode({"t": "hello", "proto": 1, "name": "n", "side": "primary", "token": "good"})


class Arguments:
    """What CtiSup reads of its arguments, in the place of CallSupArgs."""

    def __init__(self, listening, max_links, **limits):
        conf = config()
        self.supervision = conf.supervision
        table = table_of(conf)
        settings = CallSettings(table, conf.routing, conf.sessions, Count())
        openings = Openings(settings, "FR", lambda: 0)
        link = LinkConfig(**limits)
        self.listener = ListenerArgs(listening, max_links, link, settings, Tokens(), openings)


@pytest.fixture
def listening():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen(100)
        one.setblocking(False)
        yield one


async def start(node, listening, max_links=64, **limits):
    args = Arguments(listening, max_links, **limits)
    await node.start(CtiSup, args, "ctiSup")
    return args.listener


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


def test_a_listener_that_was_killed_accepts_no_more_and_its_successor_all(on_node, listening):
    async def scenario(node):
        await start(node, listening)
        await reborn(node)
        for _ in range(30):
            assert await greeted(listening)
        assert node.actor(NAME).state.accepted == 30

    on_node(scenario)


def test_listeners_that_are_killed_leave_no_socket_behind(on_node, listening):
    async def scenario(node):
        await start(node, listening)
        await reborn(node)
        before = open_files()
        for _ in range(2):
            await reborn(node)
        assert open_files() == before

    on_node(scenario)


def test_a_connection_that_no_link_takes_is_closed_after_the_time_of_a_handshake(
    on_node, listening
):
    async def scenario(node):
        args = await start(node, listening, handshake_timeout_ms=50)
        sup = node.kernel.cell_of("ctiSup")
        sup.suspended = True
        reader, writer = await connect(listening)
        await node.until(lambda: args.open)
        node.kill(NAME)
        async with asyncio.timeout(20):
            assert await ended(reader)
        await node.until(lambda: not args.open)
        sup.suspended = False
        node.kernel.make_ready(sup)
        writer.close()

    on_node(scenario)


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


async def clog(node, args):
    """Have more wait for the peer than its socket takes; return the connection."""
    [connection] = args.open
    await node.until(lambda: list(node.kernel.registry.members(LINKS)))
    await node.until(lambda: not connection.write(b"x" * 100_000))
    return connection


def test_a_peer_that_does_not_read_is_cut_off_after_its_link_has_ended(
    on_node, listening, monkeypatch
):
    monkeypatch.setattr(cti_connection, "CLOSE_S", 0.05)

    async def scenario(node):
        args = await start(node, listening)
        with slow_peer(listening):
            await node.until(lambda: args.open)
            await clog(node, args)
            [link] = node.kernel.registry.members(LINKS)
            node.kill(link)
            await node.until(lambda: not args.open)

    on_node(scenario)


def test_connections_whose_link_has_ended_count_until_they_are_closed(on_node, listening):
    async def scenario(node):
        args = await start(node, listening, max_links=1)
        with slow_peer(listening):
            await node.until(lambda: args.open)
            connection = await clog(node, args)
            [link] = node.kernel.registry.members(LINKS)
            node.kill(link)
            await node.until(lambda: not list(node.kernel.registry.members(LINKS)))
            await reborn(node)
            assert not await greeted(listening)
            connection.abort()
            await node.until(lambda: not args.open)
            assert await greeted(listening)

    on_node(scenario)

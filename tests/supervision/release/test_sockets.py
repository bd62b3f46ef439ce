"""A connection leaves its transport and goes into another: its peer sees no more than a pause."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervision.release.sockets import Detached, NotDetachable, adopt, detach

PATIENCE_S = 20.0
LOTS = 4_000_000
"""Bytes that no socket takes at once."""


class Hears(asyncio.Protocol):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.data = b""
        self.news = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._note("made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._note("lost")

    def _note(self, what: str) -> None:
        self.told.append(what)
        self.news.set()

    async def until(self, told: Any) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not told(self):
                await self.news.wait()
                self.news.clear()


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        far = socket.create_connection(listening.getsockname())
        near, _ = listening.accept()
    return near, far


PAIRS = {"unix": socket.socketpair, "tcp": tcp_pair}


@contextlib.contextmanager
def pair(kind: str) -> Any:
    near, far = PAIRS[kind]()
    near.setblocking(False)
    far.setblocking(False)
    try:
        yield near, far
    finally:
        far.close()
        near.close()


async def connected(near: socket.socket) -> tuple[asyncio.Transport, Hears]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_accepted_socket(Hears, near)
    return transport, protocol


async def read_all(far: socket.socket, count: int) -> bytes:
    loop, data = asyncio.get_running_loop(), b""
    async with asyncio.timeout(PATIENCE_S):
        while len(data) < count:
            data += await loop.sock_recv(far, 1 << 20)
    return data


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


async def in_turn() -> None:
    """Let the loop do all that is due now."""
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.mark.parametrize("kind", PAIRS)
def test_a_connection_goes_from_transport_to_transport_both_ways_open(kind: str) -> None:
    async def play() -> None:
        with pair(kind) as (near, far):
            first, heard = await connected(near)
            await asyncio.get_running_loop().sock_sendall(far, b"before")
            await heard.until(lambda one: one.data == b"before")
            gone = detach(first)
            await in_turn()
            assert heard.told == ["made"]
            again = Hears()
            second = adopt(asyncio.get_running_loop(), gone, again)
            second.resume_reading()
            await asyncio.get_running_loop().sock_sendall(far, b"after")
            await again.until(lambda one: one.data == b"after")
            second.write(b"answer")
            assert await read_all(far, 6) == b"answer"
            assert again.told == ["made"]
            assert heard.told == ["made"]
            second.close()
            await again.until(lambda one: one.told == ["made", "lost"])

    asyncio.run(play())


@pytest.mark.parametrize("kind", PAIRS)
def test_what_a_transport_has_not_sent_goes_out_first_and_once(kind: str) -> None:
    async def play() -> None:
        with pair(kind) as (near, far):
            first, _ = await connected(near)
            sent = os.urandom(LOTS)
            first.write(sent)
            assert first.get_write_buffer_size() > 0
            gone = detach(first)
            await in_turn()
            second = adopt(asyncio.get_running_loop(), gone, Hears())
            second.write(b"the end")
            assert await read_all(far, LOTS + 7) == sent + b"the end"
            second.close()
            await in_turn()

    asyncio.run(play())


@pytest.mark.parametrize("kind", PAIRS)
def test_what_arrives_meanwhile_is_read_by_the_one_who_adopts(kind: str) -> None:
    async def play() -> None:
        with pair(kind) as (near, far):
            first, heard = await connected(near)
            gone = detach(first)
            await asyncio.get_running_loop().sock_sendall(far, b"meanwhile")
            await in_turn()
            again = Hears()
            second = adopt(asyncio.get_running_loop(), gone, again)
            await in_turn()
            assert again.data == b""  # adopting does not read
            second.resume_reading()
            await again.until(lambda one: one.data == b"meanwhile")
            assert heard.data == b""
            second.close()
            await in_turn()

    asyncio.run(play())


def test_a_connection_that_was_being_closed_is_closed_when_the_rest_has_gone_out() -> None:
    async def play() -> None:
        with pair("tcp") as (near, far):
            first, _ = await connected(near)
            sent = os.urandom(LOTS)
            first.write(sent)
            first.close()
            gone = detach(first)
            assert gone.closing
            await in_turn()
            adopt(asyncio.get_running_loop(), gone, Hears())
            assert await read_all(far, LOTS) == sent
            assert await asyncio.get_running_loop().sock_recv(far, 1) == b""

    asyncio.run(play())


def test_a_peer_that_is_gone_is_told_after_the_beginning() -> None:
    async def play() -> None:
        with pair("tcp") as (near, far):
            first, _ = await connected(near)
            gone = detach(first)
            far.close()
            again = Hears()
            adopt(asyncio.get_running_loop(), gone, again).resume_reading()
            await again.until(lambda one: one.told == ["made", "lost"])

    asyncio.run(play())


def test_no_descriptor_is_needed_and_none_is_left() -> None:
    async def play() -> None:
        with pair("tcp") as (near, _):
            first, _ = await connected(near)
            await in_turn()
            before = open_descriptors()
            number = first.get_extra_info("socket").fileno()
            gone = detach(first)
            assert gone.descriptor == number
            second = adopt(asyncio.get_running_loop(), gone, Hears())
            await in_turn()
            assert open_descriptors() == before
            second.close()
            await in_turn()

    asyncio.run(play())


def test_a_tls_connection_is_refused_by_name() -> None:
    async def play() -> None:
        near, far = tcp_pair()
        loop = asyncio.get_running_loop()
        context = ssl.create_default_context()
        near.setblocking(False)
        plain, protocol = await loop.connect_accepted_socket(Hears, near)
        starting = asyncio.ensure_future(
            loop.start_tls(plain, protocol, context, server_hostname="localhost")
        )
        await in_turn()
        outer = plain.get_protocol()._app_transport  # type: ignore[attr-defined]
        if outer is None:  # before its handshake has ended
            outer = plain.get_protocol()._get_app_transport()  # type: ignore[attr-defined]
        with pytest.raises(NotDetachable, match="TLS"):
            detach(outer)
        far.close()
        with contextlib.suppress(OSError):
            await starting
        plain.abort()

    asyncio.run(play())


def test_other_transports_are_refused_by_name() -> None:
    async def play() -> None:
        loop = asyncio.get_running_loop()
        reading, writing = os.pipe()
        pipe, _ = await loop.connect_read_pipe(asyncio.Protocol, os.fdopen(reading, "rb", 0))
        with pytest.raises(NotDetachable, match="ReadPipeTransport is not the stream"):
            detach(pipe)
        pipe.close()
        os.close(writing)
        await in_turn()

    asyncio.run(play())


def test_a_transport_that_has_ended_is_refused() -> None:
    async def play() -> None:
        with pair("tcp") as (near, _):
            first, _ = await connected(near)
            first.close()
            with pytest.raises(NotDetachable, match="has ended"):
                detach(first)
            await in_turn()
            with pytest.raises(NotDetachable, match="has ended"):
                detach(first)

    asyncio.run(play())


def test_a_half_closed_transport_is_refused() -> None:
    async def play() -> None:
        with pair("tcp") as (near, _):
            first, _ = await connected(near)
            first.write_eof()
            with pytest.raises(NotDetachable, match="ends its output"):
                detach(first)
            first.abort()
            await in_turn()

    asyncio.run(play())


def test_a_loop_of_another_make_is_refused_and_the_descriptor_stays() -> None:
    near, far = socket.socketpair()
    with near, far:
        with pytest.raises(NotDetachable, match="Loop is not a selector loop"):
            adopt(asyncio.AbstractEventLoop(), Detached(near.fileno()), asyncio.Protocol())
        near.send(b"x")
        assert far.recv(1) == b"x"


@settings(max_examples=40)
@given(
    st.lists(st.binary(min_size=1, max_size=400), max_size=12),
    st.lists(st.integers(0, 12), max_size=4),
    st.sampled_from(sorted(PAIRS)),
)
def test_bytes_are_the_same_wherever_a_connection_moves(
    pieces: list[bytes], moves: list[int], kind: str
) -> None:
    """Pieces go both ways, and between them the connection changes its transport."""

    async def play() -> None:
        loop = asyncio.get_running_loop()
        with pair(kind) as (near, far):
            transport, heard = await connected(near)
            protocols = [heard]
            for place, piece in enumerate(pieces):
                for _ in range(moves.count(place)):
                    gone = detach(transport)
                    protocols.append(Hears())
                    transport = adopt(loop, gone, protocols[-1])
                    transport.resume_reading()
                await loop.sock_sendall(far, piece)
                transport.write(piece)
            whole = b"".join(pieces)
            assert await read_all(far, len(whole)) == whole

            def complete(_: Hears) -> bool:
                return sum(len(one.data) for one in protocols) == len(whole)

            await protocols[-1].until(complete)
            assert b"".join(one.data for one in protocols) == whole
            assert all("lost" not in one.told for one in protocols)
            transport.close()
            await in_turn()

    asyncio.run(play())

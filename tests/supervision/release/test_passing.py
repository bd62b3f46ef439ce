"""Messages and descriptors over a real Unix socket, in whatever portions the system likes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from passing_kit import open_descriptors

from supervision.release.passing import Connection, close_all
from supervision.release.records import TakeoverLimits
from supervision.release.wire import (
    Begin,
    Body,
    Descriptors,
    Failed,
    PeerGone,
    TakeoverFailed,
    WireDamaged,
    framed,
)


@contextlib.contextmanager
def connected(**limits: Any) -> Iterator[tuple[Connection, Connection]]:
    pair = socket.socketpair()
    ends = [Connection(one, TakeoverLimits(**limits)) for one in pair]
    try:
        yield ends[0], ends[1]
    finally:
        for end in ends:
            end.close()


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 20))


def same_file(one: int, other: int) -> bool:
    return os.path.sameopenfile(one, other)


SAID = st.lists(st.tuples(st.integers(0, 70_000), st.integers(0, 12)), max_size=8)


@settings(max_examples=30, deadline=None)
@given(SAID, st.integers(1, 4))
def test_messages_and_their_descriptors_arrive_together_and_in_order(said, delay):
    async def story() -> None:
        files = [os.memfd_create("one") for _ in range(12)]
        with connected(buffer_bytes=8_192) as (here, there):
            sending = asyncio.ensure_future(send(here, said, files))
            for n, (size, count) in enumerate(said):
                for _ in range(delay * (n % 3)):
                    await asyncio.sleep(0)
                message, own = await there.receive()
                assert message == Body(str(n), bytes(size))
                assert len(own) == count
                assert all(map(same_file, own, files))
                close_all(own)
            await sending
            assert there.received_crc <= 2**32
        close_all(files)

    before = open_descriptors()
    run(story())
    assert open_descriptors() == before


async def send(connection: Connection, said: list[tuple[int, int]], files: list[int]) -> None:
    for n, (size, count) in enumerate(said):
        await connection.send(Body(str(n), bytes(size)), files[:count])


def test_what_was_said_before_the_other_side_went_is_heard_and_then_that_it_is_gone() -> None:
    async def story() -> None:
        with connected() as (here, there):
            here.put(Failed("a reason"))
            here.close()
            assert (await there.receive())[0] == Failed("a reason")
            with pytest.raises(PeerGone, match="the other side is gone"):
                await there.receive()
            there.put(Begin())
            with pytest.raises(PeerGone):
                await there.sent()

    run(story())


def test_whoever_waits_to_send_or_to_receive_is_told_when_the_connection_is_closed() -> None:
    async def story() -> None:
        with connected(buffer_bytes=4_096) as (here, there):
            waits = [
                asyncio.ensure_future(here.send(Body("big", bytes(5_000_000)))),
                asyncio.ensure_future(here.receive()),
            ]
            await asyncio.sleep(0)
            here.close()
            for wait in waits:
                with pytest.raises(PeerGone):
                    await wait
            assert there.buffered == 0

    run(story())


def test_descriptors_that_nobody_has_asked_for_are_closed_with_the_connection() -> None:
    async def story() -> None:
        with connected() as (here, there):
            file = os.memfd_create("one")
            here.put(Begin())
            here.put(Descriptors(), [file, file])
            os.close(file)
            await there.receive()

    before = open_descriptors()
    run(story())
    assert open_descriptors() == before


def test_descriptors_that_this_process_may_not_have_are_missed_by_name() -> None:
    async def story() -> None:
        with connected() as (here, there):
            file = os.memfd_create("one")
            here.put(Descriptors(), [file] * 50)
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (file + 10, hard))
            try:
                with pytest.raises(TakeoverFailed, match="MSG_CTRUNC"):
                    await there.receive()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            os.close(file)

    before = open_descriptors()
    run(story())
    assert open_descriptors() == before


def test_descriptors_that_are_announced_and_do_not_come_are_missed() -> None:
    async def story() -> None:
        near, far = socket.socketpair()
        connection = Connection(near, TakeoverLimits())
        far.send(framed(Descriptors(), 3, 1_000))
        with pytest.raises(WireDamaged, match="3 descriptors were announced: 0 came"):
            await connection.receive()
        connection.close()
        far.close()

    run(story())

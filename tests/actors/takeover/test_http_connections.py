"""HTTP connections move between nodes between two requests, and events go on by their numbers."""

import asyncio
import re
import socket
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_web import BIG, PATIENCE_S, Browser, WebNode, asking

from supervision import KILLED


def scenario(play, **config):
    """Play with two nodes on one socket, the second in standby."""

    async def run():
        with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
            old = WebNode(1, listening, **config)
            new = WebNode(2, listening, waiting=True, **config)
            browsers = []

            async def browser(**options):
                browsers.append(await Browser().connect(listening, **options))
                return browsers[-1]

            try:
                await old.start()
                await new.start()
                return await play(old, new, browser)
            finally:
                for one in browsers:
                    one.writer.transport.abort()
                await old.stop()
                await new.stop()

    return asyncio.run(run())


async def until(condition):
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)


def test_idle_connections_move_and_stay_the_same():
    async def play(old, new, browser):
        browsers = [await browser() for _ in range(20)]
        assert {await one.ask("/a") for one in browsers} == {b"1 "}
        ports = [one.port for one in browsers]
        await new.take(await old.give())
        assert {await one.ask("/b", body=b"y") for one in browsers} == {b"2 y"}
        assert [one.port for one in browsers] == ports
        assert (old.open, new.open) == (0, 20)
        assert new.part.tells() == {"http": 20}
        late = await browser()
        assert await late.ask("/c") == b"2 "
        assert new.open == 21

    scenario(play)


def test_five_hundred_idle_connections_move():
    async def play(old, new, browser):
        browsers = [await browser() for _ in range(500)]
        await until(lambda: old.open == 500)
        packed = await old.give()
        assert len(packed.descriptors) == 500
        await new.take(packed)
        assert {await one.ask("/b") for one in browsers} == {b"2 "}
        assert new.open == 500

    scenario(play, max_connections=600)


def test_a_request_in_flight_is_answered_before_its_connection_moves():
    async def play(old, new, browser):
        one = await browser()
        one.send(asking("/slow"))
        await until(lambda: old.asked)
        giving = asyncio.ensure_future(old.give(drain_s=PATIENCE_S))
        one.send(asking("/next"))  # it waits in its socket
        old.may_go.set()
        packed = await giving
        assert old.part.stragglers() == []
        assert await one.answer() == b"1 "
        await new.take(packed)
        assert await one.answer() == b"2 "
        assert (old.asked, new.asked) == (["/slow"], ["/next"])

    scenario(play)


def test_a_body_that_arrives_during_the_drain_is_waited_for():
    async def play(old, new, browser):
        one = await browser()
        request = asking("/a", body=b"z" * 10)
        one.send(request[:-5])
        await until(lambda: old.asked)
        giving = asyncio.ensure_future(old.give(drain_s=PATIENCE_S))
        await until(lambda: old.part._held_at is not None)  # the drain has begun
        one.send(request[-5:] + asking("/b")[:20])
        packed = await giving
        assert await one.answer() == b"1 " + b"z" * 10
        await new.take(packed)
        one.send(asking("/b")[20:])
        assert await one.answer() == b"2 "

    scenario(play)


def test_a_client_that_asks_without_end_is_not_served_without_end():
    async def play(old, new, browser):
        one = await browser()
        answers = []

        async def ask():
            while True:
                answers.append(await one.ask("/a"))

        asking_ = asyncio.ensure_future(ask())
        await until(lambda: len(answers) > 20)
        await new.take(await old.give(drain_s=PATIENCE_S))
        count = len(answers)
        await until(lambda: len(answers) > count + 20)
        asking_.cancel()
        assert answers == sorted(answers)
        assert set(answers) == {b"1 ", b"2 "}
        assert len(old.asked) == answers.count(b"1 ")

    scenario(play)


def test_what_has_not_ended_is_named_and_goes_on_where_the_node_resumes():
    async def play(old, new, browser):
        slow, idle = await browser(), await browser()
        slow.send(asking("/slow"))
        await until(lambda: old.asked and old.open == 2)
        packed = await old.give(drain_s=0.01)
        assert old.part.stragglers() == [f"http: GET /slow of 127.0.0.1:{slow.port}"]
        assert len(packed.descriptors) == 1
        await old.resume()
        assert await idle.ask("/a") == b"1 "
        old.may_go.set()
        assert await slow.answer() == b"1 "
        assert await slow.ask("/b") == b"1 "
        assert old.open == 2
        late = await browser()
        assert await late.ask("/c") == b"1 "

    scenario(play)


def test_a_node_can_resume_again_and_again():
    async def play(old, new, browser):
        one = await browser()
        request = asking("/a", body=b"abc")
        for cut in range(1, len(request) - 3, 7):
            one.send(request[:cut])
            await until(lambda: old.entrance.server._protocols.connections)
            await old.give()
            one.send(request[cut:])
            await old.resume()
            assert await one.answer() == b"1 abc"
        assert old.open == 1
        await new.take(await old.give())
        assert await one.ask("/b") == b"2 "

    scenario(play)


def test_who_connects_meanwhile_is_served_by_the_new_node():
    async def play(old, new, browser):
        packed = await old.give()
        late = [await browser() for _ in range(5)]
        for one in late:
            one.send(asking("/a"))
        await new.take(packed)
        assert {await one.answer() for one in late} == {b"2 "}
        assert old.asked == []

    scenario(play)


@pytest.mark.parametrize("turns", range(8))
def test_a_connection_accepted_at_the_very_moment_moves_too(turns):
    async def play(old, new, browser):
        made = asyncio.gather(*(browser() for _ in range(8)))
        for _ in range(turns):
            await asyncio.sleep(0)
        packed = await old.give()
        browsers = await made
        await new.take(packed)
        assert {await one.ask("/a") for one in browsers} == {b"2 "}
        assert (old.open, new.open) == (0, 8)

    scenario(play)


@pytest.mark.parametrize("close", [True, False], ids=["last answer", "idle"])
def test_what_a_slow_client_has_not_read_goes_out_first(close):
    async def play(old, new, browser):
        loop = asyncio.get_running_loop()
        with socket.socket() as slow:  # it reads nothing before the connection has moved
            slow.setblocking(False)
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            await loop.sock_connect(slow, old.address)
            await until(lambda: old.open == 1)
            (connection,) = old.entrance.server._protocols.connections
            near = connection.transport.get_extra_info("socket")
            near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
            slow.send(asking("/big", close=close))
            await until(lambda: old.asked and not old.part.stragglers())
            moved = await old.give()
            assert b"xxxx" in moved.body
            await new.take(moved)
            assert (await read(slow, BIG)).endswith(b"x" * BIG)
            if close:
                assert await loop.sock_recv(slow, 1) == b""
            else:
                slow.send(asking("/a"))
                assert await read(slow, 2) == b"2 "

    scenario(play)


async def read(slow, length):
    """The next answer, of a body of this length."""
    data = b""
    async with asyncio.timeout(PATIENCE_S):
        while len(data.partition(b"\r\n\r\n")[2]) < length:
            data += await asyncio.get_running_loop().sock_recv(slow, 65_536)
    return data.partition(b"\r\n\r\n")[2]


def test_readers_of_events_come_back_and_miss_none():
    async def play(old, new, browser):
        one = await browser()
        one.send(asking("/events"))
        await until(lambda: old.hub.watched)
        old.hub.publish("node", {"n": 1}, 1.0)
        await one.reader.readuntil(b'"n":1')
        old.hub.publish("trace", {"n": 2}, 2.0)
        new.hub.publish("node", {"n": "of the new one"}, 2.5)
        packed = await old.give()
        await new.take(packed)
        assert (await one.end()).endswith(b"\r\n0\r\n\r\n")  # in order, not cut off
        new.hub.publish("node", {"n": 4}, 4.0)
        again = await browser()
        again.send(asking("/events", last="1-1"))
        async with asyncio.timeout(PATIENCE_S):
            told = await again.reader.readuntil(b'"n":4')
        assert b"gap" not in told
        assert re.findall(rb"id: (\S+)", told) == [b"1-3", b"1-4"]
        assert re.findall(rb'"n":("[^"]*"|\d)', told) == [b'"of the new one"', b"4"]

    scenario(play)


def test_a_stream_goes_on_where_the_node_resumes():
    async def play(old, new, browser):
        one = await browser()
        one.send(asking("/events"))
        await until(lambda: old.hub.watched)
        await old.give()
        await old.resume()
        old.hub.publish("node", {"n": 1}, 1.0)
        async with asyncio.timeout(PATIENCE_S):
            await one.reader.readuntil(b'"n":1')

    scenario(play)


def test_the_time_that_a_connection_may_be_idle_goes_on():
    async def play(old, new, browser):
        one = await browser()
        begun = asyncio.get_running_loop().time()
        assert await one.ask("/a") == b"1 "
        await new.take(await old.give())
        assert await one.end() == b""
        assert 0.3 <= asyncio.get_running_loop().time() - begun < PATIENCE_S
        assert new.open == 0

    scenario(play, idle_timeout_s=0.3)


def test_more_connections_than_may_be_are_refused_and_none_that_moved():
    async def play(old, new, browser):
        browsers = [await browser() for _ in range(3)]
        await until(lambda: old.open == 3)
        await new.take(await old.give())
        await until(lambda: new.open == 3)
        one_more = await browser()
        assert (await one_more.end()).startswith(b"HTTP/1.1 503")
        assert {await one.ask("/a") for one in browsers} == {b"2 "}

    scenario(play, max_connections=3)


def test_connections_come_to_a_server_that_is_started_again_meanwhile():
    async def play(old, new, browser):
        one = await browser()
        await until(lambda: old.open == 1)
        packed = await old.give()
        new.kernel.exit(new.kernel.roots["web"], KILLED)
        await until(lambda: new.entrance.server is None)
        await new.take(packed)
        await new.start()
        assert await one.ask("/a") == b"2 "

    scenario(play)


def test_a_copy_while_the_node_serves_has_no_connection():
    async def play(old, new, browser):
        one = await browser()
        assert await one.ask("/a") == b"1 "
        new.part.unpack(1, old.part.copy(1), ())
        assert await one.ask("/a") == b"1 "

    scenario(play)


def test_too_few_sockets_are_refused():
    async def play(old, new, browser):
        await browser()
        await until(lambda: old.open == 1)
        packed = await old.give()
        with pytest.raises(ValueError, match="0 sockets came for 1 connections"):
            new.part.unpack(1, packed.body, ())
        await old.resume()

    scenario(play)


REQUESTS = (
    asking("/a"),
    asking("/b", body=b"GET / HTTP/1.1\r\n\r\n"),
    asking("/c", body=b""),
    b"POST /d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
)
ANSWERS = (b"", b"GET / HTTP/1.1\r\n\r\n", b"", b"abc")


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=6),
    st.lists(st.integers(0, 2_000), max_size=6),
    st.lists(st.integers(0, 7), min_size=1, max_size=3),
)
def test_whatever_the_cuts_every_request_is_answered_once_and_in_order(which, cuts, moves):
    data = b"".join(REQUESTS[one] for one in which)
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})

    async def play(old, new, browser):
        one = await browser()
        await until(lambda: old.open == 1)
        nodes = [old]
        for number, (begin, end) in enumerate(pairwise(places)):
            for _ in range(moves.count(number)):
                packed = await nodes[-1].give(drain_s=0.05)
                if nodes[-1].part.stragglers():  # a body has come in part
                    await nodes[-1].resume()
                    continue
                nodes.append(WebNode(len(nodes) + 1, old.listening, waiting=True))
                await nodes[-1].start()
                await nodes[-1].take(packed)
            one.send(data[begin:end])
            await asyncio.sleep(0)
        answers = [(await one.answer())[2:] for _ in which]
        assert answers == [ANSWERS[number] for number in which]
        asked = [path for node in nodes for path in node.asked]
        assert asked == ["/" + "abcd"[number] for number in which]
        for node in nodes[1:]:
            await node.stop()

    scenario(play)

"""Web chat with a real node: real WebSockets, hostile ones, a killed node."""

import asyncio
import functools
import socket

import aiohttp
import pytest
from channel_node import CHAT, ORIGIN, ChannelNode, Visitor

pytestmark = pytest.mark.system

LIMITS = """
max_frame_bytes = 8192
max_frames_per_s = 30
hello_timeout_s = 0.5
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    directory = tmp_path_factory.mktemp("chat")
    node = ChannelNode(directory, CHAT.format(limits=LIMITS), ("http", "cti"))
    yield node
    node.close()


def visiting(test):
    """Run a test with a visitor, and with a maker of more."""

    @functools.wraps(test)
    def run(node):
        async def main():
            async with aiohttp.ClientSession() as http:
                await test(node, lambda: Visitor(node, http))

        asyncio.run(main())

    del run.__wrapped__
    return run


def answer(node, session, text, **fields):
    status, said = node.ask(
        "POST", f"/api/v1/sessions/{session}/messages", {"text": text, **fields}
    )
    assert status == 200, said
    return said


async def asked(call, *args, **fields):
    return await asyncio.to_thread(call, *args, **fields)


async def begun(visitor):
    """A visitor who has said something, and the session."""
    await visitor.begin()
    await visitor.say("hello")
    again = await Visitor.resume(visitor)
    return again.hello["session"]


@visiting
async def test_a_visitor_and_an_agent_talk(node, make):
    visitor = await make().begin(visitor="ann@example.com", lang="fr", ud={"page": "/offers"})
    assert visitor.hello | {"token": ""} == {
        "t": "hello",
        "token": "",
        "session": None,
        "resumed": False,
        "seq": 0,
        "n": 0,
    }
    assert await visitor.say("hello") == {"t": "ack", "seq": 1, "n": 1}
    _, found = await asked(node.ask, "GET", "/api/v1/sessions?ani=ann@example.com&open=1")
    view = await asked(node.routed, found["items"][0]["session"])
    assert (view["media"], view["rp"], view["lang"]) == ("chat", "support", "fr")
    assert (view["ud"], view["routing"]["target"]) == ({"page": "/offers"}, "7010")
    said = await asked(answer, node, view["session"], "how can I help?", by="bob")
    assert (said["n"], said["delivered"]) == (2, True)
    frame = await visitor.take("message")
    assert (frame["n"], frame["from"], frame["text"]) == (2, "agent", "how can I help?")
    await asked(node.ask, "POST", f"/api/v1/sessions/{view['session']}/messages", {"typing": True})
    assert await visitor.take("typing") == {"t": "typing", "from": "agent"}
    await visitor.send(t="end")
    assert (await visitor.take("closed"))["code"] == 1000
    closed = await asked(node.session, view["session"])
    assert closed["state"] == "closed"


@visiting
async def test_who_comes_back_is_told_what_is_missing_and_says_nothing_twice(node, make):
    visitor = make()
    session = await begun(visitor)
    await visitor.socket.close()
    assert not (await asked(answer, node, session, "are you there?"))["delivered"]
    await visitor.resume()
    assert (visitor.hello["resumed"], visitor.hello["seq"], visitor.hello["n"]) == (True, 1, 2)
    assert (await visitor.take("message"))["text"] == "are you there?"
    await visitor.send(t="message", seq=1, text="hello")
    assert await visitor.take("ack") == {"t": "ack", "seq": 1, "n": 1}
    assert (await visitor.say("yes"))["n"] == 3
    _, said = await asked(node.ask, "GET", f"/api/v1/sessions/{session}/messages")
    texts = [(one["n"], one["side"], one["text"]) for one in said["messages"]]
    assert texts == [
        (1, "customer", "hello"),
        (2, "agent", "are you there?"),
        (3, "customer", "yes"),
    ]


@visiting
async def test_a_page_that_has_forgotten_all_gets_the_whole_conversation(node, make):
    visitor = make()
    session = await begun(visitor)
    await asked(answer, node, session, "hi")
    fresh = make()
    fresh.token = visitor.token
    await fresh.resume()
    first, second = await fresh.take("message"), await fresh.take("message")
    assert (first["from"], first["seq"], second["from"]) == ("customer", 1, "agent")
    await visitor.take("message")
    assert await visitor.refused() == ("replaced", 4409)


@visiting
async def test_an_agent_who_repeats_a_request_says_it_once(node, make):
    session = await begun(make())
    path, key = f"/api/v1/sessions/{session}/messages", {"Idempotency-Key": "k-1"}
    first = await asked(node.ask, "POST", path, {"text": "hi"}, key)
    assert (await asked(node.ask, "POST", path, {"text": "hi"}, key))[1]["n"] == first[1]["n"] == 2
    assert (await asked(node.ask, "POST", path, {"text": "ho"}, key))[0] == 422


@visiting
async def test_a_session_that_the_agent_ends_is_over_for_the_visitor(node, make):
    visitor = make()
    session = await begun(visitor)
    await asked(node.ask, "POST", f"/api/v1/sessions/{session}/close", {})
    await visitor.take("end")
    assert (await visitor.take("closed"))["code"] == 4410


@visiting
async def test_only_pages_of_known_origins_connect(node, make):
    for origin in ("https://evil.example.com", None):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await make().connect(origin=origin)
        assert refused.value.status == 403
    status, said = await asked(node.ask, "GET", "/channels/chat", None, {"Origin": ORIGIN})
    assert (status, said["field"]) == (426, "Upgrade")


@visiting
async def test_only_a_ticket_that_holds_lets_in(node, make):
    for hello, error in (
        ({"ticket": "x.y"}, "ticket-invalid"),
        ({"ticket": make().ticket()[:-2]}, "ticket-invalid"),
        ({"token": make().ticket()}, "token-invalid"),
        ({}, "ticket-invalid"),
    ):
        visitor = await make().connect()
        await visitor.send(t="hello", **hello)
        assert await visitor.refused() == (error, 4401)


@visiting
async def test_each_wrong_frame_has_a_name_and_a_code(node, make):
    for frame, error, code in (
        ("not json", "malformed", 4400),
        ('{"t": "nothing"}', "malformed", 4400),
        ('{"t": "message", "seq": 3, "text": "x"}', "gap", 4400),
        ('{"t": "message", "seq": 1, "text": "' + "x" * 2_001 + '"}', "malformed", 4400),
        ('{"t": "hello"}', "malformed", 4400),
        ("[" * 5_000, "malformed", 4400),
    ):
        visitor = await make().begin()
        await visitor.socket.send_str(frame)
        assert await visitor.refused() == (error, code), frame[:40]
    visitor = await make().begin()
    await visitor.socket.send_bytes(b"\x00")
    assert await visitor.refused() == ("malformed", 4400)
    visitor = await make().begin()
    await visitor.socket.send_str("x" * 9_000)
    assert (await visitor.take("closed"))["code"] == 1009


@visiting
async def test_who_is_too_fast_or_silent_is_sent_away(node, make):
    silent, fast = await make().connect(), await make().begin()
    for _ in range(40):
        await fast.send(t="typing")
    assert await fast.refused() == ("rate", 4429)
    assert await silent.refused() == ("hello-late", 4408)


def test_bytes_that_are_no_websocket_end_one_connection_only(node):
    with socket.create_connection(("127.0.0.1", node.port("http")), 10) as peer:
        head = (
            "GET /channels/chat HTTP/1.1\r\nHost: x\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Origin: {ORIGIN}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        peer.sendall(head.encode() + b"\xff" * 100)
        data = b""
        while more := peer.recv(4_096):
            data += more
    assert data.startswith(b"HTTP/1.1 101")
    assert node.ask("GET", "/livez", token=False)[0] == 200


@visiting
async def test_a_chat_that_is_killed_is_back_and_its_visitors_come_back(node, make):
    visitor = make()
    await begun(visitor)
    path = "/api/v1/actors/node%2FchannelSup%2FchatServer/kill"
    assert (await asked(node.ask, "POST", path, {"reason": "a test"}))[0] == 200
    assert await visitor.refused() == ("restart", 1012)
    await visitor.resume()
    assert (await visitor.say("again"))["n"] == 2


def test_what_was_acknowledged_survives_the_death_of_the_node(tmp_path):
    node = ChannelNode(tmp_path, CHAT.format(limits=""), ("http", "cti"))

    async def main():
        async with aiohttp.ClientSession() as http:
            visitor = Visitor(node, http)
            session = await begun(visitor)
            await visitor.say("second")
            await asked(answer, node, session, "mine")
            await asked(node.kill)
            await asked(node.start)
            await visitor.resume()
            assert (visitor.hello["session"], visitor.hello["seq"]) == (session, 2)
            assert (await visitor.take("message"))["text"] == "mine"
            assert (await visitor.say("third"))["n"] == 4

    try:
        asyncio.run(main())
    finally:
        node.close()

"""The control socket's limits, and the channel to a program: bad input has its own answers."""

import asyncio
import json
import os
import socket

import pytest

from supervision.anchor import control
from supervision.anchor.channel import MAX_LINE_BYTES, MAX_PENDING, ProgramChannel
from supervision.anchor.control import ControlLimits, ControlServer
from supervision.anchor.inheritance import NotGuarded, TakeoverOrder, inherited
from supervision.anchor.messages import ExitCode, Refusal
from supervision.anchor.unixpath import listen

PATIENCE_S = 10.0


async def dispatch(op, args):
    if op == "refuse":
        raise Refusal(ExitCode.TRY_AGAIN, "later", "when")
    return {"op": op, "args": args}


def serve(tmp_path, conversation, **limits):
    """Run `conversation(connect)` against a server with these limits."""

    async def main():
        server = ControlServer(dispatch, ControlLimits(**limits))
        path = tmp_path / "anchor.sock"
        server.start(listen(path, mode=0o600, backlog=8))
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await conversation(lambda: asyncio.open_unix_connection(path))
        finally:
            server.close()

    return asyncio.run(main())


def said(tmp_path, *sent, **limits):
    """What the server says to these bytes, until it closes or has answered each line."""

    async def conversation(connect):
        reader, writer = await connect()
        writer.write(b"".join(sent))
        if not sent[-1].endswith(b"\n"):
            writer.write_eof()
        answers = [json.loads(await reader.readline()) for _ in sent]
        writer.close()
        return answers

    return serve(tmp_path, conversation, **limits)


def test_requests_of_one_connection_are_answered_in_order(tmp_path):
    answers = said(tmp_path, b'{"id":1,"op":"a"}\n', b'{"id":2,"op":"b","args":{"x":1}}\n')
    assert [item["id"] for item in answers] == [1, 2]
    assert answers[1]["result"] == {"op": "b", "args": {"x": 1}}


def test_a_refusal_is_an_answer_with_its_code_and_field(tmp_path):
    (answer,) = said(tmp_path, b'{"id":7,"op":"refuse"}\n')
    error = {"code": 75, "msg": "later", "field": "when"}
    assert answer == {"id": 7, "ok": False, "error": error}


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (b"nonsense\n", None),
        (b"[1,2]\n", None),
        (b"\xff\xfe\n", None),
        (b"[" * 20_000 + b"\n", None),
        (b'{"id":1}\n', "op"),
        (b'{"id":1,"op":7}\n', "op"),
        (b'{"id":1,"op":"a","args":[]}\n', "args"),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_goes_on(tmp_path, line, field):
    refused, answered = said(tmp_path, line, b'{"id":2,"op":"a"}\n')
    assert refused["error"]["code"] == ExitCode.USAGE
    assert refused["error"].get("field") == field
    assert answered["ok"]


def test_a_line_that_is_too_long_is_refused_and_the_connection_closed(tmp_path):
    (answer,) = said(tmp_path, b"x" * 2000 + b"\n", max_line_bytes=1000)
    assert answer["error"]["msg"] == "a request is longer than 1000 bytes"


def test_a_request_without_its_end_is_refused(tmp_path):
    (answer,) = said(tmp_path, b'{"id":1')
    assert answer["error"]["msg"] == "a request ends with a line end"


def test_a_client_that_says_nothing_is_closed(tmp_path):
    async def conversation(connect):
        reader, writer = await connect()
        answer = json.loads(await reader.read())
        writer.close()
        return answer

    answer = serve(tmp_path, conversation, idle_s=0.05)
    assert answer["error"]["code"] == ExitCode.TRY_AGAIN


def test_one_client_too_many_is_told_so_and_the_others_do_not_notice(tmp_path):
    async def conversation(connect):
        first, writer = await connect()
        writer.write(b'{"id":1,"op":"a"}\n')
        assert json.loads(await first.readline())["ok"]
        second, second_writer = await connect()
        refused = json.loads(await second.read())
        second_writer.close()
        writer.write(b'{"id":2,"op":"a"}\n')
        assert json.loads(await first.readline())["id"] == 2
        writer.close()
        return refused

    refused = serve(tmp_path, conversation, max_clients=1)
    assert refused["error"]["msg"] == "1 clients are connected, the most allowed"
    assert refused["error"]["code"] == ExitCode.TRY_AGAIN


def test_another_user_is_not_permitted(tmp_path, monkeypatch):
    monkeypatch.setattr(control, "peer_user", lambda _: os.geteuid() + 4711)

    async def conversation(connect):
        reader, writer = await connect()
        refused = json.loads(await reader.read())
        writer.close()
        return refused

    refused = serve(tmp_path, conversation)
    assert refused["error"]["code"] == ExitCode.NOT_PERMITTED


def with_program(conversation):
    """Run `conversation(channel, program_end, events, broken)` with a channel."""

    async def main():
        ours, theirs = socket.socketpair()
        events, broken = [], asyncio.Event()
        _, channel = await asyncio.get_running_loop().create_connection(
            lambda: ProgramChannel("node", lambda *event: events.append(event), broken.set),
            sock=ours,
        )
        reader, writer = await asyncio.open_connection(sock=theirs)
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await conversation(channel, reader, writer, broken)
        finally:
            channel.close()
            writer.close()

    return asyncio.run(main())


def test_too_many_requests_under_way_are_refused():
    async def conversation(channel, *_):
        waiting = [channel.request("api", {}) for _ in range(MAX_PENDING)]
        with pytest.raises(Refusal, match="too many requests") as refused:
            channel.request("api", {})
        for future in waiting:
            future.cancel()
        return refused.value.code

    assert with_program(conversation) == ExitCode.TRY_AGAIN


def test_answers_in_any_order_reach_whoever_asked():
    async def conversation(channel, reader, writer, _):
        first, second = channel.request("a", {}), channel.request("b", {})
        for _ in range(2):
            await reader.readline()
        writer.write(b'{"id":2,"ok":true,"result":"b"}\n{"id":1,"ok":true,"result":"a"}\n')
        return await first, await second

    assert with_program(conversation) == ("a", "b")


def test_requests_under_way_are_refused_when_the_program_is_gone():
    async def conversation(channel, reader, writer, _):
        waiting = channel.request("api", {})
        await reader.readline()
        writer.close()
        with pytest.raises(Refusal, match="node is not running"):
            await waiting
        with pytest.raises(Refusal, match="node is not running"):
            channel.request("api", {})

    with_program(conversation)


@pytest.mark.parametrize("garbage", [b"nonsense\n", b"[]\n", b"x" * (MAX_LINE_BYTES + 1)])
def test_a_program_that_breaks_the_protocol_is_reported(garbage):
    async def conversation(channel, reader, writer, broken):
        writer.write(garbage)
        await broken.wait()

    with_program(conversation)


def test_a_program_that_no_anchor_started_is_told_what_is_missing():
    with pytest.raises(NotGuarded, match="ANCHOR_LISTEN_FDS is not set"):
        inherited({})


def test_the_order_to_take_over_is_taken_out_of_the_environment():
    ours, theirs = socket.socketpair()
    order = TakeoverOrder("/data/take", "a secret")
    environ = {
        "ANCHOR_LISTEN_FDS": "",
        "ANCHOR_CONTROL_FD": str(theirs.detach()),
        "ANCHOR_STOP_TIMEOUT_S": "5",
        "ANCHOR_INCARNATION": "2",
        "ANCHOR_TAKEOVER": order.to_json(),
    }
    given = inherited(environ)
    with ours, given.control:
        assert given.takeover == order
        assert "ANCHOR_TAKEOVER" not in environ

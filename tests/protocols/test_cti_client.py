import pytest

from protocols.cti.client import Answered, Client, Opened
from protocols.cti.events import Closed, HelloReceived, Received, Transmit
from protocols.cti.framing import encode
from protocols.cti.link import Link
from protocols.cti.link_state import LinkConfig
from protocols.cti.messages import CallEvent, Error, Hello, RouteEnd, RouteRequest, RouteSelect

START = 500.0
HELLO = Hello(proto=1, name="cti-a", side="backup", token="secret")


def request(xref: str) -> RouteRequest:
    return RouteRequest(xref=xref, call="c", rp="sales", ts=5.0)


def select(xref: str) -> RouteSelect:
    return RouteSelect(
        xref=xref, target="100", rtype="label", session="0" * 20, rev=1, reason="configured"
    )


def new_client() -> Client:
    return Client(HELLO, now=START, wall=1_790_000_000.0)


def open_pair() -> tuple[Client, Link]:
    client, link = new_client(), Link(LinkConfig(), now=START, wall=1_790_000_000.0)
    (asked,) = link.receive(client.hello(), START)
    assert asked == HelloReceived(HELLO)
    (answer,) = link.accept("s1", START)
    (opened,) = client.receive(answer.data, START)
    assert isinstance(opened, Opened)
    assert client.answer.session == "s1"
    return client, link


def test_an_answer_is_matched_with_its_request_and_its_time():
    client, link = open_pair()
    for at, xref in ((START + 1, "a"), (START + 2, "b")):
        link.receive(client.send(request(xref), at), at)
    (answered,) = client.receive(link.send(select("b"), START + 3), START + 3)
    assert (answered.asked.xref, answered.asked.at, answered.at) == ("b", START + 2, START + 3)
    assert list(client.waiting) == ["a"]


def test_an_answer_that_nobody_waits_for_is_told_apart():
    client, link = open_pair()
    link.receive(client.send(request("a"), START), START)
    events = client.receive(link.send(select("a"), START) + link.send(select("a"), START), START)
    assert [event.asked is None for event in events] == [False, True]
    (event,) = client.receive(link.send(Error(code=500, ref=99, msg="?"), START), START)
    assert event == Answered(Error(code=500, ref=99, msg="?", i=3), None, START)


def test_an_error_is_matched_with_its_request_by_the_number():
    client, link = open_pair()
    link.receive(client.send(CallEvent(call="c", ev="held", ts=1.0), START), START)
    link.receive(client.send(request("a"), START), START)
    (event,) = client.receive(link.send(Error(code=503, ref=2, msg="no"), START), START)
    assert event.asked.xref == "a"
    assert client.waiting == {}


def test_a_request_may_be_forgotten_and_one_sent_again_is_timed_anew():
    client, _ = open_pair()
    client.send(request("a"), START)
    client.send(request("a"), START + 1)
    assert client.waiting["a"].at == START + 1
    client.forget("a")
    client.forget("a")
    assert client.waiting == {}


def test_a_hello_that_is_refused_gives_its_error():
    client, link = new_client(), Link(LinkConfig(), now=START, wall=0.0)
    link.receive(client.hello(), START)
    transmit, *_ = link.refuse(401, "unknown token", "token")
    (event,) = client.receive(transmit.data, START)
    assert event.answer.code == 401
    assert client.answer is None


def test_both_ends_keep_an_idle_link_alive_in_virtual_time():
    client, link = open_pair()
    ends = ((client, link), (link, client))
    while (now := min(client.next_timeout, link.next_timeout)) < START + 60:
        for near, far in ends:
            for event in near.timeout(now):
                for answer in far.receive(event.data, now):
                    near.receive(answer.data, now)
    assert link.state.phase == "open"
    assert client.closed is None


def test_a_server_that_falls_silent_is_found_dead():
    client, _ = open_pair()
    events = []
    while (now := client.next_timeout) is not None:
        events += client.timeout(now)
    assert isinstance(events[-1], Closed)
    assert events[-1].reason == "silent"


def test_other_messages_are_passed_on():
    client, link = open_pair()
    (event,) = client.receive(link.send(RouteEnd(xref="x", cause="timeout"), START), START)
    assert isinstance(event, Received)
    assert event.message.cause == "timeout"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encode({"t": "route.end", "i": 2, "xref": "x", "cause": "ok"}), "gap"),
        (encode({"t": "route.end", "i": 1, "xref": "x", "cause": "?"}), "malformed"),
        (b"\0\0\0\1\xc1", "malformed"),
        ((65_536).to_bytes(4, "big"), "malformed"),
    ],
)
def test_a_broken_server_ends_the_link(data, reason):
    client, _ = open_pair()
    (closed,) = client.receive(data, START)
    assert closed.reason == reason
    assert client.receive(data, START) == []


def test_a_repeated_frame_is_dropped():
    client, link = open_pair()
    data = link.send(RouteEnd(xref="x", cause="ok"), START)
    assert len(client.receive(data, START)) == 1
    assert client.receive(data, START) == []


def test_anything_but_an_answer_to_hello_ends_the_link():
    client = new_client()
    (closed,) = client.receive(encode({"t": "hb", "i": 1, "ts": 1.0}), START)
    assert closed.reason == "malformed"


def test_a_heartbeat_is_answered():
    client, _ = open_pair()
    (transmit,) = client.receive(encode({"t": "hb", "i": 1, "ts": 2.0}), START)
    assert isinstance(transmit, Transmit)
    assert transmit.data == encode({"t": "hb.ok", "ts": 2.0, "i": 1})

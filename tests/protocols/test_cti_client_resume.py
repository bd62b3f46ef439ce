"""A CTI's end of a link session: what it keeps, what it sends again, what it drops."""

import pytest

from protocols.cti.client import (
    Acknowledged,
    Answered,
    Client,
    ClientFullError,
    ClientSession,
    Opened,
    ResumeLost,
)
from protocols.cti.events import Closed, Transmit
from protocols.cti.framing import Decoder, FramingError, encode
from protocols.cti.messages import Hello

HELLO = Hello(proto=1, name="cti-a", side="primary", token="secret")
HB = {"interval_ms": 300, "timeout_ms": 200, "retry_ms": 100, "limit": 10}
LOST = {"t": "error", "code": 409, "ref": 0, "msg": "resume-lost", "field": "resume"}
START = 500.0


def event(call: str) -> dict:
    return {"t": "call.event", "call": call, "ev": "held", "ts": 1}


def request(xref: str) -> dict:
    return {"t": "route.request", "xref": xref, "call": "c", "rp": "sales", "ts": 5}


def select(i: int, xref: str) -> dict:
    frame = {"t": "route.select", "i": i, "xref": xref, "target": "100", "rtype": "label"}
    return frame | {"session": "0" * 20, "rev": 1, "reason": "configured"}


def ack(i: int, last_i: int) -> dict:
    return {"t": "ack", "i": i, "last_i": last_i}


def frames_of(data: bytes) -> list[dict]:
    decoder = Decoder()
    decoder.feed(data)
    return list(iter(decoder.next_frame, None))


def got(client: Client, *frames: dict, at: float = START) -> list:
    return client.receive(b"".join(map(encode, frames)), at)


def sent(events: list) -> list[dict]:
    return frames_of(b"".join(event.data for event in events if isinstance(event, Transmit)))


def new_client(session: ClientSession | None = None, **limits) -> Client:
    return Client(HELLO, now=START, wall=0.0, session=session, **limits)


def answer(last_i: int = 0, **fields) -> dict:
    return {"t": "hello", "proto": 1, "session": "s1", "hb": HB, "last_i": last_i} | fields


def open_client(window: int = 1_000, **limits) -> Client:
    client = new_client(**limits)
    (opened,) = got(client, answer(window=window))
    assert (type(opened), opened.resumed) == (Opened, False)
    return client


def say(client: Client, *frames: dict) -> list[dict]:
    return frames_of(b"".join(client.send_frame(frame, START) for frame in frames))


def test_a_new_connection_asks_for_the_link_session_and_says_what_was_handled():
    old = open_client()
    got(old, ack(1, 0), {"t": "void", "i": 2})
    (hello,) = frames_of(new_client(old.session).hello())
    assert hello["resume"] == {"session": "s1", "last_i": 2}
    assert "resume" not in frames_of(new_client().hello())[0]


def test_what_is_not_durable_is_sent_again_with_its_numbers_and_numbers_go_on():
    old = open_client()
    first = say(old, event("a"), event("b"), request("x"))
    client = new_client(old.session)
    opened, acknowledged, transmit = got(client, answer(1))
    assert opened.resumed
    assert (acknowledged.last_i, acknowledged.frames) == (1, [event("a")])
    assert sent([transmit]) == first[1:]
    assert say(client, event("c"))[0]["i"] == 4


def test_heartbeats_and_refused_frames_are_void_in_a_repetition():
    old = open_client()
    say(old, event("a"), {"t": "nonsense"})
    old.timeout(START + 0.3)
    got(old, {"t": "error", "i": 1, "code": 400, "ref": 2, "msg": "no"})
    again = sent(got(new_client(old.session), answer()))
    assert [(frame["t"], frame["i"]) for frame in again] == [
        ("call.event", 1),
        ("void", 2),
        ("void", 3),
    ]


def test_an_ack_tells_which_frames_are_safe_and_they_are_kept_no_more():
    client = open_client()
    frames = [event("a"), event("b"), event("c")]
    say(client, *frames)
    (acknowledged,) = got(client, ack(1, 2))
    assert isinstance(acknowledged, Acknowledged)
    assert acknowledged.frames[0] is frames[0]
    assert acknowledged.frames == frames[:2]
    assert client.unacked == 1
    assert got(client, ack(2, 2)) == []


@pytest.mark.parametrize("last_i", [0, 4])
def test_an_ack_that_takes_back_or_foretells_ends_the_link(last_i):
    client = open_client()
    say(client, event("a"), event("b"), event("c"))
    got(client, ack(1, 2))
    (closed,) = got(client, ack(2, last_i))
    assert (closed.reason, f"up to {last_i} " in closed.msg) == ("malformed", True)


@pytest.mark.parametrize("change", [{"last_i": 0}, {"last_i": 9}, {"session": "other"}])
def test_a_resume_that_contradicts_what_is_known_ends_the_link(change):
    old = open_client()
    say(old, event("a"), event("b"))
    got(old, ack(1, 1))
    client = new_client(old.session)
    (closed,) = got(client, answer(1) | change)
    assert isinstance(closed, Closed)
    assert client.answer is None


def test_repeated_frames_of_vigie_are_dropped_and_voids_fill_their_numbers():
    old = open_client()
    say(old, request("x"), request("y"))
    assert len(got(old, select(1, "x"))) == 1
    client = new_client(old.session)
    events = got(client, answer(2), select(1, "x"), {"t": "void", "i": 2}, select(3, "y"))
    assert [event.asked.xref for event in events if isinstance(event, Answered)] == ["y"]
    assert client.session.last_in == 3


def test_a_second_answer_to_a_dialogue_has_no_request_any_more():
    client = open_client()
    say(client, request("x"))
    first, second = got(client, select(1, "x"), select(2, "x"))
    assert (first.asked.i, second.asked) == (1, None)


def test_a_gap_after_a_resume_ends_the_link():
    client = new_client(open_client().session)
    events = got(client, answer(), ack(2, 0))
    assert events[-1].reason == "gap"


def test_what_is_given_while_the_link_is_down_leaves_after_the_resume():
    old = open_client()
    say(old, event("a"))
    old.close("peer", "cut")
    assert old.send_frame(event("b"), START) == b""
    client = new_client(old.session)
    assert client.send_frame(event("c"), START) == b""
    assert [(f["i"], f["call"]) for f in sent(got(client, answer()))] == [
        (1, "a"),
        (2, "b"),
        (3, "c"),
    ]


def test_no_more_than_the_window_is_under_way_and_the_rest_follows_the_acks():
    client = open_client(window=2)
    assert [frame["i"] for frame in say(client, *map(event, "abcde"))] == [1, 2]
    assert [frame["i"] for frame in sent(got(client, ack(1, 1)))] == [3]
    assert [frame["call"] for frame in sent(got(client, ack(2, 3)))] == ["d", "e"]


def test_heartbeats_overtake_what_is_held():
    client = open_client(window=1)
    say(client, event("a"), event("b"))
    (beat,) = sent(client.timeout(START + 0.3))
    assert (beat["t"], beat["i"]) == ("hb", 2)
    (held,) = sent(got(client, ack(1, 2)))
    assert (held["call"], held["i"]) == ("b", 3)


def test_a_request_that_is_held_is_timed_from_the_call_and_numbered_when_it_leaves():
    client = open_client(window=1)
    say(client, event("a"), request("x"))
    assert (client.waiting["x"].i, client.waiting["x"].at) == (0, START)
    got(client, ack(1, 1), at=START + 1)
    assert (client.waiting["x"].i, client.waiting["x"].at) == (2, START)


def test_a_request_forgotten_while_it_is_held_is_sent_and_not_waited_for():
    client = open_client(window=1)
    say(client, event("a"), request("x"))
    client.forget("x")
    assert len(sent(got(client, ack(1, 1)))) == 1
    assert not client.waiting
    assert not client.session.asked


def test_the_client_refuses_in_words_what_it_cannot_keep():
    client = open_client(window=1, max_unacked=2)
    say(client, event("a"), event("b"))
    with pytest.raises(ClientFullError, match="2 frames are kept that vigie has not acknowledged"):
        say(client, event("c"))
    got(client, ack(1, 1))
    assert say(client, event("c")) == []


def test_a_frame_that_is_too_long_is_refused_before_it_is_held():
    client = open_client(window=1)
    say(client, event("a"))
    with pytest.raises(FramingError):
        say(client, event("x" * 70_000))
    assert client.unacked == 1


def test_a_lost_link_session_is_begun_anew_and_says_what_was_not_acknowledged():
    old = open_client()
    say(old, request("x"), event("a"), request("y"))
    got(old, ack(1, 1))
    client = new_client(old.session)
    client.send_frame(event("b"), START)
    lost, transmit = got(client, LOST)
    assert isinstance(lost, ResumeLost)
    assert lost.unacknowledged == [event("a"), request("y"), event("b")]
    assert [asked.xref for asked in lost.unanswered] == ["x"]
    (hello,) = sent([transmit])
    assert "resume" not in hello
    assert client.send_frame(event("a"), START) == b""
    assert [(f["i"], f["call"]) for f in sent(got(client, answer(session="s2")))] == [(1, "a")]
    assert client.session.id == "s2"


def test_resume_lost_without_a_resume_is_an_answer_like_any_other():
    (event,) = got(new_client(), LOST)
    assert isinstance(event, Answered)


def test_a_request_that_is_acknowledged_and_not_answered_can_be_asked_again():
    client = open_client()
    say(client, request("x"), request("y"), request("z"))
    got(client, ack(1, 2), select(2, "y"))
    assert [asked.xref for asked in client.acked_unanswered()] == ["x"]
    (again,) = frames_of(client.ask_again("x", START + 1))
    assert again == {**request("x"), "i": 4}
    (answered,) = got(client, select(3, "x"))
    assert (answered.asked.i, answered.asked.at) == (4, START + 1)


def test_a_token_is_shown_nowhere():
    client = open_client()
    assert "secret" not in repr(client.session)
    assert "secret" not in repr(HELLO)


def test_requests_that_are_answered_and_not_acknowledged_do_not_count_in_the_window():
    client = open_client(window=2)
    say(client, request("x1"), event("c1"), request("x2"), event("c2"), event("c3"))
    events = got(client, select(1, "x1"))
    assert [frame["i"] for frame in sent(events)] == [3]
    events = got(client, {"t": "route.end", "i": 2, "xref": "x2", "cause": "timeout"})
    assert [frame["i"] for frame in sent(events)] == [4]
    assert client.unacked == 5
    events = got(client, ack(3, 2))
    assert [frame["i"] for frame in sent(events)] == [5]
    assert say(client, event("c4")) == []


def test_a_request_that_nobody_waits_for_any_more_does_not_count_in_the_window():
    client = open_client(window=1)
    say(client, request("x1"))
    client.forget("x1")
    assert [frame["i"] for frame in say(client, event("c1"), event("c2"))] == [2]
    events = got(client, ack(1, 2))
    assert [frame["i"] for frame in sent(events)] == [3]
    assert client.unacked == 1

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.cti import link_session
from protocols.cti.events import Closed, FramingB, HelloReceived, Received, Refused, Transmit
from protocols.cti.framing import Decoder, FramingError, encode
from protocols.cti.link import Link, WrongPhaseError
from protocols.cti.link_state import LinkConfig, LinkState
from protocols.cti.messages import Error, Heartbeat, HeartbeatTimes, RouteEnd, RouteSelect

HELLO = {"t": "hello", "proto": 1, "name": "cti-a", "side": "primary", "token": "secret"}
RESUME = {"session": "old", "last_i": 4}
SELECT = {"target": "100", "rtype": "label", "session": "0" * 20, "rev": 1, "reason": "configured"}
START = 1_000.0


def request(i: int, xref: str = "", **fields) -> dict:
    return {
        "t": "route.request",
        "i": i,
        "xref": xref or f"x{i}",
        "call": "c",
        "rp": "sales",
        "ts": 5,
    } | fields


def heartbeat(i: int) -> dict:
    return {"t": "hb", "i": i, "ts": 7.5}


def stream(*frames: dict) -> bytes:
    return b"".join(map(encode, frames))


def sent(events: list) -> list[dict]:
    decoder = Decoder()
    decoder.feed(b"".join(event.data for event in events if isinstance(event, Transmit)))
    return list(iter(decoder.next_frame, None))


def kinds(events: list) -> list[type]:
    return [type(event) for event in events]


def the(kind: type, events: list):
    (event,) = (event for event in events if isinstance(event, kind))
    return event


def new_link(**limits) -> Link:
    return Link(LinkConfig(**limits), now=START, wall=1_790_000_000.0)


def open_link(**limits) -> Link:
    link = new_link(**limits)
    link.receive(stream(HELLO), START)
    link.accept("s1", START)
    return link


# The first bytes and the hello


def test_a_hello_is_asked_about_and_answered_without_a_number():
    link = new_link()
    (asked,) = link.receive(stream(HELLO), START)
    assert isinstance(asked, HelloReceived)
    assert (asked.hello.name, asked.hello.side, asked.hello.token) == ("cti-a", "primary", "secret")
    (answer,) = sent(link.accept("s1", START))
    assert answer["session"] == "s1"
    assert "i" not in answer
    assert link.state.phase == "open"


def test_the_answer_to_hello_has_every_field_even_at_its_default():
    link = new_link()
    link.receive(stream(HELLO), START)
    (answer,) = sent(link.accept("s1", START))
    assert answer["hb"] == {"interval_ms": 300, "timeout_ms": 200, "retry_ms": 100, "limit": 10}
    assert (answer["proto"], answer["last_i"]) == (1, 0)


@pytest.mark.parametrize("code", [401, 503])
def test_a_hello_that_the_caller_refuses_gets_its_error_and_closes(code):
    link = new_link()
    link.receive(stream(HELLO), START)
    events = link.refuse(code, "unknown token", "token")
    assert sent(events) == [
        {"t": "error", "code": code, "ref": 0, "msg": "unknown token", "field": "token"}
    ]
    assert the(Closed, events).reason == "refused"
    assert link.state.phase == "closed"
    assert link.next_timeout is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"proto": 2}, "proto"),
        ({"side": "left"}, "side"),
        ({"name": ""}, "name"),
        ({"token": None}, "token"),
        ({"resume": {"session": "s"}}, "resume"),
    ],
)
def test_a_hello_that_breaks_a_rule_is_400_by_its_field_and_closes(change, field):
    events = new_link().receive(stream(HELLO | change), START)
    assert (sent(events)[0]["code"], sent(events)[0]["field"]) == (400, field)
    assert the(Closed, events).code == 400


def test_resume_is_lost_and_the_peer_may_say_hello_again_on_the_same_connection():
    link = new_link()
    assert kinds(link.receive(stream(HELLO | {"resume": RESUME}), START)) == [HelloReceived]
    events = link.resume_lost(START)
    assert sent(events) == [
        {"t": "error", "code": 409, "ref": 0, "msg": "resume-lost", "field": "resume"}
    ]
    assert the(Refused, events).code == 409
    assert kinds(link.receive(stream(HELLO), START)) == [HelloReceived]
    assert sent(link.accept("s2", START))[0]["last_i"] == 0


def test_saying_hello_again_does_not_lengthen_the_handshake():
    link = new_link()
    link.receive(stream(HELLO | {"resume": RESUME}), START + 1.5)
    link.resume_lost(START + 1.6)
    assert link.next_timeout == START + 2.0


def test_a_frame_before_hello_is_401_and_closes():
    events = new_link().receive(stream(request(1)), START)
    assert sent(events)[0]["code"] == 401
    assert the(Closed, events).reason == "refused"


def test_frames_sent_before_the_answer_to_hello_wait_for_it():
    link = new_link()
    asked = link.receive(stream(HELLO, request(1)), START)
    assert kinds(asked) == [HelloReceived]
    assert link.receive(stream(request(2)), START) == []
    events = link.accept("s1", START)
    assert kinds(events) == [Transmit, Received, Received]


def test_more_than_a_frame_of_bytes_before_the_answer_to_hello_is_429():
    link = new_link(max_frame_bytes=1_000)
    link.receive(stream(HELLO), START)
    assert link.receive(b"x" * 1_004, START) == []
    assert the(Closed, link.receive(b"x", START)).code == 429


def test_framing_b_is_recognised_and_left_to_a_link_that_speaks_it():
    link = new_link()
    assert link.receive(b"\0\0\x00", START) == []
    assert link.receive(b"\x500001<?xml", START) == [FramingB()]
    assert link.arrived == b"\0\0\x00\x500001<?xml"
    assert link.receive(b" more", START) == []
    assert link.arrived.endswith(b"<?xml more")
    assert the(Closed, link.timeout(START + 10.0)).reason == "handshake-timeout"


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00", b"\0" * 5])
def test_bytes_of_no_framing_are_400_and_close(first):
    link = new_link()
    events = [event for byte in first for event in link.receive(bytes([byte]), START)]
    assert sent(events)[0]["code"] == 400
    assert the(Closed, events).reason == "framing-unknown"


@pytest.mark.parametrize("first", [b"", b"\0\0\0\x10", stream(HELLO)[:-1]])
def test_no_whole_hello_in_time_is_400_and_closes(first):
    link = new_link()
    link.receive(first, START)
    assert link.next_timeout == START + 2.0
    assert link.timeout(START + 1.999) == []
    events = link.timeout(START + 2.0)
    assert sent(events)[0]["code"] == 400
    assert the(Closed, events).reason == "handshake-timeout"


def test_a_hello_that_nobody_checks_in_time_is_503():
    link = new_link()
    link.receive(stream(HELLO), START)
    assert the(Closed, link.timeout(START + 2.0)).code == 503


def test_a_second_hello_is_refused_and_the_link_goes_on():
    link = open_link()
    events = link.receive(stream(HELLO | {"i": 1}, request(2)), START)
    assert (sent(events)[0]["code"], sent(events)[0]["ref"]) == (400, 1)
    assert the(Received, events).message.xref == "x2"


def test_what_the_phase_does_not_allow_is_the_callers_mistake():
    link = new_link()
    for call in (
        lambda: link.accept("s1", START),
        lambda: link.refuse(401, "no"),
        lambda: link.send(Heartbeat(ts=1.0), START),
    ):
        with pytest.raises(WrongPhaseError):
            call()
    assert link.state.phase == "greeting"


# Numbers


def test_numbers_start_at_one_in_each_direction():
    link = open_link()
    link.receive(stream(request(1), request(2)), START)
    for i in (1, 2):
        (frame,) = sent([Transmit(link.send(RouteSelect(xref=f"x{i}", **SELECT), START))])
        assert frame == {"t": "route.select", "i": i, "xref": f"x{i}", **SELECT}


def test_a_repetition_is_dropped_and_counted():
    link = open_link()
    assert kinds(link.receive(stream(request(1), request(1), request(2)), START)) == [Received] * 2
    assert link.statistics().repetitions == 1


def test_a_gap_is_409_and_closes():
    link = open_link()
    events = link.receive(stream(request(1), request(3), request(2)), START)
    (frame,) = sent(events)
    assert (frame["code"], frame["ref"], frame["i"]) == (409, 3, 1)
    assert the(Closed, events).reason == "gap"
    assert link.receive(stream(request(2)), START) == []


@pytest.mark.parametrize("i", [None, 0, -1, "1", 1.0, True, [1]])
def test_a_frame_without_a_valid_number_is_400_and_closes(i):
    events = open_link().receive(stream(request(1) | {"i": i}), START)
    assert (sent(events)[0]["code"], sent(events)[0]["field"]) == (400, "i")
    assert the(Closed, events).reason == "unnumbered"


def test_a_refused_frame_uses_its_number_and_the_link_goes_on():
    link = open_link()
    events = link.receive(
        stream({"t": "nonsense", "i": 1}, request(2, ts="now"), request(3)), START
    )
    assert [(frame["ref"], frame["field"]) for frame in sent(events)] == [(1, "t"), (2, "ts")]
    assert [event.ref for event in events if isinstance(event, Refused)] == [1, 2]
    assert the(Received, events).message.xref == "x3"
    assert link.statistics().refused == {400: 2}


@pytest.mark.parametrize(
    ("data", "code"), [(b"\0\1\0\0", 413), (b"\0\0\0\1\xc1", 400), (b"\0\0\0\1\x90", 400)]
)
def test_a_broken_frame_closes_the_link_after_the_frames_before_it(data, code):
    events = open_link().receive(stream(request(1)) + data, START)
    assert kinds(events) == [Received, Transmit, Refused, Closed]
    assert (events[-1].reason, events[-1].code) == ("malformed", code)


def test_a_message_too_long_to_send_uses_no_number():
    link = open_link(max_frame_bytes=200)
    with pytest.raises(FramingError):
        link.send(RouteEnd(xref="x", cause="ok", detail="d" * 300), START)
    (frame,) = sent([Transmit(link.send(RouteEnd(xref="x", cause="ok"), START))])
    assert frame["i"] == 1


@given(st.lists(st.integers(1, 400), max_size=20))
def test_the_same_events_come_wherever_the_stream_is_cut(lengths):
    data = stream(HELLO, request(1), heartbeat(2), {"t": "nonsense", "i": 3}, request(5))
    whole, pieces = new_link(), new_link()

    def feed(link: Link, data: bytes) -> list:
        events = link.receive(data, START)
        if link.state.phase == "verifying":
            events += link.accept("s1", START)
        return events

    expected = feed(whole, data)
    events = []
    for length in [*lengths, len(data)]:
        events += feed(pieces, data[:length])
        data = data[length:]
    assert events == expected
    assert sent(events)[-1]["code"] == 409


# Heartbeats


def run_until(link: Link, end: float) -> list[tuple[float, object]]:
    """Call timeout at each instant that the link asks for; what came of it, in ms from START."""
    seen = []
    while (at := link.next_timeout) is not None and at <= end:
        seen += [(round((at - START) * 1000), event) for event in link.timeout(at)]
    return seen


def test_a_silent_peer_is_asked_ten_times_and_then_dead():
    link = open_link()
    seen = run_until(link, START + 60)
    asked = [at for at, event in seen if isinstance(event, Transmit)]
    assert asked == [300, 600, 900, 1200, 1500, 1800, 2100, 2400, 2700, 3000]
    at, closed = seen[-1]
    assert (at, closed.reason, closed.code) == (3200, "silent", None)
    assert link.next_timeout is None


def test_a_heartbeat_carries_the_time_of_day():
    link = open_link()
    (frame,) = sent(link.timeout(START + 0.3))
    assert frame == {"t": "hb", "i": 1, "ts": 1_790_000_000.3}


def test_a_heartbeat_is_answered_with_its_own_time():
    link = open_link()
    assert sent(link.receive(stream(heartbeat(1)), START)) == [{"t": "hb.ok", "i": 1, "ts": 7.5}]


@pytest.mark.parametrize(
    "sign",
    [
        {"t": "hb.ok", "i": 1, "ts": 1.0},
        {"t": "call.event", "i": 1, "call": "c", "ev": "held", "ts": 1},
        {"t": "nonsense", "i": 1},
    ],
)
def test_any_message_is_a_sign_of_life(sign):
    link = open_link()
    run_until(link, START + 3.15)
    assert link.statistics().missed_heartbeats == 9
    link.receive(stream(sign), START + 3.15)
    assert link.statistics().missed_heartbeats == 0
    assert link.next_timeout > START + 3.15


def test_part_of_a_message_is_no_sign_of_life():
    link = open_link()
    link.receive((1_000).to_bytes(4, "big"), START)
    while (now := link.next_timeout) is not None:
        link.receive(b"\x81", now)
        link.timeout(now)
    assert link.state.phase == "closed"
    assert link.state.watch.missed == 10


def test_no_heartbeat_is_sent_while_messages_go_both_ways():
    link = open_link()
    for tick in range(1, 50):
        now = START + tick * 0.2
        assert link.timeout(now) == []
        link.receive(stream(request(tick)), now)
        link.send(RouteSelect(xref=f"x{tick}", **SELECT), now)


def test_a_peer_that_only_listens_is_asked_though_messages_are_sent_to_it():
    link = open_link()
    asked = 0
    while link.next_timeout < START + 2:
        now = link.next_timeout
        link.send(RouteEnd(xref="x", cause="ok"), now)
        asked += len(link.timeout(now))
    assert asked == 6


def test_a_late_call_of_timeout_counts_one_missed_heartbeat_not_many():
    link = open_link()
    link.timeout(START + 0.3)
    link.timeout(START + 60)
    assert link.statistics().missed_heartbeats == 1
    assert link.state.phase == "open"


def test_the_times_are_configured_and_told_to_the_peer():
    times = HeartbeatTimes(interval_ms=1_000, timeout_ms=500, retry_ms=0, limit=2)
    link = new_link(hb=times)
    link.receive(stream(HELLO), START)
    (answer,) = sent(link.accept("s1", START))
    assert answer["hb"] == msgspec.to_builtins(times)
    assert [at for at, _ in run_until(link, START + 60)] == [1000, 1500, 2000]


# Limits


def test_requests_over_the_window_are_429_until_one_is_answered():
    link = open_link(window=2)
    events = link.receive(stream(request(1), request(2), request(3)), START)
    assert kinds(events) == [Received, Received, Transmit, Refused]
    assert (sent(events)[0]["code"], sent(events)[0]["ref"]) == (429, 3)
    link.send(RouteSelect(xref="x1", **SELECT), START)
    assert kinds(link.receive(stream(request(4)), START)) == [Received]
    link.send(Error(code=503, ref=4, msg="stopping"), START)
    assert kinds(link.receive(stream(request(5)), START)) == [Received]
    ended = {"t": "route.end", "i": 6, "xref": "x5", "cause": "abandoned"}
    assert kinds(link.receive(stream(ended, request(7)), START)) == [Received, Received]
    assert link.statistics().waiting == 2


def test_a_request_whose_time_is_over_leaves_the_window():
    link = open_link(window=1)
    link.receive(stream(request(1, reply_ms=100)), START)
    assert sent(link.receive(stream(request(2)), START + 0.099))[0]["code"] == 429
    assert kinds(link.receive(stream(request(3)), START + 0.1)) == [Received]
    assert sent(link.receive(stream(request(4)), START + 0.399))[0]["code"] == 429
    assert kinds(link.receive(stream(request(5)), START + 0.401)) == [Received]


def test_the_same_dialogue_sent_again_takes_one_place_in_the_window():
    link = open_link(window=1)
    events = link.receive(stream(request(1, "x"), request(2, "x"), request(3, "x")), START)
    assert kinds(events) == [Received] * 3
    link.send(Error(code=503, ref=1, msg="late"), START)
    assert link.statistics().waiting == 1


def test_frames_that_are_no_requests_wait_in_a_window_of_their_own_until_they_are_confirmed():
    link = open_link(window=2)
    event = {"t": "call.event", "call": "c", "ev": "queued", "ts": 1}
    frames = [event | {"i": i} for i in range(1, 4)]
    events = link.receive(stream(*frames, request(4)), START)
    assert kinds(events) == [Received, Received, Transmit, Refused, Received]
    assert (sent(events)[0]["code"], sent(events)[0]["ref"]) == (429, 3)
    link_session.confirm(link.session, 1, START)
    assert kinds(link.receive(stream(event | {"i": 5}), START)) == [Received]


def test_frames_over_the_rate_are_429_and_the_rate_recovers_with_time():
    link = open_link(max_frames_per_s=10)
    events = link.receive(stream(*map(request, range(1, 13))), START)
    assert [frame["ref"] for frame in sent(events)] == [11, 12]
    assert all(frame["code"] == 429 for frame in sent(events))
    events = link.receive(stream(*map(request, range(13, 16))), START + 0.2)
    assert [frame["ref"] for frame in sent(events)] == [15]


def test_a_clock_that_stands_still_or_goes_back_gives_no_tokens():
    link = open_link(max_frames_per_s=1)
    link.receive(stream(request(1)), START)
    assert sent(link.receive(stream(request(2)), START - 5))[0]["code"] == 429


# The end


def test_the_peer_may_close_between_frames_or_within_one():
    link = open_link()
    assert the(Closed, link.eof()).reason == "peer"
    link = open_link()
    link.receive(stream(request(1))[:-1], START)
    assert the(Closed, link.eof()).reason == "truncated"


def test_a_link_is_closed_once():
    link = open_link()
    events = link.close("shutdown", "vigie stops", 503)
    assert sent(events) == [{"t": "error", "i": 1, "code": 503, "ref": 0, "msg": "vigie stops"}]
    assert link.close("slow-reader", "again") == link.eof() == link.timeout(START + 9) == []


def test_an_error_of_the_peer_is_counted_and_changes_nothing():
    link = open_link()
    error = {"t": "error", "i": 1, "code": 400, "ref": 3, "msg": "no"}
    assert link.receive(stream(error), START) == []
    assert link.statistics().complaints == 1
    assert link_session.unconfirmed(link.session) == []


def test_statistics_count_both_directions():
    link = open_link()
    link.receive(stream(request(1), heartbeat(2)), START + 1)
    statistics = link.statistics()
    assert (statistics.frames_in, statistics.frames_out) == (2, 1)
    assert (statistics.name, statistics.side, statistics.session) == ("cti-a", "primary", "s1")
    assert statistics.bytes_in == len(stream(HELLO, request(1), heartbeat(2)))
    assert statistics.last_received == START + 1


def test_the_state_is_plain_data_that_can_be_handed_over():
    link = open_link()
    link.receive(stream(request(1)), START)
    copy = msgspec.msgpack.decode(msgspec.msgpack.encode(link.state), type=LinkState)
    assert copy == link.state


def test_10000_random_byte_strings_raise_nothing_and_harm_no_other_link():
    rng = random.Random(73)
    other = open_link()
    for number in range(10_000):
        link = open_link() if number % 2 else new_link()
        noise = rng.randbytes(rng.randrange(1, 60))
        if number % 3 == 0:
            noise = len(noise).to_bytes(4, "big") + b"\x82\xa1i\x01\xa1t" + noise
        link.receive(noise, START)
        link.timeout(START + 2)
        link.eof()
    assert kinds(other.receive(stream(request(1)), START)) == [Received]

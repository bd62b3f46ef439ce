"""The paragraphs of contract 3 on `hello`, `ack` and numbers, at vigie's end."""

import random

import msgspec
import pytest

from protocols.cti import link_session
from protocols.cti.events import Closed, HelloReceived, Received, Refused, Transmit
from protocols.cti.framing import Decoder, encode
from protocols.cti.link import Link, WrongPhaseError
from protocols.cti.link_session import ACK_FRAMES, ACK_S, Limits, LinkSession, Record
from protocols.cti.link_state import LinkConfig, session_limits
from protocols.cti.messages import Error, Heartbeat, RouteEnd, RouteSelect, RpRegistered

HELLO = {"t": "hello", "proto": 1, "name": "cti-a", "side": "primary", "token": "secret"}
SELECT = {"target": "100", "rtype": "label", "session": "0" * 20, "rev": 1, "reason": "configured"}
LOST = {"t": "error", "code": 409, "ref": 0, "msg": "resume-lost", "field": "resume"}
START = 1_000.0


def request(i: int, **fields) -> dict:
    frame = {"t": "route.request", "i": i, "xref": f"x{i}", "call": "c", "rp": "sales", "ts": 5}
    return frame | fields


def event(i: int) -> dict:
    return {"t": "call.event", "i": i, "call": "c", "ev": "held", "ts": 1}


def select(i: int) -> RouteSelect:
    return RouteSelect(xref=f"x{i}", **SELECT)


def stream(*frames: dict) -> bytes:
    return b"".join(map(encode, frames))


def frames_of(data: bytes) -> list[dict]:
    decoder = Decoder()
    decoder.feed(data)
    return list(iter(decoder.next_frame, None))


def sent(events: list) -> list[dict]:
    return frames_of(b"".join(event.data for event in events if isinstance(event, Transmit)))


def received(events: list) -> list[tuple[int, bool]]:
    return [(event.message.i, event.again) for event in events if isinstance(event, Received)]


def new_link(**limits) -> Link:
    return Link(LinkConfig(**limits), now=START, wall=0.0)


def open_link(**limits) -> Link:
    link = new_link(**limits)
    link.receive(stream(HELLO), START)
    link.accept("s1", START)
    return link


def said_hello(session: LinkSession, last_i: int, at: float = START, **fields) -> Link:
    link = new_link()
    resume = {"session": session.id, "last_i": last_i}
    (asked,) = link.receive(stream(HELLO | {"resume": resume} | fields), at)
    assert isinstance(asked, HelloReceived)
    return link


def resumed(session: LinkSession, last_i: int, at: float = START) -> tuple[Link, list[dict]]:
    link = said_hello(session, last_i, at)
    return link, sent(link.resume(session, at))


def made_durable(session: LinkSession, *numbers: int, at: float = START) -> None:
    for i in numbers:
        link_session.confirm(session, i, at)
    last_i = link_session.ackable(session, at + ACK_S)
    assert last_i is not None
    link_session.recorded(session, last_i)


# hello with resume


def test_the_link_session_goes_on_and_its_frames_keep_their_numbers():
    old = open_link()
    old.receive(stream(request(1), request(2)), START)
    first, second = (frames_of(old.send(select(i), START))[0] for i in (1, 2))
    link, (answer, *again) = resumed(old.session, 0)
    assert answer["session"] == "s1"
    assert again == [first, second]
    (third,) = frames_of(link.send(RouteEnd(xref="x", cause="ok"), START))
    assert third["i"] == 3


def test_only_what_the_peer_has_not_handled_is_sent_again():
    old = open_link()
    for number in range(5):
        old.send(RouteEnd(xref=f"x{number}", cause="ok"), START)
    _, (_, *again) = resumed(old.session, 3)
    assert [(frame["i"], frame["xref"]) for frame in again] == [(4, "x3"), (5, "x4")]


def test_the_answer_says_the_last_frame_of_the_peer_that_is_durable():
    old = open_link()
    old.receive(stream(event(1), event(2), event(3)), START)
    link_session.confirm(old.session, 1, START)
    link_session.confirm(old.session, 2, START)
    assert link_session.ackable(old.session, START + ACK_S) == 2
    _, (answer,) = resumed(old.session, 0)
    assert answer["last_i"] == 0
    link_session.recorded(old.session, 2)
    link_session.recorded(old.session, 1)
    _, (answer,) = resumed(old.session, 0)
    assert answer["last_i"] == 2


def test_what_need_not_be_repeated_is_void_so_that_numbers_have_no_gap():
    old = open_link()
    old.receive(stream(request(1), {"t": "hb", "i": 2, "ts": 1.0}), START)
    old.send(Heartbeat(ts=1.0), START)
    old.send(select(1), START)
    made_durable(old.session, 1)
    old.ack(START)
    old.close("shutdown", "vigie stops", 503)
    _, (_, *again) = resumed(old.session, 0, START + 0.3)
    assert again == [{"t": "void", "i": i} for i in (1, 2, 3, 4, 5)]


@pytest.mark.parametrize(("reply_ms", "kind"), [(None, "route.select"), (100, "void")])
def test_an_answer_is_repeated_until_the_deadline_of_its_own_request(reply_ms, kind):
    old = open_link()
    old.receive(stream(request(1, reply_ms=reply_ms)), START)
    old.send(select(1), START)
    _, (_, again) = resumed(old.session, 0, START + 0.299 if reply_ms is None else START + 0.1)
    assert (again["t"], again["i"]) == (kind, 1)


def test_refusals_registrations_and_ends_of_dialogues_are_repeated_whenever():
    old = open_link()
    for message in (
        RpRegistered(reg="r"),
        RouteEnd(xref="x", cause="no-agent"),
        Error(code=404, ref=7, msg="no"),
    ):
        old.send(message, START)
    _, (_, *again) = resumed(old.session, 0, START + 3_600)
    assert [frame["t"] for frame in again] == ["rp.registered", "route.end", "error"]


def test_what_is_sent_while_nobody_is_connected_is_kept_for_the_peer():
    old = open_link()
    old.receive(stream(request(1)), START)
    old.eof()
    link_session.send(old.session, select(1), START + 0.1)
    _, (_, again) = resumed(old.session, 0, START + 0.2)
    assert (again["t"], again["i"], again["xref"]) == ("route.select", 1, "x1")


@pytest.mark.parametrize("last_i", [4, 2**53, 2**64 - 1])
def test_a_peer_that_has_handled_what_was_never_sent_is_resume_lost(last_i):
    old = open_link()
    for number in range(3):
        old.send(RouteEnd(xref=f"x{number}", cause="ok"), START)
    link, frames = resumed(old.session, last_i)
    assert frames == [LOST]
    assert link.state.phase == "greeting"


def test_a_peer_that_is_further_behind_than_the_buffer_reaches_is_resume_lost():
    old = open_link(replay_frames=3)
    for number in range(5):
        old.send(RouteEnd(xref=f"x{number}", cause="ok"), START)
    assert resumed(old.session, 1)[1] == [LOST]
    assert len(resumed(old.session, 2)[1]) == 4


def test_the_buffer_is_bounded_in_bytes_too():
    old = open_link(replay_bytes=1_000)
    for number in range(50):
        old.send(RouteEnd(xref=f"x{number}", cause="ok", detail="d" * 90), START)
    session = old.session
    assert session.kept_bytes <= 1_000
    assert resumed(session, session.floor - 1)[1] == [LOST]
    _, (_, *again) = resumed(session, session.floor)
    assert [frame["t"] for frame in again] == ["route.end"] * len(session.lasting)


def test_expired_answers_take_no_memory_and_do_not_shorten_the_reach():
    old = open_link(replay_bytes=1_000)
    for i in range(1, 1_001):
        at = START + i
        old.receive(stream(request(i)), at)
        old.send(select(i), at)
    assert len(old.session.answers) == 1
    _, (_, *again) = resumed(old.session, 0, START + 1_000.1)
    assert [frame["t"] for frame in again] == ["void"] * 999 + ["route.select"]


@pytest.mark.parametrize("fields", [{"name": "cti-b"}, {"side": "backup"}])
def test_the_link_session_of_another_peer_is_not_given_away(fields):
    link = said_hello(open_link().session, 0, **fields)
    assert sent(link.resume(open_link().session, START)) == [LOST]


def test_after_resume_lost_a_new_link_session_begins_on_the_same_connection():
    link = said_hello(open_link().session, 9)
    assert sent(link.resume_lost(START)) == [LOST]
    link.receive(stream(HELLO), START)
    (answer, refused) = sent(
        link.accept("s2", START) + link.receive(stream({"t": "nonsense", "i": 1}), START)
    )
    assert (answer["session"], answer["last_i"], refused["i"]) == ("s2", 0, 1)


def test_a_hello_that_resumes_is_not_accepted_as_a_new_one_nor_the_reverse():
    link = said_hello(open_link().session, 0)
    with pytest.raises(WrongPhaseError):
        link.accept("s2", START)
    link = new_link()
    link.receive(stream(HELLO), START)
    assert not link.can_resume(open_link().session)
    for call in (link.resume_lost, lambda now: link.resume(open_link().session, now)):
        with pytest.raises(WrongPhaseError):
            call(START)


def test_the_old_connection_says_nothing_more_when_the_peer_resumes_by_another():
    old = open_link()
    link, _ = resumed(old.session, 0)
    assert old.replaced() == [
        Closed("replaced", "the peer resumed the link session by another connection")
    ]
    assert old.receive(stream(event(1)), START) == old.timeout(START + 9) == old.replaced() == []
    assert received(link.receive(stream(event(1)), START)) == [(1, False)]


# Frames that the peer sends again


def test_what_was_received_and_is_not_durable_is_sent_again_and_not_handed_on_twice():
    old = open_link()
    old.receive(stream(event(1), event(2), event(3)), START)
    made_durable(old.session, 1)
    link, _ = resumed(old.session, 0)
    events = link.receive(stream(event(2), event(3), event(4)), START)
    assert received(events) == [(4, False)]
    assert link.statistics().repetitions == 2
    assert link_session.unconfirmed(old.session) == [2, 3, 4]
    assert link.ack(START) == b""
    made_durable(old.session, 4, 3, 2)
    assert frames_of(link.ack(START)) == [{"t": "ack", "i": 1, "last_i": 4}]


def test_a_lower_number_than_expected_is_a_repetition_and_a_gap_is_409_after_a_resume_too():
    old = open_link()
    old.receive(stream(event(1), event(2)), START)
    made_durable(old.session, 1)
    link, _ = resumed(old.session, 0)
    assert link.receive(stream(event(1)), START) == []
    events = link.receive(stream(event(3)), START)
    assert (sent(events)[0]["code"], sent(events)[0]["ref"]) == (409, 3)
    assert events[-1].reason == "gap"


def test_a_void_of_the_peer_fills_its_number_and_is_durable_as_it_comes():
    link = open_link()
    assert link.receive(stream({"t": "void", "i": 1}, {"t": "hb.ok", "i": 2, "ts": 1}), START) == []
    assert link_session.unconfirmed(link.session) == []
    assert received(link.receive(stream(event(3)), START)) == [(3, False)]


def test_a_request_sent_again_without_an_answer_repeated_starts_its_clock_anew():
    old = open_link()
    old.receive(stream(request(1), request(2)), START)
    old.send(select(1), START)
    link, (_, again) = resumed(old.session, 0, START + 5)
    assert again["t"] == "void"
    events = link.receive(stream(request(1), request(2)), START + 5)
    assert received(events) == [(1, True), (2, True)]
    assert {event.at for event in events} == {START + 5}
    link.send(select(1), START + 5.2)
    assert resumed(old.session, 1, START + 5.29)[1][1]["t"] == "route.select"
    assert resumed(old.session, 1, START + 5.31)[1][1]["t"] == "void"


def test_a_request_whose_answer_is_repeated_is_not_asked_again():
    old = open_link()
    old.receive(stream(request(1), request(2), {"t": "reroute.request", "i": 3}), START)
    old.send(select(2), START)
    link, (_, *again) = resumed(old.session, 0, START + 0.1)
    assert [frame["t"] for frame in again] == ["error", "route.select"]
    repeated = stream(request(1), request(2), {"t": "reroute.request", "i": 3})
    assert received(link.receive(repeated, START + 0.1)) == [(1, True)]


def test_requests_sent_again_take_no_place_in_the_window():
    old = open_link(window=1)
    old.receive(stream(request(1)), START)
    old.receive(stream(request(2)), START + 0.3)
    link = Link(LinkConfig(window=1), now=START, wall=0.0)
    link.receive(stream(HELLO | {"resume": {"session": "s1", "last_i": 0}}), START)
    link.resume(old.session, START + 0.4)
    events = link.receive(stream(request(1), request(2), request(3), request(4)), START + 0.4)
    assert received(events) == [(1, True), (2, True), (3, False)]
    assert [frame["ref"] for frame in sent(events)] == [4]
    link.send(select(1), START + 0.4)
    assert received(link.receive(stream(request(5)), START + 0.4)) == []
    link.send(select(3), START + 0.4)
    assert received(link.receive(stream(request(6)), START + 0.4)) == [(6, False)]


# ack


def test_an_ack_says_up_to_where_everything_is_durable():
    link = open_link()
    link.receive(stream(*map(event, range(1, 6))), START)
    made_durable(link.session, 1, 2, 5)
    assert frames_of(link.ack(START)) == [{"t": "ack", "i": 1, "last_i": 2}]
    made_durable(link.session, 3, 4)
    assert frames_of(link.ack(START)) == [{"t": "ack", "i": 2, "last_i": 5}]
    assert link.ack(START) == b""


def test_a_frame_refused_with_error_counts_as_handled():
    link = open_link()
    link.receive(stream({"t": "nonsense", "i": 1}, event(2), request(3)), START)
    link.send(Error(code=404, ref=2, msg="call has no session"), START)
    link.send(Error(code=503, ref=3, msg="stopping"), START)
    made_durable(link.session)
    assert frames_of(link.ack(START))[0]["last_i"] == 3
    assert link_session.count(link.session).waiting == 0


def test_a_record_is_due_in_time_for_an_ack_within_50_ms_or_64_frames():
    assert ACK_S <= 0.05 / 2
    assert ACK_FRAMES <= 64 / 2
    session = open_link().session
    link_session.take(session, 100)
    assert link_session.ackable(session, START) is None
    link_session.confirm(session, 1, START)
    assert session.ack_at == START + ACK_S
    assert link_session.ackable(session, START + ACK_S / 2) is None
    for i in range(2, ACK_FRAMES + 1):
        link_session.confirm(session, i, START + ACK_S / 2)
    assert link_session.ackable(session, START + ACK_S / 2) == ACK_FRAMES
    assert session.ack_at is None


def test_records_go_on_while_nobody_is_connected():
    link = open_link()
    link.receive(stream(event(1)), START)
    link.eof()
    made_durable(link.session, 1)
    with pytest.raises(WrongPhaseError):
        link.ack(START)
    assert resumed(link.session, 0)[1][0]["last_i"] == 1


def test_a_confirmation_counts_once_and_only_of_what_was_received():
    session = open_link().session
    link_session.take(session, 2)
    for i in (2, 2, 7, 1, 1):
        link_session.confirm(session, i, START)
    assert session.confirmed_in == 2
    assert session.early == set()


def test_what_was_being_recorded_is_recorded_again_when_its_keeper_died():
    session = open_link().session
    link_session.take(session, 1)
    link_session.confirm(session, 1, START)
    assert link_session.ackable(session, START + 1) == 1
    assert session.ack_at is None
    link_session.adopted(session, START + 2)
    assert link_session.ackable(session, START + 2) == 1


# A node that was killed


def restored(record: Record, **limits) -> LinkSession:
    return link_session.restore(record, session_limits(LinkConfig(**limits)))


def test_a_restored_session_goes_on_after_the_last_frame_that_the_peer_handled():
    session = restored(Record(id="s1", name="cti-a", side="primary", last_in=7))
    link, (answer,) = resumed(session, 41)
    assert answer["last_i"] == 7
    assert received(link.receive(stream(event(8)), START)) == [(8, False)]
    assert frames_of(link.send(RouteEnd(xref="x", cause="ok"), START))[0]["i"] == 42


def test_a_restored_session_repeats_refusals_and_registrations_with_their_numbers():
    old = open_link()
    for message in (
        RpRegistered(reg="r"),
        Error(code=404, ref=7, msg="a"),
        Heartbeat(ts=1),
        Error(code=404, ref=8, msg="b"),
    ):
        old.send(message, START)
    record = msgspec.json.decode(msgspec.json.encode(link_session.record(old.session)), type=Record)
    link, (_, *again) = resumed(restored(record), 1)
    assert [(frame["t"], frame["i"]) for frame in again] == [
        ("error", 2),
        ("void", 3),
        ("error", 4),
    ]
    assert frames_of(link.send(Heartbeat(ts=1), START))[0]["i"] == 5


def test_the_record_keeps_the_latest_refusals():
    link = open_link()
    for i in range(1, 51):
        link.receive(stream({"t": "nonsense", "i": i}), START)
    record = link_session.record(link.session)
    assert (record.last_in, [error.ref for error in record.recent]) == (50, list(range(19, 51)))


def test_a_restored_session_gives_refusals_that_were_not_told_the_next_numbers():
    recent = (Error(code=404, ref=7, msg="a", i=50), Error(code=429, ref=8, msg="b"))
    session = restored(
        Record(id="s1", name="cti-a", side="primary", last_in=8, recent=recent), replay_frames=100
    )
    link, (_, *again) = resumed(session, 48)
    told = [(frame["t"], frame["i"], frame.get("ref")) for frame in again]
    assert told == [("void", 49, None), ("error", 50, 7), ("error", 51, 8)]
    assert frames_of(link.send(Heartbeat(ts=1), START))[0]["i"] == 52


def test_a_restored_session_lets_more_requests_in_than_its_peer_may_have_waiting():
    record = Record(id="s1", name="cti-a", side="primary", last_in=0)
    link, _ = resumed(restored(record, window=2), 0)
    again = link.receive(stream(*(request(i) for i in range(1, 6))), START)
    assert received(again) == [(i, False) for i in range(1, 6)]


@pytest.mark.parametrize("last_i", [2**53 - 1, 2**64 - 1])
def test_a_lying_peer_of_a_restored_session_is_resume_lost(last_i):
    session = restored(Record(id="s1", name="cti-a", side="primary", last_in=7))
    assert resumed(session, last_i)[1] == [LOST]


def test_a_restored_session_is_resume_lost_for_a_peer_too_far_behind():
    recent = (Error(code=404, ref=7, msg="a", i=50),)
    record = Record(id="s1", name="cti-a", side="primary", last_in=7, recent=recent)
    assert resumed(restored(record, replay_frames=10), 39)[1] == [LOST]
    assert len(resumed(restored(record, replay_frames=10), 40)[1]) == 11


def test_a_restored_session_sends_nothing_before_its_peer_is_there():
    session = restored(Record(id="s1", name="cti-a", side="primary", last_in=7))
    with pytest.raises(ValueError, match="until its peer resumes"):
        link_session.send(session, Heartbeat(ts=1), START)


def test_a_link_session_is_plain_data_that_can_be_handed_over():
    link = open_link()
    link.receive(stream(request(1), event(2), {"t": "nonsense", "i": 3}), START)
    link.send(select(1), START)
    copy = msgspec.msgpack.decode(msgspec.msgpack.encode(link.session), type=LinkSession)
    assert copy == link.session


def test_operators_see_what_is_not_durable_and_what_is_kept():
    link = open_link()
    link.receive(stream(event(1), event(2), request(3)), START)
    made_durable(link.session, 1)
    link.send(RouteEnd(xref="x", cause="ok"), START)
    seen = link.statistics()
    assert (seen.waiting, seen.unconfirmed, seen.durable_in, seen.kept_frames) == (1, 2, 1, 1)
    assert link_session.count(link.session).kept_bytes == seen.kept_bytes > 0


def test_refusals_of_a_resume_are_counted():
    link = said_hello(open_link().session, 9)
    (refused,) = [e for e in link.resume_lost(START) if isinstance(e, Refused)]
    assert (refused.code, refused.msg, refused.field) == (409, "resume-lost", "resume")
    assert link.statistics().refused == {409: 1}
    assert Limits() == session_limits(LinkConfig())


def test_3000_lying_peers_are_refused_or_served_and_crash_nothing():
    rng = random.Random(409)
    numbers = [
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        9,
        2**31,
        2**53 - 1,
        2**53,
        2**63,
        2**64 - 1,
        -1,
        1.5,
        "1",
        None,
    ]
    session = open_link().session
    for round_ in range(3_000):
        at = START + round_
        link = Link(LinkConfig(window=3), now=at, wall=0.0)
        resume = {"session": "s1", "last_i": rng.choice(numbers)}
        link.receive(stream(HELLO | {"resume": resume}), at)
        if link.state.phase == "verifying":
            link.resume(session, at)
        kinds = [event, request, lambda i: {"t": "void", "i": i}, lambda i: {"t": "ack", "i": i}]
        for _ in range(rng.randrange(6)):
            i = rng.choice([session.next_in, session.durable_in + 1, *numbers])
            link.receive(stream(rng.choice(kinds)(i)), at)
            link_session.confirm(
                session, rng.choice([0, 2**64, *range(session.durable_in, session.next_in + 2)]), at
            )
            last_i = link_session.ackable(session, at + rng.random() / 20)
            if last_i is not None:
                link_session.recorded(session, last_i)
            if link.state.phase == "open":
                link.ack(at)
        assert session.durable_in <= session.confirmed_in < session.next_in
        assert len(session.others) <= 1_000
    assert session.next_in > 100

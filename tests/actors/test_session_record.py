"""Sessions in the journal: what is read is what was written, whatever clocks have done since."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.dialogues import Asker, Dialogue
from actors.routing import Decision, Marks
from actors.session_api import IdempotentKey, JourneyStep, RouteAnswer, Routing
from actors.session_data import (
    FRAMES_KEPT,
    KEYS_KEPT,
    LINKS_KEPT,
    Once,
    Session,
    is_applied,
    with_frame,
    with_once,
)
from actors.session_record import VERSION, SessionRecords
from supervision.testing import VirtualClock

DECISION = Decision("7001", "direct", "rp-default", ("7002",), ("because",))
MARKS = Marks(1_000.0, 1_000.2, 1_000.25, 1_000.26, 1_000.3)
PENDING = Dialogue("sales", (Asker("link-1", 3, MARKS),), 1_000.0, request_id=7, tried=("7009",))
ANSWERED = Dialogue("sales", (), 1_000.0, decision=DECISION, silent_since=1_000.1)
WHOLE = Session(
    session="0123456789abcdef01234567",
    call="c1",
    opened=1.0,
    updated=2.0,
    rev=3,
    ani="+33612345678",
    ani_type="public",
    dnis="0800",
    digits="42",
    lang="fr",
    media="voice",
    rp="sales",
    auth_level=2,
    journey=(JourneyStep(ts=1.0, step="menu", ev="in", app="ivr", data={"choice": [1, None]}),),
    routing=Routing(
        target="7001", rtype="direct", reason="rp-default", ts=2.0, ms=0.5, why=("because",)
    ),
    timings={"queued": 12.5},
    ud={"offer": "gold", "nested": {"a": [1.5, True, None, "é"]}},
    names=("c9",),
    leg="c9",
    heard=(("queued", 1.0, None), ("held", 2.0, 5)),
    dialogues=(("x1", ANSWERED),),
    closed=(3.0, "cleared"),
    events=2,
    applied=("link-1", "3,4"),
    once=(
        Once(IdempotentKey("k", "f"), "step", 4),
        Once(
            IdempotentKey("r", "f"),
            "route",
            answer=RouteAnswer(target="7001", rtype="direct", session="s", rev=1, reason="r"),
        ),
    ),
    cti="cti-1",
    orphan=9.0,
    routings=("sales", 2, "support", 1),
    traced="u-1",
    prev_call="c0",
    ucid="00001012345",
)


def records(clock):
    return SessionRecords(clock.wall, clock.monotonic)


def moved(session, written, read, version=VERSION):
    """Write a session by one clock and read it by another."""
    body = records(written).encode(("ivr", session))
    state, found = records(read).decode(body, version)
    assert state == "ivr"
    return found


def test_every_field_comes_back_as_it_was():
    assert all(
        getattr(WHOLE, name) != default
        for name, default in zip(
            Session.__struct_fields__[4:], Session.__struct_defaults__, strict=True
        )
    )
    clock = VirtualClock(monotonic=1_000.5)
    assert moved(WHOLE, clock, clock) == WHOLE


def test_the_smallest_session_comes_back_as_it_was():
    least = Session("0" * 24, "c", 1.0, 1.0)
    clock = VirtualClock()
    assert moved(least, clock, clock) == least


def test_what_json_cannot_carry_does_not_keep_a_session_from_being_saved():
    odd = Session("0" * 24, "c", 1.0, 1.0, ud={"ext": msgspec.msgpack.Ext(1, b"x"), "raw": b"x"})
    found = moved(odd, VirtualClock(), VirtualClock())
    assert set(found.ud) == {"ext", "raw"}


def test_another_schema_is_refused_by_its_number():
    with pytest.raises(ValueError, match=f"schema {VERSION + 1}"):
        moved(WHOLE, VirtualClock(), VirtualClock(), version=VERSION + 1)


def test_what_is_no_session_is_refused():
    with pytest.raises(ValueError, match="array"):
        records(VirtualClock()).decode(b'["ivr", 1.0]', VERSION)


def with_pending(dialogue=PENDING):
    return Session("0" * 24, "c", 1.0, 1.0, dialogues=(("x1", dialogue),))


def test_deadlines_hold_over_a_boot_of_the_machine():
    written = VirtualClock(monotonic=1_000.1, wall=5_000.0)
    read = VirtualClock(monotonic=10.0, wall=5_000.05)  # 50 ms later, after a boot
    [(_, dialogue)] = moved(with_pending(), written, read).dialogues
    assert dialogue.asked_at == pytest.approx(9.85)
    assert dialogue.askers[0].marks.default_at == pytest.approx(10.1)
    assert dialogue.request_id is None
    [(_, answered)] = moved(with_pending(ANSWERED), written, read).dialogues
    assert answered.silent_since == pytest.approx(9.95)


@pytest.mark.parametrize(("step", "left"), [(3_600.0, -3_599.9), (-3_600.0, 0.25)])
def test_a_wall_clock_that_was_set_puts_no_deadline_further_away(step, left):
    written = VirtualClock(monotonic=1_000.1, wall=5_000.0)
    read = VirtualClock(monotonic=1_000.15, wall=5_000.05 + step)
    session = moved(with_pending(), written, read)
    [(_, dialogue)] = session.dialogues
    default_at = dialogue.askers[0].marks.default_at - read.monotonic()
    assert default_at == pytest.approx(left, abs=0.01)
    assert dialogue.asked_at <= read.monotonic()
    [(_, answered)] = moved(with_pending(ANSWERED), written, read).dialogues
    assert answered.silent_since <= read.monotonic()


def test_sessions_that_were_routed_alike_share_what_they_were_told():
    clock = VirtualClock()
    reader = records(clock)
    body = records(clock).encode(("ivr", WHOLE))
    (_, one), (_, other) = reader.decode(body, VERSION), reader.decode(body, VERSION)
    assert one.dialogues[0][1].decision is other.dialogues[0][1].decision
    assert one.routing.why is other.routing.why
    assert one.applied[0] is other.applied[0]


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 2**64 - 1)), max_size=200),
    st.integers(1, 2**64 - 1),
)
def test_the_latest_frames_of_the_latest_links_are_known_and_no_others(frames, other):
    session = Session("0" * 24, "c", 1.0, 1.0)
    known = {}
    for link, i in frames:
        if is_applied(session, link, i):
            assert i in known[link]
            continue
        session = with_frame(session, link, i)
        known[link] = [*known.pop(link, []), i][-FRAMES_KEPT:]
        while len(known) > LINKS_KEPT:
            del known[next(iter(known))]
    assert {
        link: [i for i in numbers if is_applied(session, link, i)]
        for link, numbers in known.items()
    } == known
    assert is_applied(session, "a", other) is (other in known.get("a", ()))
    assert len(session.applied) <= 2 * LINKS_KEPT


def test_the_latest_keys_are_known():
    session = Session("0" * 24, "c", 1.0, 1.0)
    for number in range(KEYS_KEPT + 4):
        session = with_once(session, Once(IdempotentKey(f"k{number}", "f"), "step", number))
    session = with_once(session, Once(IdempotentKey("k10", "f"), "step", 99))
    assert [once.key.key for once in session.once] == [
        *(f"k{number}" for number in range(4, KEYS_KEPT + 4) if number != 10),
        "k10",
    ]
    assert session.once[-1].detail == 99

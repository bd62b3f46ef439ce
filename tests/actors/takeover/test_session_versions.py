"""A session of one version becomes one of the next and back, on its way and in the journal."""

import msgspec
import pytest
from changed_session import LATER, LaterSession
from hypothesis import given
from hypothesis import strategies as st
from takeover_kit import Two, busy, introspection, kept

from actors.dialogues import Dialogue
from actors.routing import Decision
from actors.session_api import GetSession, PatchSession
from actors.session_data import Session
from actors.session_record import SCHEMA, VERSION, CarriedSessions, Schema, SessionRecords
from actors.session_unread import Unread
from supervision.management import TerminateChild
from supervision.release.versions import ConversionFailed, Conversions, NoConversion
from supervision.testing import VirtualClock

NEXT = VERSION + 1
TEXT = st.text(max_size=8)
SESSIONS = st.builds(
    Session,
    session=TEXT,
    call=TEXT,
    opened=st.floats(0, 1e9),
    updated=st.floats(0, 1e9),
    digits=st.none() | TEXT,
    names=st.lists(TEXT, max_size=3).map(tuple),
    closed=st.none() | st.tuples(st.floats(0, 1e9), TEXT),
    heard=st.lists(st.tuples(TEXT, st.floats(0, 1e9), st.none() | st.integers(0, 9))).map(tuple),
    timings=st.dictionaries(TEXT, st.floats(0, 1e9), max_size=3),
    ud=st.dictionaries(TEXT, TEXT | st.integers(0, 9) | st.none(), max_size=3),
)
URGENT = st.builds(
    lambda session, urgency: msgspec.convert(
        {**msgspec.to_builtins(session), "ud": dict(session.ud), "urgency": urgency}, LaterSession
    ),
    SESSIONS,
    st.integers(1, 9),
)


def records(schema):
    clock = VirtualClock()
    return SessionRecords(clock.wall, clock.monotonic, schema)


def test_sessions_are_of_the_next_version_after_an_upgrade_and_of_this_one_after_a_rollback():
    with Two(schemas=(SCHEMA, LATER)) as there:
        session = busy(there.old, 1)
        there.old.call(
            session, PatchSession(rev=1, set={"digits": "42", "ud.urgency": "2"}, delete=())
        )
        before = kept(there.old)
        there.begin()
        there.switch()
        [(state, data)] = kept(there.new).values()
        assert (type(data), data.digits, data.urgency) == (LaterSession, "42", 2)
        assert (state, dict(data.ud)) == ("connected", {})
        with Two(old=there.new, schemas=(LATER, SCHEMA)) as back:
            back.begin()
            back.switch()
            assert kept(back.new) == before


def test_sessions_that_began_on_the_next_version_come_back_as_ones_of_this():
    with Two(schemas=(LATER, SCHEMA)) as back:
        session = busy(back.old, 1)
        child = back.old.pool.children[str(session.name)]
        state, data = child.kept
        plain = {**msgspec.to_builtins(data), "keyed": "7", "urgency": 1}
        child.kept = (state, msgspec.convert(plain, LaterSession))
        back.begin()
        [(_, data)] = kept(back.new).values()
        assert (type(data), data.digits, data.ud["urgency"]) == (Session, "7", "1")


@given(SESSIONS)
def test_up_and_down_again_is_the_same_session(session):
    mine, theirs = CarriedSessions(), CarriedSessions(LATER)
    before = mine.encoder(VERSION)(("ivr", session, 1.5, None))
    later = theirs.decoder(VERSION)(before)
    after = theirs.encoder(VERSION)((later.state, later.session, later.due, later.past))
    assert mine.decoder(VERSION)(after) == mine.decoder(VERSION)(before)


@given(URGENT)
def test_a_row_is_written_for_the_release_before_and_read_by_both(session):
    mine, theirs = records(LATER), records(SCHEMA)
    old = mine.codec().writing(VERSION).encode(("ivr", session))
    state, read = theirs.codec().read(old, VERSION)
    assert (state, type(read)) == ("ivr", Session)
    again = mine.codec().read(old, VERSION)[1]
    assert msgspec.to_builtins(again) == msgspec.to_builtins(_normal(session))


def _normal(session):
    """An urgency is a number, whatever user data said."""
    ud = {key: value for key, value in session.ud.items() if key != "urgency"}
    return msgspec.structs.replace(session, ud=ud)


def test_a_version_that_no_way_leads_to_is_refused_before_anything_is_written():
    alone = Schema(NEXT, LaterSession, Conversions(up=LATER.ways.up))
    here = f"from version {NEXT} to {VERSION}"
    with pytest.raises(NoConversion, match=f"session: no downgrade {here}"):
        CarriedSessions(alone).encoder(VERSION)
    here = f"from version {NEXT} to {NEXT + 1}"
    with pytest.raises(NoConversion, match=f"session: no code_change {here}"):
        CarriedSessions(Schema(NEXT + 1, LaterSession, LATER.ways)).decoder(VERSION)


def test_a_conversion_that_raises_is_named():
    def fails(value):
        raise KeyError("digits")

    schema = Schema(NEXT, LaterSession, Conversions(up={VERSION: fails}))
    body = CarriedSessions().encoder(VERSION)(("ivr", Session("s", "c", 1.0, 1.0), None, None))
    named = f"session: from version {VERSION} to {NEXT}: KeyError"
    with pytest.raises(ConversionFailed, match=named):
        CarriedSessions(schema).decoder(VERSION)(body)


def test_a_session_of_the_version_before_has_targets_alone_and_comes_back_the_same():
    decision = Decision("7001", "direct", "queued", treat=(("queue", "q"),), stale=True)
    dialogue = Dialogue("sales", (), 1.0, decision=decision, prio=3)
    session = Session("s", "c", 1.0, 1.0, dialogues=(("x", dialogue),))
    records = CarriedSessions()
    body = records.encoder(1)(("ivr", session, 1.5, None))
    assert b"treat" not in body
    assert b"prio" not in body
    read = records.decoder(1)(body).session
    [(_, plain)] = read.dialogues
    assert plain.decision == Decision("7001", "direct", "queued")
    again = records.encoder(1)(("ivr", read, 1.5, None))
    assert again == body


@given(SESSIONS, st.none() | TEXT, st.none() | st.floats(0, 1e9))
def test_the_release_before_snapshots_reads_a_session_of_this_one(session, cti, orphan):
    later = msgspec.structs.replace(session, cti=cti, orphan=orphan)
    plain = msgspec.to_builtins(["new", later], enc_hook=repr)
    older = SCHEMA.ways.convert("session", plain, have=2, want=1)
    assert msgspec.convert(older[1], Session) == msgspec.convert(
        msgspec.to_builtins(session, enc_hook=repr), Session
    )
    assert SCHEMA.ways.convert("session", older, have=1, want=2) == older


@given(SESSIONS, st.lists(st.tuples(TEXT, st.integers(1, 99)), max_size=3), st.none() | TEXT)
def test_the_release_before_the_loop_guard_reads_a_session_of_this_one(session, counts, ucid):
    routings = tuple(part for pair in counts for part in pair)
    later = msgspec.structs.replace(session, routings=routings, ucid=ucid)
    plain = msgspec.to_builtins(["new", later], enc_hook=repr)
    older = SCHEMA.ways.convert("session", plain, have=3, want=2)
    assert not {"routings", "ucid"} & older[1].keys()
    assert msgspec.convert(older[1], Session) == msgspec.convert(
        msgspec.to_builtins(session, enc_hook=repr), Session
    )
    assert SCHEMA.ways.convert("session", older, have=2, want=3) == older


def test_a_session_to_which_nothing_has_happened_goes_back_as_it_came():
    downs = []
    down = LATER.ways.down[NEXT]
    ways = Conversions(up=LATER.ways.up, down={NEXT: lambda plain: downs.append(1) or down(plain)})
    noted = Schema(NEXT, LaterSession, ways)
    with Two(schemas=(SCHEMA, noted)) as there:
        quiet, spoken_of = there.old.open("c1"), there.old.open("c2")
        before = kept(there.old)
        there.begin()
        there.switch()
        address = there.new.pool.address_of(str(spoken_of.name))
        there.new.call(address, PatchSession(rev=1, set={"digits": "42"}, delete=()))
        with Two(old=there.new, schemas=(noted, SCHEMA)) as back:
            back.begin()
            back.switch()
            after = kept(back.new)
            assert downs == [1]
            assert after[str(quiet.name)] == before[str(quiet.name)]
            assert after[str(spoken_of.name)][1].digits == "42"


def test_a_session_that_is_known_only_as_it_came_answers_is_shown_and_restarts_like_others():
    with Two(schemas=(SCHEMA, LATER)) as two:
        session = two.old.open("c1")
        two.begin()
        two.switch()
        address = two.new.pool.address_of(str(session.name))
        assert type(two.new.actor(address).data) is Unread
        state, shown = two.new.actor(address).system_get_state()
        assert (state, shown.call) == ("new", "c1")
        assert type(two.new.actor(address).data) is Unread
        two.new.faults.kill(address)
        two.new.settle()
        assert two.new.call(address, GetSession()).call == "c1"
        assert type(two.new.actor(address).data) is LaterSession


def test_what_was_remembered_of_a_session_does_not_go_back_with_it_when_it_is_over():
    with Two() as there:
        session = there.old.open("c1")
        there.begin()
        there.old.run(introspection(there.old).suspend(session.path))
        there.switch()
        address = there.new.pool.address_of(str(session.name))
        there.new.run(introspection(there.new).resume(address.path))
        with Two(old=there.new) as back:
            back.begin()
            back.switch()
            assert not back.new.pool.address_of(str(session.name)).cell.suspended


def test_a_session_that_is_ended_before_anybody_has_read_it_is_closed_as_failed():
    with Two() as two:
        session = two.old.open("c1")
        two.begin()
        two.switch()
        two.new.call("sessionSup", TerminateChild(str(session.name)))
        assert [stored["why"] for stored in two.new.stored()] == ["failed"]

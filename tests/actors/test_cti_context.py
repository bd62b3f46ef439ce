"""The context of a call, changed by CTI links and IVR applications at once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from link_kit import LinkKit

from actors.call_messages import DataAsked
from actors.cti_context import halves
from actors.session_api import CloseSession, GetSession, PatchSession, RevStale, SessionView
from protocols.cti.link_state import LinkConfig
from protocols.cti.messages import DataChanged, DataUpdate


@pytest.fixture
def kit():
    with LinkKit() as kit:
        yield kit


def routed(peer, **fields):
    """The id of a session that the peer has had a call routed for."""
    peer.route(**fields)
    return peer.frames()[-1]["session"]


def view(kit, session):
    return kit.call(kit.pool.address_of(session), GetSession())


def patch(kit, session, rev, changes, delete=()):
    request = PatchSession(rev=rev, set=changes, delete=list(delete))
    return kit.call(kit.pool.address_of(session), request)


def update(peer, rev, changes, **fields):
    return peer.send("data.update", rev=rev, set=changes, **fields)


def test_a_link_changes_the_context_of_a_call_by_session_or_by_call(kit):
    peer = kit.connect()
    session = routed(peer, ud={"old": 1, "kept": 2})
    i = update(peer, 1, {"ud.offer": "gold", "lang": "fr"}, session=session, **{"del": ["ud.old"]})
    [told] = peer.frames()
    assert told == {
        "t": "data.update",
        "i": told["i"],
        "session": session,
        "call": "c1",
        "rev": 2,
        "set": {"lang": "fr", "ud.offer": "gold"},
        "del": ["ud.old"],
        "ref": i,
    }
    update(peer, 2, {"ud.offer": "silver"}, call="c1")
    [told] = peer.frames()
    assert (told["rev"], told["set"]) == (3, {"ud.offer": "silver"})
    seen = view(kit, session)
    assert (seen.rev, seen.lang, seen.ud) == (3, "fr", {"kept": 2, "offer": "silver"})


def test_a_change_based_on_another_revision_gets_409_with_the_current_one(kit):
    peer = kit.connect()
    session = routed(peer)
    i = update(peer, 7, {"ud.a": 1}, session=session)
    kit.advance(0.05)
    [refused] = peer.frames()
    assert (refused["code"], refused["ref"], refused["field"]) == (409, i, "rev")
    assert (refused["rev"], refused["msg"]) == (1, "rev is 1")
    assert view(kit, session).ud == {}


def test_what_an_application_changes_is_told_to_the_links_that_have_the_call_alone(kit):
    primary, backup, other = kit.connect(), kit.connect(side="backup"), kit.connect(name="cti-2")
    session = routed(primary)
    routed(backup)
    routed(other, xref="x9", call="c9")
    assert isinstance(patch(kit, session, 1, {"ud.pin": "ok", "digits": "12"}), SessionView)
    for peer in (primary, backup):
        [told] = peer.frames()
        assert (told["rev"], told["set"]) == (2, {"digits": "12", "ud.pin": "ok"})
        assert "ref" not in told
    assert other.frames() == []


def test_what_one_link_changes_is_told_to_the_other_without_its_number(kit):
    primary, backup = kit.connect(), kit.connect(side="backup")
    session = routed(primary)
    routed(backup)
    i = update(primary, 1, {"ud.a": 1}, session=session)
    assert [frame.get("ref") for frame in primary.frames()] == [i]
    assert [frame.get("ref") for frame in backup.frames()] == [None]


def test_a_change_that_changes_nothing_is_answered_and_told_to_nobody_else(kit):
    primary, backup = kit.connect(), kit.connect(side="backup")
    session = routed(primary, ud={"a": 1})
    routed(backup)
    i = update(primary, 1, {"ud.a": 1}, session=session)
    [told] = primary.frames()
    assert (told["rev"], told["set"], told["ref"]) == (1, {}, i)
    assert backup.frames() == []


def test_a_link_that_is_away_is_told_when_it_resumes(kit):
    peer = kit.connect()
    session = routed(peer)
    peer.cut()
    patch(kit, session, 1, {"ud.a": 1})
    _hello, told = peer.resume()
    assert (told["t"], told["rev"], told["set"]) == ("data.update", 2, {"ud.a": 1})


def test_a_link_session_that_is_forgotten_is_nobody_to_be_told(kit):
    peer = kit.connect()
    session = routed(peer)
    peer.cut()
    kit.advance(400)
    assert isinstance(patch(kit, session, 1, {"ud.a": 1}), SessionView)
    assert kit.kernel.dead_letters.total == 0


@pytest.mark.parametrize(
    ("changes", "delete", "field", "rule"),
    [
        ({"call": "c2"}, [], "set", "call must be auth_level, lang, digits or ud.KEY"),
        ({"ud.": 1}, [], "set", "ud. must be auth_level, lang, digits or ud.KEY"),
        ({"k" * 9_000: 1}, [], "set", f"{'k' * 64} must be auth_level, lang, digits or ud.KEY"),
        ({"auth_level": 101}, [], "set", "auth_level must be an integer from 0 to 100"),
        ({"lang": 7}, [], "set", "lang must be a language tag (RFC 5646)"),
        ({"digits": "1x"}, [], "set", "digits must be at most 64 of 0-9, A-D, * and #"),
        ({}, ["rp"], "del", "rp must be auth_level, lang, digits or ud.KEY"),
        ({"lang": "fr"}, ["lang"], "set", "lang must be set or deleted, not both"),
    ],
)
def test_a_key_that_may_not_be_changed_gets_400_by_its_name(kit, changes, delete, field, rule):
    peer = kit.connect()
    session = routed(peer)
    i = update(peer, 1, changes, session=session, **{"del": delete})
    kit.advance(0.05)
    [refused] = peer.frames()
    assert (refused["code"], refused["ref"]) == (400, i)
    assert (refused["field"], refused["msg"]) == (field, rule)
    assert view(kit, session).rev == 1


def test_user_data_that_would_be_too_large_together_gets_413():
    with LinkKit(max_user_data_bytes=100) as kit:
        peer = kit.connect()
        session = routed(peer, ud={"a": "v" * 60})
        update(peer, 1, {"ud.b": "v" * 60}, session=session)
        kit.advance(0.05)
        [refused] = peer.frames()
        assert (refused["code"], refused["field"]) == (413, "set")
        assert refused["msg"] == "user data takes at most 100 bytes"


@pytest.mark.parametrize("field", ["session", "call"])
def test_a_change_of_what_is_not_there_or_over_gets_404(kit, field):
    peer = kit.connect()
    session = routed(peer)
    update(peer, 1, {}, **{field: "nowhere"})
    kit.advance(0.2)
    [refused] = peer.frames()
    assert (refused["code"], refused["field"]) == (404, field)
    kit.call(kit.pool.address_of(session), CloseSession())
    update(peer, 1, {}, **{field: session if field == "session" else "c1"})
    kit.advance(0.2)
    [refused] = peer.frames()
    assert (refused["code"], refused["field"]) == (404, field)


def test_a_change_that_comes_again_after_a_break_is_applied_once_and_answered_again(kit):
    peer = kit.connect()
    session = routed(peer)
    kit.advance(0.1)
    i = update(peer, 1, {"ud.a": 1}, session=session)
    before = peer.frames()[-1]
    session_actor = kit.pool.address_of(session)
    kit.send(session_actor, _asked(i, session, peer.session))
    kit.settle()
    [again] = peer.frames()
    assert {**again, "i": 0} == {**before, "i": 0}
    assert view(kit, session).rev == 2


def _asked(i, session, link):
    return DataAsked(DataUpdate(i=i, session=session, rev=1, set={"ud.a": 1}), link)


def test_a_killed_session_keeps_the_change_and_hands_nobody_another_one(kit):
    peer = kit.connect()
    session = routed(peer)
    update(peer, 1, {"ud.a": 1}, session=session)
    kit.faults.kill(kit.pool.address_of(session))
    kit.advance(2.0)
    seen = view(kit, session)
    assert (seen.rev, seen.ud) == (2, {"a": 1})


def test_a_change_that_no_frame_holds_is_told_in_several():
    with LinkKit(link=LinkConfig(max_frame_bytes=2_000)) as kit:
        peer = kit.connect()
        session = routed(peer)
        changes = {f"ud.k{n}": "v" * 300 for n in range(12)}
        patch(kit, session, 1, changes)
        frames = peer.frames()
        assert len(frames) > 1
        assert {frame["rev"] for frame in frames} == {2}
        assert {key: value for one in frames for key, value in one["set"].items()} == changes


def test_a_single_value_that_no_frame_holds_leaves_the_revision():
    long = DataChanged(session="5e55", call="c", rev=4, set={"ud.k": "v" * 99})
    assert halves(long) == (DataChanged(session="5e55", call="c", rev=4, set={}),)
    assert halves(halves(long)[0]) == ()


writers = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.booleans()), min_size=1, max_size=25
)


@settings(max_examples=60, deadline=None)
@given(writers)
def test_no_change_is_lost_whoever_writes_at_once(steps):
    """Each writer counts up a key it has read; a change based on what is old is refused."""
    with LinkKit() as kit:
        peers = [kit.connect(), kit.connect(side="backup")]
        session = routed(peers[0])
        routed(peers[1])
        known = [view(kit, session)] * 4
        expected = dict.fromkeys("abc", 0)
        for who, key, reads in steps:
            if reads:
                known[who] = view(kit, session)
            seen = known[who]
            changes = {f"ud.{key}": seen.ud.get(key, 0) + 1}
            if _write(kit, peers, who, seen, changes):
                expected[key] += 1
        assert view(kit, session).ud == {key: n for key, n in expected.items() if n}


def _write(kit, peers, who, seen, changes):
    """Change by a link (0, 1) or as an application; return whether it was taken."""
    if who > 1:
        return not isinstance(patch(kit, seen.session, seen.rev, changes), RevStale)
    peers[who].frames()
    i = update(peers[who], seen.rev, changes, session=seen.session)
    kit.advance(0.05)
    [answer] = [f for f in peers[who].frames() if f.get("ref") == i]
    return answer["t"] == "data.update"

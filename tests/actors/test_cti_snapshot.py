"""What a CTI still has after it has been away, and what it asks to be told anew."""

import pytest
from link_kit import LinkKit

from actors.session_api import GetSession, PatchSession
from protocols.cti.link_state import LinkConfig


@pytest.fixture
def kit():
    with LinkKit(orphan_grace_s=10) as kit:
        yield kit


def routed(peer, *calls):
    for call in calls:
        peer.route(xref=f"x-{call}", call=call)
    return {call: frame["session"] for call, frame in zip(calls, peer.frames(), strict=True)}


def snapshot(kit, peer, *calls, **fields):
    kit.advance(1.0)
    i = peer.send("snapshot", calls=list(calls), **fields)
    kit.advance(0.2)
    return i


def state(kit, session):
    address = kit.pool.address_of(session)
    return None if address is None else kit.call(address, GetSession()).state


def test_a_call_that_its_cti_has_no_more_is_closed_after_the_grace(kit):
    peer = kit.connect()
    sessions = routed(peer, "kept", "gone")
    other = routed(kit.connect(name="cti-2"), "theirs")
    i = snapshot(kit, peer, "kept")
    [answer] = peer.frames()
    assert (answer["t"], answer["ref"], answer.get("calls")) == ("resync", i, None)
    assert peer.acked == i
    kit.advance(9.0)
    assert state(kit, sessions["gone"]) == "new"
    kit.advance(1.1)
    assert state(kit, sessions["gone"]) == "closed"
    assert [stored["why"] for stored in kit.stored()] == ["orphan"]
    assert state(kit, sessions["kept"]) == state(kit, other["theirs"]) == "new"


@pytest.mark.parametrize("how", ["frame", "snapshot"])
def test_an_orphan_of_which_its_cti_tells_again_goes_on(kit, how):
    peer = kit.connect()
    sessions = routed(peer, "c1")
    snapshot(kit, peer)
    if how == "frame":
        peer.event("queued", call="c1")
    else:
        snapshot(kit, peer, "c1")
    kit.advance(30.0)
    assert state(kit, sessions["c1"]) in ("new", "queued")


def test_a_call_that_came_after_the_snapshot_was_taken_is_no_orphan(kit):
    primary, backup = kit.connect(), kit.connect(side="backup")
    kit.advance(1.0)
    backup.address.cell.suspended = True
    backup.send("snapshot", calls=[])
    kit.advance(0.1)
    sessions = routed(primary, "late")
    backup.address.cell.suspended = False
    kit.kernel.make_ready(backup.address.cell)
    kit.advance(30.0)
    assert state(kit, sessions["late"]) == "new"


def test_calls_that_are_not_known_get_sessions_and_are_named_in_the_answer(kit):
    peer = kit.connect()
    routed(peer, "known")
    i = snapshot(kit, peer, "known", "b", "a")
    [answer] = peer.frames()
    assert (answer["ref"], answer["calls"]) == (i, ["a", "b"])
    assert kit.pool.count() == 3
    peer.event("established", call="a")
    kit.advance(0.2)
    assert peer.frames() == []


def test_a_snapshot_in_parts_counts_when_it_is_whole(kit):
    peer = kit.connect()
    sessions = routed(peer, "c1", "c2")
    first = snapshot(kit, peer, "c1", more=True)
    assert peer.frames() == []
    assert peer.acked == first - 1
    kit.faults.kill(peer.address)
    last = snapshot(kit, peer, "c2", *(f"n{number}" for number in range(600)))
    peer.frames()
    assert peer.acked == last
    kit.advance(30.0)
    assert {state(kit, session) for session in sessions.values()} == {"new"}
    assert kit.pool.count() == 602


def test_names_that_no_frame_holds_come_in_several():
    with LinkKit(link=LinkConfig(max_frame_bytes=2_000)) as kit:
        peer = kit.connect()
        calls = {f"{number:03}{'c' * 200}" for number in range(20)}
        for part in (sorted(calls)[:7], sorted(calls)[7:14]):
            snapshot(kit, peer, *part, more=True)
        snapshot(kit, peer, *sorted(calls)[14:])
        answers = peer.frames()
        assert [one.get("more", False) for one in answers][-2:] == [True, False]
        assert {call for one in answers for call in one["calls"]} == calls


def test_agents_that_are_not_named_log_out_and_unknown_ones_are_asked_for(kit):
    peer, other = kit.connect(), kit.connect(name="cti-2")
    for one, agent in ((peer, "anna"), (peer, "bert"), (other, "cleo")):
        one.send("agent.state", agent=agent, st="ready", ts=1.0)
    snapshot(kit, peer, agents=["anna", "dora"])
    [answer] = peer.frames()
    assert answer["agents"] == ["dora"]
    known = {agent.agent: agent.st for agent in kit.links.agents.known()}
    assert known == {"anna": "ready", "bert": "logout", "cleo": "ready"}
    snapshot(kit, peer)
    assert kit.links.agents.get("anna").st == "ready"


def test_an_orphan_is_closed_in_time_though_its_session_is_killed_meanwhile(kit):
    peer = kit.connect()
    sessions = routed(peer, "gone")
    snapshot(kit, peer)
    kit.faults.kill(kit.pool.address_of(sessions["gone"]))
    kit.advance(11.0)
    assert state(kit, sessions["gone"]) == "closed"


def test_an_orphan_is_closed_though_the_node_is_killed_meanwhile(kit):
    peer = kit.connect()
    sessions = routed(peer, "gone")
    snapshot(kit, peer)
    with LinkKit(writer=kit.disk, clock=kit.clock, orphan_grace_s=10) as later:
        later.advance(11.0)
        assert state(later, sessions["gone"]) == "closed"


def test_the_context_of_calls_is_told_anew_on_request(kit):
    peer = kit.connect()
    session = routed(peer, "c1")["c1"]
    change = PatchSession(rev=1, set={"ud.a": 1, "lang": "fr"})
    kit.call(kit.pool.address_of(session), change)
    peer.frames()
    i = peer.send("resync", calls=["c1", "nowhere"], agents=["anna"])
    kit.advance(0.2)
    told = {frame["t"]: frame for frame in peer.frames()}
    assert (told["snapshot"]["calls"], told["snapshot"]["ref"]) == (["c1"], i)
    update = told["data.update"]
    assert (update["rev"], update["ref"]) == (2, i)
    assert update["set"] == {"auth_level": 0, "lang": "fr", "ud.a": 1}
    assert peer.acked == i

"""Frames of one call that are many, or whose session dies: each is applied once, in order."""

import pytest
from link_kit import LinkKit, session

from actors.cti_ways import AHEAD
from protocols.cti.link_state import LinkConfig
from protocols.cti.messages import HeartbeatTimes

MANY = 40
PATIENT = LinkConfig(hb=HeartbeatTimes(interval_ms=3_600_000))


@pytest.fixture
def kit():
    with LinkKit(link=PATIENT) as kit:
        yield kit


def call_session(kit):
    return next(iter(kit.pool.children.values())).address


def called(kit):
    """A peer with one call."""
    peer = kit.connect()
    peer.route()
    kit.advance(0.2)
    peer.frames()
    return peer


def victim(kit, peer, who):
    if who == "callSession":
        return call_session(kit)
    return peer.address if who == "ctiLink" else kit.base.whereis(who)


def many_at_once(peer, count=MANY):
    for number in range(count):
        peer.event(ev=("held", "retrieved")[number % 2], ts=5.0, seq=number)


@pytest.mark.parametrize("who", ["callSession", "sessionSup", "ctiLink", "ctiSup"])
def test_many_events_of_a_call_at_one_instant_are_applied_once_whoever_is_killed(kit, who):
    peer = called(kit)
    kit.disk.hold()
    many_at_once(peer)
    kit.faults.kill(victim(kit, peer, who))
    kit.advance(0.3)
    kit.loop.run(kit.disk.release)
    kit.advance(2.0)
    assert kit.actor(call_session(kit)).data.events == MANY
    assert peer.frames() == []
    assert peer.acked == peer.sent


@pytest.mark.parametrize("who", ["callSession", "sessionSup", "ctiLink", "ctiSup"])
def test_many_events_of_a_call_are_applied_once_while_another_frame_holds_up_acks(kit, who):
    peer = called(kit)
    mute = session(kit, call="c2", confirms=False)
    peer.event(call="c2")
    many_at_once(peer)
    kit.advance(0.5)
    kit.faults.kill(victim(kit, peer, who))
    kit.advance(0.5)
    mute.confirms = True
    kit.advance(3.0)
    assert peer.frames() == []
    assert kit.actor(call_session(kit)).data.events == MANY
    assert peer.acked == peer.sent


def test_what_a_node_crash_brings_again_is_applied_once_though_acks_were_held_up(kit):
    peer = called(kit)
    session(kit, call="c2", confirms=False)
    peer.event(call="c2")
    many_at_once(peer)
    kit.advance(0.5)
    applied = kit.actor(call_session(kit)).data.events
    with LinkKit(writer=kit.disk, clock=kit.clock, link=PATIENT) as after:
        peer.kit = after
        [answer] = peer.resume()
        for i in range(answer["last_i"] + 1, peer.sent + 1):
            number = i - 3
            if number < 0:
                peer.send("void", i=i)
            else:
                ev = ("held", "retrieved")[number % 2]
                peer.send("call.event", i=i, call="c1", ev=ev, ts=5.0, seq=number)
        after.advance(3.0)
        assert 0 < applied <= MANY
        assert after.actor(call_session(after)).data.events == MANY


def test_no_more_frames_of_a_call_are_under_way_than_its_session_knows(kit):
    peer = kit.connect()
    told = session(kit, confirms=False)
    many_at_once(peer)
    assert told.told == list(range(1, AHEAD + 1))
    peer.event(call="c2")
    assert kit.actor(peer.address).status()["waiting"] == MANY - AHEAD
    told.confirms = True
    kit.advance(5.0)
    assert list(dict.fromkeys(told.told)) == list(range(1, MANY + 1))


def test_frames_of_other_calls_do_not_wait_for_those_of_one(kit):
    peer = kit.connect()
    session(kit, confirms=False)
    other = session(kit, call="c2")
    many_at_once(peer)
    peer.event(call="c2")
    assert other.told == [MANY + 1]


def test_a_session_that_crashed_gets_again_what_it_died_with_before_anything_newer(kit):
    peer = called(kit)
    kit.faults.crash_next(call_session(kit))
    peer.event(ev="established", ts=5.0)
    peer.event(ev="held", ts=6.0)
    kit.advance(0.01)
    heard = kit.actor(call_session(kit)).data.heard
    assert [what for what, *_ in heard] == ["established", "held"]


def test_a_session_that_crashed_gets_again_what_it_died_with_though_nothing_follows(kit):
    peer = called(kit)
    kit.faults.crash_next(call_session(kit))
    peer.event(ev="established", ts=5.0)
    kit.advance(0.2)
    assert [what for what, *_ in kit.actor(call_session(kit)).data.heard] == ["established"]


def test_what_has_waited_when_its_session_is_gone_gets_404(kit):
    peer = kit.connect()
    gone = session(kit, confirms=False)
    many_at_once(peer)
    kit.faults.kill(gone.address)
    kit.advance(20.0)
    errors = peer.frames()
    assert [error["ref"] for error in errors] == list(range(1, MANY + 1))
    assert {error["code"] for error in errors} == {404}
    kit.advance(0.1)
    peer.frames()
    assert peer.acked == MANY

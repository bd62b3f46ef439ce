"""A refusal is told when it holds: no crash takes it back."""

import pytest
from link_kit import LinkKit, session

from protocols.cti.link_state import LinkConfig
from protocols.cti.messages import HeartbeatTimes

PATIENT = HeartbeatTimes(interval_ms=3_600_000)
NARROW = LinkConfig(window=2, held_frames=2, hb=PATIENT)


@pytest.fixture
def kit():
    with LinkKit(link=NARROW) as kit:
        yield kit


def refused(peer):
    return [(frame["ref"], frame["code"]) for frame in peer.frames() if frame["t"] == "error"]


def crash(kit):
    """The next node, with what was committed."""
    kit.disk._waiting = None
    kit.disk.held = False
    return LinkKit(writer=kit.disk, clock=kit.clock, link=NARROW)


def test_a_refusal_waits_for_the_record_that_covers_its_frame(kit):
    peer = kit.connect()
    kit.disk.hold()
    peer.event(call="nobody")
    peer.send("call.event", call=7, ev="held", ts=1.0)
    kit.advance(0.5)
    assert refused(peer) == []
    kit.loop.run(kit.disk.release)
    kit.settle()
    assert refused(peer) == [(2, 400), (1, 404)]


def test_a_refusal_waits_for_the_frames_before_it(kit):
    peer = kit.connect()
    told = session(kit, confirms=False)
    peer.event()
    peer.send("rp.cancel", reg="none")
    kit.advance(0.2)
    assert refused(peer) == []
    kit.loop.run(told.confirm, peer.session, 1)
    kit.settle()
    assert refused(peer) == [(2, 404)]


def test_what_was_refused_before_a_crash_is_never_applied_after_it(kit):
    peer = kit.connect()
    peer.route()
    kit.advance(0.2)
    peer.frames()
    kit.disk.hold()
    sent = [peer.event(ev="held", ts=5.0, seq=number) for number in range(4)]
    kit.advance(0.1)
    told = refused(peer)
    with crash(kit) as after:
        peer.kit = after
        answer, *again = peer.resume()
        for i in sent:
            if i > answer["last_i"]:
                peer.send("call.event", i=i, call="c1", ev="held", ts=5.0, seq=i)
                after.advance(0.1)
        told += [(frame["ref"], frame["code"]) for frame in again]
        address = next(iter(after.pool.children.values())).address
        assert after.actor(address).data.events == len(sent) - len(told)


def test_a_refusal_that_a_crash_kept_from_its_peer_is_told_by_the_next_node(kit):
    peer = kit.connect()
    peer.cut()
    kit.settle()
    peer.resume()
    kit.advance(0.1)
    peer.frames()
    row = peer.row
    sent = peer.send("rp.cancel", reg="none")
    assert row.session.durable_in == sent
    peer.wire.frames()  # what was on its way is lost
    with crash(kit) as after:
        peer.kit = after
        answer, *again = peer.resume()
        assert answer["last_i"] == sent
        assert [(frame["ref"], frame["code"]) for frame in again] == [(sent, 404)]


def test_a_request_is_refused_in_time_though_that_does_not_hold_yet(kit):
    peer = kit.connect()
    kit.disk.hold()
    peer.route(reg="none")
    kit.advance(0.23)
    assert refused(peer) == []
    kit.advance(0.02)
    assert refused(peer) == [(1, 404)]


def test_a_request_with_less_time_is_refused_within_it(kit):
    peer = kit.connect()
    kit.disk.hold()
    peer.event(call="nobody")
    kit.advance(0.06)
    peer.route(reg="none", reply_ms=50)
    kit.advance(0.041)
    assert refused(peer) == [(2, 404)]


def test_while_commits_fail_refusals_are_told_at_once(kit):
    peer = kit.connect()
    kit.disk.hold()
    peer.send("rp.cancel", reg="none")
    kit.disk.fail()
    kit.loop.run(kit.disk.release)
    kit.advance(0.11)
    assert kit.journal.failing
    assert refused(peer) == [(1, 404)]
    peer.send("rp.cancel", reg="none")
    assert refused(peer) == [(2, 404)]


def test_a_refused_request_that_is_sent_again_after_a_resume_is_not_asked(kit):
    peer = kit.connect()
    kit.disk.hold()
    number = peer.route(reg="none")
    peer.cut()
    peer.resume()
    peer.send("route.request", i=number, xref="x1", call="c1", rp="sales", ts=1.0)
    kit.loop.run(kit.disk.release)
    kit.settle()
    [refusal] = peer.frames()
    assert (refusal["t"], refusal["ref"]) == ("error", number)
    assert kit.pool.count() == 0


def test_refusals_that_nobody_was_there_for_are_told_after_a_resume(kit):
    peer = kit.connect()
    kit.disk.hold()
    peer.send("rp.cancel", reg="none")
    peer.cut()
    kit.loop.run(kit.disk.release)
    kit.settle()
    answer, refusal = peer.resume()
    assert answer["last_i"] == refusal["ref"] == 1

"""What links do where sessions, or the whole pool of them, are gone, mute or too slow."""

import pytest
from link_kit import LinkKit, session

from protocols.cti.link_state import LinkConfig
from protocols.cti.messages import HeartbeatTimes
from supervision import RestartChild, TerminateChild


@pytest.fixture
def kit():
    with LinkKit() as kit:
        yield kit


@pytest.fixture
def patient():
    """Peers need no heartbeats."""
    with LinkKit(link=LinkConfig(hb=HeartbeatTimes(interval_ms=3_600_000))) as kit:
        yield kit


def test_frames_reach_their_session_in_their_order_whatever_name_they_have(kit):
    peer = kit.connect()
    for number in range(6):
        if number % 2:
            peer.event(call="c1")
        else:
            peer.send("route.used", xref="x1", target="1", reason="ok")
    told = session(kit, xrefs=["x1"])
    kit.advance(0.02)
    assert told.told == [1, 2, 3, 4, 5, 6]


def test_a_request_that_waits_behind_an_event_about_nothing_opens_its_session(kit):
    peer = kit.connect()
    peer.event(call="c9")
    peer.route(call="c9", xref="x9")
    peer.event(call="c9")
    kit.advance(0.1)
    error, answer = peer.frames()
    assert (error["code"], error["ref"]) == (404, 1)
    assert answer["xref"] == "x9"
    kit.advance(0.1)
    peer.frames()
    assert peer.acked == 3


def test_a_frame_that_only_waits_to_be_durable_is_not_given_up(patient):
    kit = patient
    peer = kit.connect()
    peer.route()
    kit.disk.hold()
    peer.event()
    kit.advance(10.0)
    assert [frame["t"] for frame in peer.frames()] == ["route.select"]
    kit.loop.run(kit.disk.release)
    kit.advance(0.1)
    peer.frames()
    assert peer.acked == 2


def test_a_frame_that_is_not_confirmed_is_handed_over_again_after_a_second(kit):
    peer = kit.connect()
    told = session(kit, confirms=False)
    peer.event()
    kit.advance(0.9)
    assert told.told == [1]
    told.confirms = True
    kit.advance(1.2)
    assert told.told == [1, 1]
    peer.frames()
    assert peer.acked == 1


def test_a_frame_that_nobody_confirms_gets_500_and_is_acknowledged(patient):
    kit = patient
    peer = kit.connect()
    told = session(kit, confirms=False)
    peer.event()
    kit.advance(10.0)
    assert told.told == [1, 1, 1, 1]
    [error] = peer.frames()
    assert (error["code"], error["ref"]) == (500, 1)
    assert peer.acked == 1


def test_while_commits_fail_frames_wait_and_are_not_given_up(patient):
    kit = patient
    peer = kit.connect()
    kit.advance(0.1)
    told = session(kit, confirms=False)
    peer.event()
    kit.disk.fail()
    kit.loop.run(kit.links.record, peer.row, 0)
    kit.advance(0.1)
    assert kit.journal.failing
    kit.advance(10.0)
    assert told.told == [1]
    kit.disk.heal()
    told.confirms = True
    kit.advance(3.0)
    assert told.told == [1, 1]
    peer.frames()
    assert peer.acked == peer.sent == 1


def test_when_the_pool_comes_back_what_it_had_not_confirmed_goes_before_what_is_newer(kit):
    peer = kit.connect()
    lost = session(kit, confirms=False)
    peer.event()
    peer.event()
    kit.faults.kill(lost.address)
    kit.call(kit.top, TerminateChild("sessionSup"), timeout=None)
    kit.settle()
    peer.event()
    told = session(kit)
    kit.advance(0.05)
    assert told.told == [1, 2, 3]
    assert [frame for frame in peer.frames() if frame["t"] == "error"] == []


def test_frames_wait_as_long_as_the_pool_is_away_and_then_a_little(kit):
    peer = kit.connect()
    kit.call(kit.top, TerminateChild("sessionSup"), timeout=None)
    peer.event(call="nobody")
    kit.advance(3.0)
    assert peer.frames() == []
    kit.call(kit.top, RestartChild("sessionSup"), timeout=None)
    kit.advance(0.1)
    [error] = peer.frames()
    assert (error["code"], error["ref"]) == (404, 1)


def test_a_link_that_is_killed_hands_over_again_in_order_what_is_not_confirmed(kit):
    peer = kit.connect()
    told = session(kit, confirms=False)
    for _ in range(3):
        peer.event()
    kit.faults.kill(peer.address)
    kit.settle()
    peer.event()
    assert told.told == [1, 2, 3, 1, 2, 3, 4]


def test_over_the_window_frames_that_are_not_confirmed_get_429():
    with LinkKit(link=LinkConfig(window=2)) as kit:
        peer = kit.connect()
        told = session(kit, confirms=False)
        for _ in range(3):
            peer.event()
        assert peer.frames() == []
        for i in (1, 2):
            kit.loop.run(told.confirm, peer.session, i)
        kit.settle()
        [refused] = peer.frames()
        assert (refused["code"], refused["ref"]) == (429, 3)


# More than the node can do


class Loaded:
    """A journal that says how full it is."""

    def __init__(self, journal, load):
        self._journal = journal
        self.load = load

    def __getattr__(self, name):
        return getattr(self._journal, name)


def load(kit, share):
    kit.links.journal = Loaded(kit.journal, share)


def test_while_the_journal_is_full_frames_get_429_but_those_that_end_something(kit):
    peer = kit.connect()
    told = session(kit)
    load(kit, 1.1)
    peer.event()
    peer.route(xref="x9", call="c9")
    peer.event(ev="cleared")
    peer.send("rp.register", rp=["*"])
    first, second, registered = peer.frames()
    assert [(frame["code"], frame["ref"]) for frame in (first, second)] == [(429, 1), (429, 2)]
    assert "journal.queue_limit" in first["msg"]
    assert registered["t"] == "rp.registered"
    assert told.told == [3]


def test_beyond_that_the_connection_is_not_read_until_there_is_room(kit):
    peer = kit.connect()
    told = session(kit)
    load(kit, 1.6)
    peer.event()
    peer.event()
    kit.advance(0.1)
    assert told.told == []
    assert not peer.wire.reading
    assert peer.frames() == []
    load(kit, 0.9)
    kit.advance(0.1)
    assert told.told == []
    load(kit, 0.7)
    kit.advance(0.1)
    assert told.told == [1, 2]
    assert peer.wire.reading


def test_under_overload_new_calls_get_429_and_established_ones_go_on(kit, monkeypatch):
    peer = kit.connect()
    told = session(kit)
    monkeypatch.setattr(kit.overload, "calm", False)
    monkeypatch.setattr(
        kit.overload, "refuses", lambda who, *_: "overload.new_after_ms is 1" * (who == "new")
    )
    peer.route(xref="x9", call="c9")
    peer.route(xref="x1", call="c1")
    peer.event()
    [refused] = peer.frames()
    assert (refused["code"], refused["ref"]) == (429, 1)
    assert refused["msg"] == "overload.new_after_ms is 1"
    assert told.told == [2, 3]


def test_a_link_notes_how_long_its_reads_have_waited(kit, monkeypatch):
    noted = []
    monkeypatch.setattr(kit.overload, "note", noted.append)
    peer = kit.connect()
    noted.clear()
    peer.address.cell.suspended = True
    peer.event()
    kit.advance(0.2)
    peer.address.cell.suspended = False
    kit.kernel.make_ready(peer.address.cell)
    kit.settle()
    assert noted == [pytest.approx(0.2)]

"""Links while the journal takes no commits, for a moment or for long."""

from collections import Counter

import pytest
from link_kit import LinkKit
from msgspec.structs import replace

from protocols.cti.client import Answered, Client
from protocols.cti.events import Received, Transmit
from protocols.cti.framing import encode
from protocols.cti.link_state import LinkConfig
from protocols.cti.messages import Error, Hello

CALLS = 60


@pytest.fixture
def kit():
    with LinkKit(link=LinkConfig(window=10)) as kit:
        yield kit


def full_disk(kit):
    kit.disk.fail()
    kit.advance(0.1)


def states(kit):
    return Counter(kit.state(child.address) for child in kit.pool.children.values())


def calls(kit, peer, count):
    for number in range(count):
        peer.route(xref=f"x{number}", call=f"c{number}")
    kit.advance(0.3)
    peer.frames()


def press(kit, peer):
    """More is to be written than may wait by far."""
    calls(kit, peer, 9)
    kit.journal.config = replace(kit.journal.config, queue_limit=9)
    kit.disk.fail()
    for number in range(9):
        peer.event(ev="cleared", call=f"c{number}")
    kit.advance(0.1)
    peer.event(ev="cleared", call="c0")
    assert kit.journal.load > 1.5


def test_events_of_a_full_disk_are_taken_beyond_the_window_and_nothing_is_lost(kit):
    peer = kit.connect()
    for batch in range(CALLS // 10):
        for number in range(10):
            name = batch * 10 + number
            peer.route(xref=f"x{name}", call=f"c{name}")
    kit.advance(0.3)
    peer.frames()
    peer.event(ev="queued", call="c0")
    kit.disk.fail()
    kit.advance(0.1)
    for number in range(CALLS):
        for after, ev in enumerate(("delivered", "established", "held", "cleared")):
            peer.event(ev=ev, call=f"c{number}", ts=5.0 + after)
    assert peer.frames() == []
    assert states(kit) == {"closed": CALLS}
    kit.disk.heal()
    for _ in range(20):
        kit.advance(0.1)
        peer.send("hb", ts=1.0)
        assert peer.frames() == []
    kit.advance(0.2)
    peer.frames()
    assert peer.acked == peer.sent


def test_what_ends_a_call_gets_in_however_much_waits():
    with LinkKit(link=LinkConfig(window=2, held_frames=2)) as kit:
        peer = kit.connect()
        calls(kit, peer, 2)
        kit.disk.hold()
        for number in range(2):
            for ev in ("delivered", "established", "cleared"):
                peer.event(ev=ev, call=f"c{number}", ts=5.0)
            peer.send("route.end", xref=f"x{number}", cause="ok")
        assert states(kit) == {"closed": 2}
        kit.loop.run(kit.disk.release)
        kit.advance(0.2)
        refused = [frame["ref"] for frame in peer.frames() if frame["t"] == "error"]
        assert refused == [7, 8]


def test_a_peer_that_is_not_read_is_not_taken_for_dead_and_gets_heartbeats(kit):
    peer = kit.connect()
    press(kit, peer)
    peer.wire.frames()
    kit.advance(10.0)
    assert peer.alive
    assert not peer.wire.reading
    beats = [frame for frame in peer.wire.frames() if frame["t"] == "hb"]
    assert 20 <= len(beats) <= 40
    kit.disk.heal()
    kit.advance(1.0)
    assert peer.alive
    assert peer.wire.reading


def test_a_connection_that_is_not_read_is_read_again_though_its_actor_was_killed(kit):
    peer = kit.connect()
    press(kit, peer)
    kit.faults.kill(peer.address)
    kit.advance(0.1)
    kit.disk.heal()
    kit.advance(1.0)
    assert peer.wire.reading


def test_while_nothing_is_read_a_peer_can_say_hello_and_resume(kit):
    peer = kit.connect()
    press(kit, peer)
    peer.cut()
    answer, *_ = peer.resume()
    assert (answer["t"], answer["session"]) == ("hello", peer.session)
    other = kit.connect(name="cti-2")
    other.send("hb", ts=1.0)
    kit.advance(10.0)
    assert peer.alive
    assert other.alive
    sent = peer.event(ev="queued", call="c9")
    kit.disk.heal()
    kit.advance(2.0)
    refusals = [frame for frame in peer.frames() if frame["t"] == "error"]
    assert [frame["ref"] for frame in refusals] == [sent]


class Cti:
    """vigie's own client, on a wire in virtual time."""

    def __init__(self, kit):
        self.kit = kit
        self.peer = kit.connect(hello=False)
        hello = Hello(proto=1, name="cti-1", side="primary", token="good")
        self.client = Client(hello, now=self.now, wall=0.0)
        self.answered = Counter()
        self.refused = []
        self.peer.bytes(self.client.hello())
        self.look()

    @property
    def now(self):
        return self.kit.clock.monotonic()

    def say(self, t, **fields):
        data = self.client.send_frame({"t": t, **fields}, self.now)
        if data:
            self.peer.bytes(data)

    def look(self):
        """Take what has come, until nothing comes."""
        while frames := self.peer.wire.frames():
            for event in self.client.receive(b"".join(map(encode, frames)), self.now):
                if isinstance(event, Transmit):
                    self.peer.bytes(event.data)
                elif isinstance(event, Answered):
                    self.note(event.answer)
                elif isinstance(event, Received):
                    self.note(event.message)

    def note(self, answer):
        if isinstance(answer, Error):
            self.refused.append(answer)
        else:  # a target, or the end of a call that is over
            self.answered[answer.xref] += 1


def test_a_feed_of_thousands_of_frames_over_a_full_disk_loses_nothing():
    with LinkKit() as kit:
        cti = Cti(kit)
        count = 400
        for number in range(count):
            cti.say("route.request", xref=f"x{number}", call=f"c{number}", rp="sales", ts=1.0)
            if number == 50:
                kit.disk.fail()
            if number % 50 == 0:
                kit.advance(0.01)
            cti.look()
            for ts, ev in enumerate(("delivered", "established", "held", "cleared"), 2):
                cti.say("call.event", call=f"c{number}", ev=ev, ts=float(ts))
        for _ in range(10):
            kit.advance(0.1)
            cti.look()
        assert kit.journal.failing
        assert len(cti.answered) > 200
        kit.disk.heal()
        for _ in range(30):
            kit.advance(0.1)
            cti.look()
        assert cti.refused == []
        assert cti.client.unacked == 0
        assert len(cti.answered) == count
        assert states(kit) == {"closed": count}

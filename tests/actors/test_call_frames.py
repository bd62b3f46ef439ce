"""Frames of links, repeated and reordered, with kills of the session and of the node in between."""

import pytest
from call_kit import CallKit
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_kit import StepWriter

from actors.call_messages import CallTold, FrameHandled
from actors.call_names import call_name
from actors.session_data import FRAMES_KEPT
from protocols.cti.messages import CallEvent

LINKS = ("link-1", "link-2")


class Peers:
    """Two links that know what has been confirmed, and hand the rest over again as they like."""

    def __init__(self):
        self.disk = StepWriter()
        self.sent = dict.fromkeys(LINKS, 0)
        self.confirmed = {link: set() for link in LINKS}
        self.contents = 0
        self.begin()
        self.kit.open("c1")
        self.kit.settle()

    def begin(self):
        self.kit = CallKit(writer=self.disk)
        self.probes = {"link-1": self.kit.link, "link-2": self.kit.peer("link-2")}

    @property
    def session(self):
        return self.kit.base.whereis(call_name("c1"))

    @property
    def data(self):
        return self.kit.actor(self.session).data

    def hand_over(self, link, i):
        # Each time with other contents: nothing but the number says that it is the same frame.
        self.contents += 1
        event = CallEvent(i=i, call="c1", ev="held", ts=1.0, seq=self.contents)
        self.kit.send(self.session, CallTold(event, link))

    def listen(self):
        self.kit.settle()
        for link, probe in self.probes.items():
            for told in probe.take():
                assert isinstance(told, FrameHandled)
                assert told.i <= self.sent[link]
                self.confirmed[link].add(told.i)

    # What may happen

    def send(self, link, _):
        self.sent[link] += 1
        self.hand_over(link, self.sent[link])

    def again(self, link, back):
        """Hand one of the latest frames over again, confirmed or not."""
        if self.sent[link]:
            self.hand_over(link, max(1, self.sent[link] - back))

    def hold(self, _link, _):
        self.disk.hold()

    def release(self, _link, _):
        self.disk.release()

    def kill(self, _link, _):
        if self.session is not None:
            self.kit.faults.kill(self.session)
            self.kit.settle()
            self.kit.advance(60.0)  # that it does not come too often for its supervisor

    def crash(self, _link, _):
        """The node is gone; peers send again what was not confirmed to them, in order."""
        self.listen()
        self.disk.held = False
        self.kit.close()
        self.begin()
        for link in LINKS:
            for i in range(1, self.sent[link] + 1):
                if i not in self.confirmed[link]:
                    self.hand_over(link, i)

    def end(self):
        self.disk.release()
        self.listen()


WHAT = ("send", "send", "send", "again", "again", "hold", "release", "kill", "crash")
steps = st.lists(
    st.tuples(st.sampled_from(WHAT), st.sampled_from(LINKS), st.integers(0, FRAMES_KEPT - 1)),
    max_size=40,
)


@settings(max_examples=150)
@given(steps)
def test_each_frame_is_applied_once_and_confirmed_whatever_is_killed(what):
    peers = Peers()
    try:
        for name, link, back in what:
            getattr(peers, name)(link, back)
            if name != "hold":
                peers.listen()
        peers.end()
        assert peers.data.events == sum(peers.sent.values())
        for link in LINKS:
            assert peers.confirmed[link] == set(range(1, peers.sent[link] + 1))
    finally:
        peers.kit.close()


@pytest.mark.parametrize("held", [True, False])
def test_what_was_confirmed_is_in_the_journal(held):
    peers = Peers()
    if held:
        peers.hold("link-1", 0)
    for _ in range(5):
        peers.send("link-1", 0)
    peers.listen()
    stored = peers.disk.value("session", str(peers.session.name))[2].get("events", 0)
    assert (len(peers.confirmed["link-1"]), stored) == ((0, 0) if held else (5, 5))
    peers.kit.close()

"""Whatever is killed, mute or cut while the node lives: a reroute has one answer, and keeps it."""

import hypothesis
from hypothesis import strategies as st
from link_kit import LinkKit

from protocols.cti.framing import encode
from protocols.cti.link_state import LinkConfig
from protocols.cti.messages import HeartbeatTimes

PATIENT = LinkConfig(hb=HeartbeatTimes(interval_ms=3_600_000))
WAITS_S = (0.001, 0.01, 0.1, 0.245, 0.25, 0.255, 0.3, 1.1)

steps = st.sampled_from(
    [
        *("reroute", "reroute", "mute", "unmute", "mute_router", "unmute_router"),
        *("wait", "wait", "wait", "hold", "release", "cut", "resume", "resume"),
        *("kill_session", "kill_sup", "kill_link", "kill_cti", "kill_router"),
        *("mute_sup", "unmute_sup", "kill_session_for_long"),
    ]
)

GUARDED_BETWEEN_TWO_LIVES = [
    *(("mute", 0), ("reroute", 0), ("wait", 3)),
    *(("kill_session_for_long", 0), ("wait", 2)),
]


class Story:
    """A peer whose target does not take the call, and who asks for another until it is told."""

    def __init__(self):
        self.kit = LinkKit(link=PATIENT)
        self.peer = self.kit.connect()
        self.connected = True
        self.kept = {}
        self.answers = []
        self.peer.route()
        self.kit.advance(0.1)
        [first] = self.peer.frames()
        self.session = self.kit.pool.address_of(first["session"])

    def ask(self):
        self.peer.sent += 1
        fields = {"xref": "x1", "failed": "7001", "cause": "busy"}
        data = encode({"t": "reroute.request", "i": self.peer.sent, **fields})
        self.kept[self.peer.sent] = data
        if self.connected:
            self.peer.bytes(data)

    def reroute(self, _number):
        self.look()
        if not self.answers:
            self.ask()

    def look(self):
        for frame in self.peer.frames():
            if frame["t"] in ("route.select", "route.end"):
                self.answers.append((frame["t"], frame.get("target"), frame.get("cause")))

    def cut(self, number):
        if number % 2:
            self.look()
        self.peer.cut()
        self.connected = False

    def resume(self, _number=0):
        if self.connected:
            return
        peer = self.peer
        peer.dial()
        peer.hello(resume={"session": peer.session, "last_i": peer.got})
        first, *rest = peer.wire.frames()
        for frame in rest:
            peer.wire.write(encode(frame))
        self.connected = True
        self.look()
        for i, data in self.kept.items():
            if i > first["last_i"]:
                peer.bytes(data)

    # What happens to the node

    def suspend(self, address):
        if address.cell is not None:
            address.cell.suspended = True

    def go_on(self, address):
        if address.cell is not None and address.cell.suspended:
            address.cell.suspended = False
            self.kit.kernel.make_ready(address.cell)

    def mute(self, _number):
        self.suspend(self.session)

    def unmute(self, _number=0):
        self.go_on(self.session)

    def mute_router(self, _number):
        self.suspend(self.kit.router)

    def unmute_router(self, _number=0):
        self.go_on(self.kit.router)

    def mute_sup(self, _number=0):
        self.suspend(self.kit.sessions)

    def unmute_sup(self, _number=0):
        self.go_on(self.kit.sessions)

    def kill_session_for_long(self, number):
        self.mute_sup()
        self.kill_session(number)

    def wait(self, number):
        self.kit.advance(WAITS_S[number])

    def hold(self, _number):
        self.kit.disk.hold()

    def release(self, _number=0):
        self.kit.loop.run(self.kit.disk.release)

    def kill(self, who):
        if who is not None and who.cell is not None and who.cell.actor is not None:
            self.kit.faults.kill(who)

    def kill_session(self, _number):
        self.kill(self.session)

    def kill_sup(self, _number):
        self.kill(self.kit.sessions)

    def kill_router(self, _number):
        self.kill(self.kit.router)

    def kill_link(self, _number):
        self.kill(self.peer.row.owner)

    def kill_cti(self, _number):
        self.kill(self.kit.base.whereis("ctiSup"))

    def end(self):
        self.kit.settle()
        self.unmute_sup()
        self.kit.settle()
        self.unmute()
        self.unmute_router()
        self.release()
        for _ in range(10):
            self.kit.advance(1.0)
            if not self.peer.alive:
                self.connected = False
            self.resume()
            self.look()
        self.ask()
        self.kit.advance(2.0)
        self.look()
        assert self.answers
        assert len(set(self.answers)) == 1, self.answers


@hypothesis.given(st.lists(st.tuples(steps, st.integers(0, len(WAITS_S) - 1)), max_size=14))
@hypothesis.example(GUARDED_BETWEEN_TWO_LIVES)
@hypothesis.settings(max_examples=100)
def test_a_reroute_has_one_answer_whatever_happens_below_it(script):
    story = Story()
    for step, number in script:
        getattr(story, step)(number)
    story.end()

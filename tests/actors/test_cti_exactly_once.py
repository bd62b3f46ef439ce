"""Whatever is killed, cut or held up: every frame is applied once, in order, and acks are true."""

import hypothesis
from hypothesis import strategies as st
from link_kit import LinkKit

from actors.call_sup import ONE_SESSION_RESTARTS
from actors.config import SupervisionConfig
from protocols.cti.framing import encode
from protocols.cti.link_state import LinkConfig
from protocols.cti.messages import HeartbeatTimes

PATIENT = LinkConfig(hb=HeartbeatTimes(interval_ms=3_600_000))
CALLS = 3

steps = st.sampled_from(
    [
        *("call", "event", "event", "event", "burst", "register"),
        *("look", "wait", "wait long", "hold", "release", "release"),
        *("cut", "vanish", "resume", "resume"),
        *("kill link", "kill listener", "kill ctiSup", "kill sessionSup", "kill session"),
        *("kill all sessions", "crash"),
    ]
)


class Story:
    """A peer, what it has sent, and a node that things happen to."""

    def __init__(self):
        self.kit = LinkKit(link=PATIENT)
        self.peer = self.kit.connect()
        self.connected = True
        self.kept = {}
        self.events = {}
        self.answers = {}
        self.errors = []
        self.time = 1.0
        self.kills = {}

    # What the peer does

    def send(self, t, **fields):
        peer = self.peer
        peer.sent += 1
        self.kept[peer.sent] = encode({"t": t, "i": peer.sent, **fields})
        if self.connected:
            peer.bytes(self.kept[peer.sent])

    def call(self, number):
        call = f"c{number % CALLS}"
        self.events.setdefault(call, 0)
        xref = f"x{self.peer.sent}-{call}"
        self.send("route.request", xref=xref, call=call, rp="sales", ts=1.0)

    def event(self, number):
        call = f"c{number % CALLS}"
        if call in self.events:
            self.time += 1.0
            self.events[call] += 1
            self.send("call.event", call=call, ev="established", ts=self.time)

    def burst(self, number):
        """Many events of a call at one instant, more than its session remembers."""
        call = f"c{number % CALLS}"
        if call in self.events:
            for seq in range(10 * (number + 1)):
                self.events[call] += 1
                self.send("call.event", call=call, ev="established", ts=self.time, seq=seq)
            self.time += 1.0

    def register(self, _number):
        self.send("rp.register", rp=["sales"])

    def look(self, _number=0):
        for frame in self.peer.frames():
            if frame["t"] == "route.select":
                self.answers.setdefault(frame["xref"], set()).add(frame["target"])
            elif frame["t"] == "error":
                self.errors.append(frame)
        for i in [i for i in self.kept if i <= self.peer.acked]:
            del self.kept[i]

    def cut(self, number):
        if number % 2:
            self.look()  # else what is under way is lost
        self.peer.cut()
        self.connected = False

    def vanish(self, _number):
        self.connected = False  # vigie's end stays half open

    def resume(self, number=0):
        if self.connected:
            return
        peer = self.peer
        peer.dial()
        peer.hello(resume={"session": peer.session, "last_i": peer.got})
        first, *rest = peer.wire.frames()
        assert first["t"] == "hello", first
        assert peer.acked <= first["last_i"] <= peer.sent
        peer.acked = first["last_i"]
        self._again(rest)
        self.connected = True
        self.look()
        for data in list(self.kept.values()):
            peer.bytes(data)
        if number == 0:
            self.look()

    def _again(self, frames):
        for frame in frames:
            self.peer.wire.write(encode(frame))

    # What happens to the node

    def wait(self, number):
        self.kit.advance(0.01 * (number + 1))

    def wait_long(self, number):
        self.kit.advance(1.0 + number)

    def hold(self, _number):
        self.kit.disk.hold()

    def release(self, _number=0):
        self.kit.loop.run(self.kit.disk.release)
        self.kit.settle()

    def kill(self, who):
        cell = self.kit.kernel.cell_of(who) if who is not None else None
        if cell is not None and cell.actor is not None:
            self.kit.faults.kill(cell.address)
            self.kit.settle()

    def kill_link(self, _number):
        self.kill(self.peer.row.owner)

    def kill_listener(self, _number):
        self.kill("ctiListener")

    def kill_ctiSup(self, _number):
        self.kill("ctiSup")

    def kill_sessionSup(self, _number):
        self.kill("sessionSup")

    def kill_session(self, number):
        call = f"c{number % CALLS}"
        self.kills[call] = self.kills.get(call, 0) + 1
        # Beyond these a session waits longer than its frames do, or its pool gives up.
        few = sum(self.kills.values()) < SupervisionConfig().intensity
        if few and self.kills[call] <= ONE_SESSION_RESTARTS:
            self.kill(self.kit.kernel.registry.whereis(("call", call)))

    def kill_all_sessions(self, _number):
        for number in range(CALLS):
            self.kill_session(number)

    def crash(self, _number):
        """The process is gone; the next one has what was committed."""
        self.kit.disk.held = False
        self.kit = self.peer.kit = LinkKit(writer=self.kit.disk, link=PATIENT)
        self.connected = False

    # The end

    def end(self):
        self.release()
        self.resume()
        for _ in range(20):
            self.kit.advance(0.5)
            self.look()
            if not self.connected or not self.peer.alive:
                self.connected = False
                self.resume()
        assert self.errors == []
        assert self.peer.acked == self.peer.sent
        assert {call: self.applied(call) for call in self.events} == self.events
        assert all(len(targets) == 1 for targets in self.answers.values())

    def applied(self, call):
        address = self.kit.kernel.registry.whereis(("call", call))
        return None if address is None else address.cell.actor.data.events


@hypothesis.given(st.lists(st.tuples(steps, st.integers(0, 3)), max_size=50))
@hypothesis.settings(max_examples=150)
def test_every_frame_is_applied_once_and_acks_are_true(script):
    story = Story()
    for step, number in script:
        getattr(story, step.replace(" ", "_"))(number)
    story.end()

"""A real client and a real link joined by a wire that cuts, on a node that is killed.

The application behind the link is the least that there can be: it applies a frame when its commit
is done, knows by link session and number what it has applied, and decides a dialogue once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from protocols.cti import link_session, link_state
from protocols.cti.client import (
    Acknowledged,
    Answered,
    Client,
    ClientSession,
    ResumeLost,
)
from protocols.cti.events import Closed, HelloReceived, Received, Transmit
from protocols.cti.framing import Decoder
from protocols.cti.link import Link
from protocols.cti.link_session import LinkSession, Record
from protocols.cti.link_state import LinkConfig
from protocols.cti.messages import Error, Hello, RouteRequest, RouteSelect

HELLO = Hello(proto=1, name="cti-a", side="primary", token="secret")
CONFIG = LinkConfig(window=8)
NEVER = {"gap", "malformed", "unnumbered", "refused", "framing-unknown"}


@dataclass
class Wire:
    """One connection: what is on its way, and the ends that still hold it."""

    link: Link
    client: Client
    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)
    seen_down: Decoder = field(default_factory=Decoder)
    held_by_link: bool = True
    held_by_client: bool = True


@dataclass
class Work:
    """A frame whose commit is not done."""

    session: str
    i: int
    n: int
    xref: str | None


class Node:
    """vigie, as little of it as will do; `applied`, `decided` and `records` survive it."""

    def __init__(self) -> None:
        self.applied: list[tuple[str, int, int]] = []
        self.decided: dict[str, str] = {}
        self.records: dict[str, Record] = {}
        self.sessions: dict[str, LinkSession] = {}
        self.attached: dict[str, Wire] = {}
        self.working: list[Work] = []
        self.recording: list[tuple[str, int, Record]] = []
        self.handed: dict[str, int] = {}
        self.sent: dict[tuple[str, int], bytes] = {}
        self.begun = 0
        self.decisions = 0
        self.now = 1_000.0

    # What connections bring

    def carry_out(self, wire: Wire, events: list) -> None:
        for event in events:
            if isinstance(event, Transmit):
                self.write(wire, event.data)
        for event in events:
            match event:
                case HelloReceived(hello):
                    self.greet(wire, hello)
                case Received():
                    self.take(wire, event)
                case Closed(reason):
                    assert reason not in NEVER, event
                    wire.held_by_link = False
                    if self.attached.get(wire.link.state.session) is wire:
                        del self.attached[wire.link.state.session]

    def write(self, wire: Wire, data: bytes) -> None:
        wire.down += data
        wire.seen_down.feed(data)
        while (frame := wire.seen_down.next_frame()) is not None:
            if "i" in frame:
                before = self.sent.setdefault((wire.link.state.session, frame["i"]), frame)
                assert frame == before or frame["t"] == "void"

    def greet(self, wire: Wire, hello: Hello) -> None:
        link = wire.link
        if hello.resume is None:
            self.begun += 1
            events = link.accept(f"s{self.begun}", self.now)
            self.sessions[link.session.id] = link.session
            self.records[link.session.id] = link_session.record(link.session)
        elif hello.resume.session not in self.sessions:
            self.carry_out(wire, link.resume_lost(self.now))
            return
        else:
            session = self.sessions[hello.resume.session]
            assert link.can_resume(session)
            old = self.attached.get(session.id)
            events = link.resume(session, self.now)
            if old is not None:
                self.carry_out(old, old.link.replaced())
        self.attached[link.session.id] = wire
        self.carry_out(wire, events)

    def take(self, wire: Wire, event: Received) -> None:
        session, message = wire.link.session, event.message
        assert message.i in link_session.unconfirmed(session) or event.again
        if not event.again:
            assert message.i > self.handed.get(session.id, 0)
            self.handed[session.id] = message.i
        request = isinstance(message, RouteRequest)
        if event.again and message.xref in self.decided:
            self.answer(session, message.xref)
        elif not any((work.session, work.i) == (session.id, message.i) for work in self.working):
            n = int(message.call)
            self.working.append(Work(session.id, message.i, n, message.xref if request else None))

    # What its parts do in their own time

    def commit(self, number: int) -> None:
        """The frame's effect becomes durable; only then is it confirmed or answered."""
        work = self.working.pop(number % len(self.working))
        if not any((work.session, work.i) == (session, i) for session, i, _ in self.applied):
            self.applied.append((work.session, work.i, work.n))
        session = self.sessions[work.session]
        if work.xref is not None:
            if work.xref not in self.decided:
                self.decisions += 1
                self.decided[work.xref] = str(self.decisions)
            self.answer(session, work.xref)
        link_session.confirm(session, work.i, self.now)

    def answer(self, session: LinkSession, xref: str) -> None:
        select = RouteSelect(
            xref=xref,
            target=self.decided[xref],
            rtype="label",
            session="0" * 20,
            rev=1,
            reason="configured",
        )
        wire = self.attached.get(session.id)
        if wire is not None:
            self.write(wire, wire.link.send(select, self.now))
        elif session.next_out:
            link_session.send(session, select, self.now)

    def record(self) -> None:
        """Begin a commit of every record that is due."""
        for session in self.sessions.values():
            last_i = link_session.ackable(session, self.now)
            if last_i is not None:
                self.recording.append((session.id, last_i, link_session.record(session)))

    def commit_record(self) -> None:
        name, last_i, record = self.recording.pop(0)
        assert record.last_in == last_i
        self.records[name] = record
        if name in self.sessions:
            link_session.recorded(self.sessions[name], last_i)
            if (wire := self.attached.get(name)) is not None:
                self.write(wire, wire.link.ack(self.now))

    def die(self) -> None:
        """Killed; the next one knows what was durable."""
        limits = link_state.session_limits(CONFIG)
        self.attached, self.working, self.recording, self.handed = {}, [], [], {}
        self.sent = {}
        self.sessions = {
            name: link_session.restore(record, limits) for name, record in self.records.items()
        }

    def adopt(self) -> None:
        """The actor that waited for commits of records was killed; the next one begins again."""
        self.recording = []
        for session in self.sessions.values():
            link_session.adopted(session, self.now)

    def forget(self) -> None:
        """No session can be resumed any more."""
        self.die()
        self.sessions, self.records = {}, {}


class ResumingLinks(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.node = Node()
        self.wires: list[Wire] = []
        self.session = ClientSession()
        self.client = Client(HELLO, now=self.node.now, wall=0.0, session=self.session)
        self.n = 0
        self.given: list[int] = []
        self.acknowledged: list[int] = []
        self.refused: set[int] = set()
        self.sent_twice: set[int] = set()
        self.answers: dict[str, str] = {}
        self.connect()

    # The peer

    @rule()
    def connect(self) -> None:
        """The client connects anew, whatever vigie still thinks of its old connection."""
        node = self.node
        for wire in self.wires:
            wire.held_by_client = False
        link = Link(CONFIG, now=node.now, wall=0.0)
        self.client = Client(HELLO, now=node.now, wall=0.0, session=self.session)
        self.wires.append(Wire(link, self.client, bytearray(self.client.hello())))
        self.wires = [wire for wire in self.wires if wire.held_by_client or wire.held_by_link]

    @property
    def wire(self) -> Wire:
        return self.wires[-1]

    def say(self, **frame) -> None:
        self.wire.up += self.client.send_frame(frame, self.node.now)

    @rule(count=st.integers(1, 12))
    def tell_events(self, count: int) -> None:
        for _ in range(count):
            self.n += 1
            self.given.append(self.n)
            self.say(t="call.event", call=str(self.n), ev="held", ts=1.0)

    @rule(reply_ms=st.sampled_from([20, 300]))
    def ask(self, reply_ms: int) -> None:
        self.n += 1
        self.given.append(self.n)
        xref, call = f"x{self.n}", str(self.n)
        self.say(t="route.request", xref=xref, call=call, rp="a", ts=1.0, reply_ms=reply_ms)

    @rule()
    def say_nonsense(self) -> None:
        self.say(t="nonsense")

    def ask_again(self) -> None:
        for asked in self.client.acked_unanswered():
            self.sent_twice.add(int(asked.frame["call"]))
            self.wire.up += self.client.ask_again(asked.xref, self.node.now)

    def on_client(self, events: list) -> None:
        for event in events:
            match event:
                case Transmit(data):
                    self.wire.up += data
                case Acknowledged(_, frames):
                    self.acknowledged += [int(frame["call"]) for frame in frames]
                case Answered(RouteSelect() as select):
                    assert self.answers.setdefault(select.xref, select.target) == select.target
                case Answered(Error() as error):
                    assert error.field == "t" or self.client.answer is None, error
                case ResumeLost(frames, unanswered):
                    assert self.node.begun or not frames
                    self.say_again([*frames, *(asked.frame for asked in unanswered)])
                case Closed(reason):
                    assert reason not in NEVER, event
                    self.wire.held_by_client = False

    def say_again(self, frames: list) -> None:
        for frame in frames:
            if "call" in frame:
                self.sent_twice.add(int(frame["call"]))
            self.say(**frame)

    # The wire

    def deliver_up(self, wire: Wire, count: int) -> None:
        data = bytes(wire.up[:count])
        del wire.up[:count]
        if data and wire.held_by_link:
            self.node.carry_out(wire, wire.link.receive(data, self.node.now))

    def deliver_down(self, wire: Wire, count: int) -> None:
        data = bytes(wire.down[:count])
        del wire.down[:count]
        if data and wire.held_by_client:
            self.on_client(wire.client.receive(data, self.node.now))

    some = st.one_of(st.integers(1, 200), st.just(100_000))

    @rule(count=some)
    def up(self, count: int) -> None:
        self.deliver_up(self.wire, count)

    @rule(count=some)
    def down(self, count: int) -> None:
        self.deliver_down(self.wire, count)

    @precondition(lambda self: len(self.wires) > 1)
    @rule(count=some)
    def late_bytes_of_an_old_connection(self, count: int) -> None:
        self.deliver_up(self.wires[-2], count)

    @rule()
    def cut(self) -> None:
        """Both ends learn of it; what is on its way is lost."""
        wire = self.wire
        wire.up.clear()
        wire.down.clear()
        if wire.held_by_link:
            self.node.carry_out(wire, wire.link.eof())
        wire.held_by_client = False

    # The node

    @precondition(lambda self: self.node.working)
    @rule(number=st.integers(0, 50))
    def commit(self, number: int) -> None:
        self.node.commit(number)

    @rule()
    def record(self) -> None:
        self.node.record()

    @precondition(lambda self: self.node.recording)
    @rule()
    def commit_record(self) -> None:
        self.node.commit_record()

    @rule()
    def kill_the_node(self) -> None:
        self.cut()
        for wire in self.wires:
            wire.held_by_link = False
        self.node.die()

    @rule()
    def kill_the_actor(self) -> None:
        self.node.adopt()

    @rule()
    def forget_every_session(self) -> None:
        self.kill_the_node()
        self.node.forget()

    @rule(seconds=st.sampled_from([0.01, 0.03, 0.3, 1.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.node.now += seconds
        for wire in self.wires:
            if wire.held_by_link:
                self.node.carry_out(wire, wire.link.timeout(self.node.now))
        if self.wire.held_by_client:
            self.on_client(self.client.timeout(self.node.now))

    # What must hold

    @invariant()
    def what_is_acknowledged_is_durable(self) -> None:
        applied = {n for _, _, n in self.node.applied}
        assert applied.issuperset(self.acknowledged)

    @invariant()
    def nothing_is_applied_twice(self) -> None:
        times = Counter(n for _, _, n in self.node.applied)
        assert all(times[n] == 1 or n in self.sent_twice for n in times)

    @invariant()
    def what_is_told_is_recorded(self) -> None:
        for name, session in self.node.sessions.items():
            assert session.durable_in <= self.node.records[name].last_in
            assert session.durable_in <= session.recording <= session.confirmed_in
            assert session.confirmed_in < session.next_in
            assert session.kept_bytes == sum(
                len(kept.data) for kept in (*session.answers.values(), *session.lasting.values())
            )

    @rule(turns=st.integers(1, 3))
    def run(self, turns: int) -> None:
        """Let the wire, the commits and the clock run."""
        if not (self.wire.held_by_client and self.wire.held_by_link):
            self.connect()
        for _ in range(turns):
            self.node.now += 0.03
            self.deliver_up(self.wire, 10**6)
            while self.node.working:
                self.node.commit(0)
            self.node.record()
            while self.node.recording:
                self.node.commit_record()
            self.deliver_down(self.wire, 10**6)

    def teardown(self) -> None:
        self.connect()
        self.run(200)
        assert self.client.answer is not None
        assert self.client.unacked == 0
        self.ask_again()
        self.run(200)
        assert not self.client.waiting
        times = Counter(self.acknowledged)
        assert set(times) == set(self.given)
        assert all(times[n] == 1 or n in self.sent_twice for n in times)
        first = [n for n in dict.fromkeys(self.acknowledged) if n not in self.sent_twice]
        assert first == sorted(first)
        asked = {f"x{n}" for n in self.given} & set(self.node.decided)
        assert set(self.answers) == asked
        assert all(link_session.unconfirmed(s) == [] for s in [self.wire.link.session])


TestResumingLinks = ResumingLinks.TestCase
TestResumingLinks.settings = settings(max_examples=250, stateful_step_count=60, deadline=None)

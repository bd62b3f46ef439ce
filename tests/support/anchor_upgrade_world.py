"""A world for the pure core of the anchor: processes, pointers and time that a test has in hand.

It does what the core asks for, at once or when the test says so, and checks what must never be:
two processes that decide, a program started beside another one, a switch without pointers.
"""

import itertools
import signal
from dataclasses import dataclass, field

from supervision.anchor import upgrade
from supervision.anchor.pointers import NotCurrent, Pointers
from supervision.anchor.releases import pointed
from supervision.anchor.spec import AnchorSpec, ProgramSpec, RestartPolicy, UpgradeSpec
from supervision.anchor.states import (
    Announce,
    Begin,
    Exited,
    Finish,
    Mode,
    Phase,
    Ping,
    Pong,
    Ready,
    Restart,
    Signal,
    Spawn,
    Spawned,
    Stop,
    Tick,
)
from supervision.anchor.upgrade_events import (
    Answer,
    Answered,
    Ask,
    Commit,
    GoOn,
    Kill,
    NotAnswered,
    NotPointed,
    Ordered,
    Point,
    Pointed,
    Prepare,
    Record,
    SpawnSuccessor,
    SuccessorNotSpawned,
    SuccessorSpawned,
    Swap,
    Told,
    UseSpec,
    Verdict,
)
from supervision.anchor.upgrade_states import Order, Role, Step

LIMITS = UpgradeSpec("node", probation_s=60.0, permanent_timeout_s=61.5)
NODE = ProgramSpec(
    "node",
    ("/bin/node",),
    awaited=True,
    ready_timeout_s=20.0,
    hang_timeout_s=8.0,
    stop_timeout_s=6.0,
    restart=RestartPolicy(1.0, 8.0, 60.0),
)
STORE = ProgramSpec("store", ("/bin/store",), stop_timeout_s=4.0)
SPEC = AnchorSpec("/data", (STORE, NODE), start_timeout_s=30.0, upgrade=LIMITS)


@dataclass
class Process:
    """A process of the node: of a version, deciding or not, told to end or not, gone or not."""

    pid: int
    vsn: str
    decides: bool = False
    killed: bool = False
    ending: bool = False
    gone: bool = False
    asked: list = field(default_factory=list)

    def last(self, op):
        """When it was asked for something last."""
        return max((at for at, name in enumerate(self.asked) if name == op), default=-1)


class World:
    """A core, the processes of its node, and the pointers."""

    def __init__(self):
        self.state, self.now = upgrade.initial(SPEC), 1000.0
        self.pointers = Pointers("1", "1")
        self.spec_vsn = "1"
        self.pids = itertools.count(100)
        self.numbers = itertools.count(1)
        self.roles: dict[Role, Process] = {}
        self.processes: list[Process] = []
        self.asks: list[tuple[Ask, Process | None]] = []
        self.answers: dict[int, list[Answer]] = {}
        self.lines: list[dict] = []
        self.gone_on: list[str] = []
        self.disk_full = self.cannot_spawn = False
        self.starting: Process | None = None
        self.deep = 0
        self.on(Begin())
        self.ready()
        self.on(Spawned("store", 99))
        self.on(Ready("store", {}))

    # What happens ------------------------------------------------------------------------

    def on(self, event, after=0.0):
        """Tell the core of an event; do what it asks for."""
        self.now += after
        self.state, actions = upgrade.decide(SPEC, self.state, event, self.now)
        self.deep += 1
        for action in actions:
            outcome = self.do(action)
            if outcome is not None:
                self.on(outcome)
        self.deep -= 1
        self.check()

    def tick(self):
        """Let time pass up to the next deadline; return whether there is one."""
        due = upgrade.next_deadline(self.state)
        if due is None:
            return False
        self.now = max(self.now, due)
        self.on(Tick())
        return True

    def ready(self):
        """Let a program that was started be ready."""
        if self.starting is not None:
            process, self.starting = self.starting, None
            self.on(Spawned("node", process.pid))
            if not process.killed:
                self.on(Ready("node", {}))

    def die(self, role, *, reap=True):
        """Kill a process from outside."""
        if role in self.roles:
            process = self.roles[role]
            process.killed = True
            if reap:
                self.reap(process)

    def reap(self, process):
        """Let the anchor notice the end of a process."""
        if process.gone:
            return
        process.gone, process.killed, process.decides = True, True, False
        self.asks = [item for item in self.asks if item[1] is not process]
        self.roles = {role: item for role, item in self.roles.items() if item is not process}
        if process is self.starting:
            self.starting = None
            self.on(Spawned("node", process.pid))
        self.on(Exited("node", "SIGKILL", None, 0.0, process.pid))

    def reap_all(self):
        """Let the anchor notice every end."""
        for process in list(self.processes):
            if (process.killed or process.ending) and not process.gone:
                self.reap(process)

    def tell(self, phase, **info):
        """Let the successor say something."""
        under_way = self.state.upgrade.takeover
        number = under_way.order.number if under_way else 0
        self.on(Told(number, phase, info))

    def prepared(self, **info):
        """Let the successor have everything."""
        self.tell("prepared", **{"counts": {"words": 1}, "crc": 7, **info})

    def answer(self, op=None, **result):
        """Let a process do what it was asked for; the oldest question, or that of an operation."""
        found = [item for item in self.asks if op in {None, item[0].op}]
        ask, process = found[0]
        self.asks.remove(found[0])
        if process is None or process.killed:
            return
        if ask.op == "takeover.freeze":
            process.decides &= process.last("takeover.resume") > process.last(ask.op)
            result = {"counts": {"words": 1}, "crc": 7, **result}
        if ask.op == "takeover.listen":
            result = {"path": "/data/take", **result}
        if ask.op == "takeover.exit":
            self.reap(process)
            return
        self.on(Answered(ask.number, ask.op, result))

    def refuse(self, op=None, why="no"):
        """Let a process refuse what it was asked for."""
        found = [item for item in self.asks if op in {None, item[0].op}]
        ask, process = found[0]
        self.asks.remove(found[0])
        if process is not None and not process.killed:
            self.on(NotAnswered(ask.number, ask.op, why))

    def asked(self):
        """The operations that nobody has answered yet."""
        return [ask.op for ask, _ in self.asks]

    # What is wanted ----------------------------------------------------------------------

    def order(self, step=Step.UPGRADE, vsn="2", **more):
        settings = {"check": {}, "seconds": 60.0, **more}
        return Order(
            next(self.numbers),
            step,
            vsn,
            self.pointers.current,
            self.pointers.permanent,
            spec=vsn,
            secret="s",
            **settings,
        )

    def upgrade(self, vsn="2", **more):
        order = self.order(vsn=vsn, **more)
        self.on(Ordered(order))
        return order.number

    def back(self, **more):
        return self.order(Step.ROLLBACK, self.pointers.permanent, check=None, **more)

    def rollback(self, **more):
        order = self.back(**more)
        self.on(Ordered(order))
        return order.number

    def verdict(self, why="too many crashes"):
        self.on(Verdict(self.back(why=why, insists=True, blames=True)))

    def commit(self):
        number = next(self.numbers)
        self.on(Commit(number, "ann"))
        return number

    def stop(self):
        self.on(Stop("asked"))

    def restart(self):
        self.on(Restart("node"))

    # Several steps -----------------------------------------------------------------------

    def copy(self, **more):
        """Go up to the freeze."""
        number = self.upgrade(**more)
        self.answer("release.check", ok=True, hash="plan")
        self.answer("takeover.listen")
        self.tell("connected")
        self.tell("copied")
        return number

    def point_to(self, **more):
        """Go up to the switch."""
        number = self.copy(**more)
        self.prepared()
        self.answer("takeover.freeze", drain_ms=2.0)
        return number

    def take_over(self, **more):
        """Go up to the probation."""
        number = self.point_to(**more)
        self.answer("takeover.switch")
        self.answer("takeover.exit")
        return number

    def calm(self):
        """Let nobody answer any more; what is killed is gone, what starts is ready."""
        self.asks.clear()
        self.disk_full = self.cannot_spawn = False
        for _ in range(400):
            self.reap_all()
            self.ready()
            if self.state.upgrade.probation is None and self.settled():
                return
            assert self.tick() or any(item.killed for item in self.living())
        raise AssertionError("it does not come to rest")

    def settled(self):
        upgraded = self.state.upgrade
        under_way = upgraded.takeover or upgraded.committing or upgraded.leaving
        phases = {self.state.programs["node"].phase}
        return under_way is None and phases <= {Phase.RUNNING, Phase.DOWN}

    # What the core asks for --------------------------------------------------------------

    def do(self, action):
        match action:
            case Ping("node"):
                return Pong("node") if Role.PROGRAM in self.roles else None
            case SpawnSuccessor(order, _):
                return self.spawn_successor(order)
            case Point():
                return self.point(action)
            case Ask() | Kill() | Swap() | Spawn() | Signal():
                self.do_process(action)
            case _:
                self.do_note(action)
        return None

    def do_process(self, action):
        match action:
            case Spawn("node"):
                self.spawn_plain()
            case Signal("node", number):
                self.signal(number)
            case Signal("store", _):
                self.on(Exited("store", "exit 0", 0, 0.0, 99))
            case Kill(role):
                if role in self.roles:
                    self.roles[role].killed = True
            case Ask():
                self.ask(action)
            case Swap():
                self.swap()

    def do_note(self, action):
        match action:
            case Record(entry):
                self.lines.append(entry)
            case Answer(0):
                pass  # nobody waits
            case Answer(number):
                self.answers.setdefault(number, []).append(action)
            case UseSpec(text):
                self.spec_vsn = text
            case GoOn(text):
                self.gone_on.append(text)
            case _:
                assert isinstance(action, Announce | Finish | Prepare)

    def spawn_plain(self):
        assert not self.living(), "a program is started beside another process of its own"
        assert self.spec_vsn == self.pointers.permanent, "what is started is not the permanent one"
        process = Process(next(self.pids), self.spec_vsn, decides=True)
        self.processes.append(process)
        self.roles[Role.PROGRAM] = self.starting = process

    def signal(self, number):
        process = self.roles.get(Role.PROGRAM)
        if process is not None:
            process.killed |= number == signal.SIGKILL
            process.ending |= number == signal.SIGTERM

    def spawn_successor(self, order):
        if self.cannot_spawn:
            return SuccessorNotSpawned(order.number, "out of memory")
        assert Role.SUCCESSOR not in self.roles
        process = Process(next(self.pids), order.vsn)
        self.processes.append(process)
        self.roles[Role.SUCCESSOR] = process
        return SuccessorSpawned(order.number, process.pid)

    def ask(self, action):
        process = self.roles.get(action.role)
        if process is None:
            return  # the end of it is on its way
        process.asked.append(action.op)
        self.asks.append((action, process))
        if action.op == "takeover.switch":
            assert self.pointers.current == process.vsn, "switched before the pointers say so"
            process.decides = True
        if action.op == "takeover.resume":
            assert Role.SUCCESSOR not in self.roles, "resumed while a successor lives"
            assert "takeover.exit" not in process.asked
            process.decides = True

    def swap(self):
        for role, to in ((Role.PROGRAM, Role.LEAVING), (Role.SUCCESSOR, Role.PROGRAM)):
            process = self.roles.pop(role, None)
            if process is not None:
                self.roles[to] = process

    def point(self, action):
        try:
            after = pointed(self.pointers, action, 0.0)
        except NotCurrent as error:
            return NotPointed(action.how, str(error))
        if not self.disk_full or action.anyway:
            self.pointers = after
        if self.disk_full:
            return NotPointed(action.how, "no room")
        return Pointed(action.how)

    # What must never be ------------------------------------------------------------------

    def living(self):
        return [item for item in self.processes if not item.gone]

    def check(self):
        deciders = [item.pid for item in self.living() if item.decides]
        assert len(deciders) <= 1, f"two decide: {deciders}"
        assert all(len(answers) == 1 for answers in self.answers.values()), "answered twice"
        if self.deep == 0:
            self.check_pointers()

    def check_pointers(self):
        """What is known of releases is what is decided on, and what runs."""
        upgraded, known = self.state.upgrade, self.pointers
        probation = upgraded.probation
        if probation is not None:
            order = probation.order
            assert (known.current, known.permanent) == (order.vsn, order.permanent)
        elif upgraded.committing is not None:
            assert known.current == upgraded.committing.probation.order.vsn
        else:
            assert not known.provisional, "on probation without a probation"
        process = self.roles.get(Role.PROGRAM)
        if process and process.decides and not (process.killed or process.ending):
            assert process.vsn == known.current, "another release runs than the pointers say"

    def check_calm(self):
        """What has to be after `calm`."""
        assert self.state.mode in {Mode.RUNNING, Mode.STOPPED}, self.state.mode
        assert not self.pointers.provisional
        if self.state.mode is Mode.RUNNING:
            (process,) = self.living()
            assert process.decides
            assert process.vsn == self.pointers.current == self.spec_vsn
            assert self.state.programs["node"].phase is Phase.RUNNING
            assert self.state.programs["node"].pid == process.pid

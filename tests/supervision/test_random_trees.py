"""Whole trees under random faults: whatever happens, the rules that no supervisor may break."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from supervision import (
    Backoff,
    ChildSpec,
    CycleChild,
    DeleteChild,
    RestartChild,
    StartChild,
    Supervisor,
    SupervisorFlags,
    TerminateChild,
    reasons,
    shutdown_bound,
)
from supervision.testing import Kit
from supervision.testing.children import Polite, SlowStart, SlowStop, Stuck

NAMES = "abc"
KINDS = [Polite, SlowStart, SlowStop, Stuck]
REASONS = [reasons.NORMAL, reasons.SHUTDOWN, reasons.KILLED, reasons.error("x")]


class Registered(Polite):
    """Has a name of its own, as the parts of a real tree have."""

    def init(self, args):
        self.register(self.address.path)
        self.start_timer(3_600.0, "hourly")
        super().init(args)


class Inner(Supervisor):
    def init(self, args):
        strategy, kinds, restarts, backoff, on_restart = args
        flags = SupervisorFlags(strategy, 3, 5.0, backoff=backoff)
        children = zip(NAMES, kinds, restarts, strict=True)
        return flags, [
            ChildSpec(name, kind, restart=restart, shutdown=2.0, on_restart=on_restart)
            for name, kind, restart in children
        ]


strategies = st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"])
inner = st.tuples(
    strategies,
    st.tuples(*[st.sampled_from([*KINDS, Registered])] * 3),
    st.tuples(*[st.sampled_from(["permanent", "transient", "temporary"])] * 3),
    st.sampled_from([None, Backoff(0.5, 4.0)]),
    st.sampled_from(["drop", "keep"]),
)
targets = st.sampled_from([f"{one}/{name}" for one in "xy" for name in NAMES] + ["x", "y"])
steps = st.one_of(
    st.tuples(st.just("exit"), targets, st.sampled_from(REASONS)),
    st.tuples(st.just("crash"), targets, st.none()),
    st.tuples(st.just("refuse"), targets, st.integers(1, 3)),
    st.tuples(st.just("change"), st.sampled_from("xy"), strategies),
    st.tuples(st.just("advance"), st.none(), st.sampled_from([0.0, 0.5, 2.0, 10.0])),
    st.tuples(
        st.just("ask"),
        targets,
        st.sampled_from([TerminateChild, RestartChild, DeleteChild, CycleChild, StartChild]),
    ),
)


def do(kit, step):
    what, target, argument = step
    if what == "advance":
        kit.advance(argument)
        return
    path = f"top/{target}"
    if what == "refuse":
        kit.faults.refuse_starts(path, argument)
        return
    if what == "change":
        change(kit, path, argument)
        return
    supervisor, _, name = path.rpartition("/")
    try:
        address = kit.address(supervisor if what == "ask" else path)
    except LookupError:
        return
    if what == "exit":
        kit.faults.exit(address, argument)
    elif what == "crash":
        kit.faults.crash_next(address)
        kit.send(address, "boom")
    else:
        child = ChildSpec(name, Polite, shutdown=2.0) if argument is StartChild else name
        request = argument(child)
        future = kit.loop.run(kit.base.call, address, request, 30.0)
        future.add_done_callback(lambda done: done.exception())


def change(kit, path, strategy):
    """Give a supervisor that handles nothing just now another strategy."""
    try:
        cell = kit.address(path).cell
    except LookupError:
        return

    async def unless_it_is_at_work():
        if cell is not None and cell.alive and cell.task is None:
            args = (strategy, *cell.actor._args[1:])
            await cell.actor.system_code_change(None, {"args": args})

    kit.run(unless_it_is_at_work())


def nobody_waits_in_vain(kit):
    """What is kept is kept for a child that is started again, by itself or with its group."""
    for queue in kit.kernel.held._queues.values():
        above = queue.address.parent.cell
        assert above is not None, queue.address
        if above.task is None and above.depth == 0 and above.exiting is None:
            children = above.actor.state.children
            assert str(queue.address.name) in children
            assert any(one.status == "restarting" for one in children.values()), queue.address


OVER = ("crash_loop_over", "child_given_up", "shutdown")


def each_crash_loop_is_over_before_the_next(kit):
    begun = set()
    for report in kit.reported("supervisor"):
        context, which = report.data["context"], (report.path, report.data["child"])
        if context == "crash_loop":
            assert which not in begun
            begun.add(which)
        elif context in OVER:
            begun.discard(which)
        if report.data["reason"] == "killed":  # a supervisor says nothing then
            begun = {one for one in begun if one[0] != "/".join(which)}
    return begun


def living(cell):
    yield cell
    for child in (cell.children or {}).values():
        yield from living(child)


def nobody_is_down_for_nothing(kit, top, run):
    """What was stopped for a restart runs again, where nobody asked for it to be down."""
    kit.advance(1_000.0)
    if not kit.alive(top) or any(step[2] in (TerminateChild, DeleteChild) for step in run):
        return
    for cell in living(kit.kernel.cell_of(top)):
        if isinstance(cell.actor, Supervisor):
            for child in cell.actor.state.children.values():
                assert child.spec.restart != "permanent" or child.status == "running", child.id


def check(kit):
    for cell in list(kit.kernel.roots.values()):
        for one in living(cell):
            # Each address has one incarnation, and whoever is in the tree is behind its address.
            assert one.actor is not None
            assert one.address.cell is one
    for name, owner in kit.kernel.registry._names.items():
        assert owner.cell is not None, name


GROUP = ("one_for_all", (Polite, SlowStop, Polite), ("permanent",) * 3, None, "keep")
CYCLED_BEFORE_ITS_RETRY = [
    ("refuse", "x/a", 1),
    ("crash", "x/a", None),
    ("advance", None, 0.5),
    ("ask", "x/a", CycleChild),
]


@settings(max_examples=150)
@given(strategies, st.tuples(inner, inner), st.lists(steps, max_size=20), st.booleans())
@example("one_for_one", (GROUP, GROUP), CYCLED_BEFORE_ITS_RETRY, True)
def test_a_tree_obeys_its_rules_whatever_happens_to_it(strategy, inners, run, calm):
    with Kit() as kit:
        kinds = zip("xy", inners, strict=True)
        specs = [ChildSpec(name, Inner, args, type="supervisor") for name, args in kinds]
        top = kit.start_supervisor(SupervisorFlags(strategy=strategy, intensity=10), specs)
        for step in run:
            do(kit, step)
            check(kit)
            nobody_waits_in_vain(kit)
        kit.settle()
        check(kit)
        if calm:
            nobody_is_down_for_nothing(kit, top, run)
        # Two supervisors of three children with two seconds each, whatever they are just doing.
        began, bound = kit.clock.monotonic(), shutdown_bound(top)
        assert bound is not None
        assert bound <= 12.0
        if kit.alive(top):
            assert kit.stop(top) == reasons.SHUTDOWN
            assert kit.clock.monotonic() - began <= bound + 1e-6
        kit.advance(60.0)
        assert kit.statistics().actors == 0
        assert kit.kernel.statistics().timers == 0
        assert kit.kernel.registry._names == {}
        assert len(kit.kernel.held) == 0
        assert each_crash_loop_is_over_before_the_next(kit) == set()
        for one in kit.reported("crash"):
            assert one.data["message"] == "stop" or "InjectedFault" in one.data["reason"]
        # What was to crash one incarnation may be kept for the next, which does not know it.
        assert {one.data["message"] for one in kit.reported("unexpected")} <= {"str"}

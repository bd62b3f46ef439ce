"""OTP's supervisor cases about robustness: trees, restarts that do not succeed, names, bystanders.

S-55, S-56, S-73, S-76, S-78 to S-82 and S-91.
"""

from __future__ import annotations

import pytest
from supervisor_children import Deadlock, Naughty, Plain, Switch
from supervisor_steps import (
    GAVE_UP,
    child,
    counts,
    ends,
    flags,
    has_ended,
    leave,
    listed,
    pids,
    start_child,
    told,
    watching,
)

from supervision import (
    ChildSpec,
    DeleteChild,
    GenServer,
    Refused,
    RestartChild,
    StartChild,
    Started,
    Supervisor,
    TerminateChild,
    WhichChildren,
    reasons,
)

RESTART = reasons.error("asked to restart")


class Sub(Supervisor):
    """Its start argument is its flags and specs."""

    def init(self, args):
        return args


def sub(name, sub_flags, specs=(), **options):
    return ChildSpec(name, Sub, (sub_flags, list(specs)), type="supervisor", **options)


def ask(kit, target, request):
    """Ask without waiting; the future has the answer."""
    return kit.loop.run(kit.base.call, target, request, None)


# robustness


def test_s55_child_unlink_does_not_keep_its_supervisor_from_ending_it(kit):
    """A child that cut its link is ended all the same, and its supervisor goes on answering."""
    top = kit.start_supervisor(flags())
    naughty = start_child(kit, top, child("naughty", top, Naughty))
    ended = ask(kit, top, TerminateChild("naughty"))
    assert [one.id for one in kit.call(top, WhichChildren(), 5.0)] == ["naughty"]
    assert ended.result() is True
    assert kit.actor(naughty) is None


def test_s56_tree_restarts_whom_a_failure_concerns_and_no_other(kit):
    """A worker restarts alone; a child supervisor that gives up has all its siblings restarted."""
    four = flags(intensity=4)
    top = kit.start_supervisor(flags("one_for_all", intensity=4))
    static = [child("child1"), child("child2")]
    sup1 = start_child(kit, top, sub("supchild1", four, static))
    sup2 = start_child(kit, top, sub("supchild2", four))
    start_child(kit, top, sub("supchild3", four, restart="transient"))
    dynamic = [start_child(kit, sup2, child(name)) for name in ("child3", "child4")]
    assert counts(kit, top) == [3, 3, 3, 0]
    assert counts(kit, sup1) == counts(kit, sup2) == [2, 2, 0, 2]

    above, beside, before = pids(kit, top), pids(kit, sup1), pids(kit, sup2)
    leave(kit, dynamic[1], "kill")
    after = pids(kit, sup2)
    assert has_ended(before["child4"])
    assert not has_ended(after["child4"])
    assert after["child3"] is before["child3"]
    assert pids(kit, sup1) == beside
    assert pids(kit, top) == above

    assert kit.call(top, TerminateChild("supchild3")) is True
    for _ in range(4):
        leave(kit, dynamic[1], "kill")
    assert listed(kit, top) == [
        (name, "running") for name in ("supchild3", "supchild2", "supchild1")
    ]
    assert not set(pids(kit, top).values()) & set(above.values())
    assert [name for name, _ in listed(kit, kit.address("top/supchild1"))] == ["child2", "child1"]
    assert not set(pids(kit, kit.address("top/supchild1")).values()) & set(beside.values())
    assert listed(kit, kit.address("top/supchild2")) == []
    assert kit.kernel.reports.counts.get("unexpected") is None


def test_s73_count_restarting_children_counts_only_those_that_run_as_active(kit):
    """Members of a pool whose restarts do not succeed are still workers, but not active."""
    switch = Switch()
    spec = child("child", start=Deadlock, shutdown="brutal_kill")
    top = kit.start_supervisor(flags("simple_one_for_one", intensity=10, period=60), [spec])
    members = [start_child(kit, top, name, switch) for name in ("one", "two", "three")]
    assert counts(kit, top) == [1, 3, 0, 3]
    switch.fail_start = True
    for address, active in zip(members[:2], (2, 1), strict=True):
        kit.faults.exit(address, RESTART)
        kit.advance(2.0)
        assert counts(kit, top) == [1, active, 0, 3]
    switch.fail_start = False
    kit.advance(4.0)
    assert counts(kit, top) == [1, 3, 0, 3]


# Temporary children and bystanders

EXITS = ["kill", "normal", "abnormal", "terminate_child"]
FREE = "free"
LEFT = {
    "permanent": ["already_started", "already_started", "already_started", "already_present"],
    "transient": ["already_started", "already_present", "already_started", "already_present"],
    "temporary": [FREE, FREE, FREE, FREE],
}


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@pytest.mark.parametrize("restart", LEFT)
@pytest.mark.parametrize("how", EXITS)
def test_s76_do_not_save_child_specs_for_temporary_children_of_any_strategy(
    kit, strategy, restart, how
):
    """The name of a temporary child that ended is free at once; the others keep theirs."""
    top = kit.start_supervisor(flags(strategy))
    spec = child("child", restart=restart)
    address = start_child(kit, top, spec)
    if how == "terminate_child":
        assert kit.call(top, TerminateChild("child")) is True
    else:
        leave(kit, address, how)
    answer = kit.call(top, StartChild(spec))
    left = LEFT[restart][EXITS.index(how)]
    assert isinstance(answer, Started) if left == FREE else answer.why == left
    if left == "already_present":
        assert isinstance(kit.call(top, RestartChild("child")), Started)
    assert counts(kit, top) == [1, 1, 0, 1]


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_s78_temporary_bystander_is_not_restarted_and_disturbs_no_restart(kit, strategy):
    """A temporary sibling that is stopped with its group is gone; the group starts without it."""
    top = kit.start_supervisor(flags(strategy))
    first = start_child(kit, top, child("child1"))
    start_child(kit, top, child("child2", restart="temporary"))
    start_child(kit, top, child("child3"))
    before = pids(kit, top)
    leave(kit, first, "kill")
    assert listed(kit, top) == [("child3", "running"), ("child1", "running")]
    assert all(has_ended(actor) for actor in before.values())
    assert kit.reported("crash") == []


# Names


class NamedSub(Sub):
    def init(self, args):
        self.register("sup2")
        return args


class NamedServer(Plain):
    def init(self, args):
        self.register("server")
        return super().init(args)


@pytest.fixture
def named(kit):
    """A supervisor and its worker that have names, below a supervisor without one."""
    few = flags("one_for_all", intensity=3, period=60)
    worker = child("child", start=NamedServer, shutdown=2.0)
    middle = ChildSpec("middle", NamedSub, (few, [worker]), type="supervisor", shutdown=2.0)
    top = kit.start_supervisor(few, [middle])
    before = kit.actor("server")
    yield
    assert before is not kit.actor("server")
    kit.faults.kill(top)
    kit.settle()
    assert kit.actor("sup2") is kit.actor("server") is None


def test_s79_simple_global_supervisor_that_is_killed_has_its_names_again(kit, named):
    """A killed supervisor takes its worker along; both are soon there under their names."""
    before = kit.actor("sup2")
    kit.faults.kill(kit.kernel.registry.whereis("sup2"))
    kit.advance(0.2)
    assert kit.actor("sup2") not in (None, before)
    assert kit.actor("server") is not None


@pytest.mark.parametrize("reason", [reasons.KILLED, reasons.error("normal")], ids=str)
def test_s79_simple_global_supervisor_has_its_worker_again_by_name(kit, named, reason):
    """A name finds the new worker within 200 ms of the end of the old one."""
    kit.faults.exit(kit.kernel.registry.whereis("server"), reason)
    kit.advance(0.2)
    assert kit.actor("server") is not None


def test_s79_simple_global_supervisor_is_asked_by_name(kit, named):
    """So it does after the worker was terminated and restarted through the supervisor's name."""
    assert kit.call("sup2", TerminateChild("child")) is True
    assert isinstance(kit.call("sup2", RestartChild("child")), Started)
    assert kit.actor("server") is not None


class Taking(GenServer):
    """Takes a name that may be taken."""

    def init(self, args):
        self.register(args)


def test_s91_already_started_outside_supervisor_names_the_foreign_owner(kit):
    """A child whose name a foreign actor has does not start; the caller learns whose it is."""
    owner = kit.start(Taking, "the name")
    top = kit.start_supervisor(flags())
    answer = kit.call(top, StartChild(child("child1", "the name", Taking)))
    assert answer == Refused("already_started", owner)
    assert counts(kit, top) == [0, 0, 0, 0]
    assert kit.alive(owner)


# Restarts that do not succeed


def deadlock(switch, name="child1"):
    return child(name, switch, Deadlock, shutdown="brutal_kill")


def hang(kit, switch, address):
    """Have a child end and its restarts fail from now on, each after two seconds."""
    watch = watching(kit, address)
    switch.fail_start = True
    kit.faults.exit(address, RESTART)
    kit.advance(2.0)
    assert ends(watch) == {address.name: RESTART}


def shut_down_amid_restarts(kit, top, switch, address):
    hang(kit, switch, address)
    kit.advance(1.0)
    assert listed(kit, top)[-1][1] != "stopped"
    assert kit.stop(top, timeout=5.0) == reasons.SHUTDOWN
    assert told(kit, "shutdown") == []
    assert kit.statistics().actors == 2  # the probes


def test_s80_hanging_restart_loop_can_be_ended(kit):
    """While restarts fail the child can be terminated, and the supervisor can be shut down."""
    switch = Switch()
    top = kit.start_supervisor(flags(intensity=8, period=10))
    address = start_child(kit, top, deadlock(switch))
    hang(kit, switch, address)
    assert kit.call(top, StartChild(deadlock(switch))).why == "already_present"
    assert kit.call(top, RestartChild("child1")).why == "restarting"
    assert kit.call(top, DeleteChild("child1")).why == "restarting"
    assert listed(kit, top) == [("child1", "restarting")]
    assert counts(kit, top) == [1, 0, 0, 1]

    assert kit.call(top, TerminateChild("child1")) is True
    assert listed(kit, top) == [("child1", "stopped")]
    failed = len(told(kit, "start_error"))
    kit.advance(60.0)
    assert len(told(kit, "start_error")) == failed
    switch.fail_start = False
    assert kit.call(top, RestartChild("child1")) == Started(address)
    shut_down_amid_restarts(kit, top, switch, address)


def test_s81_hanging_restart_loop_rest_for_one_leaves_the_later_child_down(kit):
    """Those before the failing child run on; those after it wait, also once it is terminated."""
    switch = Switch()
    top = kit.start_supervisor(flags("rest_for_one", intensity=8, period=10))
    first = start_child(kit, top, child("child1"))
    address = start_child(kit, top, deadlock(switch, "child2"))
    start_child(kit, top, child("child3"))
    actor = kit.actor(first)
    hang(kit, switch, address)
    assert kit.call(top, StartChild(deadlock(switch, "child2"))).why == "already_present"
    assert kit.call(top, RestartChild("child2")).why == "restarting"
    assert kit.call(top, DeleteChild("child2")).why == "restarting"
    assert listed(kit, top) == [
        ("child3", "stopped"),
        ("child2", "restarting"),
        ("child1", "running"),
    ]
    assert counts(kit, top) == [3, 1, 0, 3]

    assert kit.call(top, TerminateChild("child2")) is True
    assert [status for _, status in listed(kit, top)] == ["stopped", "stopped", "running"]
    assert kit.actor(first) is actor
    switch.fail_start = False
    assert kit.call(top, RestartChild("child2")) == Started(address)
    assert [status for _, status in listed(kit, top)] == ["stopped", "running", "running"]
    assert isinstance(kit.call(top, RestartChild("child3")), Started)
    shut_down_amid_restarts(kit, top, switch, address)


def test_s82_hanging_restart_loop_simple_can_be_ended(kit):
    """A member of a pool whose restarts fail is named by its address, and so terminated."""
    switch = Switch()
    spec = child("child", start=Deadlock, shutdown="brutal_kill")
    top = kit.start_supervisor(flags("simple_one_for_one", intensity=8, period=10), [spec])
    address = start_child(kit, top, "one", switch)
    hang(kit, switch, address)
    assert kit.call(top, RestartChild("one")) == Refused("simple_one_for_one")
    assert kit.call(top, DeleteChild("one")) == Refused("simple_one_for_one")
    assert listed(kit, top) == [("one", "restarting")]
    assert counts(kit, top) == [1, 0, 0, 1]

    assert kit.call(top, TerminateChild(address)) is True
    assert listed(kit, top) == []
    switch.fail_start = False
    address = start_child(kit, top, "one", switch)
    shut_down_amid_restarts(kit, top, switch, address)


def test_s82_hanging_restart_loop_simple_that_goes_on_is_given_up(kit):
    """Each failed attempt counts: in the end the pool gives up, with all its members."""
    switch = Switch()
    spec = child("child", start=Deadlock, shutdown="brutal_kill")
    top = kit.start_supervisor(flags("simple_one_for_one", intensity=3), [spec])
    addresses = [start_child(kit, top, name, switch) for name in ("one", "two")]
    watch = watching(kit, top, addresses[1])
    hang(kit, switch, addresses[0])
    kit.advance(10.0)
    assert ends(watch)["top"] == GAVE_UP
    assert set(ends(watch)) == {"top", "two"}

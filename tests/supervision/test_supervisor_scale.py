"""What many children cost that end in one moment: each its share, and never the loop for long.

Ratios between few children and four times as many; a cost that grows with the square of them
would be sixteen.
"""

from __future__ import annotations

import itertools
import time

import pytest

from supervision import ChildSpec, Supervisor, SupervisorFlags, reasons, strategy
from supervision.child import Child, SupervisorState
from supervision.eventloop.cell import LocalAddress
from supervision.gen_server import GenServer
from supervision.supervisor.children import SLICE
from supervision.testing import Kit
from supervision.testing.children import Polite, specs

FEW, MANY = 1_000, 4_000
BOUND = 9.0


def names(count):
    return [f"c{number}" for number in range(count)]


def all_die(kit, top):
    for child in kit.actor(top).state.children.values():
        kit.kernel.exit(child.address.cell, reasons.KILLED)


def restarted_together(kit, top):
    all_die(kit, top)


def ended_when_all_are_dead(kit, top):
    all_die(kit, top)
    kit.kernel.exit(kit.kernel.cell_of(top), reasons.SHUTDOWN)


def cost_of(what, count):
    """Processor seconds, the best of three."""
    costs = []
    for _ in range(3):
        with Kit() as kit:
            top = kit.start_supervisor(SupervisorFlags("one_for_all"), specs(names(count)))
            began = time.process_time()
            kit.loop.run(what, kit, top)
            kit.settle()
            costs.append(time.process_time() - began)
    return min(costs)


@pytest.mark.parametrize("what", [restarted_together, ended_when_all_are_dead])
def test_children_that_die_in_one_moment_cost_each_its_share(what):
    assert cost_of(what, MANY) < BOUND * cost_of(what, FEW)


@pytest.mark.parametrize("what", [restarted_together, ended_when_all_are_dead])
def test_the_loop_goes_round_while_many_dead_children_are_dealt_with(kit, what):
    top = kit.start_supervisor(SupervisorFlags("one_for_all"), specs(names(MANY)))
    children = list(kit.actor(top).state.children.values())
    down = []

    def look():
        down.append(sum(1 for one in children if one.status == "stopped"))
        if len(down) < MANY:
            kit.loop.call_soon(look)

    kit.loop.run(what, kit, top)
    kit.loop.call_soon(look)
    kit.settle()
    steps = [abs(later - before) for before, later in itertools.pairwise(down)]
    assert 0 < max(steps) <= SLICE


def test_the_ends_of_children_that_died_in_one_moment_are_each_reported_with_their_reason(kit):
    """Also of those that die while the supervisor waits for one that ends slowly."""
    top = kit.start_supervisor(SupervisorFlags("one_for_all"), specs(names(600)))
    odd = [reasons.error(f"e{number}") for number in range(600)]

    def die():
        for child, reason in zip(kit.actor(top).state.children.values(), odd, strict=True):
            kit.kernel.exit(child.address.cell, reason)

    kit.loop.run(die)
    kit.settle()
    told = {report.data["child"]: report.data["reason"] for report in kit.reports
            if report.data.get("context") in ("child_terminated", "shutdown_error")}  # fmt: skip
    assert told == {f"c{number}": f"error: e{number}" for number in range(600)}


def significant(count):
    flags = SupervisorFlags(auto_shutdown="all_significant")
    state = SupervisorState(flags)
    for name in names(count):
        spec = ChildSpec(name, GenServer, restart="transient", significant=True)
        child = Child(spec, name, None, LocalAddress(None, name))
        child.status = "running"
        state.children[name] = child
    return state


@pytest.mark.parametrize("order", [1, -1])
def test_the_end_of_a_significant_child_looks_at_few_of_the_others(monkeypatch, order):
    state, looked = significant(1_000), []
    counts = strategy._counts
    monkeypatch.setattr(strategy, "_counts", lambda child: looked.append(child) or counts(child))
    ends = list(state.children.values())[::order]
    actions = [strategy.exited(state, child, reasons.NORMAL, 0.0) for child in ends]
    assert [bool(one) for one in actions] == [False] * 999 + [True]
    assert len(looked) < 5 * 1_000


def test_significant_children_that_start_again_or_newly_are_waited_for(kit):
    state = significant(3)
    children = list(state.children.values())
    assert strategy.exited(state, children[0], reasons.NORMAL, 0.0) == []
    assert strategy.exited(state, children[1], reasons.NORMAL, 0.0) == []
    strategy.started(children[0], 0.0)  # by a management call
    assert strategy.exited(state, children[2], reasons.NORMAL, 0.0) == []
    assert strategy.exited(state, children[0], reasons.NORMAL, 0.0) != []


def test_a_supervisor_of_many_ends_when_the_last_significant_child_has(kit):
    class Top(Supervisor):
        def init(self, args):
            flags = SupervisorFlags(auto_shutdown="all_significant")
            return flags, specs(names(50), Polite, restart="transient", significant=True)

    top = kit.start(Top, name="top")
    for name in names(50):
        assert kit.alive(top)
        kit.faults.exit(kit.address(f"top/{name}"), reasons.NORMAL)
        kit.settle()
    assert not kit.alive(top)

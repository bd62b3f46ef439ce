"""Ends that would not come or not be noticed: bounds, timers of the dead, names that are taken."""

from __future__ import annotations

import asyncio
import gc

import pytest

from supervision import (
    ChildSpec,
    GenServer,
    StartChild,
    Supervisor,
    SupervisorFlags,
    TerminateChild,
    reasons,
)
from supervision.eventloop.base import EventLoopBase
from supervision.eventloop.cell import Cell
from supervision.eventloop.timekeeping import SchedulerLimits
from supervision.supervisor.actor import SLICE
from supervision.testing import Kit

POOL = SupervisorFlags(strategy="simple_one_for_one")


class Endless(GenServer):
    """Ends when it is told to, and never comes to the end of its ``terminate``."""

    def handle_cast(self, request):
        if isinstance(request, reasons.Reason):
            return self.stop(request)
        raise LookupError(request)

    async def terminate(self, reason):
        await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize(("shutdown", "bound_s"), [(None, 5.0), (2.0, 2.0), ("brutal_kill", 5.0)])
def test_a_crashed_child_that_does_not_end_is_killed_and_started_again(kit, shutdown, bound_s):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("child", Endless, shutdown=shutdown)])
    child = kit.address("top/child")
    kit.cast(child, "crash")
    kit.advance(bound_s - 0.001)
    assert child.incarnation == 1
    kit.advance(0.001)
    assert child.incarnation == 2
    assert kit.alive(child)


def test_a_crashed_child_that_may_take_for_ever_does(kit):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("child", Endless, shutdown="infinity")])
    child = kit.address("top/child")
    kit.cast(child, "crash")
    kit.advance(100_000.0)
    assert child.incarnation == 1
    assert not kit.alive(child)


@pytest.mark.parametrize("reason", [reasons.NORMAL, reasons.SHUTDOWN])
@pytest.mark.parametrize(("shutdown", "bound_s"), [(None, 5.0), (2.0, 2.0), ("brutal_kill", 5.0)])
def test_a_child_that_ends_by_itself_and_does_not_come_to_its_end_is_killed_too(
    kit, shutdown, bound_s, reason
):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("child", Endless, shutdown=shutdown)])
    child = kit.address("top/child")
    kit.cast(child, reason)
    kit.advance(bound_s - 0.001)
    assert child.incarnation == 1
    kit.advance(0.001)
    assert child.incarnation == 2
    assert kit.alive(child)


def test_a_child_that_somebody_stops_and_does_not_come_to_its_end_is_killed_too(kit):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("child", Endless, shutdown=2.0)])
    stopped = kit.loop.run(kit.kernel.stop_call, kit.address("top/child"))
    kit.advance(2.0)
    assert kit.address("top/child").incarnation == 2
    assert stopped.exception().reason == reasons.KILLED


def test_one_that_ends_by_itself_may_take_for_ever_where_its_spec_says_so(kit):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("child", Endless, shutdown="infinity")])
    child = kit.address("top/child")
    kit.cast(child, reasons.NORMAL)
    kit.advance(100_000.0)
    assert child.incarnation == 1


def test_one_without_a_supervisor_may_take_as_long_as_it_likes(kit):
    child = kit.start(Endless)
    kit.cast(child, reasons.NORMAL)
    kit.advance(100_000.0)
    assert child.cell is not None


class Slow(GenServer):
    """Ends when it is told to, in three seconds."""

    def handle_cast(self, request):
        self.stop(request)

    async def terminate(self, reason):
        await asyncio.sleep(3.0)


class GivesUp(Supervisor):
    """Has children that take longer to end than its own spec says, and restarts none."""

    def init(self, args):
        return SupervisorFlags(intensity=0), [ChildSpec(name, Slow) for name in "abc"]


def test_a_supervisor_that_gives_up_takes_the_time_that_its_children_have(kit):
    specs = [ChildSpec("inner", GivesUp, restart="temporary", shutdown=1.0)]
    kit.start_supervisor(SupervisorFlags(), specs)
    ended = []
    for name in "abc":
        kit.actor(kit.address(f"top/inner/{name}")).at_end(lambda name=name: ended.append(name))
    kit.cast(kit.address("top/inner/a"), reasons.error("x"))
    kit.advance(9.0)
    assert ended == ["a", "c", "b"]
    assert kit.reported("supervisor", context="shutdown_error") == []


class Plain(GenServer):
    """Does nothing."""


def test_what_would_have_killed_an_actor_does_not_keep_it(kit):
    top = kit.start_supervisor(POOL, [ChildSpec("member", Plain, shutdown=3_600.0)])
    kit.loop.run(kit.kernel.set_timer, 10.0, lambda _: None, None, None)
    for number in range(200):
        kit.call(top, StartChild(id=f"m{number}"))
        kit.call(top, TerminateChild(f"m{number}"))
    gc.collect()
    dead = [one for one in gc.get_objects() if type(one) is Cell and one.actor is None]
    assert [cell for cell in dead if cell.kernel is kit.kernel] == []


class Tick(GenServer):
    """Takes a tick of the clock to end."""

    def init(self, args):
        self.clock = args

    def terminate(self, reason):
        self.clock.advance(1 / 1024)


def test_stopping_a_large_pool_lets_the_loop_go_round():
    with Kit(limits=SchedulerLimits(turn_budget_s=5 / 1024)) as kit:
        top = kit.start_supervisor(POOL, [ChildSpec("member", Tick)])
        for number in range(2 * SLICE):
            kit.call(top, StartChild(id=f"m{number}", args=kit.clock))
        turns = kit.kernel.turns
        assert kit.stop(top) == reasons.SHUTDOWN
        assert kit.kernel.turns - turns >= 2 * SLICE / 5


class Watcher(GenServer):
    """Counts the children of an actor again and again, which takes a tick, until it has ended."""

    def init(self, args):
        self.clock, self.state = args, []

    def handle_info(self, address, sender):
        self.clock.advance(1 / 1024)
        if address.cell is not None:
            self.state.append(len(address.cell.children))
            self.send(self.address, address)


def test_a_pool_is_told_to_end_in_slices_between_which_others_have_their_turn(kit):
    top = kit.start_supervisor(POOL, [ChildSpec("member", Plain)])
    for number in range(4 * SLICE):
        kit.call(top, StartChild(id=f"m{number}"))
    watcher = kit.start(Watcher, kit.clock)
    kit.loop.run(kit.kernel.stop, top.cell, reasons.SHUTDOWN, None)
    kit.send(watcher, top)
    kit.settle()
    assert {3 * SLICE, 2 * SLICE, SLICE} <= set(kit.actor(watcher).state)


def test_a_root_that_did_not_start_is_not_told_of_the_end_of_another(kit):
    ended = []
    first, second = Plain(), Plain()
    kit.loop.run(kit.kernel.start_root, first, None, "name", lambda: ended.append("first"))
    kit.loop.run(kit.kernel.start_root, second, None, "name", lambda: ended.append("second"))
    kit.stop(kit.address("name"))
    assert ended == ["first"]


def test_a_shutdown_on_the_thread_of_the_loop_is_refused_in_words():
    base = EventLoopBase(None, False)
    try:
        with pytest.raises(RuntimeError, match="shutdown would wait"):
            base._on_loop(base.shutdown)
    finally:
        base.shutdown()


def test_actors_that_were_unlinked_do_not_share_their_end(kit):
    one, other = kit.start(Plain), kit.start(Plain)
    kit.actor(one).link(other)
    kit.actor(one).unlink(other)
    kit.faults.kill(other)
    kit.settle()
    assert kit.alive(one)

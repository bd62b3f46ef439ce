"""The ends of supervisors: their order, their bounds, and what else happens meanwhile.

``S-nn`` names the case of OTP's supervisor_SUITE that a test ports.
"""

from __future__ import annotations

import asyncio

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
from supervision.testing import NotStarted
from supervision.testing.children import Polite, SlowStart, SlowStop, Stuck, specs


class Leaves(GenServer):
    """Leaves with a crash of its own when it is told to end."""

    def terminate(self, reason):
        raise LookupError("not in order")


class LeavesInOrder(GenServer):
    """Ends by itself, half a second after it was told so, with the reason it was started with."""

    def init(self, reason):
        self.reason = reason
        self.start_timer(0.5, "leave")

    def handle_info(self, message, sender):
        self.stop(self.reason)


def flags(strategy="one_for_one", intensity=100, **more):
    return SupervisorFlags(strategy=strategy, intensity=intensity, **more)


def pool(kit, kind, count, journal=None, **options):
    top = kit.start_supervisor(flags("simple_one_for_one"), specs("t", kind, **options))
    for number in range(count):
        kit.call(top, StartChild(id=f"c{number}", args=journal))
    return top


def shutdown_errors(kit):
    return [
        (r.data["child"], r.data["reason"])
        for r in kit.reported("supervisor", context="shutdown_error")
    ]


def test_children_end_one_by_one_the_last_started_first(kit):
    """S-87."""
    journal = []
    top = kit.start_supervisor(flags(), specs("abc", SlowStop, journal))
    journal.clear()
    assert kit.stop(top) == reasons.SHUTDOWN
    assert journal == [("ended", "c"), ("ended", "b"), ("ended", "a")]
    assert kit.clock.elapsed == 3.0


def test_a_child_that_does_not_end_in_time_is_killed(kit):
    """S-17."""
    journal = []
    children = [*specs("a", Polite, journal), *specs("b", Stuck, journal, shutdown=1.5)]
    top = kit.start_supervisor(flags(), children)
    assert kit.stop(top) == reasons.SHUTDOWN
    assert kit.clock.elapsed == 1.5
    assert journal[2:] == [("asked", "b"), ("ended", "a")]
    assert shutdown_errors(kit) == [("b", "killed")]


def test_a_worker_has_five_seconds_and_a_supervisor_all_the_time_it_needs(kit):
    top = kit.start_supervisor(flags(), specs("a", Stuck))
    kit.stop(top)
    assert kit.clock.elapsed == 5.0


def test_a_child_with_infinite_shutdown_is_waited_for(kit):
    """S-16."""

    class VerySlow(GenServer):
        async def terminate(self, reason):
            await asyncio.sleep(10_000.0)

    top = kit.start_supervisor(flags(), specs("a", VerySlow, shutdown="infinity"))
    assert kit.stop(top) == reasons.SHUTDOWN
    assert kit.clock.elapsed == 10_000.0
    assert shutdown_errors(kit) == []


@pytest.mark.parametrize("shutdown", ["brutal_kill", 0])
def test_a_brutal_kill_asks_nobody(kit, shutdown):
    """S-19."""
    journal = []
    children = [*specs("a", Polite, journal), *specs("b", Stuck, journal, shutdown=shutdown)]
    kit.stop(kit.start_supervisor(flags(), children))
    assert kit.clock.elapsed == 0.0
    assert journal[2:] == [("ended", "a")]
    assert shutdown_errors(kit) == []


def test_a_child_that_leaves_otherwise_than_asked_is_reported(kit):
    """S-22."""
    kit.stop(kit.start_supervisor(flags(), specs("a", Leaves)))
    assert shutdown_errors(kit) == [("a", "error: LookupError: not in order")]


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize(
    "reason",
    [reasons.NORMAL, reasons.SHUTDOWN, reasons.shutdown("x"), reasons.error("x")],
    ids=str,
)
def test_a_child_that_ends_by_itself_during_the_shutdown_is_not_restarted(kit, restart, reason):
    """S-21: its own reason is kept."""
    children = [
        *specs("a", LeavesInOrder, reason, restart=restart),
        *specs("b", SlowStop, restart=restart),
    ]
    top = kit.start_supervisor(flags(), children)
    assert kit.stop(top) == reasons.SHUTDOWN
    told = reason.kind == "error" or (restart == "permanent" and reason != reasons.SHUTDOWN)
    assert shutdown_errors(kit) == ([("a", str(reason))] if told else [])
    assert kit.kernel.restarts == 0


def test_a_pool_ends_all_at_once(kit):
    """S-36."""
    top = pool(kit, SlowStop, 50)
    assert kit.stop(top) == reasons.SHUTDOWN
    assert kit.clock.elapsed == 1.0


def test_a_pool_kills_those_that_do_not_end_in_time(kit):
    """S-18, S-36: the others are waited for, not added up."""
    top = pool(kit, Stuck, 50, shutdown=2.0)
    assert kit.stop(top) == reasons.SHUTDOWN
    assert kit.clock.elapsed == 2.0
    [report] = kit.reported("supervisor", context="shutdown_error")
    assert (report.data["reason"], report.data["children"]) == ("killed", 50)


def test_a_pool_is_killed_where_its_children_are(kit):
    """S-20."""
    journal = []
    kit.stop(pool(kit, Polite, 10, journal, shutdown="brutal_kill"))
    assert journal == [("started", f"c{number}") for number in range(10)]
    assert kit.reported("supervisor", context="shutdown_error") == []


class Inner(Supervisor):
    def init(self, journal):
        return flags(), specs("xy", SlowStop, journal)


def test_a_tree_ends_from_its_leaves(kit):
    journal = []
    inner = [ChildSpec(name, Inner, journal, type="supervisor") for name in ("left", "right")]
    top = kit.start_supervisor(flags(), inner)
    journal.clear()
    kit.stop(top)
    assert journal == [("ended", name) for name in "yxyx"]
    assert kit.clock.elapsed == 4.0
    assert kit.statistics().actors == 0


def test_a_subtree_that_takes_too_long_is_killed_with_all_that_is_in_it(kit):
    inner = ChildSpec("inner", Inner, type="supervisor", shutdown=1.5)
    top = kit.start_supervisor(flags(), [inner])
    assert kit.stop(top) == reasons.SHUTDOWN
    assert kit.clock.elapsed == 1.5
    assert kit.statistics().actors == 0


def test_a_killed_supervisor_takes_its_children_with_it(kit):
    journal = []
    top = kit.start_supervisor(flags(), specs("abc", Polite, journal))
    kit.faults.kill(top)
    kit.settle()
    assert kit.statistics().actors == 0
    assert ("ended", "a") not in journal


def test_a_supervisor_that_crashes_ends_its_children_in_order(kit):
    journal = []
    top = kit.start_supervisor(flags(), specs("abc", Polite, journal))
    kit.faults.crash_next(top)
    kit.send(top, "boom")
    kit.settle()
    assert journal[3:] == [("ended", "c"), ("ended", "b"), ("ended", "a")]


# An end in the middle of something else


def test_a_supervisor_can_be_ended_while_it_waits_for_a_child_to_start(kit):
    journal = []
    top = kit.start_supervisor(flags(), specs("ab", Polite, journal))
    answer = kit.loop.run(kit.base.call, top, StartChild(ChildSpec("c", SlowStart, journal)), None)
    kit.advance(1.0)
    assert kit.stop(top) == reasons.SHUTDOWN
    assert kit.clock.elapsed == 1.0
    assert journal[2:] == [("ended", "b"), ("ended", "a")]
    assert answer.exception().reason == reasons.SHUTDOWN
    assert kit.statistics().actors == 0


def test_a_supervisor_can_be_ended_while_it_starts(kit):
    class Middle(Supervisor):
        def init(self, journal):
            return flags(), [*specs("ab", SlowStop, journal), *specs("c", SlowStart, journal)]

    class Top(Supervisor):
        def init(self, journal):
            middle = ChildSpec("middle", Middle, journal, type="supervisor")
            return flags(), [*specs("z", Polite, journal), middle]

    journal = []
    kit.loop.run(
        lambda: kit.kernel.spawn(
            Top(), journal, parent=None, address=kit.kernel.child_address(None, "top")
        )
    )
    kit.advance(1.0)
    journal.clear()
    assert kit.stop(kit.address("top")) == reasons.SHUTDOWN
    assert journal == [("ended", "b"), ("ended", "a"), ("ended", "z")]
    assert kit.clock.elapsed == 3.0


def test_a_supervisor_can_be_ended_while_it_waits_for_a_child_to_end(kit):
    top = kit.start_supervisor(flags(), [*specs("a"), *specs("b", Stuck, shutdown=10.0)])
    answer = kit.loop.run(kit.base.call, top, TerminateChild("b"), None)
    kit.advance(4.0)
    assert kit.stop(top) == reasons.SHUTDOWN
    assert kit.clock.elapsed == 10.0
    assert answer.exception().reason == reasons.SHUTDOWN


def test_a_supervisor_can_be_ended_while_a_restart_fails_again_and_again(kit):
    """S-80 to S-82."""
    top = kit.start_supervisor(flags(intensity=1_000_000), specs("ab"))
    kit.faults.refuse_starts("top/a", times=None)
    kit.faults.kill(kit.address("top/a"))
    # Not settled: the supervisor tries on and on, so the end comes in between.
    kit.faults.exit(top, reasons.SHUTDOWN)
    kit.settle()
    assert kit.statistics().actors == 0


def test_a_supervisor_can_be_killed_while_it_restarts_a_group(kit):
    top = kit.start_supervisor(
        flags("one_for_all"), [*specs("a"), *specs("b", SlowStart), *specs("c", SlowStop)]
    )
    kit.faults.kill(kit.address("top/a"))
    kit.advance(2.0)  # c has ended, a runs again, b is starting
    kit.faults.kill(top)
    kit.settle()
    assert kit.statistics().actors == 0


def test_a_temporary_sibling_that_is_being_stopped_is_waited_for(kit):
    journal = []
    top = kit.start_supervisor(
        flags("one_for_all"),
        [*specs("a", Polite, journal), *specs("b", SlowStop, journal, restart="temporary")],
    )
    kit.faults.kill(kit.address("top/a"))
    kit.advance(0.5)
    assert kit.stop(top) == reasons.SHUTDOWN
    assert journal[-1] == ("ended", "b")
    assert kit.clock.elapsed == 1.0


def test_a_start_that_fails_late_ends_those_before_it_in_order(kit):
    class FailsLate(GenServer):
        async def init(self, args):
            await asyncio.sleep(3.0)
            raise LookupError("too late")

    journal = []
    with pytest.raises(NotStarted, match="too late"):
        kit.start_supervisor(flags(), [*specs("ab", SlowStop, journal), *specs("c", FailsLate)])
    assert journal[2:] == [("ended", "b"), ("ended", "a")]
    assert kit.clock.elapsed == 5.0

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
    shutdown_bound,
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


# How long it takes at most


class Nested(Supervisor):
    """Two children of two seconds each, below a supervisor that may be bounded itself."""

    def init(self, more):
        return flags(**more), specs("xy", Stuck, shutdown=2.0)


def nested(name, shutdown=None, **more):
    return ChildSpec(name, Nested, more, shutdown=shutdown, type="supervisor")


@pytest.mark.parametrize(
    ("children", "seconds"),
    [
        ([], 0.0),
        (specs("ab", Stuck), 10.0),
        (specs("a", Stuck, shutdown=1.5) + specs("b", Stuck, shutdown="brutal_kill"), 1.5),
        ([nested("a"), nested("b")], 8.0),
        ([nested("a", shutdown=1.0), *specs("b", Stuck, shutdown=2.0)], 3.0),
        ([nested("a", max_shutdown_s=3.0), nested("b")], 7.0),
    ],
)
def test_the_longest_that_an_end_can_take_is_known_and_kept(kit, children, seconds):
    top = kit.start_supervisor(flags(), children)
    assert shutdown_bound(top) == seconds
    assert shutdown_bound(top.cell) == seconds
    kit.stop(top)
    assert kit.clock.elapsed == seconds


def test_a_worker_without_a_bound_leaves_its_supervisors_without_one(kit):
    inner = ChildSpec("inner", Inner, [], type="supervisor")
    top = kit.start_supervisor(flags(), [inner, *specs("a", shutdown="infinity")])
    assert shutdown_bound(top) is None
    assert shutdown_bound(kit.address("top/inner")) == 10.0


def test_children_that_do_not_run_take_no_time(kit):
    top = kit.start_supervisor(flags(), specs("ab", Stuck))
    kit.call(top, TerminateChild("a"), timeout=None)
    assert shutdown_bound(top) == 5.0


def test_children_below_that_may_be_restarted_meanwhile_take_their_time(kit):
    inner = ChildSpec("inner", Inner, [], type="supervisor")
    top = kit.start_supervisor(flags(), [inner])
    kit.call(kit.address("top/inner"), TerminateChild("x"), timeout=None)
    assert shutdown_bound(kit.address("top/inner")) == 5.0
    assert shutdown_bound(top) == 10.0


def test_a_pool_takes_as_long_as_one_of_its_members(kit):
    top = pool(kit, Stuck, 20, shutdown=2.0)
    assert shutdown_bound(top) == 2.0


def test_a_pool_of_supervisors_takes_as_long_as_the_longest(kit):
    spec = ChildSpec("t", Nested, type="supervisor")
    top = kit.start_supervisor(flags("simple_one_for_one"), [spec])
    for name, bound in (("a", 1.0), ("b", 3.0)):
        kit.call(top, StartChild(id=name, args={"max_shutdown_s": bound}))
    assert shutdown_bound(top) == 3.0
    kit.stop(top)
    assert kit.clock.elapsed == 3.0


def test_what_says_supervisor_and_is_none_is_taken_at_its_word(kit):
    top = kit.start_supervisor(flags(), specs("a", type="supervisor"))
    assert shutdown_bound(top) is None


def test_when_the_time_of_all_is_spent_what_is_left_is_killed(kit):
    journal = []
    children = specs("abc", Stuck, journal, shutdown="infinity")
    top = kit.start_supervisor(flags(max_shutdown_s=4.0), children)
    assert shutdown_bound(top) == 4.0
    journal.clear()
    kit.stop(top)
    assert kit.clock.elapsed == 4.0
    assert journal == [("asked", "c")]
    assert shutdown_errors(kit) == [(name, "killed") for name in "cba"]


def test_the_time_of_all_is_that_of_a_subtree_too(kit):
    inner = ChildSpec("inner", Inner, None, type="supervisor")
    top = kit.start_supervisor(flags(max_shutdown_s=1.5), [inner])
    kit.stop(top)
    assert kit.clock.elapsed == 1.5
    assert kit.statistics().actors == 0


def test_the_time_of_all_bounds_a_pool(kit):
    top = kit.start_supervisor(
        flags("simple_one_for_one", max_shutdown_s=1.0), specs("t", Stuck, shutdown="infinity")
    )
    for name in "abc":
        kit.call(top, StartChild(id=name))
    kit.stop(top)
    assert kit.clock.elapsed == 1.0
    [report] = kit.reported("supervisor", context="shutdown_error")
    assert report.data["children"] == 3


def test_a_pool_ends_with_one_timer_however_many_members_it_has(kit):
    top = pool(kit, Stuck, 100, shutdown=3.0)
    before = kit.statistics().scheduler.timers
    gone = kit.loop.run(kit.kernel.stop, top.cell, reasons.SHUTDOWN, None)
    kit.settle()
    assert kit.statistics().scheduler.timers - before == 1
    kit.advance(3.0)
    assert gone.settled
    assert kit.statistics().scheduler.timers == before


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

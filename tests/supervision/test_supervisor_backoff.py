"""Restarts that wait, and children that are shown as crash looping: beyond OTP."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision import (
    IGNORE,
    Backoff,
    ChildSpec,
    CountChildren,
    CycleChild,
    DeleteChild,
    Refused,
    RestartChild,
    StartChild,
    Started,
    SupervisorFlags,
    TerminateChild,
    WhichChild,
    reasons,
    strategy,
)
from supervision.child import Child, SupervisorState
from supervision.eventloop.cell import LocalAddress
from supervision.gen_server import GenServer
from supervision.testing.children import Polite, SlowStop, specs

STEADY = Backoff(min_s=1.0, max_s=8.0, jitter=0.0)


def flags(strategy="one_for_one", intensity=100, period=10_000.0, **more):
    return SupervisorFlags(strategy=strategy, intensity=intensity, period=period, **more)


def supervisor(kit, names="a", strategy="one_for_one", intensity=100, backoff=STEADY, **options):
    wanted = flags(strategy, intensity, backoff=backoff)
    return kit.start_supervisor(wanted, specs(names, **options))


def crash(kit, name="a", reason=reasons.KILLED):
    kit.faults.exit(kit.address(f"top/{name}"), reason)
    kit.settle()


def info(kit, name="a"):
    return kit.call(kit.address("top"), WhichChild(name))


def contexts(kit):
    return [report.data["context"] for report in kit.reported("supervisor")]


def wait_of(kit, name="a"):
    """Seconds until the restart of a child is due."""
    return round(info(kit, name).retry_at - kit.clock.monotonic(), 6)


# How long


@given(
    st.floats(0.001, 60.0), st.floats(1.0, 100.0), st.floats(0, 1), st.integers(1, 10_000),
    st.floats(0, 1, exclude_max=True),
)  # fmt: skip
def test_a_wait_is_never_shorter_than_min_nor_longer_than_max_and_its_jitter(
    min_s, factor, jitter, failures, roll
):
    backoff = Backoff(min_s, min_s * factor, jitter)
    wait = backoff.delay(failures, roll)
    assert min_s <= wait <= backoff.max_s * (1 + jitter)
    assert backoff.delay(failures + 1, roll) >= wait


def test_a_wait_doubles_with_every_failure_in_a_row():
    assert [STEADY.delay(failures, 0.5) for failures in range(1, 6)] == [1.0, 2.0, 4.0, 8.0, 8.0]


def test_the_good_run_that_resets_it_is_as_long_as_the_middle_of_both_bounds():
    assert STEADY.reset_after == 4.5
    assert Backoff(1.0, 8.0, reset_after_s=60.0).reset_after == 60.0


# In action


def test_restarts_wait_longer_and_longer(kit):
    supervisor(kit)
    waits = []
    for _ in range(5):
        crash(kit)
        waits.append(wait_of(kit))
        kit.advance(waits[-1])
        assert info(kit).status == "running"
    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0]
    assert info(kit).failures == 5


def test_a_child_that_ran_long_enough_begins_anew(kit):
    supervisor(kit)
    for _ in range(3):
        crash(kit)
        kit.advance(wait_of(kit))
    kit.advance(4.4)
    crash(kit)
    assert wait_of(kit) == 8.0
    kit.advance(8.0 + 4.5)
    crash(kit)
    assert wait_of(kit) == 1.0


def test_the_backoff_of_a_spec_is_before_that_of_the_flags(kit):
    own = Backoff(min_s=30.0, max_s=30.0, jitter=0.0)
    children = [ChildSpec("a", Polite, backoff=own), ChildSpec("b", Polite)]
    kit.start_supervisor(flags(backoff=STEADY), children)
    crash(kit, "a")
    crash(kit, "b")
    assert (wait_of(kit, "a"), wait_of(kit, "b")) == (30.0, 1.0)


def test_jitter_spreads_children_that_failed_together(kit):
    spread = Backoff(min_s=10.0, max_s=10.0, jitter=0.5)
    names = [f"c{number}" for number in range(20)]
    kit.start_supervisor(flags("one_for_one", backoff=spread), specs(names))
    for name in names:
        crash(kit, name)
    waits = {wait_of(kit, name) for name in names}
    assert len(waits) == len(names)
    assert all(10.0 <= wait < 15.0 for wait in waits)


def test_starts_that_fail_wait_too_and_each_attempt_counts_once(kit):
    supervisor(kit, intensity=4)
    kit.faults.refuse_starts("top/a", times=3)
    crash(kit)
    kit.advance(1.0 + 2.0 + 4.0)
    assert info(kit).status == "restarting"
    kit.advance(8.0)
    assert info(kit).status == "running"
    [report] = kit.reported("supervisor", context="restarted")
    assert report.data["used"] == 4


def test_a_restart_too_many_ends_the_supervisor_at_once(kit):
    top = supervisor(kit, intensity=1)
    kit.faults.refuse_starts("top/a", times=None)
    crash(kit)
    assert kit.alive(top)
    kit.advance(1.0)
    assert not kit.alive(top)
    assert contexts(kit)[-1] == "shutdown"


@pytest.mark.parametrize(
    ("strategy", "down"), [("one_for_all", "abc"), ("rest_for_one", "bc"), ("one_for_one", "b")]
)
def test_the_group_of_a_failed_child_stops_at_once_and_starts_with_it(kit, strategy, down):
    journal = []
    supervisor(kit, "abc", strategy, journal=journal)
    journal.clear()
    crash(kit, "b")
    assert journal == [("ended", name) for name in reversed(down) if name != "b"]
    assert kit.call(kit.address("top"), CountChildren())["active"] == 3 - len(down)
    journal.clear()
    kit.advance(1.0)
    assert journal == [("started", name) for name in down]
    assert len(kit.actor(kit.address("top")).state.restarts) == 1


def test_one_wait_is_counted_from_the_failure_not_from_the_end_of_the_group(kit):
    supervisor(kit, "ab", "one_for_all", start=SlowStop)
    kit.faults.kill(kit.address("top/a"))
    kit.advance(1.0)
    kit.settle()
    assert info(kit).status == "running"


def test_a_member_of_a_pool_waits_alone(kit):
    top = kit.start_supervisor(flags("simple_one_for_one", backoff=STEADY), specs("t"))
    for name in "ab":
        kit.call(top, StartChild(id=name))
    crash(kit, "a")
    assert kit.call(top, CountChildren()) == {
        "specs": 1,
        "active": 1,
        "supervisors": 0,
        "workers": 2,
    }
    kit.advance(1.0)
    assert info(kit).status == "running"


# While it waits it is what OTP calls restarting


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (StartChild(ChildSpec("a", Polite)), "already_present"),
        (RestartChild("a"), "restarting"),
        (DeleteChild("a"), "restarting"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_child_that_waits_is_neither_here_nor_gone(kit, request_, why):
    top = supervisor(kit)
    crash(kit)
    answer = kit.call(top, request_)
    assert isinstance(answer, Refused)
    assert answer.why == why
    assert info(kit).status == "restarting"


def test_a_termination_ends_the_wait(kit):
    top = supervisor(kit)
    crash(kit)
    assert kit.call(top, TerminateChild("a")) is True
    kit.advance(100.0)
    assert (info(kit).status, info(kit).retry_at, info(kit).failures) == ("stopped", None, 0)
    assert isinstance(kit.call(top, RestartChild("a")), Started)


def test_a_supervisor_can_be_ended_while_a_child_waits(kit):
    top = supervisor(kit, "ab")
    crash(kit)
    assert kit.stop(top) == reasons.SHUTDOWN
    assert kit.statistics().actors == 0


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all"])
def test_an_operator_ends_the_wait_and_nothing_starts_twice(kit, strategy):
    journal = []
    top = supervisor(kit, "ab", strategy, journal=journal)
    crash(kit)
    journal.clear()
    assert kit.call(top, CycleChild("a")) == Started(kit.address("top/a"))
    expected = ["a", "b"] if strategy == "one_for_all" else ["a"]
    assert journal == [("started", name) for name in expected]
    kit.advance(100.0)
    assert journal == [("started", name) for name in expected]


def test_an_operator_whose_start_fails_is_told_and_the_next_wait_begins(kit):
    top = supervisor(kit)
    crash(kit)
    kit.faults.refuse_starts("top/a", reason=reasons.error("no"))
    assert kit.call(top, CycleChild("a")) == Refused("start_error", reasons.error("no"))
    assert wait_of(kit) == 2.0
    kit.advance(1.5)  # the first wait would be over by now: it is not what counts any more
    assert info(kit).status == "restarting"
    kit.advance(0.5)
    assert info(kit).status == "running"


def test_a_group_that_fails_while_a_later_child_waits_takes_it_along(kit):
    supervisor(kit, "ab", "rest_for_one")
    crash(kit, "b")
    kit.advance(0.5)
    crash(kit, "a")
    assert (info(kit, "a").status, info(kit, "b").status) == ("restarting", "stopped")
    kit.advance(0.5)
    assert info(kit, "b").status == "stopped"
    kit.advance(0.5)
    assert (info(kit, "a").status, info(kit, "b").status) == ("running", "running")


# Crash loops


def test_a_crash_loop_is_shown_and_told_once_and_its_end_too(kit):
    supervisor(kit)
    for number in range(5):
        crash(kit)
        assert info(kit).crash_looping == (number >= 2)
        kit.advance(wait_of(kit))
    kit.advance(4.4)
    assert info(kit).crash_looping
    kit.advance(0.1)
    assert not info(kit).crash_looping
    assert info(kit).failures == 0
    assert contexts(kit).count("crash_loop") == 1
    assert contexts(kit)[-1] == "crash_loop_over"


def test_where_nothing_waits_a_good_run_is_as_long_as_the_period(kit):
    kit.start_supervisor(SupervisorFlags(intensity=100, period=5.0), specs("a"))
    for _ in range(3):
        crash(kit)
    assert info(kit).crash_looping
    kit.advance(4.9)
    crash(kit)
    assert info(kit).crash_looping
    kit.advance(5.0)
    assert not info(kit).crash_looping
    assert [one for one in contexts(kit) if "loop" in one] == ["crash_loop", "crash_loop_over"]


def test_starts_that_fail_are_a_crash_loop_as_well(kit):
    top = supervisor(kit, backoff=None)
    kit.faults.refuse_starts("top/a", times=2)
    crash(kit)
    assert info(kit).crash_looping
    assert kit.alive(top)
    assert strategy.crash_looping(kit.actor(top).state.children["a"])


def test_failures_that_are_far_apart_are_none(kit):
    supervisor(kit)
    for _ in range(10):
        crash(kit)
        kit.advance(1.0 + 4.5)
    assert "crash_loop" not in contexts(kit)


def test_a_terminated_child_is_in_no_crash_loop(kit):
    top = supervisor(kit)
    for _ in range(3):
        crash(kit)
        kit.advance(wait_of(kit))
    kit.call(top, TerminateChild("a"))
    assert not info(kit).crash_looping


def looping(kit, name="a"):
    """Crash a child until it is crash looping; it runs, or waits for its next start."""
    while not info(kit, name).crash_looping:
        if info(kit, name).status == "restarting":
            kit.advance(wait_of(kit, name))
        crash(kit, name)


def loops(kit):
    """What was told of crash loops: of whom, and why they are over."""
    return [
        (one.data["context"], one.data["child"], one.data["reason"])
        for one in kit.reported("supervisor")
        if "loop" in one.data["context"]
    ]


BEGUN = ("crash_loop", "a", "killed")


@pytest.mark.parametrize("waiting", [True, False])
@pytest.mark.parametrize("backoff", [STEADY, None])
def test_a_crash_loop_is_over_when_the_child_is_terminated_and_can_begin_again(
    kit, backoff, waiting
):
    top = supervisor(kit, backoff=backoff)
    looping(kit)
    if not waiting and backoff:
        kit.advance(wait_of(kit))
    kit.call(top, TerminateChild("a"))
    over = ("crash_loop_over", "a", "shutdown")
    assert loops(kit) == [BEGUN, over]
    kit.advance(1_000.0)
    kit.call(top, RestartChild("a"))
    looping(kit)
    assert loops(kit) == [BEGUN, over, BEGUN]


def test_a_crash_loop_is_over_when_the_child_ends_in_order_or_asks_to_be_left_out(kit):
    class Reluctant(Polite):
        def init(self, args):
            super().init(args)
            return IGNORE if self.address.incarnation > 3 else None

    kit.start_supervisor(
        flags(), [*specs("a", Reluctant), *specs("b", restart="transient", backoff=None)]
    )
    for _ in range(3):
        crash(kit, "a")
        crash(kit, "b")
    crash(kit, "b", reasons.NORMAL)
    assert loops(kit) == [
        BEGUN,
        ("crash_loop_over", "a", "normal: ignore"),
        ("crash_loop", "b", "killed"),
        ("crash_loop_over", "b", "normal"),
    ]


def test_a_crash_loop_goes_on_over_the_restart_of_the_group_and_is_over_without_one(kit):
    top = supervisor(kit, "ab", "one_for_all")
    looping(kit, "b")
    kit.advance(wait_of(kit, "b"))
    crash(kit, "a")
    assert loops(kit) == [("crash_loop", "b", "killed")]  # it is started again with the group
    kit.call(top, TerminateChild("a"))
    assert loops(kit)[1:] == [("crash_loop_over", "b", "shutdown")]
    assert not info(kit, "b").crash_looping


def test_a_crash_loop_is_over_when_a_child_that_is_down_with_its_group_is_deleted(kit):
    top = supervisor(kit, "ab", "one_for_all")
    looping(kit, "b")
    kit.advance(wait_of(kit, "b"))
    crash(kit, "a")
    assert kit.call(top, DeleteChild("b")) is True
    assert loops(kit)[1:] == [("crash_loop_over", "b", "shutdown")]


@pytest.mark.parametrize("pool", [True, False])
def test_a_crash_loop_is_over_when_the_supervisor_ends(kit, pool):
    kind = "simple_one_for_one" if pool else "one_for_one"
    top = kit.start_supervisor(flags(kind), specs("a", backoff=None))
    if pool:
        kit.call(top, StartChild(id="a"))
    looping(kit)
    kit.stop(top, reasons.shutdown("over"))
    assert loops(kit) == [BEGUN, ("crash_loop_over", "a", "shutdown: over")]


def test_of_one_that_is_given_up_that_is_said_and_no_more(kit):
    wanted = flags("simple_one_for_one", child_intensity=4)
    top = kit.start_supervisor(wanted, specs("t", backoff=None))
    kit.call(top, StartChild(id="a"))
    for _ in range(5):
        crash(kit)
    assert contexts(kit)[-1] == "child_given_up"
    assert loops(kit) == [BEGUN]


def test_a_child_without_trouble_carries_nothing_of_it():
    """There are 300,000 of them."""
    state = SupervisorState(flags("simple_one_for_one"), ChildSpec("t", GenServer))
    child = Child(state.template, "a", None, LocalAddress(None, "a"))
    assert strategy.started(child, 0.0) == []
    assert child.trouble is None
    assert (child.failures, child.retry_at, child.exits, child.last_exit) == (0, None, None, None)

"""Supervisors in action: starts, restarts, strategies, intensity, escalation.

``S-nn`` names the case of OTP's supervisor_SUITE that a test ports.
"""

from __future__ import annotations

import asyncio

import pytest

from supervision import (
    IGNORE,
    ChildSpec,
    CountChildren,
    Failed,
    GenServer,
    Ignored,
    RestartChild,
    StartChild,
    Stop,
    Supervisor,
    SupervisorFlags,
    TerminateChild,
    WhichChildren,
    reasons,
)
from supervision.eventloop.lifecycle import ChildExited
from supervision.testing import NotStarted
from supervision.testing.children import Polite, SlowStart, specs

EXITS = {
    "normal": reasons.NORMAL,
    "shutdown": reasons.SHUTDOWN,
    "shutdown(x)": reasons.shutdown("x"),
    "abnormal": reasons.error("x"),
    "killed": reasons.KILLED,
}


def flags(strategy="one_for_one", intensity=100, **more):
    return SupervisorFlags(strategy=strategy, intensity=intensity, **more)


def exit_child(kit, name, reason=reasons.KILLED):
    kit.faults.exit(kit.address(f"top/{name}"), reason)
    kit.settle()


def incarnations(kit, names):
    return [kit.address(f"top/{name}").incarnation for name in names]


def counts(kit, top="top"):
    answer = kit.call(kit.address(top), CountChildren())
    return [answer[key] for key in ("specs", "active", "supervisors", "workers")]


def contexts(kit):
    return [report.data["context"] for report in kit.reported("supervisor")]


# Start


def test_an_empty_supervisor_starts_and_ends_with_shutdown(kit):
    """S-01."""
    top = kit.start_supervisor(flags())
    assert counts(kit) == [0, 0, 0, 0]
    assert kit.stop(top) == reasons.SHUTDOWN


@pytest.mark.parametrize("outcome", [IGNORE, Stop(reasons.error("no"))], ids=repr)
def test_a_supervisor_whose_init_declines_does_not_start(kit, outcome):
    """S-02."""

    class Declining(Supervisor):
        def init(self, args):
            return outcome

    with pytest.raises(NotStarted):
        kit.start(Declining)
    assert kit.reports == []


def test_a_supervisor_whose_init_returns_garbage_or_crashes_does_not_start(kit):
    """S-08, S-09."""

    class Garbage(Supervisor):
        def init(self, args):
            return args

    for garbage in (17, ("flags", [])):
        with pytest.raises(NotStarted) as failure:
            kit.start(Garbage, garbage)
        assert failure.value.outcome.reason.kind == "error"
    with pytest.raises(NotStarted, match="has no init"):
        kit.start(Supervisor)


def test_an_asynchronous_init_of_a_supervisor_is_awaited(kit):
    class Waiting(Supervisor):
        async def init(self, args):
            await asyncio.sleep(3.0)
            return flags(), specs("ab")

    kit.start(Waiting, name="top")
    assert counts(kit) == [2, 2, 0, 2]


@pytest.mark.parametrize("kind", [Polite, SlowStart])
def test_children_start_in_order_each_when_the_one_before_has_started(kit, kind):
    """S-87."""
    journal = []
    names = ["ch7", "ch3", "ch10", "ch2", "ch5"]
    kit.start_supervisor(flags(), specs(names, kind, journal))
    assert journal == [("started", name) for name in names]
    answer = kit.call(kit.address("top"), WhichChildren())
    assert [child.id for child in answer] == list(reversed(names))


def test_a_child_that_does_not_start_ends_those_before_it_in_reverse(kit):
    """S-51: and the supervisor says whose fault it is."""
    journal = []
    kit.faults.refuse_starts("top/c", reason=reasons.error("no licence"))
    with pytest.raises(NotStarted) as failure:
        kit.start_supervisor(flags(), specs("abcd", journal=journal))
    assert journal == [("started", "a"), ("started", "b"), ("ended", "b"), ("ended", "a")]
    assert str(failure.value.outcome.reason) == (
        "shutdown: failed_to_start_child c: error: no licence"
    )
    assert contexts(kit) == ["start_error"]
    assert kit.statistics().actors == 0


def test_a_child_whose_constructor_raises_does_not_start(kit):
    class Demanding(GenServer):
        def __init__(self, needed):
            self.needed = needed

    with pytest.raises(NotStarted, match="needed"):
        kit.start_supervisor(flags(), specs("a", Demanding))


@pytest.mark.parametrize(
    ("restart", "expected"), [("permanent", [1, 0, 0, 1]), ("temporary", [0, 0, 0, 0])]
)
def test_a_child_that_ignores_its_start_leaves_its_spec_unless_temporary(kit, restart, expected):
    """S-03 to S-05."""

    class Ignoring(GenServer):
        def init(self, args):
            return IGNORE

    top = kit.start_supervisor(flags(), specs("a", Ignoring, restart=restart))
    assert counts(kit) == expected
    spec = ChildSpec("b", Ignoring, restart=restart)
    assert kit.call(top, StartChild(spec)) == Ignored()
    assert kit.alive(top)


def test_wrong_flags_or_specs_refuse_the_start(kit):
    """S-26, S-27; every single mistake is in test_childspec."""
    with pytest.raises(NotStarted) as refused:
        kit.start_supervisor(flags(intensity=-1))
    reason = refused.value.outcome.reason
    assert reason == reasons.error(("supervisor_data", ("invalid_intensity", -1)))
    assert str(reason) == "error: supervisor_data: invalid_intensity: -1"
    with pytest.raises(NotStarted) as refused:
        kit.start_supervisor(flags(), specs("aa"))
    assert refused.value.outcome.reason.detail == ("start_spec", ("duplicate_child_name", "a"))


# Which exits lead to a restart


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("kind", EXITS)
def test_the_exit_of_a_child_means_what_its_restart_type_says(kit, restart, kind):
    """S-45 to S-54."""
    kit.start_supervisor(flags(), specs("a", restart=restart))
    exit_child(kit, "a", EXITS[kind])
    abnormal = kind in ("abnormal", "killed")
    restarted = restart == "permanent" or (restart == "transient" and abnormal)
    kept = restart != "temporary"
    assert counts(kit) == [kept, restarted, 0, kept]
    terminated = ["child_terminated"] if restarted or abnormal else []
    assert contexts(kit) == terminated + ["restarted"] * restarted


def test_the_reason_and_the_count_of_restarts_are_shown(kit):
    top = kit.start_supervisor(flags(), specs("a"))
    exit_child(kit, "a", reasons.error("first"))
    kit.advance(1.0)
    exit_child(kit, "a", reasons.error("second"))
    [child] = kit.call(top, WhichChildren())
    assert (child.status, child.restarts) == ("running", 2)
    assert child.last_exit == (reasons.error("second"), kit.clock.monotonic())


def test_the_exit_of_an_incarnation_that_was_replaced_is_nobodys(kit):
    top = kit.start_supervisor(flags(), specs("a"))
    address = kit.address("top/a")
    exit_child(kit, "a")
    kit.send(top, ChildExited(address, 1, reasons.error("late")))
    kit.settle()
    assert address.incarnation == 2


# Strategies


def test_one_for_one_restarts_only_the_child_that_ended(kit):
    """S-30."""
    kit.start_supervisor(flags(), specs("abc"))
    exit_child(kit, "b")
    assert incarnations(kit, "abc") == [1, 2, 1]


def test_one_for_all_restarts_all_in_order(kit):
    """S-32."""
    journal = []
    kit.start_supervisor(flags("one_for_all"), specs("abc", journal=journal))
    journal.clear()
    exit_child(kit, "b")
    assert incarnations(kit, "abc") == [2, 2, 2]
    assert journal == [
        ("ended", "c"),
        ("ended", "a"),
        ("started", "a"),
        ("started", "b"),
        ("started", "c"),
    ]


def test_rest_for_one_restarts_it_and_those_after_it(kit):
    """S-41, S-87."""
    journal = []
    kit.start_supervisor(flags("rest_for_one"), specs("abcde", journal=journal))
    journal.clear()
    exit_child(kit, "c")
    assert incarnations(kit, "abcde") == [1, 1, 2, 2, 2]
    assert journal == [
        ("ended", "e"),
        ("ended", "d"),
        ("started", "c"),
        ("started", "d"),
        ("started", "e"),
    ]


def test_a_pool_restarts_a_member_with_its_own_arguments(kit):
    """S-35."""
    top = kit.start_supervisor(flags("simple_one_for_one"), specs("t"))
    journals = [[], []]
    for name, journal in zip("ab", journals, strict=True):
        kit.call(top, StartChild(id=name, args=journal))
    exit_child(kit, "a")
    assert incarnations(kit, "ab") == [2, 1]
    assert journals == [[("started", "a")] * 2, [("started", "b")]]
    assert counts(kit) == [1, 2, 0, 2]


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_a_temporary_sibling_is_dropped_in_a_group_restart(kit, strategy):
    """S-78, S-76: its name can be used again at once."""
    top = kit.start_supervisor(
        flags(strategy), [*specs("a"), *specs("b", restart="temporary"), *specs("c")]
    )
    exit_child(kit, "a")
    assert counts(kit) == [2, 2, 0, 2]
    kit.call(top, StartChild(ChildSpec("b", Polite)))
    assert counts(kit) == [3, 3, 0, 3]


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_a_group_restart_revives_siblings_that_were_stopped(kit, strategy):
    """S-56."""
    top = kit.start_supervisor(flags(strategy), [*specs("a"), *specs("bc", restart="transient")])
    kit.call(top, TerminateChild("b"))
    exit_child(kit, "c", reasons.NORMAL)
    assert counts(kit) == [3, 1, 0, 3]
    exit_child(kit, "a")
    assert counts(kit) == [3, 3, 0, 3]


def test_the_restart_of_a_group_counts_once(kit):
    kit.start_supervisor(flags("one_for_all", intensity=1), specs("abcdef"))
    exit_child(kit, "a")
    assert incarnations(kit, "abcdef") == [2] * 6
    assert kit.reported("supervisor", context="restarted")[0].data["used"] == 1


# Starts that fail


def test_a_failed_restart_is_tried_again_and_counts_again(kit):
    """S-31."""
    kit.start_supervisor(flags(intensity=4), specs("ab"))
    kit.faults.refuse_starts("top/a", times=3)
    exit_child(kit, "a")
    assert incarnations(kit, "ab") == [5, 1]
    assert contexts(kit) == [
        *("child_terminated", "start_error", "start_error", "crash_loop", "start_error"),
        "restarted",
    ]
    assert kit.reported("supervisor", context="restarted")[0].data["used"] == 4


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
def test_a_child_that_can_never_start_again_ends_its_supervisor(kit, strategy):
    """S-31, S-33, S-42."""
    journal = []
    kit.start_supervisor(flags(strategy, intensity=4), specs("ab", journal=journal))
    kit.faults.refuse_starts("top/b", times=None)
    exit_child(kit, "a")
    exit_child(kit, "b") if strategy == "one_for_one" else None
    kit.settle()
    assert kit.statistics().actors == 0
    assert contexts(kit)[-1] == "shutdown"
    assert journal[-1] == ("ended", "a")


def test_one_for_all_ends_those_that_it_restarted_when_one_fails(kit):
    """S-34."""
    journal = []
    kit.start_supervisor(flags("one_for_all"), specs("abc", journal=journal))
    kit.faults.refuse_starts("top/b")
    journal.clear()
    exit_child(kit, "a")
    assert journal == [
        *[("ended", "c"), ("ended", "b")],
        ("started", "a"),
        ("ended", "a"),
        *[("started", "a"), ("started", "b"), ("started", "c")],
    ]


def test_rest_for_one_keeps_those_that_it_restarted_when_a_later_one_fails(kit):
    """S-43."""
    kit.start_supervisor(flags("rest_for_one"), specs("abc"))
    kit.faults.refuse_starts("top/b")
    exit_child(kit, "a")
    assert incarnations(kit, "abc") == [2, 3, 2]


def test_a_member_of_a_pool_that_ignores_its_restart_is_gone(kit):
    """S-40."""

    class Once(GenServer):
        def init(self, lives):
            if not lives:
                return IGNORE
            lives.pop()
            return None

    top = kit.start_supervisor(flags("simple_one_for_one"), specs("t", Once))
    kit.call(top, StartChild(id="a", args=[1, 2]))
    exit_child(kit, "a")
    assert counts(kit) == [1, 1, 0, 1]
    exit_child(kit, "a")
    assert counts(kit) == [1, 0, 0, 0]
    assert contexts(kit).count("restarted") == 1


# Intensity


def test_as_many_restarts_as_the_intensity_are_allowed_and_not_one_more(kit):
    """S-30."""
    top = kit.start_supervisor(flags(intensity=2, period=10.0), specs("a"))
    for _ in range(2):
        exit_child(kit, "a")
    assert kit.alive(top)
    exit_child(kit, "a")
    assert not kit.alive(top)
    [report] = kit.reported("supervisor", context="shutdown")
    assert report.data["reason"] == "shutdown: reached_max_restart_intensity"
    assert (report.data["used"], report.data["allowed"]) == (3, 2)


def test_without_intensity_the_first_failure_escalates(kit):
    top = kit.start_supervisor(flags(intensity=0), specs("a"))
    exit_child(kit, "a")
    assert not kit.alive(top)


def test_restarts_that_are_older_than_the_period_do_not_count(kit):
    """S-29."""
    top = kit.start_supervisor(flags(intensity=1, period=1.0), specs("a"))
    for _ in range(10):
        exit_child(kit, "a")
        kit.advance(1.001)
    assert kit.alive(top)


def test_the_intensity_is_the_supervisors_not_the_childs(kit):
    top = kit.start_supervisor(flags(intensity=2), specs("abc"))
    for name in "abc":
        exit_child(kit, name)
    assert not kit.alive(top)


def test_a_supervisor_that_gives_up_ends_its_children_in_reverse(kit):
    journal = []
    kit.start_supervisor(flags(intensity=0), specs("abc", journal=journal))
    exit_child(kit, "b")
    assert journal[3:] == [("ended", "c"), ("ended", "a")]


class Inner(Supervisor):
    def init(self, args):
        return flags(intensity=1), specs("xy")


@pytest.mark.parametrize(("restart", "alive"), [("permanent", True), ("transient", False)])
def test_a_supervisor_that_gives_up_is_its_own_supervisors_matter(kit, restart, alive):
    """S-56: it ends with shutdown, so a transient one stays ended, and both are reported."""
    inner = ChildSpec("inner", Inner, type="supervisor", restart=restart)
    kit.start_supervisor(flags(), [inner])
    for _ in range(2):
        kit.faults.kill(kit.address("top/inner/x"))
        kit.settle()
    assert counts(kit) == [1, alive, 1, 0]
    assert "shutdown" in contexts(kit)
    if alive:
        assert counts(kit, "top/inner") == [2, 2, 0, 2]


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
def test_a_supervisor_that_gave_up_is_always_told_of_one_level_up(kit, restart):
    """Beyond OTP, where a transient subtree is gone without a word from its supervisor."""
    inner = ChildSpec("inner", Inner, type="supervisor", restart=restart)
    kit.start_supervisor(flags(), [inner])
    for _ in range(2):
        kit.faults.kill(kit.address("top/inner/x"))
        kit.settle()
    [report] = kit.reported("supervisor", context="escalation")
    assert (report.path, report.data["child"]) == ("top", "inner")
    assert report.data["reason"] == "shutdown: reached_max_restart_intensity"
    assert report.data["restart_type"] == restart


@pytest.mark.parametrize("strategy", ["one_for_all", "simple_one_for_one"])
def test_a_supervisor_that_gives_up_while_its_own_one_ends_it_is_told_of_too(kit, strategy):
    inner = ChildSpec("inner", Inner, type="supervisor")
    top = kit.start_supervisor(flags(strategy), [inner])
    if strategy == "simple_one_for_one":
        kit.call(top, StartChild(id="inner"))
    for _ in range(2):
        kit.settle()
        kit.faults.kill(kit.address("top/inner/x"))
    kit.stop(top)
    [report] = kit.reported("supervisor", context="escalation")
    assert report.data["child"] == "inner"
    assert kit.reported("supervisor", context="shutdown_error") == []


def test_a_supervisor_that_ends_in_order_escalates_nothing(kit):
    inner = ChildSpec("inner", Inner, type="supervisor", restart="transient")
    kit.start_supervisor(flags(), [inner])
    kit.faults.exit(kit.address("top/inner"), reasons.SHUTDOWN)
    kit.settle()
    assert kit.reported("supervisor", context="escalation") == []


def test_restarts_multiply_down_the_tree(kit):
    inner = ChildSpec("inner", Inner, type="supervisor")
    top = kit.start_supervisor(flags(intensity=1), [inner])
    failures = 0
    while kit.alive(top):
        kit.faults.kill(kit.address("top/inner/x"))
        kit.settle()
        failures += 1
    assert failures == 4


def test_only_what_is_below_a_killed_supervisor_starts_anew(kit):
    """S-56: dynamic children do not come back."""
    inner = ChildSpec("inner", Inner, type="supervisor")
    kit.start_supervisor(flags(), [inner, *specs("a")])
    kit.call(kit.address("top/inner"), StartChild(ChildSpec("dynamic", Polite)))
    kit.faults.kill(kit.address("top/inner"))
    kit.settle()
    assert counts(kit, "top/inner") == [2, 2, 0, 2]
    assert incarnations(kit, ["inner", "a"]) == [2, 1]


# What operators are told


def test_a_report_names_the_child_as_otps_offender_does(kit):
    children = specs("a", restart="transient", shutdown=3.0)
    kit.start_supervisor(flags(intensity=7), children)
    exit_child(kit, "a", reasons.error("x"))
    [report] = kit.reported("supervisor", context="child_terminated")
    assert report.path == "top"
    assert report.data == {
        "context": "child_terminated",
        "reason": "error: x",
        "child": "a",
        "incarnation": 1,
        "start": "Polite",
        "restart_type": "transient",
        "significant": False,
        "shutdown": 3.0,
        "child_type": "worker",
        "restarts": 1,
        "failures": 1,
        "used": 1,
        "allowed": 7,
    }


def test_start_arguments_are_in_no_report(kit):
    """They may hold secrets."""
    kit.start_supervisor(flags(), specs("a", journal=[("secret", "value")]))
    exit_child(kit, "a")
    assert "secret" not in str(kit.reported("supervisor"))


def test_starts_are_reported_where_somebody_wants_to_hear_of_each(kit):
    kit.kernel.reports.progress = True
    top = kit.start_supervisor(flags(), specs("ab"))
    exit_child(kit, "b")
    kit.call(top, TerminateChild("a"))
    kit.call(top, RestartChild("a"))
    kit.call(top, StartChild(ChildSpec("c", Polite)))
    told = kit.reported("progress", context="started")
    assert [report.data["child"] for report in told] == ["a", "b", "b", "a"]


def test_members_of_a_pool_make_no_progress_reports(kit):
    kit.kernel.reports.progress = True
    top = kit.start_supervisor(flags("simple_one_for_one"), specs("t"))
    kit.call(top, StartChild(id="a"))
    exit_child(kit, "a")
    assert kit.reported("progress") == []


def test_the_history_of_a_child_has_reasons_and_tracebacks(kit):
    top = kit.start_supervisor(flags(), specs("a"))
    for _ in range(2):
        kit.faults.crash_next(kit.address("top/a"), LookupError("where is it"))
        kit.send(kit.address("top/a"), "go")
        kit.settle()
    exits = kit.actor(top).state.children["a"].exits
    assert [str(reason) for reason, _ in exits] == ["error: LookupError: where is it"] * 2
    assert all("Traceback" in reason.traceback for reason, _ in exits)


# Beyond OTP: pools


def test_one_bad_child_of_a_pool_is_given_up_alone(kit):
    top = kit.start_supervisor(
        flags("simple_one_for_one", intensity=3, child_intensity=2, pool_ratio=0.5), specs("t")
    )
    for number in range(20):
        kit.call(top, StartChild(id=f"c{number}"))
    for _ in range(3):
        exit_child(kit, "c7", reasons.error("bad"))
    assert counts(kit) == [1, 19, 0, 19]
    assert contexts(kit)[-3:] == ["child_terminated", "crash_loop", "child_given_up"]
    assert kit.call(top, StartChild(id="c7")) != Failed


def test_a_pool_bears_restarts_in_proportion_to_its_size(kit):
    top = kit.start_supervisor(flags("simple_one_for_one", intensity=1, pool_ratio=0.1), specs("t"))
    for number in range(100):
        kit.call(top, StartChild(id=f"c{number}"))
    for number in range(10):
        exit_child(kit, f"c{number}")
    assert kit.alive(top)
    exit_child(kit, "c99")
    assert not kit.alive(top)

"""Significant children and supervisors that end with them (EEP 56, S-57 to S-63)."""

from __future__ import annotations

import itertools

import pytest

from supervision import (
    ChildSpec,
    StartChild,
    Supervisor,
    SupervisorFlags,
    TerminateChild,
    WhichChildren,
    reasons,
)
from supervision.testing import NotStarted
from supervision.testing.children import Polite, specs

ANY, ALL = "any_significant", "all_significant"
EXITS = {
    "normal": reasons.NORMAL,
    "shutdown": reasons.SHUTDOWN,
    "abnormal": reasons.error("x"),
    "killed": reasons.KILLED,
}


def flags(mode, strategy="one_for_one", intensity=100):
    return SupervisorFlags(strategy, intensity, auto_shutdown=mode)


def significant(names, restart="transient", **options):
    return specs(names, restart=restart, significant=True, **options)


def leave(kit, path, how="normal"):
    kit.faults.exit(kit.address(path), EXITS[how])
    kit.settle()


def contexts(kit):
    return [report.data["context"] for report in kit.reported("supervisor")]


@pytest.mark.parametrize("restart", ["transient", "temporary"])
@pytest.mark.parametrize("how", EXITS)
def test_the_own_end_of_a_significant_child_ends_its_supervisor(kit, restart, how):
    """S-59, S-60."""
    top = kit.start_supervisor(flags(ANY), [*significant("a", restart), *specs("b")])
    leave(kit, "top/a", how)
    ends = restart == "temporary" or how in ("normal", "shutdown")
    assert kit.alive(top) is not ends
    assert ("auto_shutdown" in contexts(kit)) is ends


@pytest.mark.parametrize("restart", ["transient", "temporary"])
def test_the_last_of_all_significant_children_ends_it(kit, restart):
    """S-59, S-60: others do not count."""
    top = kit.start_supervisor(flags(ALL), [*significant("ab", restart), *specs("c")])
    leave(kit, "top/a")
    assert kit.alive(top)
    leave(kit, "top/b")
    assert not kit.alive(top)


def test_a_significant_child_that_is_being_restarted_counts_as_there(kit):
    top = kit.start_supervisor(flags(ALL, intensity=10_000), significant("ab"))
    told = []

    def hear(report):
        if report.data.get("context") == "start_error" and not told:
            told.append(report)
            kit.faults.exit(kit.address("top/b"), reasons.NORMAL)

    kit.kernel.reports.subscribe(hear)
    kit.faults.refuse_starts("top/a", times=3)
    leave(kit, "top/a", "killed")
    assert told
    assert kit.alive(top)


@pytest.mark.parametrize(
    ("mode", "restart"), list(itertools.product([ANY, ALL, "never"], ["transient", "temporary"]))
)
@pytest.mark.parametrize("how", EXITS)
def test_other_children_end_nobody(kit, mode, restart, how):
    """S-57, S-58."""
    top = kit.start_supervisor(flags(mode), specs("ab", restart=restart))
    leave(kit, "top/a", how)
    assert kit.alive(top)


@pytest.mark.parametrize("mode", [ANY, ALL])
@pytest.mark.parametrize("restart", ["transient", "temporary"])
def test_a_termination_by_the_supervisor_ends_nothing(kit, mode, restart):
    top = kit.start_supervisor(flags(mode), significant("a", restart))
    assert kit.call(top, TerminateChild("a")) is True
    kit.settle()
    assert kit.alive(top)


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@pytest.mark.parametrize("mode", [ANY, ALL])
@pytest.mark.parametrize("restart", ["transient", "temporary"])
def test_siblings_that_are_stopped_with_their_group_end_nothing(kit, strategy, mode, restart):
    """S-62: a temporary one is lost, and will never count."""
    top = kit.start_supervisor(flags(mode, strategy), [*specs("a"), *significant("b", restart)])
    leave(kit, "top/a", "killed")
    assert kit.alive(top)
    listed = [child.id for child in kit.call(top, WhichChildren())]
    lost = restart == "temporary" and strategy != "one_for_one"
    assert listed == (["a"] if lost else ["b", "a"])


class Inner(Supervisor):
    def init(self, args):
        return flags(ANY), significant("c")


@pytest.mark.parametrize("counts", [True, False])
def test_it_goes_up_as_far_as_supervisors_are_significant(kit, counts):
    """S-63."""
    inner = ChildSpec("b", Inner, restart="transient", significant=counts, type="supervisor")
    top = kit.start_supervisor(flags(ANY), [inner])
    leave(kit, "top/b/c")
    assert kit.alive(top) is not counts


def test_all_that_is_there_ends_in_order(kit):
    journal = []
    children = [*specs("ab", journal=journal), *significant("c", journal=journal)]
    kit.start_supervisor(flags(ANY), children)
    leave(kit, "top/c")
    assert journal[3:] == [("ended", "c"), ("ended", "b"), ("ended", "a")]


@pytest.mark.parametrize("mode", [ANY, ALL])
def test_a_pool_has_no_auto_shutdown(kit, mode):
    """S-61."""
    with pytest.raises(NotStarted) as refused:
        kit.start_supervisor(flags(mode, "simple_one_for_one"), specs("t", restart="temporary"))
    pairs = (("strategy", "simple_one_for_one"), ("auto_shutdown", mode))
    detail = refused.value.outcome.reason.detail
    assert detail == ("supervisor_data", ("bad_combination", pairs))


def test_a_significant_child_needs_a_supervisor_that_heeds_it(kit):
    top = kit.start_supervisor(flags("never"))
    answer = kit.call(top, StartChild(ChildSpec("a", Polite, None, "transient", True)))
    assert answer.why == "bad_combination"
    assert kit.alive(top)

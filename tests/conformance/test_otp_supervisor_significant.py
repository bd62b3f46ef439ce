"""OTP's supervisor cases S-57 to S-63: supervisors that end as significant children have ended."""

from __future__ import annotations

import pytest
from supervisor_children import Deadlock, Switch
from supervisor_steps import child, counts, ends, flags, leave, listed, pids, start_child, watching

from supervision import ChildSpec, Supervisor, TerminateChild, reasons
from supervision.testing import NotStarted

ANY, ALL = "any_significant", "all_significant"
MODES = ["never", ANY, ALL]
EXITS = ["terminate_child", "kill", "abnormal", "normal"]
SHUTDOWN = reasons.SHUTDOWN


def auto(mode, strategy="one_for_one", **more):
    return flags(strategy, intensity=10, auto_shutdown=mode, **more)


def significant(name, restart="transient", **options):
    return child(name, restart=restart, significant=True, **options)


def end(kit, top, address, how):
    if how == "terminate_child":
        assert kit.call(top, TerminateChild(str(address.name))) is True
    else:
        leave(kit, address, how)


def started(kit, mode, *specs, strategy="one_for_one"):
    """A supervisor of these children; return it, their addresses and who watches them all."""
    top = kit.start_supervisor(auto(mode, strategy), specs)
    addresses = [kit.address(f"top/{spec.id}") for spec in specs]
    return top, addresses, watching(kit, top, *addresses)


# Children that are not significant


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", EXITS)
def test_s57_nonsignificant_temporary_children_end_no_supervisor(kit, mode, how):
    """However a temporary child ends, its supervisor and its sibling go on."""
    top, (one, two), _ = started(kit, mode, child("one", restart="temporary"), child("two"))
    actor = kit.actor(two)
    end(kit, top, one, how)
    assert listed(kit, top) == [("two", "running")]
    assert kit.actor(two) is actor


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", EXITS)
def test_s58_nonsignificant_transient_children_end_no_supervisor(kit, mode, how):
    """A transient child is restarted or stays down; that is all."""
    top, (one, two), _ = started(kit, mode, child("one", restart="transient"), child("two"))
    actor = kit.actor(two)
    end(kit, top, one, how)
    status = "running" if how in ("kill", "abnormal") else "stopped"
    assert listed(kit, top) == [("two", "running"), ("one", status)]
    assert kit.actor(two) is actor


# Children that are


@pytest.mark.parametrize("how", EXITS)
def test_s59_significant_temporary_under_any_ends_its_supervisor(kit, how):
    """Every end of its own does; being terminated does not."""
    specs = significant("one", "temporary"), child("two")
    top, (one, _), watch = started(kit, ANY, *specs)
    end(kit, top, one, how)
    if how == "terminate_child":
        assert listed(kit, top) == [("two", "running")]
        assert set(ends(watch)) == {"one"}
    else:
        assert ends(watch) | {"one": None} == {"one": None, "two": SHUTDOWN, "top": SHUTDOWN}


@pytest.mark.parametrize("how", ["kill", "abnormal", "normal"])
def test_s59_significant_temporary_under_all_ends_its_supervisor_as_the_last(kit, how):
    """The first of two does not, the second does; the one that is not significant is not asked."""
    specs = significant("one", "temporary"), significant("two", "temporary"), child("three")
    top, (one, two, _), watch = started(kit, ALL, *specs)
    end(kit, top, one, how)
    assert listed(kit, top) == [("three", "running"), ("two", "running")]
    end(kit, top, two, how)
    ended = ends(watch)
    assert ended["top"] == ended["three"] == SHUTDOWN


def test_s59_significant_temporary_under_all_that_is_terminated_last_ends_nothing(kit):
    """Only a child's own end is looked at, also where none is left after it."""
    specs = significant("one", "temporary"), significant("two", "temporary"), child("three")
    top, (one, two, _), _ = started(kit, ALL, *specs)
    end(kit, top, one, "normal")
    end(kit, top, two, "terminate_child")
    assert listed(kit, top) == [("three", "running")]


@pytest.mark.parametrize("how", EXITS)
def test_s60_significant_transient_under_any_ends_its_supervisor_in_order_only(kit, how):
    """A failure is restarted; a normal end is what the supervisor waits for."""
    top, (one, _), watch = started(kit, ANY, significant("one"), child("two"))
    end(kit, top, one, how)
    if how == "normal":
        ended = ends(watch)
        assert ended == {"one": reasons.NORMAL, "two": SHUTDOWN, "top": SHUTDOWN}
    else:
        status = "stopped" if how == "terminate_child" else "running"
        assert listed(kit, top) == [("two", "running"), ("one", status)]


@pytest.mark.parametrize("how", ["terminate_child", "kill", "abnormal"])
def test_s60_significant_transient_under_all_ends_its_supervisor_as_the_last(kit, how):
    """Neither a failure nor being terminated counts, and one that runs holds the end up."""
    specs = significant("one"), significant("two"), child("three")
    top, (one, two, _), watch = started(kit, ALL, *specs)
    end(kit, top, one, how)
    end(kit, top, two, "normal")
    if how == "terminate_child":
        assert ends(watch)["top"] == SHUTDOWN
        return
    assert counts(kit, top) == [3, 2, 0, 3]
    end(kit, top, one, "normal")
    assert ends(watch)["top"] == ends(watch)["three"] == SHUTDOWN


def test_s60_significant_transient_under_all_waits_for_one_whose_restart_fails(kit):
    """A child that is still to be restarted has not ended for good."""
    switch = Switch()
    top, (one, two), watch = started(
        kit, ALL, significant("one", start=Deadlock, args=switch), significant("two")
    )
    switch.fail_start = True
    kit.faults.kill(one)
    kit.advance(1.0)
    leave(kit, two, "normal")
    kit.advance(1.5)
    assert kit.alive(top)
    switch.fail_start = False
    kit.advance(2.0)
    assert listed(kit, top) == [("two", "stopped"), ("one", "running")]
    leave(kit, one, reasons.NORMAL)
    assert ends(watch)["top"] == SHUTDOWN


@pytest.mark.parametrize("mode", [ANY, ALL])
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("is_significant", [False, True], ids=["plain", "significant"])
def test_s61_significant_simple_is_no_combination(kit, mode, restart, is_significant):
    """A pool has no automatic shutdown, whatever its members are like."""
    template = child("child", restart=restart, significant=is_significant)
    with pytest.raises(NotStarted) as failure:
        kit.start_supervisor(auto(mode, "simple_one_for_one"), [template])
    where, (what, _) = failure.value.outcome.reason.detail
    assert (where, what) == ("supervisor_data", "bad_combination")


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
def test_s61_significant_simple_has_no_significant_members_either(kit, restart):
    """Without automatic shutdown no child is significant, in a pool as elsewhere."""
    template = child("child", restart=restart, significant=True)
    with pytest.raises(NotStarted) as failure:
        kit.start_supervisor(auto("never", "simple_one_for_one"), [template])
    where, (what, _) = failure.value.outcome.reason.detail
    assert (where, what) == ("start_spec", "bad_combination")


@pytest.mark.parametrize("mode", [ANY, ALL])
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
def test_s62_significant_bystander_is_ended_with_its_group_without_consequence(kit, strategy, mode):
    """Who is stopped for the sake of a sibling did not end by itself; a temporary one is lost."""
    specs = child("one"), significant("two"), significant("three", "temporary")
    top, (one, two, _), watch = started(kit, mode, *specs, strategy=strategy)
    before = pids(kit, top)
    leave(kit, one, "kill")
    alone = strategy == "one_for_one"
    assert list(pids(kit, top)) == (["three", "two", "one"] if alone else ["two", "one"])
    assert (pids(kit, top)["two"] is before["two"]) == alone
    assert "top" not in ends(watch)
    leave(kit, two, "normal")
    assert ("top" in ends(watch)) == (mode == ANY or not alone)


class Sub(Supervisor):
    """Its start argument is its flags and specs."""

    def init(self, args):
        return args


@pytest.mark.parametrize("is_significant", [True, False], ids=["significant", "plain"])
@pytest.mark.parametrize("restart", ["transient", "temporary"])
def test_s63_significant_escalation_goes_up_as_far_as_supervisors_are_significant(
    kit, restart, is_significant
):
    """A supervisor that ends so is itself a significant child of its parent, or is not."""
    below = auto(ANY), [significant("c", restart)]
    options = {"restart": restart, "significant": is_significant, "type": "supervisor"}
    top = kit.start_supervisor(auto(ANY), [ChildSpec("b", Sub, below, **options)])
    watch = watching(kit, top, kit.address("top/b"))
    leave(kit, kit.address("top/b/c"), "normal")
    expected = {"b": SHUTDOWN, "top": SHUTDOWN} if is_significant else {"b": SHUTDOWN}
    assert ends(watch) == expected
    if not is_significant:
        kept = [("b", "stopped")] if restart == "transient" else []
        assert listed(kit, top) == kept


def test_s63_significant_escalation_takes_along_children_that_were_started_later(kit):
    """The whole supervisor ends: also a child that nobody has listed."""
    top, (one,), watch = started(kit, ANY, significant("one"))
    late = start_child(kit, top, child("late"))
    watch.monitor(late)
    leave(kit, one, "normal")
    assert ends(watch) == {"one": reasons.NORMAL, "late": SHUTDOWN, "top": SHUTDOWN}

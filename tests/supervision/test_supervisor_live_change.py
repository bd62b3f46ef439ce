"""A supervisor's flags and specs are changed while it runs (S-64 to S-70, S-83 to S-86)."""

from __future__ import annotations

import asyncio

import pytest

from supervision import (
    IGNORE,
    Backoff,
    ChildSpec,
    CountChildren,
    DeleteChild,
    GetChildSpec,
    RestartChild,
    SpecError,
    StartChild,
    Started,
    Supervisor,
    SupervisorFlags,
    TerminateChild,
    WhichChildren,
    reasons,
)
from supervision.introspection import Introspection
from supervision.testing.children import Polite, specs

LONG = Backoff(min_s=10.0, max_s=60.0, jitter=0.0)


class Wishes(Supervisor):
    """Wants what the list that it starts with says last."""

    def init(self, args):
        return args[-1] if isinstance(args, list) else args


def flags(strategy="one_for_one", intensity=100, **more):
    return SupervisorFlags(strategy=strategy, intensity=intensity, **more)


def change(kit, top, extra=None):
    """Change it as ``sys:change_code`` does, and settle."""
    coroutine = kit.actor(top).system_code_change(1, extra)
    task = kit.loop.run(kit.loop.create_task, coroutine)
    kit.until(task.done)
    return task.result()


def listed(kit, top):
    return [(child.id, child.status) for child in kit.call(top, WhichChildren())]


def started(kit, wished, name="top"):
    args = [wished]
    return kit.start(Wishes, args, name=name), args


def test_children_that_stay_keep_their_actor_new_ones_wait_and_old_ones_go_on(kit):
    """S-83: newest first, as in OTP."""
    top, wishes = started(kit, (flags(), specs("ab")))
    before = kit.actor(kit.address("top/a"))
    wishes.append((flags(), specs("ac", shutdown=7.0)))
    change(kit, top)
    assert listed(kit, top) == [("b", "running"), ("c", "stopped"), ("a", "running")]
    assert kit.actor(kit.address("top/a")) is before
    assert kit.call(top, GetChildSpec("a")).shutdown == 7.0
    assert kit.call(top, RestartChild("c")) == Started(kit.address("top/c"))


def test_new_flags_count_from_the_next_event(kit):
    top, wishes = started(kit, (flags(intensity=5), specs("a")))
    wishes.append((flags(intensity=0), specs("a")))
    change(kit, top)
    assert kit.alive(top)
    kit.faults.kill(kit.address("top/a"))
    kit.settle()
    assert not kit.alive(top)


@pytest.mark.parametrize(
    ("wish", "shape"),
    [
        ("garbage", ("bad_return", ("Wishes", "init", "'garbage'"))),
        ((flags(intensity=-1), ()), ("supervisor_data", ("invalid_intensity", -1))),
        ((flags(), specs("aa")), ("start_spec", ("duplicate_child_name", "a"))),
        ((flags(), [{"id": "a"}]), ("start_spec", "missing_start")),
        ((flags(), 7), ("supervisor_data", ("invalid_type", 7))),
    ],
)
def test_a_change_that_is_refused_leaves_everything_as_it_was(kit, wish, shape):
    """S-83."""
    top, wishes = started(kit, (flags(), specs("ab")))
    before, args = listed(kit, top), kit.actor(top)._args
    with pytest.raises(SpecError) as refused:
        change(kit, top, {"args": [wish]})
    assert refused.value.shape == shape
    assert listed(kit, top) == before
    assert kit.actor(top).state.flags == flags()
    assert kit.actor(top)._args is args
    wishes.append(IGNORE)
    change(kit, top)
    assert listed(kit, top) == before


def test_an_init_that_raises_refuses_the_change(kit):
    top, _ = started(kit, (flags(), specs("a")))
    with pytest.raises(IndexError):
        change(kit, top, {"args": []})
    assert listed(kit, top) == [("a", "running")]


def test_new_start_arguments_hold_for_later_changes_too(kit):
    top, _ = started(kit, (flags(), specs("a")))
    later = [(flags(), specs("ab"))]
    change(kit, top, {"args": later})
    later.append((flags(), specs("abc")))
    change(kit, top)
    assert listed(kit, top) == [("c", "stopped"), ("b", "stopped"), ("a", "running")]


def test_a_pool_has_exactly_one_template_before_and_after(kit):
    """S-85."""
    pool = flags("simple_one_for_one")
    top, wishes = started(kit, (pool, specs("t")))
    kit.call(top, StartChild(id="one"))
    for wish in (specs("tu"), []):
        wishes.append((pool, wish))
        with pytest.raises(SpecError) as refused:
            change(kit, top)
        assert refused.value.what == "bad_start_spec"
    wishes.append((pool, specs("u", shutdown=1.0)))
    change(kit, top)
    assert kit.call(top, GetChildSpec("one")).shutdown == 1.0
    assert kit.call(top, CountChildren())["active"] == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [("one_for_one", "simple_one_for_one"), ("simple_one_for_one", "one_for_all")],
)
def test_a_pool_stays_a_pool_and_nothing_else_becomes_one(kit, before, after):
    top, wishes = started(kit, (flags(before), specs("t")))
    wishes.append((flags(after), specs("t")))
    with pytest.raises(SpecError, match="bad_combination"):
        change(kit, top)
    assert kit.actor(top).state.flags.strategy == before


def test_a_change_kills_nobody_and_counts_at_the_next_exit(kit):
    """S-64, S-65."""
    children = specs("ab", restart="temporary", significant=True)
    top, wishes = started(kit, (flags(auto_shutdown="any_significant"), children))
    wishes.append((flags(), specs("ab", restart="temporary")))
    change(kit, top)
    kit.faults.exit(kit.address("top/a"), reasons.NORMAL)
    kit.settle()
    assert kit.alive(top)
    refused = kit.call(top, StartChild(ChildSpec("z", Polite, None, "transient", True)))
    assert refused.why == "bad_combination"
    wishes.append((flags(auto_shutdown="any_significant"), children[1:]))
    change(kit, top)
    kit.faults.exit(kit.address("top/b"), reasons.NORMAL)
    kit.settle()
    assert not kit.alive(top)


# sys:get_state and sys:replace_state


def test_flags_and_counted_restarts_can_be_replaced_and_children_not(kit):
    top, _ = started(kit, (flags(intensity=1), specs("a")))
    kit.faults.kill(kit.address("top/a"))
    kit.settle()
    actor = kit.actor(top)
    assert actor.system_get_state() is actor.state

    def forgiven(state):
        state.restarts.clear()
        return state

    def orphaned(state):
        state.children.clear()
        return state

    with pytest.raises(TypeError):
        actor.system_replace_state(orphaned)
    with pytest.raises(ZeroDivisionError):
        actor.system_replace_state(lambda state: 1 / 0)
    assert list(actor.state.children) == ["a"]
    assert len(actor.state.restarts) == 1
    actor.system_replace_state(forgiven)
    assert len(actor.state.restarts) == 0


# While restarts wait


def waits(kit, strategy, names="abc", crashed="a", backoff=LONG):
    """A supervisor whose group is down and waits for the restart of one."""
    top, wishes = started(kit, (flags(strategy, backoff=backoff), specs(names)))
    kit.faults.kill(kit.address(f"top/{crashed}"))
    kit.settle()
    return top, wishes


def statuses(kit, top):
    return {child.id: child.status for child in kit.call(top, WhichChildren())}


@pytest.mark.parametrize("names", ["abc", "bca", "cb"])
def test_who_was_stopped_for_a_restart_still_starts_with_it_whatever_the_group_is_now(kit, names):
    top, wishes = waits(kit, "one_for_all")
    wishes.append((flags(), specs(names)))
    change(kit, top)
    assert statuses(kit, top) == {"a": "restarting", "b": "stopped", "c": "stopped"}
    told = kit.reported("supervisor", context="starts_with")
    assert {(one.data["child"], one.data["with"]) for one in told} == {("b", "a"), ("c", "a")}
    kit.advance(10.0)
    assert statuses(kit, top) == dict.fromkeys("abc", "running")
    before = kit.actor(kit.address("top/b"))
    kit.faults.kill(kit.address("top/a"))
    kit.settle()
    assert statuses(kit, top) == dict.fromkeys("abc", "running")
    assert kit.actor(kit.address("top/b")) is before  # that was once


def test_who_is_before_it_now_starts_with_it_too(kit):
    top, wishes = waits(kit, "rest_for_one", crashed="b")
    wishes.append((flags("rest_for_one", backoff=LONG), specs("acb")))
    change(kit, top)
    kit.advance(10.0)
    assert statuses(kit, top) == dict.fromkeys("abc", "running")


def test_those_of_a_restart_that_is_tried_again_at_once_start_with_it_too(kit):
    """The change comes between a start that failed and the next attempt."""
    top, wishes = started(kit, (flags("one_for_all"), specs("abc")))
    kit.faults.refuse_starts("top/a", times=1)
    cell = kit.kernel.cell_of(top)

    def stop_there(report):
        if report.data.get("context") == "start_error":
            cell.suspended = True

    kit.kernel.reports.subscribe(stop_there)
    kit.faults.kill(kit.address("top/a"))
    kit.settle()
    assert {one.status for one in kit.actor(top).state.children.values()} == {
        *("restarting", "stopped")
    }
    wishes.append((flags(), specs("abc")))
    change(kit, top)
    kit.loop.run(kit.kernel.resume, cell)
    kit.settle()
    assert statuses(kit, top) == dict.fromkeys("abc", "running")


def test_one_that_does_not_start_with_it_keeps_none_of_the_others_down(kit):
    top, wishes = waits(kit, "one_for_all")
    wishes.append((flags(), specs("abc")))
    change(kit, top)
    kit.faults.refuse_starts("top/b", times=1)
    kit.advance(10.0)
    assert statuses(kit, top) == dict.fromkeys("abc", "running")


def test_those_that_are_terminated_meanwhile_stay_so(kit):
    top, wishes = waits(kit, "one_for_all")
    wishes.append((flags(), specs("abc")))
    change(kit, top)
    kit.call(top, TerminateChild("b"))
    kit.call(top, DeleteChild("c"))
    kit.advance(10.0)
    assert statuses(kit, top) == {"a": "running", "b": "stopped"}


def test_a_termination_of_the_one_that_waits_leaves_the_others_down(kit):
    top, wishes = waits(kit, "one_for_all")
    wishes.append((flags(), specs("abc")))
    change(kit, top)
    kit.call(top, TerminateChild("a"))
    kit.call(top, RestartChild("a"))
    kit.faults.kill(kit.address("top/a"))
    kit.settle()
    assert statuses(kit, top) == {"a": "running", "b": "stopped", "c": "stopped"}


def test_what_a_child_that_became_temporary_was_started_with_is_not_kept(kit):
    top, wishes = started(kit, (flags(), specs("a", journal=[])))
    wishes.append((flags(), specs("ab", journal=[], restart="temporary")))
    change(kit, top)
    assert kit.call(top, GetChildSpec("a")).args is None
    assert kit.call(top, GetChildSpec("b")).args == []  # it has yet to be started


# One that takes its time


class Slow(Supervisor):
    async def init(self, args):
        await asyncio.sleep(args.get("seconds", 0.0))
        return flags(args.get("strategy", "one_for_one")), specs("a")


def test_a_slow_init_holds_up_nobody_else(kit):
    top = kit.start(Slow, {}, name="top")
    other, _ = started(kit, (flags(), specs("x")), "other")
    system = Introspection(kit.kernel)
    kit.run(system.suspend("top"))
    extra = {"args": {"seconds": 4.0, "strategy": "one_for_all"}}
    task = kit.loop.run(kit.loop.create_task, system.change_code("top", None, extra))
    kit.settle()
    kit.faults.kill(kit.address("other/x"))
    kit.faults.kill(kit.address("top/a"))
    waiting = kit.loop.run(kit.base.call, top, CountChildren(), None)
    kit.advance(3.9)
    assert listed(kit, other) == [("x", "running")]
    assert kit.address("other/x").incarnation == 2
    assert not task.done()
    assert not waiting.done()
    assert kit.actor(top).state.flags.strategy == "one_for_one"  # as it was until it is known
    kit.advance(0.1)
    assert task.result() is None
    kit.run(system.resume("top"))
    kit.settle()
    assert waiting.result()["active"] == 1
    assert kit.actor(top).state.flags.strategy == "one_for_all"


def test_a_supervisor_can_be_ended_while_its_slow_init_is_asked_anew(kit):
    top = kit.start(Slow, {}, name="top")
    system = Introspection(kit.kernel)
    kit.run(system.suspend("top"))
    extra = {"args": {"seconds": 4.0}}
    task = kit.loop.run(kit.loop.create_task, system.change_code("top", None, extra))
    kit.settle()
    assert kit.stop(top) == reasons.SHUTDOWN
    kit.advance(10.0)
    assert task.done()
    task.exception()
    assert kit.statistics().actors == 0

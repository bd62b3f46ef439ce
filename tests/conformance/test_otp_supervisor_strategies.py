"""OTP's supervisor cases S-29 to S-43: whom a failure restarts, and how often it may."""

from __future__ import annotations

import gc
import weakref

import pytest
from supervisor_children import CANNOT_RESTART, Gate, Gated, SlowStop
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
    IGNORE,
    DeleteChild,
    GetChildSpec,
    StartChild,
    Started,
    Stop,
    Supervisor,
    TerminateChild,
    WhichChildren,
    reasons,
)


def add_children(kit, top, *specs):
    return [start_child(kit, top, spec) for spec in specs]


def newest(kit, top):
    """The address of the child that ``which_children`` lists first."""
    return kit.call(top, WhichChildren())[0].address


def has_given_up(kit, watch, top, *children):
    """A supervisor left for good, in OTP's words, and its children with it."""
    ended = ends(watch)
    assert ended[top.name] == GAVE_UP
    assert {ended[address.name] for address in children} <= {reasons.SHUTDOWN}
    assert not kit.alive(top)
    [(_, _, reason)] = told(kit, "shutdown")
    assert reason == str(GAVE_UP)
    return True


# Intensity


def test_s29_multiple_restarts_that_are_far_apart_are_no_reason_to_give_up(kit):
    """Four failures, each 2.1 s after the one before, under one restart in one second."""
    top = kit.start_supervisor(flags(intensity=1, period=1))
    address = start_child(kit, top, child("child1", shutdown="brutal_kill"))
    leave(kit, address, "abnormal")
    for _ in range(3):
        kit.advance(2.1)
        leave(kit, address, "abnormal")
    assert counts(kit, top) == [1, 1, 0, 1]
    assert kit.kernel.restarts == 4
    assert kit.call(top, TerminateChild("child1")) is True
    assert kit.call(top, DeleteChild("child1")) is True
    assert told(kit, "shutdown") == []


# one_for_one


def test_s30_one_for_one_restarts_the_child_that_failed_and_no_other(kit):
    """The third failure under an intensity of two ends the supervisor."""
    top = kit.start_supervisor(flags())
    one, two = add_children(kit, top, child("child1"), child("child2"))
    before = pids(kit, top)
    leave(kit, one, "abnormal")
    after = pids(kit, top)
    assert list(after) == ["child2", "child1"]
    assert after["child2"] is before["child2"]
    assert has_ended(before["child1"])
    assert not has_ended(after["child1"])
    assert counts(kit, top) == [2, 2, 0, 2]

    leave(kit, two, "abnormal")
    watch = watching(kit, top, one)
    leave(kit, newest(kit, top), "abnormal")
    assert has_given_up(kit, watch, top, one)


def test_s31_one_for_one_escalation_counts_every_attempt_that_fails(kit):
    """A child that cannot be restarted uses up four restarts; supervisor and sibling end."""
    top = kit.start_supervisor(flags(intensity=4))
    one, two = add_children(kit, top, child("child1", "error"), child("child2"))
    watch = watching(kit, top, two)
    leave(kit, one, "abnormal")
    assert has_given_up(kit, watch, top, two)
    failed = ("start_error", "child1", str(CANNOT_RESTART))
    assert told(kit, "child_terminated", "start_error", "shutdown") == [
        ("child_terminated", "child1", "error: died"),
        *[failed] * 4,
        ("shutdown", "child1", str(GAVE_UP)),
    ]


# one_for_all


def test_s32_one_for_all_restarts_everybody(kit):
    """Each failure gives all children new actors and costs one restart; the third is too many."""
    top = kit.start_supervisor(flags("one_for_all"))
    one, two = add_children(kit, top, child("child1"), child("child2"))
    before = pids(kit, top)
    watch = watching(kit, two)
    leave(kit, one, "abnormal")
    assert ends(watch) == {"child2": reasons.SHUTDOWN}
    after = pids(kit, top)
    assert list(after) == ["child2", "child1"]
    assert all(has_ended(actor) for actor in before.values())
    assert not any(has_ended(actor) for actor in after.values())
    assert counts(kit, top) == [2, 2, 0, 2]

    leave(kit, newest(kit, top), "abnormal")
    watch = watching(kit, top, one)
    leave(kit, newest(kit, top), "abnormal")
    assert has_given_up(kit, watch, top, one)


def test_s33_one_for_all_escalation_counts_the_attempts_of_a_sibling(kit):
    """A sibling that cannot be restarted takes everything down, its restarts counted."""
    top = kit.start_supervisor(flags("one_for_all", intensity=4))
    one, two = add_children(kit, top, child("child1"), child("child2", "error"))
    watch = watching(kit, top, two)
    leave(kit, one, "abnormal")
    assert has_given_up(kit, watch, top, two)
    assert told(kit, "start_error") == [("start_error", "child2", str(CANNOT_RESTART))] * 4


def begin_gated(kit, strategy):
    """Start a supervisor of three gated children, let them in, return it with the gate.

    The suite has two; with a third it shows that nobody after a failure is started.
    """
    gate, names = Gate(), ("child1", "child2", "child3")
    specs = [child(name, gate, Gated) for name in names]
    place = kit.kernel.child_address(None, "top")
    outcome = kit.loop.run(
        lambda: kit.kernel.spawn(
            Fixed(), (flags(strategy, intensity=3), specs), parent=None, address=place
        )
    )
    for name in names:
        let_in(kit, gate, name)
    assert outcome.value == Started(place)
    return place, gate


class Fixed(Supervisor):
    """Its start argument is its flags and specs."""

    def init(self, args):
        return args


def let_in(kit, gate, name, returned=None):
    """The child that waits now must be this one; its actor is returned."""
    arrival = gate.next(kit)
    assert arrival.name == name
    arrival.let(kit, returned)
    return arrival.actor


def test_s34_one_for_all_other_child_fails_restart_ends_the_one_that_was_restarted(kit):
    """Where child2 does not start again, the new child1 is shut down; then all start anew."""
    top, gate = begin_gated(kit, "one_for_all")
    kit.faults.exit(kit.address("top/child1"), reasons.error("die"))
    second = let_in(kit, gate, "child1")
    watch = watching(kit, second.address)
    let_in(kit, gate, "child2", Stop(reasons.NORMAL))
    assert ends(watch) == {"child1": reasons.SHUTDOWN}
    third = let_in(kit, gate, "child1")
    let_in(kit, gate, "child2")
    let_in(kit, gate, "child3")
    assert not gate.waiting
    assert has_ended(second)
    assert pids(kit, top)["child1"] is third
    assert counts(kit, top) == [3, 3, 0, 3]
    assert told(kit, "start_error") == [("start_error", "child2", "normal")]
    assert kit.stop(top) == reasons.SHUTDOWN


# simple_one_for_one


@pytest.fixture
def pool(kit):
    return kit.start_supervisor(flags("simple_one_for_one"), [child("child")])


def test_s35_simple_one_for_one_restarts_the_member_that_failed_and_no_other(kit, pool):
    """As one_for_one; a pool that gives up ends with a shutdown."""
    one, two = (start_child(kit, pool, name) for name in ("one", "two"))
    before = pids(kit, pool)
    leave(kit, one, "abnormal")
    after = pids(kit, pool)
    assert after.keys() == before.keys()
    assert after["two"] is before["two"]
    assert has_ended(before["one"])
    assert counts(kit, pool) == [1, 2, 0, 2]

    leave(kit, two, "abnormal")
    watch = watching(kit, pool)
    leave(kit, newest(kit, pool), "abnormal")
    assert has_given_up(kit, watch, pool)


def test_s36_simple_one_for_one_shutdown_ends_all_members_at_once(kit):
    """Two need 1 s and one 5 s under a limit of 2 s: that is how long it takes."""
    top = kit.start_supervisor(
        flags("simple_one_for_one"), [child("child", start=SlowStop, shutdown=2.0)]
    )
    needs = {"one": 1.0, "two": 1.0, "three": 5.0}
    watch = watching(kit, *(start_child(kit, top, *member) for member in needs.items()))
    assert kit.stop(top) == reasons.SHUTDOWN
    assert kit.clock.elapsed == 2.0
    assert ends(watch) == {
        "one": reasons.SHUTDOWN,
        "two": reasons.SHUTDOWN,
        "three": reasons.KILLED,
    }


def test_s37_simple_one_for_one_extra_hands_on_what_members_say_and_restarts_them(kit, pool):
    """What a member's init says comes with the answer, and does not hinder its restart."""
    answers = [kit.call(pool, StartChild(id=name, args="extra")) for name in ("one", "two")]
    assert [answer.info for answer in answers] == ["extra", "extra"]
    one, two = (answer.address for answer in answers)
    before = pids(kit, pool)
    leave(kit, one, "abnormal")
    after = pids(kit, pool)
    assert after["two"] is before["two"]
    assert after["one"] is not before["one"]
    assert counts(kit, pool) == [1, 2, 0, 2]

    leave(kit, two, "abnormal")
    watch = watching(kit, pool, one)
    leave(kit, newest(kit, pool), "abnormal")
    assert has_given_up(kit, watch, pool, one)


def test_s38_simple_one_for_one_escalation_ends_every_member(kit):
    """A member that cannot be restarted takes the pool down with all that is in it."""
    top = kit.start_supervisor(flags("simple_one_for_one", intensity=4), [child("child")])
    one = start_child(kit, top, "one", "error")
    two = start_child(kit, top, "two")
    watch = watching(kit, top, two)
    leave(kit, one, "abnormal")
    assert has_given_up(kit, watch, top, two)
    assert len(told(kit, "start_error")) == 4


class Large(list):
    """A large start argument that tells when it is forgotten."""

    __slots__ = ("__weakref__",)


def test_s39_simple_one_for_one_corruption_keeps_no_arguments_of_temporary_members(kit):
    """Also after a member has died, a large start argument stays with its actor alone."""
    template = child("child", restart="temporary", modules=[])
    top = kit.start_supervisor(flags("simple_one_for_one"), [template])
    leave(kit, start_child(kit, top, "one"), "abnormal")
    large = Large(bytes(50_000))
    forgotten = weakref.ref(large)
    two = start_child(kit, top, "two", large)
    del large
    gc.collect()
    assert forgotten() is None
    assert kit.call(top, GetChildSpec(two)).args is None
    leave(kit, two, "abnormal")
    assert counts(kit, top) == [1, 0, 0, 0]


@pytest.mark.parametrize("restart", ["transient", "permanent"])
def test_s40_simple_one_for_one_restart_ignore_leaves_nothing(kit, restart):
    """A member that ignores its second restart is forgotten; the pool goes on."""
    top = kit.start_supervisor(
        flags("simple_one_for_one", intensity=10), [child("child", start=Gated, restart=restart)]
    )
    gate = Gate()
    answer = kit.loop.run(kit.base.call, top, StartChild(id="one", args=gate))
    first = let_in(kit, gate, "one")
    one = answer.result().address
    assert pids(kit, top) == {"one": first}
    kit.faults.kill(one)
    second = let_in(kit, gate, "one")
    assert pids(kit, top) == {"one": second}
    assert has_ended(first)
    kit.faults.kill(one)
    let_in(kit, gate, "one", IGNORE)
    assert listed(kit, top) == []
    assert counts(kit, top) == [1, 0, 0, 0]
    assert kit.stop(top) == reasons.SHUTDOWN


# rest_for_one


def test_s41_rest_for_one_restarts_the_failed_child_and_those_after_it(kit):
    """The child before keeps its actor; the third failure under an intensity of two is fatal."""
    top = kit.start_supervisor(flags("rest_for_one"))
    one, two, three = add_children(kit, top, child("child1"), child("child2"), child("child3"))
    assert counts(kit, top) == [3, 3, 0, 3]
    before = pids(kit, top)
    watch = watching(kit, one, three)
    leave(kit, two, "abnormal")
    assert ends(watch) == {"child3": reasons.SHUTDOWN}
    after = pids(kit, top)
    assert list(after) == ["child3", "child2", "child1"]
    assert after["child1"] is before["child1"]
    assert has_ended(before["child2"])
    assert has_ended(before["child3"])
    assert counts(kit, top) == [3, 3, 0, 3]

    leave(kit, three, "abnormal")
    watch = watching(kit, top, one)
    leave(kit, two, "abnormal")
    assert has_given_up(kit, watch, top, one)


def test_s42_rest_for_one_escalation_counts_the_attempts_of_a_later_child(kit):
    """A later child that cannot be restarted takes the supervisor down."""
    top = kit.start_supervisor(flags("rest_for_one", intensity=4))
    one, two = add_children(kit, top, child("child1"), child("child2", "error"))
    watch = watching(kit, top, two)
    leave(kit, one, "abnormal")
    assert has_given_up(kit, watch, top, two)
    assert told(kit, "start_error") == [("start_error", "child2", str(CANNOT_RESTART))] * 4


def test_s43_rest_for_one_other_child_fails_restart_leaves_the_one_that_was_restarted(kit):
    """Where child2 does not start again, it is tried again with those after it."""
    top, gate = begin_gated(kit, "rest_for_one")
    kit.faults.exit(kit.address("top/child1"), reasons.error("die"))
    second = let_in(kit, gate, "child1")
    let_in(kit, gate, "child2", Stop(reasons.NORMAL))
    let_in(kit, gate, "child2")
    let_in(kit, gate, "child3")
    assert not gate.waiting
    assert pids(kit, top)["child1"] is second
    assert not has_ended(second)
    assert counts(kit, top) == [3, 3, 0, 3]
    assert told(kit, "start_error") == [("start_error", "child2", "normal")]
    assert kit.stop(top) == reasons.SHUTDOWN

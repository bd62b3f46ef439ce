"""Operators at work while a restart fails: whoever was stopped for it is started with it."""

from __future__ import annotations

import asyncio

import pytest

from supervision import (
    IGNORE,
    Backoff,
    ChildSpec,
    CycleChild,
    DeleteChild,
    Ignored,
    MailboxPolicy,
    NoProc,
    Refused,
    RestartChild,
    ServerDied,
    StartChild,
    Started,
    Supervisor,
    SupervisorFlags,
    TerminateChild,
    WhichChild,
    WhichChildren,
    reasons,
)
from supervision.testing.children import Polite

SLOW = Backoff(min_s=10.0, max_s=10.0, jitter=0.0)
ALL_RUN = {"a": "running", "b": "running", "c": "running"}


class Flaky(Polite):
    """Needs a second to start, and does in its n-th start what its argument says for n."""

    async def init(self, args):
        await asyncio.sleep(1.0)
        todo = (args or {}).get(self.address.incarnation)
        if isinstance(todo, Exception):
            raise todo
        return todo


def failing(kit, strategy="one_for_all", *, backoff=None, second=None, **options):
    """Start a supervisor whose child ``a`` fails in its second start, and make it crash.

    The supervisor waits for that start: what it is asked now is handled before it tries again.
    """
    todo = {2: ValueError("no"), 3: second}
    options.setdefault("on_restart", "keep")
    specs = [ChildSpec(name, Flaky, todo if name == "a" else None, **options) for name in "abc"]
    if strategy == "simple_one_for_one":
        specs = [ChildSpec("template", Flaky, **options)]
    flags = SupervisorFlags(strategy, 50, 1_000.0, backoff=backoff)
    top = kit.start_supervisor(flags, specs)
    if strategy == "simple_one_for_one":
        for name in "abc":
            kit.call(top, StartChild(id=name, args=todo if name == "a" else None))
    kit.cast(kit.address("top/a"), reasons.error("x"))
    kit.advance(0.5 if backoff is None else 15.0)
    return top


def ask(kit, target, request, timeout=None):
    future = kit.loop.run(kit.base.call, target, request, timeout)
    future.add_done_callback(lambda done: done.exception())
    return future


def states(kit, top):
    return {child.id: child.status for child in kit.call(top, WhichChildren())}


def child(kit, top, name):
    """The address of a child, which may be down."""
    return kit.actor(top).state.children[name].address


@pytest.mark.parametrize("backoff", [None, SLOW])
@pytest.mark.parametrize(
    "strategy", ["one_for_all", "rest_for_one", "one_for_one", "simple_one_for_one"]
)
def test_a_child_that_is_cycled_before_it_is_tried_again_takes_its_group_along(
    kit, strategy, backoff
):
    top = failing(kit, strategy, backoff=backoff)
    cycled = ask(kit, top, CycleChild("a"))
    kept = [ask(kit, child(kit, top, name), name) for name in "abc"]
    kit.advance(100.0)
    assert cycled.result() == Started(child(kit, top, "a"))
    assert states(kit, top) == ALL_RUN
    assert [one.result() for one in kept] == ["a", "b", "c"]
    assert len(kit.kernel.held) == 0
    assert kit.call(top, WhichChild("a")).restarts == 2


@pytest.mark.parametrize("backoff", [None, SLOW])
def test_one_that_is_cycled_and_fails_again_is_tried_again_with_its_group(kit, backoff):
    top = failing(kit, backoff=backoff, second=ValueError("nor now"))
    cycled = ask(kit, top, CycleChild("a"))
    kit.advance(100.0)
    assert cycled.result().why == "start_error"
    assert "nor now" in str(cycled.result().detail)
    assert states(kit, top) == ALL_RUN
    assert kit.call(top, WhichChild("a")).restarts == 3


def test_one_that_is_cycled_and_wants_to_be_left_out_leaves_the_others_running(kit):
    top = failing(kit, second=IGNORE)
    cycled = ask(kit, top, CycleChild("a"))
    kept = ask(kit, child(kit, top, "a"), "never handled")
    kit.advance(100.0)
    assert cycled.result() == Ignored()
    assert states(kit, top) == ALL_RUN | {"a": "stopped"}
    assert isinstance(kept.exception(), ServerDied)
    assert len(kit.kernel.held) == 0


def test_a_sibling_that_fails_first_is_why_a_cycled_child_does_not_run(kit):
    todo = {2: ValueError("no")}
    specs = [ChildSpec("a", Flaky, {3: ValueError("not a")}), ChildSpec("b", Flaky, todo)]
    top = kit.start_supervisor(SupervisorFlags("one_for_all", 50, 1_000.0), specs)
    kit.cast(kit.address("top/a"), reasons.error("x"))
    kit.advance(1.5)  # a runs again, b is about to fail
    cycled = ask(kit, top, CycleChild("b"))
    kit.advance(100.0)
    assert "not a" in str(cycled.result().detail)
    assert states(kit, top) == {"a": "running", "b": "running"}


@pytest.mark.parametrize("backoff", [None, SLOW])
@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one", "simple_one_for_one"])
def test_a_child_that_is_terminated_before_it_is_tried_again_leaves_nobody_waiting(
    kit, strategy, backoff
):
    top = failing(kit, strategy, backoff=backoff)
    kept = [ask(kit, child(kit, top, name), name) for name in "abc"]
    terminated = ask(kit, top, TerminateChild("a"))
    kit.advance(100.0)
    assert terminated.result() is True
    assert all(one.done() for one in kept)
    assert isinstance(kept[0].exception(), ServerDied)
    assert len(kit.kernel.held) == 0
    if strategy != "simple_one_for_one":  # as in OTP, nobody asks for the others any more
        assert set(states(kit, top).values()) == {"stopped"}
        assert isinstance(ask(kit, child(kit, top, "b"), "late").exception(), NoProc)


@pytest.mark.parametrize("backoff", [None, SLOW])
@pytest.mark.parametrize("request_", [RestartChild, DeleteChild])
def test_a_child_that_will_be_tried_again_is_neither_restarted_nor_deleted(kit, request_, backoff):
    top = failing(kit, backoff=backoff)
    asked = ask(kit, top, request_("a"))
    kit.advance(100.0)
    assert asked.result().why == "restarting"
    assert states(kit, top) == ALL_RUN


@pytest.mark.parametrize("backoff", [None, SLOW])
@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
@pytest.mark.parametrize("request_", [RestartChild, CycleChild, TerminateChild])
def test_whatever_is_done_to_a_sibling_it_starts_with_the_group(kit, strategy, request_, backoff):
    top = failing(kit, strategy, backoff=backoff)
    kept = ask(kit, child(kit, top, "b"), "kept")
    asked = ask(kit, top, request_("b"))
    kit.advance(100.0)
    assert not isinstance(asked.result(), Refused)
    assert states(kit, top) == ALL_RUN
    if request_ is TerminateChild:
        assert isinstance(kept.exception(), ServerDied)
    else:
        assert kept.result() == "kept"
    assert len(kit.kernel.held) == 0


@pytest.mark.parametrize("backoff", [None, SLOW])
def test_a_sibling_that_is_deleted_is_missed_by_nobody(kit, backoff):
    top = failing(kit, backoff=backoff)
    kept = ask(kit, child(kit, top, "b"), "kept")
    ask(kit, top, DeleteChild("b"))
    kit.advance(100.0)
    assert states(kit, top) == {"a": "running", "c": "running"}
    assert isinstance(kept.exception(), ServerDied)
    assert len(kit.kernel.held) == 0


class Bounded(Supervisor):
    """Takes two messages at most, and drops what is one too many."""

    mailbox = MailboxPolicy(2, "drop_newest")
    backoff = None

    def init(self, todo):
        flags = SupervisorFlags(intensity=50, period=1_000.0, backoff=self.backoff)
        return flags, [ChildSpec("a", Flaky, todo)]


class BoundedAndPatient(Bounded):
    mailbox = MailboxPolicy(2, "drop_oldest")
    backoff = SLOW


@pytest.mark.parametrize("supervisor", [Bounded, BoundedAndPatient])
def test_what_a_supervisor_owes_its_children_finds_room_in_a_full_mailbox(kit, supervisor):
    def flood():
        for number in range(5):
            kit.base.cast(top, number)

    top = kit.start(supervisor, {2: ValueError("no")}, name="top")
    kit.cast(kit.address("top/a"), reasons.error("x"))
    for seconds in [0.5] if supervisor is Bounded else [0.0, 10.5, 12.0]:
        kit.advance(seconds)
        kit.kernel.cell_of(top).suspended = True
        kit.loop.run(flood)
        kit.advance(1.0)
        kit.loop.run(kit.kernel.resume, kit.kernel.cell_of(top))
    kit.advance(100.0)
    assert states(kit, top) == {"a": "running"}


def test_operators_that_try_again_and_again_do_not_multiply_the_retries(kit):
    todo = {number: ValueError("no") for number in range(2, 8)}
    flags = SupervisorFlags(intensity=50, period=1_000.0)
    top = kit.start_supervisor(flags, [ChildSpec("a", Flaky, todo)])
    kit.cast(kit.address("top/a"), reasons.error("x"))
    kit.advance(0.5)
    for _ in range(3):
        ask(kit, top, CycleChild("a"))
    kit.advance(4.2)  # a fourth start has failed
    assert kit.kernel.cell_of(top).depth <= 1
    kit.advance(100.0)
    assert states(kit, top) == {"a": "running"}
    assert kit.call(top, WhichChild("a")).restarts == 7
    assert kit.reported("unexpected") == []

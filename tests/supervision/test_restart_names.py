"""What is sent to the name of a child that is being restarted finds its next incarnation."""

from __future__ import annotations

import asyncio

import pytest

from supervision import (
    Backoff,
    ChildSpec,
    GenServer,
    NoProc,
    ServerDied,
    SupervisorFlags,
    TerminateChild,
    reasons,
)

LONG = Backoff(min_s=10.0, max_s=10.0, jitter=0.0)


class Named(GenServer):
    """Takes its name at the end of its ``init``, which needs a second but in its first start."""

    def init(self, todo):
        self.journal, self.fails, self.named = todo
        if self.address.incarnation == 1:
            return self.register("clerk")
        return self.slow()

    async def slow(self):
        await asyncio.sleep(1.0)
        if self.address.incarnation in self.fails:
            raise LookupError("no")
        if self.named:
            self.register("clerk")

    def handle_call(self, request, from_):
        self.journal.append(request)
        return request

    def handle_cast(self, request):
        if request == "die":
            raise LookupError("died")
        self.journal.append(request)

    def terminate(self, reason):
        self.journal.append("ended") if reason.clean else None


def restarting(kit, *, fails=(), named=True, backoff=None):
    """Start a clerk under a supervisor and make it crash; return its journal."""
    journal = []
    spec = ChildSpec(
        "clerk", Named, (journal, fails, named), on_restart="keep", keep_limit=3, backoff=backoff
    )
    kit.start_supervisor(SupervisorFlags(intensity=100, period=1_000.0), [spec])
    kit.cast("clerk", "die")
    kit.settle()
    return journal


def post(kit, target, *requests):
    for request in requests:
        kit.loop.run(kit.base.cast, target, request)


def ask(kit, target, request, timeout=None):
    future = kit.loop.run(kit.base.call, target, request, timeout)
    future.add_done_callback(lambda done: done.exception())
    return future


def nothing_is_left(kit):
    held = kit.kernel.held
    return not (held._queues or held._names or held.starting)


def test_it_does_while_its_init_waits_in_the_order_of_all_that_was_sent(kit):
    journal = restarting(kit)
    kit.advance(0.5)
    post(kit, "clerk", 1)
    post(kit, kit.address("top/clerk"), 2)
    called = ask(kit, "clerk", 3, 60.0)
    post(kit, "clerk", 4)
    kit.advance(1.0)
    assert journal == [1, 2, 3, 4]
    assert called.result() == 3
    assert nothing_is_left(kit)


def test_it_does_over_starts_that_fail_before_they_take_the_name(kit):
    journal = restarting(kit, fails=(2, 3), backoff=LONG)
    for number, seconds in enumerate([10.5, 5.0, 6.0]):  # it waits, starts, waits and starts
        kit.advance(seconds)
        post(kit, "clerk", number)
    kit.advance(12.0)
    assert journal == [0, 1, 2]
    assert nothing_is_left(kit)


def test_a_deadline_that_passes_during_the_start_is_kept(kit):
    journal = restarting(kit)
    called = ask(kit, "clerk", "late", 0.5)
    kit.advance(3.0)
    assert called.exception() is not None
    assert journal == []


def test_a_name_that_is_not_taken_again_is_nobodys_after_the_start(kit):
    journal = restarting(kit, named=False)
    post(kit, "clerk", 1)
    kit.advance(1.5)
    with pytest.raises(NoProc):
        kit.call("clerk", 2)
    assert journal == [1]
    assert nothing_is_left(kit)


def test_another_that_takes_the_name_meanwhile_gets_what_is_sent_to_it(kit):
    journal = restarting(kit, named=False)
    other = []
    kit.start(Named, (other, (), True))
    post(kit, "clerk", 1)
    kit.advance(1.5)
    assert (journal, other) == ([], [1])
    assert nothing_is_left(kit)


def test_when_it_is_terminated_instead_all_who_used_the_name_are_told(kit):
    journal = restarting(kit, fails=(2,), backoff=LONG)
    kit.advance(10.5)
    during = ask(kit, "clerk", 1)
    kit.advance(1.0)
    after = ask(kit, "clerk", 2)
    kit.call(kit.address("top"), TerminateChild("clerk"))
    assert isinstance(during.exception(), ServerDied)
    assert isinstance(after.exception(), ServerDied)
    assert isinstance(ask(kit, "clerk", 3).exception(), NoProc)
    assert journal == []
    assert nothing_is_left(kit)


@pytest.mark.parametrize("reason", [reasons.SHUTDOWN, reasons.KILLED])
def test_nothing_is_left_of_a_start_that_ends_with_its_supervisor(kit, reason):
    restarting(kit)
    called = ask(kit, "clerk", 1)
    kit.faults.exit(kit.address("top"), reason)
    kit.settle()
    assert isinstance(called.exception(), ServerDied)
    assert nothing_is_left(kit)


def test_an_init_that_asks_for_its_own_name_finds_nobody(kit):
    found = []

    class Asks(Named):
        async def slow(self):
            try:
                await self.call("clerk", "me")
            except NoProc:
                found.append("nobody")

    spec = ChildSpec("clerk", Asks, ([], (), True), on_restart="keep")
    kit.start_supervisor(SupervisorFlags(), [spec])
    kit.cast("clerk", "die")
    kit.advance(0.1)
    assert found == ["nobody"]

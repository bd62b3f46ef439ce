"""Stopping another actor, in order and waiting for its end (``gen_server:stop/1,3``)."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from supervision import (
    CallFailed,
    CallingSelf,
    CallTimeout,
    ChildSpec,
    GenServer,
    NoProc,
    ServerDied,
    SupervisorFlags,
    reasons,
)

DONE = reasons.shutdown("done")


class Target(GenServer):
    """Takes as long to end as it is told at its start, and notes what it handles before."""

    def init(self, args):
        self.seconds = args or 0.0
        self.state = []

    def handle_info(self, message, sender):
        self.state.append(message)

    async def handle_cast(self, request):
        await asyncio.sleep(request)
        self.state.append("handled")

    async def terminate(self, reason):
        self.state.append(reason)
        await asyncio.sleep(self.seconds)


class BadEnd(GenServer):
    def terminate(self, reason):
        raise LookupError("last words")


class Stopper(GenServer):
    """Stops what it is asked to and answers what became of it."""

    async def handle_call(self, request, from_):
        try:
            return await self.stop_actor(*request)
        except CallFailed as failure:
            return failure


@pytest.fixture
def stop(kit):
    """Ways to stop: from an actor's handler, and from a task of the loop."""
    stopper = kit.start(Stopper, name="stopper")

    def from_an_actor(*request):
        answer = kit.call(stopper, request, None)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def from_a_task(*request):
        return kit.run(_awaited(kit.kernel.stop_call(*request)))

    return {"actor": from_an_actor, "task": from_a_task}


async def _awaited(future):
    return await future


from_everywhere = pytest.mark.parametrize("whence", ["actor", "task"])


@from_everywhere
def test_a_server_ends_with_the_reason_that_it_is_stopped_with(kit, stop, whence):
    watcher, target = kit.probe(), kit.start(Target, 2.0)
    watcher.monitor(target)
    actor = kit.actor(target)
    assert stop[whence](target, DONE) is None
    assert kit.clock.elapsed == 2.0
    assert actor.state == [DONE]
    assert [down.reason for down in watcher.messages] == [DONE]


@from_everywhere
def test_a_server_is_stopped_with_reason_normal_by_its_name(kit, stop, whence):
    target = kit.start(Target)
    kit.actor(target).register("target")
    stop[whence]("target")
    assert not kit.alive(target)
    assert target.cell is None


@from_everywhere
def test_what_waits_in_the_mailbox_is_handled_first(kit, stop, whence):
    target = kit.start(Target)
    actor = kit.actor(target)
    kit.cast(target, 1.0)
    kit.send(target, "waits")
    stop[whence](target, DONE)
    assert actor.state == ["handled", "waits", DONE]


@from_everywhere
def test_a_suspended_server_can_be_stopped(kit, stop, whence):
    target = kit.start(Target)
    target.cell.suspended = True
    kit.send(target, "stays in the mailbox")
    stop[whence](target, DONE)
    assert not kit.alive(target)


@from_everywhere
def test_a_server_that_does_not_end_in_time_goes_on_ending(kit, stop, whence):
    target = kit.start(Target, 3.0)
    with pytest.raises(CallTimeout):
        stop[whence](target, DONE, 1.0)
    assert kit.clock.elapsed == 1.0
    assert target.cell is not None
    kit.advance(2.0)
    assert target.cell is None


@from_everywhere
def test_nothing_is_kept_of_those_who_wait_no_longer(kit, stop, whence):
    target = kit.start(Target, 1000.0)
    for _ in range(3):
        with pytest.raises(CallTimeout):
            stop[whence](target, DONE, 1.0)
    assert target.cell.at_end is None


def test_nothing_is_kept_of_a_wait_for_an_end_that_is_cut_short(kit):
    class Hasty(GenServer):
        async def handle_cast(self, target):
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stop_actor(target, DONE), 1.0)
            self.state = "over"

    target, hasty = kit.start(Target, 1000.0), kit.start(Hasty)
    kit.cast(hasty, target)
    kit.advance(2.0)
    assert kit.actor(hasty).state == "over"
    assert target.cell.at_end is None


@from_everywhere
def test_nobody_cannot_be_stopped(kit, stop, whence):
    target = kit.start(Target)
    kit.stop(target)
    for nobody in (target, "nobody"):
        with pytest.raises(NoProc):
            stop[whence](nobody)


@from_everywhere
@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_an_end_with_another_reason_is_an_error(kit, stop, whence, how):
    if how == "terminate":
        target = kit.start(BadEnd)
    else:
        target = kit.start(Target, 60.0)
        kit.loop.run(kit.loop.call_later, 1.0, kit.kernel.exit, target.cell, reasons.KILLED)
    with pytest.raises(ServerDied) as failure:
        stop[whence](target, DONE)
    assert failure.value.reason.kind == ("error" if how == "terminate" else "killed")


def test_an_actor_cannot_stop_itself_and_wait_for_it(kit, stop):
    with pytest.raises(CallingSelf):
        stop["actor"](kit.address("stopper"))
    assert kit.alive(kit.address("stopper"))


def test_a_supervisor_takes_a_stop_from_outside_as_any_end(kit, stop):
    kit.start_supervisor(
        SupervisorFlags(),
        [ChildSpec("a", Target), ChildSpec("b", Target, restart="transient")],
    )
    for name in ("a", "b"):
        stop["task"](kit.address(f"top/{name}"))
    assert kit.address("top/a").incarnation == 2
    with pytest.raises(LookupError):
        kit.address("top/b")


def test_two_can_wait_for_the_same_end(kit):
    target = kit.start(Target, 1.0)
    ends = [kit.loop.run(kit.kernel.stop_call, target, DONE) for _ in range(2)]
    kit.advance(1.0)
    assert [end.result() for end in ends] == [None, None]
    assert kit.kernel.dead_letters.total == 0

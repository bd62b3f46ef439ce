"""What gets through to an actor that waits or is suspended, and what the ready queue promises."""

from __future__ import annotations

import asyncio

import pytest

from supervision import GenServer, reasons
from supervision._thespian import ActorExitRequest, Thespian_StatusReq
from supervision.eventloop.timekeeping import SchedulerLimits
from supervision.testing import Kit

TICK_S = 1 / 1024
"""About a millisecond, of which sums are exact."""


class Waiting(GenServer):
    """Waits for ever in its handler of anything."""

    def init(self, args):
        self.state = []

    async def handle_info(self, message, sender):
        self.state.append(message)
        await asyncio.get_running_loop().create_future()


def busy(kit):
    address = kit.start(Waiting)
    for message in ("held", "next", "last"):
        kit.send(address, message)
    kit.settle()
    return address


def suspended(kit):
    address = kit.start(Waiting)
    address.cell.suspended = True
    kit.send(address, "next")
    return address


@pytest.mark.parametrize("make", [busy, suspended])
def test_an_exit_request_reaches_an_actor_that_takes_no_messages(kit, make):
    address = make(kit)
    kit.send(address, ActorExitRequest())
    kit.settle()
    assert not kit.alive(address)


@pytest.mark.parametrize("make", [busy, suspended])
def test_a_status_request_is_answered_for_an_actor_that_takes_no_messages(kit, make):
    address, probe = make(kit), kit.probe()
    kit.send(address, Thespian_StatusReq(), probe.address)
    kit.settle()
    assert len(probe.messages) == 1
    assert kit.alive(address)


def test_an_exit_request_ends_an_actor_whose_init_waits(kit):
    class Beginning(GenServer):
        async def init(self, args):
            await asyncio.get_running_loop().create_future()

    address = kit.kernel.child_address(None, "beginning")
    outcome = kit.loop.run(
        lambda: kit.kernel.spawn(Beginning(), None, parent=None, address=address)
    )
    kit.settle()
    kit.send(address, ActorExitRequest())
    kit.settle()
    assert outcome.value.reason == reasons.NORMAL


class Worker(GenServer):
    """Needs a tenth of a millisecond for a message."""

    def init(self, args):
        self.clock = args

    def handle_info(self, message, sender):
        self.clock.advance(0.0001)


def test_an_actor_suspended_and_resumed_again_and_again_has_its_share_and_no_more(kit):
    one, other = (kit.start(Worker, kit.clock) for _ in range(2))
    for address in (one, other):
        for number in range(10_000):
            kit.send(address, number)
    for _ in range(20):
        one.cell.suspended = True
        kit.kernel.resume(one.cell)
        kit.kernel.resume(one.cell)
    seen = []
    kit.loop.call_later(0.5, lambda: seen.extend((one.cell.handled, other.cell.handled)))
    kit.settle()
    assert abs(seen[0] - seen[1]) <= kit.kernel.limits.batch


def test_many_signals_let_the_loop_go_round_in_between():
    with Kit(limits=SchedulerLimits(turn_budget_s=5 * TICK_S)) as kit:
        rounds = []

        def signalled():
            kit.clock.advance(TICK_S)
            rounds.append(kit.kernel.turns)

        for _ in range(100):
            kit.loop.run(kit.kernel.signal, signalled)
        kit.settle()
        assert len(rounds) == 100
        assert len(set(rounds)) == 20


def test_an_end_that_waits_for_the_next_turn_still_comes_before_messages():
    with Kit(limits=SchedulerLimits(turn_budget_s=5 * TICK_S)) as kit:
        probe = kit.probe()
        kit.send(probe.address, "first")
        for _ in range(50):
            kit.loop.run(kit.kernel.signal, kit.clock.advance, TICK_S)
        kit.loop.run(kit.kernel.exit, probe.address.cell, reasons.SHUTDOWN)
        kit.settle()
        assert probe.messages == []
        assert probe.ended == reasons.SHUTDOWN

"""What gets through to an actor that waits or is suspended, and what the ready queue promises."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from supervision import GenServer, reasons
from supervision._thespian import ActorExitRequest, Thespian_StatusReq
from supervision.eventloop.mailbox import MailboxPolicy
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


@pytest.mark.parametrize("asleep", [False, True])
@pytest.mark.parametrize("before", [0, 1, 100])
def test_an_exit_request_gets_through_in_front_of_and_behind_other_messages(kit, asleep, before):
    address = kit.start(Waiting)
    actor = address.cell.actor

    def all_at_once():
        for number in range(before):
            kit.kernel.send(address, number, None)
        kit.kernel.send(address, ActorExitRequest(), None)
        kit.kernel.send(address, "behind", None)

    if asleep:
        address.cell.suspended = True
    else:
        kit.send(address, "held")
    kit.settle()
    kit.loop.run(all_at_once)
    kit.settle()
    assert not kit.alive(address)
    assert actor.state == ([] if asleep else ["held"])


@pytest.mark.parametrize("before", [0, 1, 100])
def test_an_exit_request_that_waits_already_reaches_an_actor_that_begins_to_wait(kit, before):
    address = kit.start(Waiting)
    actor = address.cell.actor

    def all_at_once():
        kit.kernel.send(address, "held", None)
        for number in range(before):
            kit.kernel.send(address, number, None)
        kit.kernel.send(address, ActorExitRequest(), None)

    kit.loop.run(all_at_once)
    kit.settle()
    assert not kit.alive(address)
    assert actor.state == ["held"]


class Brief(GenServer):
    """Waits for a moment in its handler of anything."""

    def init(self, args):
        self.state = []

    async def handle_info(self, message, sender):
        self.state.append(message)
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("spoilt", [0, 70])
def test_a_status_request_far_behind_is_answered_at_the_next_wait(kit, spoilt):
    address, probe = kit.start(Brief), kit.probe()

    def many():
        for number in range(200):
            kit.kernel.send(address, number, None)

    kit.loop.run(many)
    for _ in range(spoilt):  # in the midst of what has been looked through already
        kit.advance(0.001)

    def more():
        many()
        address.cell.mailbox.append((Thespian_StatusReq(), probe.address, 0.0))
        many()

    kit.loop.run(more)
    kit.advance(0.002)
    assert len(probe.messages) == 1
    kit.advance(1.0)
    assert address.cell.actor.state == [*range(200)] * 3


def test_senders_that_wait_for_room_get_that_of_an_urgent_message(kit):
    class Narrow(Waiting):
        mailbox = MailboxPolicy(limit=2, overflow="wait")

    class Sender(GenServer):
        async def handle_cast(self, request):
            await self.send_wait(request, "let in")
            self.state = "sent"

    address, sender, probe = kit.start(Narrow), kit.start(Sender), kit.probe()
    kit.send(address, "held")
    kit.settle()
    address.cell.suspended = True

    def fill():
        kit.kernel.deliver(address.cell, Thespian_StatusReq(), probe.address)
        address.cell.mailbox = deque(address.cell.mailbox)
        address.cell.mailbox.append(("waits", None, 0.0))
        kit.base.cast(sender, address)

    kit.loop.run(fill)
    kit.settle()
    assert len(probe.messages) == 1
    assert kit.actor(sender).state == "sent"


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

"""Callers and senders that give up: nothing of theirs is handled, delivered or kept."""

from __future__ import annotations

import asyncio

import pytest

from supervision import NO_REPLY, GenServer
from supervision.eventloop.calls import LOOK_FROM, FutureCall, OpenCalls
from supervision.eventloop.mailbox import MailboxPolicy


class Narrow(GenServer):
    """Has room for one message and notes what it gets."""

    mailbox = MailboxPolicy(limit=1, overflow="wait")

    def init(self, args):
        self.state = []

    def handle_info(self, message, sender):
        self.state.append(message)


class Sender(GenServer):
    """Sends numbered messages, each in its own way of giving up after a while."""

    def init(self, args):
        self.state = []
        self.how, self.count = args

    async def handle_info(self, target, sender):
        for number in range(self.count):
            try:
                await self.how(self.send_wait(target, number))
            except TimeoutError:
                self.state.append(number)


async def by_wait_for(sending):
    await asyncio.wait_for(sending, 0.1)


async def by_timeout(sending):
    async with asyncio.timeout(0.1):
        await sending


async def by_a_task(sending):
    async with asyncio.timeout(0.1), asyncio.TaskGroup() as group:
        group.create_task(sending)


@pytest.mark.parametrize("how", [by_wait_for, by_timeout, by_a_task])
def test_what_a_sender_that_gave_up_wanted_to_send_is_not_delivered(kit, how):
    narrow, sender = kit.start(Narrow), kit.start(Sender, (how, 4))
    narrow.cell.suspended = True
    kit.send(sender, narrow)
    kit.advance(0.25)
    narrow.cell.suspended = False
    kit.kernel.make_ready(narrow.cell)
    kit.settle()
    assert kit.actor(sender).state == [1, 2]
    assert kit.actor(narrow).state == [0, 3]


@pytest.mark.parametrize("how", [by_wait_for, by_timeout, by_a_task])
def test_senders_that_gave_up_do_not_gather_at_a_full_mailbox(kit, how):
    narrow, sender = kit.start(Narrow), kit.start(Sender, (how, 1_000))
    narrow.cell.suspended = True
    kit.send(sender, narrow)
    kit.advance(1_000.0)
    assert len(kit.actor(sender).state) == 999
    assert not narrow.cell.waiters


def test_a_sender_that_was_killed_sends_nothing_more(kit):
    narrow, sender = kit.start(Narrow), kit.start(Sender, (by_timeout, 2))
    narrow.cell.suspended = True
    kit.send(sender, narrow)
    kit.settle()
    kit.faults.kill(sender)
    kit.settle()
    assert not narrow.cell.waiters


class Desk(GenServer):
    """Notes what it is asked; answers later, when it is told to."""

    def init(self, args):
        self.state = []

    def handle_call(self, request, from_):
        self.state.append((request, from_))
        return NO_REPLY

    def handle_cast(self, answer):
        for _, call in self.state:
            self.reply(call, answer)


class Asker(GenServer):
    """Asks with the timeouts of asyncio, not with those of calls."""

    async def handle_info(self, target, sender):
        try:
            async with asyncio.timeout(1.0):
                await self.call(target, "question", None)
        except TimeoutError:
            self.state = "gave up"


def test_a_call_whose_task_was_cancelled_before_its_turn_is_not_handled(kit):
    desk = kit.start(Desk)
    future = kit.loop.run(kit.base.call, desk, "question", None)
    kit.loop.run(future.cancel)
    kit.settle()
    assert kit.actor(desk).state == []


def test_the_answer_to_a_cancelled_call_is_a_late_one(kit):
    desk = kit.start(Desk)
    future = kit.loop.run(kit.base.call, desk, "question", None)
    kit.settle()
    kit.loop.run(future.cancel)
    kit.cast(desk, "answer")
    kit.settle()
    assert kit.kernel.late_replies == 1


def test_a_call_that_a_coroutine_stopped_waiting_for_is_given_up(kit):
    desk, asker = kit.start(Desk), kit.start(Asker)
    desk.cell.suspended = True
    kit.send(asker, desk)
    kit.advance(1.0)
    assert kit.actor(asker).state == "gave up"
    desk.cell.suspended = False
    kit.kernel.make_ready(desk.cell)
    kit.settle()
    assert kit.actor(desk).state == []


def test_a_call_of_an_actor_that_ended_is_given_up(kit):
    desk, asker = kit.start(Desk), kit.start(Asker)
    kit.send(asker, desk)
    kit.settle()
    [(_, call)] = kit.actor(desk).state
    kit.faults.kill(asker)
    kit.settle()
    assert call.settled


def open_call(kit):
    return FutureCall("question", None, kit.loop.create_future())


def test_open_calls_that_were_given_up_do_not_gather(kit):
    calls = OpenCalls()
    for _ in range(100 * LOOK_FROM):
        call = open_call(kit)
        calls.add(call)
        call.future.cancel()
    assert len(calls) <= LOOK_FROM


class Later(GenServer):
    """Means to answer, and never does."""

    def handle_call(self, request, from_):
        return NO_REPLY


class Requesting(GenServer):
    def handle_cast(self, server):
        self.request(server, "question", None)


class Collecting(GenServer):
    async def handle_cast(self, server):
        await self.multi_call([server], "question", None)


@pytest.mark.parametrize("kind", [Requesting, Collecting])
def test_open_calls_of_actors_that_ended_do_not_gather(kit, kind):
    server = kit.start(Later)
    for _ in range(3 * LOOK_FROM):
        asker = kit.start(kind)
        kit.cast(asker, server)
        kit.settle()
        kit.faults.kill(asker)
        kit.settle()
    assert len(kit.kernel.cell_of(server).deferred) <= LOOK_FROM


@pytest.mark.parametrize("kind", [Requesting, Collecting])
def test_open_calls_of_actors_that_live_are_kept(kit, kind):
    server = kit.start(Later)
    for _ in range(3 * LOOK_FROM):
        kit.cast(kit.start(kind), server)
        kit.settle()
    assert len(kit.kernel.cell_of(server).deferred) == 3 * LOOK_FROM


class Counted(FutureCall):
    """Counts how often it is looked at."""

    __slots__ = ()
    looks = 0

    @property
    def settled(self):
        Counted.looks += 1
        return super().settled


@pytest.mark.parametrize("open_now", [4_095, 4_096, 4_097])
def test_looking_for_calls_that_were_given_up_costs_little_at_every_number(kit, open_now):
    calls = OpenCalls()
    for _ in range(open_now):
        calls.add(Counted("question", None, kit.loop.create_future()))
    Counted.looks = 0
    for _ in range(1_000):
        last = Counted("question", None, kit.loop.create_future())
        calls.add(last)
        del calls[last]
    assert Counted.looks <= open_now + 1

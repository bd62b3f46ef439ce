"""Full mailboxes and dead letters: what becomes of messages that find no room, or nobody."""

from __future__ import annotations

import asyncio

import pytest
from thespian.actors import ActorExitRequest, DeadEnvelope

from supervision import (
    ChildSpec,
    GenServer,
    MailboxFull,
    MailboxPolicy,
    NoProc,
    Rejected,
    SupervisorFlags,
    Timeout,
    reasons,
)

LIMIT = 3


class Bounded(GenServer):
    """Takes nothing from its mailbox while the test keeps its gate shut."""

    mailbox = MailboxPolicy(LIMIT, "reject")

    def init(self, args):
        self.gate = asyncio.Event()
        self.state = []

    async def handle_call(self, request, from_):
        await self.gate.wait()
        self.state.append(request)
        return request

    async def handle_info(self, message, sender):
        await self.gate.wait()
        self.state.append(message)


class DropOldest(Bounded):
    mailbox = MailboxPolicy(LIMIT, "drop_oldest")


class DropNewest(Bounded):
    mailbox = MailboxPolicy(LIMIT, "drop_newest")


class Wait(Bounded):
    mailbox = MailboxPolicy(LIMIT, "wait")


class Unbounded(Bounded):
    mailbox = MailboxPolicy(0, "wait")


class Sender(GenServer):
    async def handle_cast(self, request):
        to, message = request
        await self.send_wait(to, message)
        self.state = (*(self.state or ()), message)


def filled(kit, kind, name="bounded"):
    """An actor that waits in a handler, behind which its mailbox is full: messages 1, 2, 3."""
    address = kit.start(kind, name=name)
    kit.send(address, 0)
    kit.settle()
    for number in range(1, LIMIT + 1):
        kit.send(address, number)
    kit.settle()
    return address


def opened(kit, address):
    actor = kit.actor(address)
    actor.gate.set()
    kit.settle()
    return actor.state


def begin(kit, address, request):
    future = kit.loop.run(kit.base.call, address, request)
    kit.settle()
    return future


def letters(kit):
    return [(letter.message, letter.reason) for letter in kit.kernel.dead_letters.recent]


@pytest.mark.parametrize("kind", [Bounded, Wait])
def test_a_message_too_many_goes_back_to_its_sender(kit, kind):
    probe, full = kit.probe(), filled(kit, kind)
    kit.send(full, "too many", probe.address)
    kit.settle()
    [rejected] = probe.of_type(Rejected)
    assert (rejected.address, rejected.message, rejected.limit) == (full, "too many", LIMIT)
    assert opened(kit, full) == [0, 1, 2, 3]
    assert letters(kit) == []


@pytest.mark.parametrize("kind", [Bounded, Wait])
def test_a_message_too_many_of_nobody_is_a_dead_letter(kit, kind):
    full = filled(kit, kind)
    kit.send(full, "too many")
    assert opened(kit, full) == [0, 1, 2, 3]
    assert letters(kit) == [("str", "rejected")]


@pytest.mark.parametrize("kind", [Bounded, Wait, DropNewest])
def test_a_call_too_many_fails_at_once(kit, kind):
    full = filled(kit, kind)
    with pytest.raises(MailboxFull, match="limit 3"):
        kit.call(full, "too many")
    assert kit.clock.elapsed == 0.0
    assert opened(kit, full) == [0, 1, 2, 3]


def test_the_newest_is_dropped_where_the_policy_says_so(kit):
    full = filled(kit, DropNewest)
    kit.send(full, "too many")
    assert opened(kit, full) == [0, 1, 2, 3]
    assert letters(kit) == [("str", "drop_newest")]


def test_the_oldest_is_dropped_where_the_policy_says_so(kit):
    full = filled(kit, DropOldest)
    kit.send(full, 4)
    assert opened(kit, full) == [0, 2, 3, 4]
    assert letters(kit) == [("int", "drop_oldest")]


def test_the_caller_of_a_dropped_call_is_told_at_once(kit):
    address = kit.start(DropOldest)
    first, second = begin(kit, address, "first"), begin(kit, address, "second")
    for number in range(LIMIT):
        kit.send(address, number)
    kit.settle()
    assert isinstance(second.exception(), MailboxFull)
    assert opened(kit, address) == ["first", 0, 1, 2]
    assert first.result() == "first"


def test_overflows_are_counted(kit):
    full = filled(kit, DropNewest)
    for _ in range(5):
        kit.send(full, "too many")
    assert kit.kernel.reports.overflows == 5


@pytest.mark.parametrize("kind", [Bounded, DropOldest, DropNewest, Wait])
def test_what_the_node_owes_an_actor_is_never_refused(kit, kind):
    full = filled(kit, kind)
    actor, victim = kit.actor(full), kit.probe()
    silent = kit.probe("silent")
    actor.start_timer(1.0, "tick")
    actor.monitor(victim.address)
    actor.request("silent", "question", timeout=2.0)
    kit.settle()
    assert silent.messages == ["question"]
    kit.faults.kill(victim.address)
    kit.advance(3.0)
    state = opened(kit, full)
    assert [type(message).__name__ for message in state[-3:]] == ["Down", "Timeout", "Response"]
    assert state[:4] == [0, 1, 2, 3]


def test_an_owed_message_is_not_the_oldest_to_be_dropped(kit):
    address = kit.start(DropOldest)
    kit.actor(address).start_timer(1.0, "tick")
    kit.send(address, 0)
    kit.advance(1.0)
    for number in range(1, 5):
        kit.send(address, number)
    state = opened(kit, address)
    assert [message for message in state if not isinstance(message, Timeout)] == [0, 3, 4]
    assert isinstance(state[1], Timeout)


def test_an_exit_request_reaches_an_actor_whose_mailbox_is_full(kit):
    class Sync(GenServer):
        mailbox = MailboxPolicy(1, "reject")

    address = kit.start(Sync)
    kit.send(address, "fills it")
    kit.send(address, ActorExitRequest())
    kit.settle()
    assert not kit.alive(address)


def test_an_asynchronous_sender_waits_for_room(kit):
    full, sender = filled(kit, Wait), kit.start(Sender)
    kit.cast(sender, (full, 4))
    kit.cast(sender, (full, 5))
    kit.advance(60.0)
    assert kit.actor(sender).state is None
    assert opened(kit, full) == [0, 1, 2, 3, 4, 5]
    assert kit.actor(sender).state == (4, 5)


def test_waiting_senders_are_let_in_in_the_order_they_came(kit):
    full, senders = filled(kit, Wait), [kit.start(Sender) for _ in range(5)]
    for number, sender in enumerate(senders):
        kit.cast(sender, (full, f"waited {number}"))
        kit.settle()
    assert opened(kit, full)[4:] == [f"waited {number}" for number in range(5)]


def test_a_sender_that_ended_while_it_waited_sends_nothing(kit):
    full, sender = filled(kit, Wait), kit.start(Sender)
    kit.cast(sender, (full, "too late"))
    kit.settle()
    kit.faults.kill(sender)
    kit.settle()
    assert opened(kit, full) == [0, 1, 2, 3]


def test_a_waiting_sender_is_told_when_the_receiver_ends(kit):
    full, sender = filled(kit, Wait), kit.start(Sender)
    kit.cast(sender, (full, "never"))
    kit.settle()
    kit.faults.kill(full)
    kit.settle()
    assert NoProc.__name__ in kit.reported("crash")[0].data["reason"]


def test_a_sender_to_an_unbounded_mailbox_never_waits(kit):
    full, sender = filled(kit, Unbounded), kit.start(Sender)
    for number in range(100):
        kit.cast(sender, (full, number))
    kit.settle()
    assert len(kit.actor(sender).state) == 100


# Dead letters


def test_a_message_to_an_actor_that_has_ended_is_a_dead_letter(kit):
    probe, sender = kit.probe("gone"), kit.probe("sender")
    kit.stop(probe.address)
    sender.send(probe.address, "late")
    [letter] = kit.kernel.dead_letters.recent
    assert (letter.to, letter.sender, letter.message, letter.reason) == (
        "gone",
        "sender",
        "str",
        "dead",
    )
    assert letter.at == kit.clock.wall()


def test_a_cast_to_an_unknown_name_is_a_dead_letter(kit):
    kit.cast("nobody", "hello")
    assert letters(kit) == [("Cast", "dead")]
    assert kit.kernel.dead_letters.recent[0].to == "nobody"


def test_what_waits_when_an_actor_ends_are_dead_letters_and_failed_calls(kit):
    full = filled(kit, Bounded)
    kit.faults.kill(full)
    kit.settle()
    assert letters(kit) == [("int", "exited")] * LIMIT


def test_every_dead_letter_is_counted_and_the_last_ones_are_kept(kit):
    for _ in range(1_500):
        kit.cast("nobody", "hello")
    assert kit.kernel.dead_letters.total == 1_500
    assert len(kit.kernel.dead_letters.recent) == 1_000


def test_the_dead_letter_handler_of_thespian_gets_a_copy(kit):
    handler, gone = kit.probe(), kit.probe()
    kit.kernel.host.handleDeadLetters(handler.address, True)
    kit.stop(gone.address)
    kit.send(gone.address, "late")
    kit.settle()
    [envelope] = handler.of_type(DeadEnvelope)
    assert (envelope.deadAddress, envelope.deadMessage) == (gone.address, "late")


def test_the_exits_of_children_are_no_dead_letters_of_a_supervisor_that_ends(kit):
    top = kit.start_supervisor(
        SupervisorFlags(), [ChildSpec(name, Bounded, shutdown=2.0) for name in "abc"]
    )
    for name in "abc":
        kit.faults.exit(kit.address(f"top/{name}"), reasons.error("died with the others"))
    kit.stop(top)
    assert letters(kit) == []

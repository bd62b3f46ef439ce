"""Guarantees of docs/semantics.md that no other test holds by itself."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from supervision import (
    KILLED,
    NORMAL,
    SHUTDOWN,
    GenServer,
    Response,
    StartChild,
    Supervisor,
    SupervisorFlags,
    reasons,
)
from supervision.testing import Kit
from supervision.testing.children import specs


class Scribe(GenServer):
    """Writes down whatever it gets, whichever way it came."""

    def init(self, args):
        self.state = []

    def handle_call(self, request, from_):
        self.state.append(request)
        return request

    def handle_cast(self, request):
        self.state.append(request)

    def handle_info(self, message, sender):
        self.state.append(message)


class Sender(GenServer):
    """Sends one message after the other, each in its own way."""

    def init(self, target):
        self.state = target
        self.answers = []

    def handle_cast(self, plan):
        for number, way in enumerate(plan):
            match way:
                case "send":
                    self.send(self.state, number)
                case "cast":
                    self.cast(self.state, number)
                case "request":
                    self.request(self.state, number)

    def handle_info(self, message, sender):
        if isinstance(message, Response):
            self.answers.append(message.value)


class Owner(GenServer):
    """Sets all that an actor can set."""

    def init(self, args):
        self.state = []
        self.register("owner")
        self.join("owners")
        self.start_timer(10.0, "late")
        self.request("nobody else", "question", timeout=20.0)

    def handle_info(self, message, sender):
        self.state.append(message)

    def handle_call(self, request, from_):
        return list(self.state)


class Above(GenServer):
    """Has a child, and is no supervisor."""

    def init(self, ended):
        self.state = ended
        self.child = self.createActor(Below)
        self.send(self.child, ended)

    def terminate(self, reason):
        self.state.append("above")


class Below(GenServer):
    def handle_info(self, message, sender):
        self.state = message

    async def terminate(self, reason):
        await asyncio.sleep(1.0)
        self.state.append("below")


class Inner(Supervisor):
    def init(self, args):
        return args


class Slow(GenServer):
    async def handle_cast(self, request):
        before = self.state
        await asyncio.sleep(0)
        self.state = (before or 0) + 1

    def handle_call(self, request, from_):
        return self.state


@given(plan=st.lists(st.sampled_from(["send", "cast", "request"]), max_size=200))
def test_messages_of_one_sender_are_handled_once_and_in_order_however_they_are_sent(plan):
    with Kit() as kit:
        scribe = kit.start(Scribe)
        sender = kit.start(Sender, scribe)
        kit.cast(sender, plan)
        kit.settle()
        assert kit.actor(scribe).state == list(range(len(plan)))
        asked = [number for number, way in enumerate(plan) if way == "request"]
        assert kit.actor(sender).answers == asked


def test_children_of_an_actor_that_is_no_supervisor_end_after_it(kit):
    ended = []
    above = kit.start(Above, ended)
    child = kit.actor(above).child
    assert kit.stop(above) == SHUTDOWN
    assert ended == ["above"]
    kit.advance(1.0)
    assert ended == ["above", "below"]
    assert not kit.alive(child)


def test_an_order_to_end_comes_before_the_messages_that_wait(kit):
    scribe = kit.start(Scribe)
    actor = kit.actor(scribe)

    def flood():
        for number in range(10):
            kit.base.cast(scribe, number)
        kit.kernel.exit(kit.kernel.cell_of(scribe), KILLED)

    kit.loop.run(flood)
    kit.settle()
    assert actor.state == []
    assert kit.statistics().dead_letters == 10


def test_messages_are_passed_by_reference(kit):
    scribe, message = kit.start(Scribe), ["the same"]
    kit.cast(scribe, message)
    kit.settle()
    assert kit.actor(scribe).state[0] is message


def test_an_asynchronous_handler_is_ended_before_the_next_message_begins(kit):
    slow = kit.start(Slow)
    for _ in range(100):
        kit.cast(slow, "count")
    kit.settle()
    assert kit.call(slow, "count") == 100


def test_nothing_that_an_actor_had_set_reaches_its_next_incarnation(kit):
    kit.probe("nobody else")
    kit.start_supervisor(SupervisorFlags(), specs(["one"], Owner))
    first = kit.actor("owner")
    kit.advance(5.0)
    kit.faults.kill("owner")
    kit.settle()
    assert kit.actor("owner") is not first
    assert len(list(kit.kernel.registry.members("owners"))) == 1
    kit.advance(9.0)  # the timer and the deadline of the first would have come by now
    assert kit.call("owner", "what came?") == []
    kit.advance(30.0)
    assert len(kit.call("owner", "what came?")) == 2  # its own


def test_children_that_were_asked_for_do_not_outlive_a_restart_of_their_supervisor(kit):
    pair = (SupervisorFlags(), specs(["static"]))
    kit.start_supervisor(SupervisorFlags(), specs(["inner"], Inner, pair, type="supervisor"))
    kit.call(kit.address("top/inner"), StartChild(specs(["asked for"])[0]))
    assert kit.alive(kit.address("top/inner/asked for"))
    kit.faults.exit(kit.address("top/inner"), reasons.error("a bug"))
    kit.settle()
    below = kit.kernel.cell_of(kit.address("top/inner")).children
    assert list(below) == ["static"]


def test_the_wait_of_a_ready_actor_is_a_batch_of_each_of_the_others(kit):
    flooded, other = kit.start(Scribe), kit.start(Scribe)
    seen = []

    class Watcher(Scribe):
        def handle_cast(self, request):
            seen.append(len(kit.actor(flooded).state))

    watcher = kit.start(Watcher)

    def flood():
        for number in range(1_000):
            kit.base.cast(flooded, number)
        kit.base.cast(other, 0)
        kit.base.cast(watcher, 0)

    kit.loop.run(flood)
    kit.settle()
    assert seen == [kit.kernel.limits.batch]
    assert kit.stop(other, NORMAL) == NORMAL


def test_an_awaited_answer_overtakes_what_waits_and_a_response_does_not(kit):
    seen = []

    class Server(GenServer):
        def handle_call(self, request, from_):
            self.send(request, "sent before")
            return "answer"

    class Awaiting(GenServer):
        async def handle_cast(self, server):
            seen.append(await self.call(server, self.address))

        def handle_info(self, message, sender):
            seen.append(message)

    class Told(GenServer):
        def handle_cast(self, server):
            self.request(server, self.address)

        def handle_info(self, message, sender):
            seen.append(getattr(message, "value", message))

    server = kit.start(Server)
    for kind in (Awaiting, Told):
        kit.cast(kit.start(kind), server)
        kit.settle()
    assert seen == ["answer", "sent before", "sent before", "answer"]

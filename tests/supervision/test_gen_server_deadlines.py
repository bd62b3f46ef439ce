"""Deadlines that travel: nobody works for a caller that has given up (design 3)."""

from __future__ import annotations

import asyncio

import pytest

from supervision import (
    NO_REPLY,
    CallingSelf,
    CallTimeout,
    ChildSpec,
    EventHandler,
    EventManager,
    GenServer,
    Response,
    StartChild,
    Supervisor,
    SupervisorFlags,
    SyncNotify,
)


class Level(GenServer):
    """Asks the level below, with a long timeout of its own; the lowest one never answers."""

    def init(self, args):
        self.below = args
        self.seen = []
        self.failures = []

    async def handle_call(self, request, from_):
        self.seen.append(self.time_left(from_))
        if self.below is None:
            return await asyncio.get_running_loop().create_future()
        await asyncio.sleep(1.0)
        try:
            return await self.call(self.below, request, timeout=60.0)
        except CallTimeout:
            self.failures.append(self.kernel.clock.elapsed)
            raise


class SynchronousLevel(GenServer):
    """The same without coroutines: what it asks is bound by name."""

    def init(self, args):
        self.below = args
        self.seen = []
        self.asking = {}
        self.responses = []

    def handle_call(self, request, from_):
        self.seen.append(self.time_left(from_))
        if self.below is not None:
            number = self.request(self.below, request, timeout=None, within=from_)
            self.asking[number] = from_
        return NO_REPLY

    def handle_info(self, message, sender):
        if isinstance(message, Response):
            self.responses.append((type(message.error), self.kernel.clock.elapsed))
            self.reply(self.asking.pop(message.request_id), message.value)


class Script(GenServer):
    """Runs the coroutine function that it is called with."""

    async def handle_call(self, script, from_):
        return await script(self, from_)


def three(kit, kind):
    """Three levels; return their actors, the one that is called first."""
    low = kit.start(kind)
    middle = kit.start(kind, low)
    return [kit.actor(kit.start(kind, middle)), kit.actor(middle), kit.actor(low)]


def test_a_deadline_travels_through_three_levels(kit):
    high, middle, low = three(kit, Level)
    with pytest.raises(CallTimeout):
        kit.call(high.address, "question", timeout=10.0)
    assert [one.seen for one in (high, middle, low)] == [[10.0], [9.0], [8.0]]
    kit.settle()
    assert (high.failures, middle.failures) == ([10.0], [10.0])
    assert kit.clock.elapsed == 10.0


def test_a_deadline_that_is_named_travels_through_three_levels(kit):
    high, middle, low = three(kit, SynchronousLevel)
    with pytest.raises(CallTimeout):
        kit.call(high.address, "question", timeout=10.0)
    assert [one.seen for one in (high, middle, low)] == [[10.0], [10.0], [10.0]]
    assert (high.responses, middle.responses) == ([(CallTimeout, 10.0)],) * 2


def test_late_answers_are_dropped_and_counted_at_every_level(kit):
    high, _, _ = three(kit, SynchronousLevel)
    with pytest.raises(CallTimeout):
        kit.call(high.address, "question", timeout=10.0)
    assert kit.kernel.statistics().late_replies == 2


def test_a_call_without_a_deadline_gives_none(kit):
    high, middle, low = three(kit, Level)
    kit.loop.run(kit.base.call, high.address, "question", None)
    kit.advance(61.0)
    assert [one.seen for one in (high, middle, low)] == [[None], [60.0], [59.0]]


def test_a_shorter_timeout_of_ones_own_stays(kit):
    kit.probe("silent")

    async def script(self, from_):
        try:
            await self.call("silent", "question", timeout=2.0)
        except CallTimeout:
            return self.kernel.clock.elapsed

    assert kit.call(kit.start(Script), script, timeout=10.0) == 2.0


def test_what_is_asked_after_the_deadline_is_not_sent(kit):
    other = kit.probe("other", answer=lambda request: "answer")
    failures = []

    async def script(self, from_):
        await asyncio.sleep(5.0)
        try:
            await self.call("other", "too late", timeout=None)
        except CallTimeout:
            failures.append((self.kernel.clock.elapsed, self.time_left(from_)))

    with pytest.raises(CallTimeout):
        kit.call(kit.start(Script), script, timeout=3.0)
    kit.advance(5.0)
    assert failures == [(5.0, 0.0)]
    assert other.messages == []


def test_the_deadline_of_a_call_is_not_the_next_ones(kit):
    kit.probe("other", answer=lambda request: "answer")
    actor = kit.start(Script)

    async def script(self, from_):
        return await self.call("other", "question"), self.time_left(from_)

    assert kit.call(actor, script, timeout=3.0) == ("answer", 3.0)
    kit.advance(10.0)
    assert kit.call(actor, script, timeout=None) == ("answer", None)


def test_a_call_that_waited_until_its_deadline_is_not_handled(kit):
    low = kit.start(Level)
    first = kit.loop.run(kit.base.call, low, "first", 5.0)
    second = kit.loop.run(kit.base.call, low, "second", 4.0)
    kit.advance(6.0)
    assert isinstance(second.exception(), CallTimeout)
    assert isinstance(first.exception(), CallTimeout)
    assert len(kit.actor(low).seen) == 1


class Busy(GenServer):
    """Has a task of the loop ask for it, at the pace of ``ask`` and with a time of its own."""

    def handle_cast(self, ask):
        self.asked = asyncio.get_running_loop().create_task(ask(self))

    async def handle_call(self, request, from_):
        await asyncio.sleep(request)


@pytest.mark.parametrize("how", ["call", "request", "asking"])
def test_what_a_task_of_the_actor_asks_is_not_bound_by_the_call_that_it_handles(kit, how):
    slow, busy = kit.start(Busy), kit.start(Busy)
    seen = []

    async def ask(actor):
        await asyncio.sleep(0.5)
        if how == "call":
            await actor.call(slow, 3.0, timeout=10.0)
        elif how == "asking":
            asked = actor.asking(10.0)
            asked.add("one", slow, 3.0)
            seen.append((await asked.next()).error)
        else:
            actor.handle_info = lambda message, _: seen.append(message.error)
            actor.request(slow, 3.0, timeout=10.0)
            await asyncio.sleep(5.0)

    kit.cast(busy, ask)
    kit.settle()
    kit.call(busy, 0.9, timeout=1.0)
    kit.advance(10.0)
    assert kit.actor(busy).asked.exception() is None
    assert [one for one in seen if one is not None] == []


class Holding(GenServer):
    """Holds the loop for ten seconds."""

    def handle_cast(self, clock):
        clock.advance(10.0)


class Counting(EventHandler):
    """Keeps the events."""

    def init(self, args):
        self.state = []

    def handle_event(self, event):
        self.state.append(event)


class Keeping(GenServer):
    """Keeps what it is asked."""

    def init(self, args):
        self.state = []

    def handle_call(self, request, from_):
        self.state.append(request)
        return "late"


class Empty(Supervisor):
    """Has no children."""

    def init(self, args):
        return SupervisorFlags(), []


@pytest.mark.parametrize(
    ("kind", "args", "request_", "done"),
    [
        (Keeping, None, "q", lambda actor: actor.state),
        (EventManager, [("one", Counting())], SyncNotify("q"), lambda a: a.state["one"].state),
        (Empty, None, StartChild(ChildSpec("a", Keeping)), lambda actor: actor.state.children),
    ],
    ids=["server", "manager", "supervisor"],
)
def test_a_call_that_is_past_its_deadline_when_its_turn_comes_is_not_handled(
    kit, kind, args, request_, done
):
    held, late = kit.start(Holding), kit.start(kind, args)

    def both():
        kit.base.cast(held, kit.clock)
        return kit.base.call(late, request_, 1.0)

    future = kit.loop.run(both)
    kit.settle()
    assert isinstance(future.exception(), CallTimeout)
    assert not done(kit.actor(late))


def test_many_inherited_deadlines_cost_no_queues(kit):
    kit.probe("silent")

    async def script(self, from_):
        await self.call("silent", "question")

    for number in range(100):
        future = kit.loop.run(kit.base.call, kit.start(Script), script, 1.0 + number / 1_000)
        future.add_done_callback(lambda one: one.exception())
    kit.settle()
    assert len(kit.kernel.deadlines) == 200
    kit.advance(2.0)
    assert len(kit.kernel.deadlines) == 0


# Calls to itself


def test_an_actor_that_waits_for_itself_is_told_so_at_once(kit):
    async def script(self, from_):
        return await self.call(self.address, script, timeout=None)

    actor = kit.start(Script)
    with pytest.raises(Exception, match="an actor cannot wait for itself"):
        kit.call(actor, script)
    assert kit.clock.elapsed == 0.0


def test_an_actor_that_waits_for_itself_by_its_name_can_catch_it(kit):
    async def script(self, from_):
        self.register("me")
        try:
            await asyncio.gather(self.call("me", script))
        except CallingSelf as failure:
            return failure.reason.detail

    assert kit.call(kit.start(Script), script) == "calling_self"


def test_an_init_that_waits_for_its_own_actor_fails(kit):
    class Impatient(GenServer):
        async def init(self, args):
            await self.call(self.address, "question")

    with pytest.raises(Exception, match="CallingSelf"):
        kit.start(Impatient)


def test_a_task_that_an_actor_made_may_ask_it(kit):
    class Server(GenServer):
        def init(self, args):
            self.state = asyncio.ensure_future(self.ask())

        async def ask(self):
            return await self.call(self.address, "question")

        async def handle_call(self, request, from_):
            await asyncio.sleep(1.0)
            return f"answer to {request}"

    server = kit.start(Server)
    kit.advance(1.0)
    assert kit.actor(server).state.result() == "answer to question"


def test_a_request_to_itself_is_a_message_like_any_other(kit):
    asker = kit.actor(kit.start(SynchronousLevel))
    asker.below = asker.address
    kit.loop.run(kit.base.call, asker.address, "question", 3.0).add_done_callback(
        lambda one: one.exception()
    )
    asker.below = None
    kit.advance(3.0)
    assert len(asker.seen) == 1

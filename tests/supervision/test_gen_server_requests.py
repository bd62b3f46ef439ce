"""Many requests at once: collections with labels, multi_call, abcast (gen_server(3))."""

from __future__ import annotations

import asyncio

import pytest

from supervision import (
    Answered,
    CallingSelf,
    CallTimeout,
    Collection,
    GenServer,
    MultiAnswer,
    NoProc,
    Requests,
    Response,
    ServerDied,
    reasons,
)


class Slow(GenServer):
    """Answers after as many seconds as it is asked for; crashes on None."""

    async def handle_call(self, request, from_):
        if request is None:
            raise LookupError("crash")
        await asyncio.sleep(request)
        return f"after {request}"


class Script(GenServer):
    """Runs the coroutine function that it is called with."""

    async def handle_call(self, script, from_):
        return await script(self)


class Clerk(GenServer):
    """Asks many by requests and keeps what is answered, by label."""

    def init(self, args):
        self.requests = Requests()
        self.answers = []
        self.other = []

    def handle_cast(self, request):
        for label, (target, what) in request.items():
            self.requests.add(self.request(target, what, 5.0), label)

    def handle_info(self, message, sender):
        answered = self.requests.check(message)
        (self.other if answered is None else self.answers).append(answered or message)


@pytest.fixture
def servers(kit):
    return [kit.start(Slow, name=f"slow-{number}") for number in range(3)]


def run(kit, script, timeout=None):
    return kit.call(kit.start(Script), script, timeout)


# Asynchronous handlers


def test_answers_are_taken_in_the_order_they_are_given(kit, servers):
    async def script(self):
        asked: Collection = self.asking()
        assert (type(asked), len(asked)) == (Collection, 0)
        for seconds, server in zip((3.0, 1.0, 2.0), servers, strict=True):
            asked.add(seconds, server, seconds)
        return [(answered.label, self.kernel.clock.elapsed) async for answered in asked]

    assert run(kit, script) == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]


def test_answers_can_be_taken_one_by_one_while_others_are_asked(kit, servers):
    async def script(self):
        asked = self.asking()
        asked.add("first", servers[0], 1.0)
        first = await asked.next()
        asked.add("second", servers[1], 0.0)
        left = len(asked)
        return first, left, await asked.next(), await asked.next()

    first, left, second, end = run(kit, script)
    assert first == Answered("first", "after 1.0", None)
    assert (left, second.value, end) == (1, "after 0.0", None)


def test_answers_that_came_meanwhile_are_kept(kit, servers):
    async def script(self):
        asked = self.asking()
        for number, server in enumerate(servers):
            asked.add(number, server, float(number))
        await asyncio.sleep(10.0)
        return len(asked), [answered.label async for answered in asked]

    assert run(kit, script) == (3, [0, 1, 2])


def test_a_failure_is_an_answer_with_a_reason(kit, servers):
    async def script(self):
        asked = self.asking(timeout=2.0)
        asked.add("late", servers[0], 5.0)
        asked.add("crash", servers[1], None)
        asked.add("nobody", "nobody", 1.0)
        asked.add("fine", servers[2], 1.0)
        return {answered.label: answered.error async for answered in asked}

    errors = run(kit, script)
    assert list(errors) == ["nobody", "crash", "fine", "late"]
    assert [type(error) for error in errors.values()] == [
        NoProc,
        ServerDied,
        type(None),
        CallTimeout,
    ]
    assert kit.clock.elapsed == 2.0


def test_waiting_for_an_answer_can_be_given_up_and_taken_up_again(kit, servers):
    async def script(self):
        asked = self.asking()
        asked.add("slow", servers[0], 3.0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await asked.next()
        return self.kernel.clock.elapsed, await asked.next()

    assert run(kit, script) == (1.0, Answered("slow", "after 3.0", None))
    assert kit.clock.elapsed == 3.0


def test_answers_to_a_handler_that_was_killed_go_nowhere(kit, servers):
    async def script(self):
        asked = self.asking()
        asked.add("slow", servers[0], 3.0)
        await asked.next()

    actor = kit.start(Script)
    kit.loop.run(kit.base.call, actor, script, None).add_done_callback(lambda one: one.exception())
    kit.advance(1.0)
    kit.faults.kill(actor)
    kit.advance(5.0)
    assert kit.alive(servers[0])


def test_calls_can_be_gathered(kit, servers):
    async def script(self):
        return await asyncio.gather(*(self.call(server, 1.0) for server in servers))

    assert run(kit, script) == ["after 1.0"] * 3
    assert kit.clock.elapsed == 1.0


def test_a_call_to_many_tells_who_failed_and_why(kit, servers):
    async def script(self):
        return await self.multi_call([*servers, "nobody"], 1.0)

    kit.faults.exit(servers[1], reasons.error("gone"))
    kit.settle()
    outcome = run(kit, script)
    assert outcome == MultiAnswer(outcome.replies, outcome.failed)
    assert outcome.replies == {servers[0]: "after 1.0", servers[2]: "after 1.0"}
    assert {target: type(failure) for target, failure in outcome.failed.items()} == {
        servers[1]: NoProc,
        "nobody": NoProc,
    }


def test_a_call_to_many_fails_for_those_that_end_meanwhile(kit, servers):
    async def script(self):
        return await self.multi_call(servers, 2.0)

    future = kit.loop.run(kit.base.call, kit.start(Script), script, None)
    kit.advance(1.0)
    kit.faults.kill(servers[1])
    kit.advance(1.0)
    outcome = future.result()
    assert outcome.failed[servers[1]].reason == reasons.KILLED
    assert len(outcome.replies) == 2


def test_a_call_to_many_tells_the_caller_that_it_cannot_ask_itself(kit, servers):
    async def script(self):
        return await self.multi_call([self.address, servers[0]], 0.0)

    outcome = run(kit, script)
    assert [type(failure) for failure in outcome.failed.values()] == [CallingSelf]
    assert outcome.replies == {servers[0]: "after 0.0"}


def test_a_call_to_many_waits_no_longer_than_its_timeout(kit, servers):
    async def script(self):
        return await self.multi_call(servers, 10.0, timeout=3.0)

    assert {type(one) for one in run(kit, script).failed.values()} == {CallTimeout}
    assert kit.clock.elapsed == 3.0


def test_a_call_to_many_is_bound_by_the_call_that_is_handled(kit, servers):
    outcomes = []

    async def script(self):
        outcomes.append(await self.multi_call(servers, 10.0, timeout=60.0))

    with pytest.raises(CallTimeout):
        run(kit, script, timeout=3.0)
    kit.settle()
    assert {type(one) for one in outcomes[0].failed.values()} == {CallTimeout}
    assert kit.clock.elapsed == 3.0


def test_a_call_to_many_refuses_one_that_is_listed_twice(kit, servers):
    async def script(self):
        with pytest.raises(ValueError, match="listed twice"):
            await self.multi_call([*servers, servers[0]], 1.0)
        return self.kernel.clock.elapsed

    assert run(kit, script) == 0.0
    assert kit.kernel.cell_of(servers[0]).handled == 0


@pytest.mark.parametrize("fails", [False, True])
def test_two_calls_with_one_label_cannot_be_taken_together(kit, servers, fails):
    async def script(self):
        asked = self.asking()
        asked.add("twice", servers[0], 0.0)
        asked.add("twice", "nobody" if fails else servers[1], 1.0)
        with pytest.raises(ValueError, match="'twice' is the label of two calls"):
            await asked.all()

    run(kit, script)


# Synchronous handlers


def test_a_response_is_known_by_the_label_of_its_request(kit, servers):
    clerk = kit.actor(kit.start(Clerk))
    kit.cast(clerk.address, {"a": (servers[0], 2.0), "b": (servers[1], 1.0)})
    kit.settle()
    assert (len(clerk.requests), [label for _, label in clerk.requests]) == (2, ["a", "b"])
    kit.advance(2.0)
    assert clerk.answers == [Answered("b", "after 1.0", None), Answered("a", "after 2.0", None)]
    assert len(clerk.requests) == 0


def test_what_answers_no_request_of_a_collection_is_left_alone(kit, servers):
    clerk = kit.actor(kit.start(Clerk))
    kit.cast(clerk.address, {"a": (servers[0], 0.0)})
    kit.settle()
    stray = Response(99, "stray", None)
    assert clerk.requests.check(stray) is None
    kit.send(clerk.address, "anything")
    kit.settle()
    assert clerk.other == ["anything"]


def test_the_death_of_a_server_is_an_answer_with_the_label(kit, servers):
    clerk = kit.actor(kit.start(Clerk))
    kit.cast(clerk.address, {"a": (servers[0], 4.0), "b": ("nobody", 0.0)})
    kit.advance(1.0)
    kit.faults.kill(servers[0])
    kit.settle()
    assert [(one.label, type(one.error)) for one in clerk.answers] == [
        ("b", NoProc),
        ("a", ServerDied),
    ]


# abcast


def test_a_cast_to_a_group_reaches_every_member(kit):
    probes = [kit.probe() for _ in range(3)]
    for probe in probes:
        probe.join("listeners")
    assert probes[0].abcast("listeners", "news") == 3
    assert probes[0].abcast("nobody listens", "news") == 0
    kit.settle()
    assert [probe.messages for probe in probes] == [["news"]] * 3
    assert kit.kernel.dead_letters.total == 0

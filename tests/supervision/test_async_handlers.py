"""Handlers that wait: for actors, for futures of the loop, for time; and what interrupts them."""

from __future__ import annotations

import asyncio

import pytest

from supervision import CallTimeout, GenServer, ServerDied, reasons


class Scripted(GenServer):
    """Runs the coroutine function that it is called with."""

    async def handle_call(self, script, from_):
        return await script(self)

    async def handle_info(self, script, sender):
        await script(self)


@pytest.fixture
def actor(kit):
    return kit.start(Scripted, name="scripted")


@pytest.fixture
def desk(kit):
    return kit.probe("desk", answer=lambda request: f"answer to {request}")


async def sleep(seconds):
    await asyncio.sleep(seconds)
    return seconds


def begin(kit, actor, script, timeout=None):
    """Call without waiting for the answer."""
    future = kit.loop.run(kit.base.call, actor, script, timeout)
    kit.settle()
    return future


def test_a_handler_awaits_another_actor(kit, actor, desk):
    async def script(self):
        return await self.call("desk", "one"), await self.call("desk", "two")

    assert kit.call(actor, script) == ("answer to one", "answer to two")


def test_a_handler_awaits_a_future_of_the_loop(kit, actor):
    future = kit.loop.create_future()

    async def script(self):
        return await future

    answer = begin(kit, actor, script)
    assert not answer.done()
    future.set_result("set")
    kit.settle()
    assert answer.result() == "set"


def test_the_exception_of_a_future_is_raised_where_it_is_awaited(kit, actor):
    async def fail():
        await asyncio.sleep(1.0)
        raise LookupError("lost")

    async def script(self):
        try:
            await asyncio.get_running_loop().create_task(fail())
        except LookupError as lost:
            return str(lost)

    assert kit.call(actor, script) == "lost"


def test_a_handler_yields_with_sleep_zero(kit, actor):
    async def script(self):
        for _ in range(3):
            await asyncio.sleep(0)
        return "done"

    assert kit.call(actor, script) == "done"


def test_a_timeout_ends_a_wait_for_time(kit, actor):
    async def script(self):
        try:
            async with asyncio.timeout(2.0):
                await asyncio.sleep(10.0)
        except TimeoutError:
            return self.now()

    began = kit.clock.monotonic()
    assert kit.call(actor, script) == began + 2.0


def test_a_timeout_ends_a_wait_for_an_actor(kit, actor):
    kit.probe("silent")

    async def script(self):
        try:
            async with asyncio.timeout(2.0):
                await self.call("silent", "question", timeout=None)
        except TimeoutError:
            return "gave up"

    assert kit.call(actor, script) == "gave up"


def test_a_timeout_that_is_not_due_changes_nothing(kit, actor, desk):
    async def script(self):
        async with asyncio.timeout(2.0):
            return await self.call("desk", "one")

    assert kit.call(actor, script) == "answer to one"
    kit.advance(5.0)
    assert kit.alive(actor)


def test_wait_for_bounds_a_call(kit, actor):
    kit.probe("silent")

    async def script(self):
        try:
            await asyncio.wait_for(self.call("silent", "question", timeout=None), 2.0)
        except TimeoutError:
            return "gave up"

    assert kit.call(actor, script) == "gave up"


def test_gather_awaits_actors_side_by_side(kit, actor, desk):
    async def script(self):
        return await asyncio.gather(self.call("desk", 1), sleep(2.0), self.call("desk", 2))

    assert kit.call(actor, script) == ["answer to 1", 2.0, "answer to 2"]
    assert kit.clock.elapsed == 2.0


def test_a_task_group_awaits_actors_side_by_side(kit, actor, desk):
    async def ask(self, question):
        return await self.call("desk", question)

    async def script(self):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(self, number)) for number in range(3)]
        return [task.result() for task in tasks]

    assert kit.call(actor, script) == [f"answer to {number}" for number in range(3)]


def test_a_failure_in_a_task_group_cancels_the_rest_of_it(kit, actor):
    cancelled = []

    async def linger():
        try:
            await asyncio.sleep(60.0)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def fail():
        await asyncio.sleep(1.0)
        raise LookupError("lost")

    async def script(self):
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(linger())
                group.create_task(fail())
        except ExceptionGroup as failures:
            return [str(one) for one in failures.exceptions]

    assert kit.call(actor, script) == ["lost"]
    assert cancelled == [True]
    assert kit.clock.elapsed == 1.0


def test_a_handler_can_be_cancelled_by_a_library_that_knows_its_task(kit, actor):
    tasks = []

    async def script(self):
        tasks.append(asyncio.current_task())
        try:
            await asyncio.sleep(60.0)
        except asyncio.CancelledError:
            tasks[0].uncancel()
            return "cancelled"

    answer = begin(kit, actor, script)
    assert tasks[0].get_name() == "scripted"
    assert tasks[0].cancel()
    assert tasks[0].cancelling() == 1
    kit.settle()
    assert answer.result() == "cancelled"
    assert tasks[0].done()
    assert not tasks[0].cancel()


def test_a_cancellation_that_is_not_caught_ends_the_actor(kit, actor):
    tasks = []

    async def script(self):
        tasks.append(asyncio.current_task())
        await asyncio.sleep(60.0)

    answer = begin(kit, actor, script)
    tasks[0].cancel()
    kit.settle()
    assert isinstance(answer.exception(), ServerDied)
    assert not kit.alive(actor)


def test_waiting_for_what_cannot_be_awaited_is_a_crash(kit, actor):
    class Odd:
        def __await__(self):
            yield "nothing that can be waited for"

    async def script(self):
        await Odd()

    with pytest.raises(ServerDied, match="a handler cannot wait for"):
        kit.call(actor, script)


def test_messages_wait_while_a_handler_does(kit, actor):
    seen = []

    def noting(what, seconds):
        async def script(self):
            await asyncio.sleep(seconds)
            seen.append(what)

        return script

    kit.send(actor, noting("first", 3.0))
    kit.send(actor, noting("second", 0.0))
    kit.advance(2.0)
    assert (seen, actor.cell.depth) == ([], 1)
    kit.advance(1.0)
    assert seen == ["first", "second"]


def test_a_kill_interrupts_a_wait_and_runs_the_finally_blocks(kit, actor):
    seen = []

    async def script(self):
        try:
            await asyncio.sleep(60.0)
        finally:
            seen.append("finally")

    answer = begin(kit, actor, script)
    kit.faults.kill(actor)
    kit.settle()
    assert seen == ["finally"]
    assert answer.exception().reason == reasons.KILLED
    assert kit.clock.elapsed == 0.0


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_what_a_finally_block_still_awaits_is_given_up(kit, actor, seconds):
    async def script(self):
        try:
            await asyncio.sleep(60.0)
        finally:
            await asyncio.sleep(seconds)

    answer = begin(kit, actor, script)
    assert kit.stop(actor) == reasons.SHUTDOWN
    kit.settle()
    assert isinstance(answer.exception(), ServerDied)
    assert kit.reported("unexpected") == []


def test_an_error_in_a_finally_block_is_reported_and_the_end_goes_on(kit, actor):
    async def script(self):
        try:
            await asyncio.sleep(60.0)
        finally:
            raise LookupError("last words")

    answer = begin(kit, actor, script)
    assert kit.stop(actor) == reasons.SHUTDOWN
    kit.settle()
    assert "last words" in kit.reported("unexpected")[0].data["error"]
    assert isinstance(answer.exception(), ServerDied)


def test_an_exit_while_a_task_group_runs_cancels_its_tasks(kit, actor):
    cancelled = []

    async def linger():
        try:
            await asyncio.sleep(60.0)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def script(self):
        async with asyncio.TaskGroup() as group:
            group.create_task(linger())
            group.create_task(linger())

    begin(kit, actor, script).add_done_callback(lambda future: future.exception())
    kit.stop(actor)
    kit.settle()
    assert cancelled == [True, True]


def test_a_crash_after_a_wait_is_the_last_thing_the_actor_does(kit, actor):
    seen = []

    async def crash(self):
        await asyncio.sleep(1.0)
        raise LookupError("crash")

    async def note(self):
        seen.append("handled after a crash")

    kit.send(actor, crash)
    kit.send(actor, note)
    kit.advance(2.0)
    assert seen == []
    assert not kit.alive(actor)


def test_a_stop_after_a_wait_is_the_last_thing_the_actor_does(kit, actor):
    seen = []

    async def stop(self):
        await asyncio.sleep(1.0)
        self.stop()

    async def note(self):
        seen.append("handled after a stop")

    kit.send(actor, stop)
    kit.send(actor, note)
    kit.advance(2.0)
    assert seen == []
    assert not kit.alive(actor)


def test_a_call_that_a_waiting_handler_makes_times_out(kit, actor):
    kit.probe("silent")

    async def script(self):
        try:
            await self.call("silent", "question", timeout=3.0)
        except CallTimeout:
            return self.now()

    began = kit.clock.monotonic()
    assert kit.call(actor, script) == began + 3.0


def test_actors_that_wait_do_not_hold_each_other_up(kit):
    actors = [kit.start(Scripted) for _ in range(100)]

    async def script(self):
        await asyncio.sleep(5.0)
        return self.now()

    answers = [kit.loop.run(kit.base.call, one, script, None) for one in actors]
    kit.advance(5.0)
    assert {answer.result() for answer in answers} == {kit.clock.monotonic()}

"""A task that is handed one thing after the other, and goes on with each at once."""

import asyncio

import pytest

from actors.connectors.baton import Baton


async def runner(baton, got):
    while (what := await baton) is not None:
        got.append(what)


async def waiting(got):
    """A baton, and a task that waits for it."""
    baton = Baton()
    task = asyncio.get_running_loop().create_task(runner(baton, got))
    await asyncio.sleep(0)
    return baton, task


def from_the_loop(act):
    """Run something where no task runs; wait until it has."""
    done = asyncio.get_running_loop().create_future()

    def call():
        try:
            done.set_result(act())
        except Exception as error:  # noqa: BLE001 - for who waits
            done.set_exception(error)

    asyncio.get_running_loop().call_soon(call)
    return done


def test_who_waits_goes_on_within_the_hand_over():
    async def scenario():
        got = []
        baton, task = await waiting(got)

        def hand_two():
            for what in ("a", "b"):
                baton.hand(what)
                seen.append(list(got))

        seen = []
        await from_the_loop(hand_two)
        assert seen == [["a"], ["a", "b"]]
        await from_the_loop(lambda: baton.hand(None))
        assert task.done()

    asyncio.run(scenario())


def test_from_another_task_who_waits_goes_on_in_the_next_turn():
    async def scenario():
        got = []
        baton, task = await waiting(got)
        baton.hand("a")
        assert got == []
        await asyncio.sleep(0)
        assert got == ["a"]
        baton.hand(None)
        await task

    asyncio.run(scenario())


def test_what_is_handed_while_nobody_waits_is_there_for_who_comes_next():
    async def scenario():
        baton, got = Baton(), []
        for what in ("a", "b", None):
            baton.hand(what)
        await runner(baton, got)
        assert got == ["a", "b"]

    asyncio.run(scenario())


def test_who_waits_can_be_cancelled_and_what_is_handed_then_waits():
    async def scenario():
        got = []
        baton, task = await waiting(got)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not baton.cancel()
        baton.hand(None)
        await runner(baton, got)
        assert got == []

    asyncio.run(scenario())


def test_what_is_handed_to_who_is_being_cancelled_waits_for_the_next():
    async def scenario():
        got = []
        baton, task = await waiting(got)
        task.cancel()
        baton.hand("a")
        with pytest.raises(asyncio.CancelledError):
            await task
        baton.hand(None)
        await runner(baton, got)
        assert got == ["a"]

    asyncio.run(scenario())


def test_a_task_that_waits_is_ended_with_its_loop():
    ended = []

    async def waits():
        try:
            await Baton()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def whole():
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        return task

    task = asyncio.run(whole())  # ends what is left when the loop stands still
    assert ended == ["cancelled"]
    assert task.cancelled()

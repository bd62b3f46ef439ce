"""One timer ends whatever takes too long, and nothing else."""

import asyncio

import pytest

from actors.web.patience import Patience


async def patiently(patience, what):
    with patience.turn():
        return await what


def test_what_is_done_in_time_is_not_ended():
    async def scenario():
        patience = Patience(30.0)
        return await asyncio.gather(*(patiently(patience, asyncio.sleep(0, n)) for n in range(3)))

    assert asyncio.run(scenario()) == [0, 1, 2]


def test_what_takes_too_long_is_ended_each_in_its_time():
    ended = []

    async def late(patience, name, after_s):
        await asyncio.sleep(after_s)
        with pytest.raises(TimeoutError):
            await patiently(patience, asyncio.Event().wait())
        ended.append(name)

    async def scenario():
        patience = Patience(0.05)
        await asyncio.gather(late(patience, "second", 0.03), late(patience, "first", 0.0))
        with pytest.raises(TimeoutError):  # the timer is set again for who comes later
            await patiently(patience, asyncio.Event().wait())

    asyncio.run(scenario())
    assert ended == ["first", "second"]


def test_who_is_cancelled_by_somebody_else_is_cancelled():
    async def scenario():
        task = asyncio.ensure_future(patiently(Patience(30.0), asyncio.Event().wait()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())


def test_who_is_cancelled_as_its_time_ends_is_cancelled():
    async def scenario():
        patience = Patience(30.0)
        turn = patience.turn()

        async def waiting():
            with turn:
                await asyncio.Event().wait()

        task = asyncio.ensure_future(waiting())
        await asyncio.sleep(0)
        turn.expire()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())


def test_a_failure_in_time_is_the_callers():
    async def failing():
        raise ValueError

    async def scenario():
        with pytest.raises(ValueError):  # noqa: PT011 - it has no words
            await patiently(Patience(30.0), failing())

    asyncio.run(scenario())

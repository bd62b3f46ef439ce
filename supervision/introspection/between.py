"""Doing something to an actor between two of its messages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from supervision.introspection.errors import NoSuchActor, StillBusy

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision.eventloop.cell import Cell

TIMEOUT_S = 5.0
"""Seconds that an actor has to come between two messages, as in OTP."""


def nothing() -> None:
    """To be between two messages is all."""


async def between(cell: Cell, path: str, within_s: float, do: Callable[[], Any] = nothing) -> Any:
    """Call something between two messages of an actor, as soon as it handles none.

    Args:
        cell: the actor's.
        path: the actor's, for whoever is told that it did not come to that.
        within_s: seconds that a handler which runs now has to end.
        do: what to call; returns at once.

    Returns:
        What it returned.

    Raises:
        NoSuchActor: the actor ended first.
        StillBusy: the handler goes on.
    """
    if cell.task is None:
        return do()
    done: asyncio.Future[Any] = cell.kernel.loop.create_future()
    cell.task.when_ended(lambda: _settle(done, do))
    gone = end_of(cell)
    gone.add_done_callback(lambda _: _ended(done, path))
    settled = await settled_within(done, within_s)
    gone.cancel()
    if not settled:
        raise StillBusy(path, within_s)
    return done.result()


def _settle(done: asyncio.Future[Any], do: Callable[[], Any]) -> None:
    if done.done():
        return  # whoever wanted it has given up
    try:
        done.set_result(do())
    except Exception as error:  # noqa: BLE001 - raised where it is awaited
        done.set_exception(error)


def _ended(done: asyncio.Future[Any], path: str) -> None:
    if not done.done():
        done.set_exception(NoSuchActor(path))


async def settled_within(future: asyncio.Future[Any], seconds: float) -> bool:
    """Whether something is settled in time; what is not is given up."""
    await asyncio.wait({future}, timeout=seconds)
    if not future.done():
        future.cancel()
        return False
    return True


def end_of(cell: Cell) -> asyncio.Future[None]:
    """Settled when an actor has ended; cancel it to wait no longer."""
    ended: asyncio.Future[None] = cell.kernel.loop.create_future()

    def tell() -> None:
        if not ended.done():
            ended.set_result(None)

    def forget(_: object) -> None:
        cell.at_end = [one for one in cell.at_end or () if one is not tell] or None

    if cell.actor is None:
        tell()
    else:
        cell.at_end = [*(cell.at_end or ()), tell]
        ended.add_done_callback(forget)
    return ended

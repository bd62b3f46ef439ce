"""The pace at which many actors are looked at: a small share of the loop, whoever asks.

A slice that only lets the loop go round would run again after every single callback, and a message
that needs five of them to be handled would wait for five slices. So there are pauses between the
slices, and all who look at many actors take turns: together they have the share of one.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

_T = TypeVar("_T")

SLICE_S = 0.001
"""Seconds of looking after which there is a pause."""

PAUSES = 4
"""How many times longer than its slice a pause is."""


class Pace:
    """Deals out the time in which many actors are looked at."""

    def __init__(self) -> None:
        self._free_at = 0.0  # the loop's time at which the next slice may begin

    async def sliced(self, items: Iterable[_T]) -> AsyncIterator[_T]:
        """Go through many items in slices with pauses in between; a few take no pause.

        Args:
            items: made while they are gone through, at some microseconds each.
        """
        slices = await self.begin()
        for item in items:
            yield item
            if slices.over():
                await slices.rest()

    async def begin(self) -> Slices:
        """Begin to look at many actors; wait first while others do."""
        if self._free_at > asyncio.get_running_loop().time():
            await self.rest(SLICE_S)
        return Slices(self)

    async def rest(self, spent: float) -> None:
        """Let the loop do its work, longer the more of its time was taken.

        Args:
            spent: seconds that a slice has taken.
        """
        now = asyncio.get_running_loop().time()
        self._free_at = max(now, self._free_at) + PAUSES * spent
        await asyncio.sleep(self._free_at - now)


class Slices:
    """The slices of one who looks at many actors.

    Args:
        pace: that of the node.
    """

    __slots__ = ("_begun", "_pace")

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._begun = time.perf_counter()

    def over(self) -> bool:
        """Whether it is time for a pause."""
        return time.perf_counter() - self._begun >= SLICE_S

    async def rest(self) -> None:
        """Make a pause, and begin the next slice."""
        await self._pace.rest(time.perf_counter() - self._begun)
        self._begun = time.perf_counter()

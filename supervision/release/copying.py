"""The copy of a node that serves: what it has travels in slices, between its own work.

A slice holds the loop for about a millisecond, and the loop goes round before the next one. What
changes meanwhile is due again, and travels in the next round.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING

from supervision.release.records import CopiedOnce
from supervision.release.wire import Items, TakeoverFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervision.release.carrier import Bulk
    from supervision.release.passing import Connection
    from supervision.release.records import TakeoverLimits

LEAST_ITEMS = 8
KEEP_UP_S = 0.02
"""Seconds between two looks at what has changed, once everything has travelled."""

BUSY_S = 0.01
"""A loop that goes round in more is busy: the copy waits as long again, at most ..."""

MOST_S = 0.05
"""... so long, for the takeover has its time limit."""


class Copying:
    """Sends the items of bulks.

    Args:
        connection: to the side that takes.
        bulks: with the version that each is written in.
        limits: of a slice, and of the rounds.
    """

    def __init__(
        self,
        connection: Connection,
        bulks: Sequence[tuple[Bulk, int]],
        limits: TakeoverLimits,
    ) -> None:
        self._connection = connection
        self._bulks = bulks
        self._limits = limits
        self._size = min(LEAST_ITEMS * 4, limits.slice_items)
        self._items = 0
        self._rounds = 0
        self._begun = perf_counter()
        self._noting = False

    @property
    def due(self) -> int:
        """Items that are due in all of them."""
        return sum(bulk.due for bulk, _ in self._bulks)

    def counts(self) -> dict[str, int]:
        """How many items each has."""
        return {bulk.name: bulk.count() for bulk, _ in self._bulks}

    def begin(self) -> None:
        """From now on changes are noted."""
        self._noting = True
        self._begun = perf_counter()
        for bulk, _ in self._bulks:
            bulk.begin()

    def end(self) -> None:
        """Changes are noted no longer."""
        noting, self._noting = self._noting, False
        for bulk, _ in self._bulks if noting else ():
            bulk.end()

    async def rounds(self, most: int) -> CopiedOnce:
        """Send everything, and what has changed meanwhile until that is little or less no more.

        Args:
            most: rounds at most.
        """
        before, done = float("inf"), 0
        while not self._rounds or (done < most and self._limits.few <= self.due < before):
            before = self.due
            await self._round()
            done += 1
            self._rounds += 1
        spent = perf_counter() - self._begun
        return CopiedOnce(spent, self._items, self._connection.sent_bytes, self._rounds, self.due)

    async def keep_up(self) -> None:
        """Send what changes, until this is cancelled."""
        while True:
            await asyncio.sleep(KEEP_UP_S)
            await self._round()

    async def _round(self) -> None:
        for bulk, version in self._bulks:
            left = bulk.due
            while left > 0 and bulk.due:
                left -= self._slice(bulk, version)
                await self._connection.sent(self._limits.buffer_bytes)
                await self._give_way()

    async def _give_way(self) -> None:
        """Let the loop serve what has come; where that takes long there is more to come."""
        begun = perf_counter()
        await asyncio.sleep(0)
        took = perf_counter() - begun
        if took > BUSY_S:
            await asyncio.sleep(min(took, MOST_S))

    def _slice(self, bulk: Bulk, version: int) -> int:
        """Send a slice; nothing else happens between taking and sending."""
        begun = perf_counter()
        count = self._send(bulk, version, self._size)
        took = max(perf_counter() - begun, 1e-6)
        fits = int(self._size * min(2.0, self._limits.slice_s / took))
        self._size = max(LEAST_ITEMS, min(self._limits.slice_items, fits))
        return count

    def _send(self, bulk: Bulk, version: int, most: int) -> int:
        taken = bulk.take(most, version)
        count = len(taken.items) + len(taken.dropped)
        if not count:
            raise TakeoverFailed(f"{bulk.name}: {bulk.due} items are due, and none is given")
        self._items += count
        self._connection.put(Items(bulk.name, taken))
        return count

    def rest(self) -> None:
        """Send all that is due now, at once."""
        for bulk, version in self._bulks:
            while bulk.due:
                self._send(bulk, version, self._limits.slice_items)

    async def last(self) -> None:
        """Send all that is due, on a node that stands still."""
        for bulk, version in self._bulks:
            while bulk.due:
                self._send(bulk, version, self._limits.slice_items)
                await self._connection.sent(self._limits.buffer_bytes)

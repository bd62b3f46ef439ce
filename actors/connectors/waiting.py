"""Queries that wait for a connection: in their order, and those that a replica can serve apart.

Where there is no primary for a while, what has to be written does not hold up what is read.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

Job = TypeVar("Job")
Place = TypeVar("Place")


class Waiting(Generic[Job]):
    """Two queues that are served as one where both can be."""

    def __init__(self) -> None:
        self._queues: tuple[OrderedDict[Hashable, Job], ...] = (OrderedDict(), OrderedDict())
        self._order: dict[Hashable, int] = {}
        self._last = self._first = 0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._order)

    def __contains__(self, key: Hashable) -> bool:
        """Whether one waits."""
        return key in self._order

    def values(self) -> Iterator[Job]:
        """All that wait, those first that need the primary."""
        for queue in self._queues:
            yield from queue.values()

    def add(self, key: Hashable, job: Job, *, replica: bool, first: bool = False) -> None:
        """Have a query wait.

        Args:
            key: Of the query; not one that waits already.
            job: The query.
            replica: Whether a replica can serve it.
            first: Whether it goes before all others.
        """
        queue = self._queues[replica]
        queue[key] = job
        if first:
            queue.move_to_end(key, last=False)
            self._first -= 1
            self._order[key] = self._first
        else:
            self._last += 1
            self._order[key] = self._last

    def pop(self, key: Hashable) -> None:
        """Take one out, where it is there."""
        if self._order.pop(key, None) is not None:
            for queue in self._queues:
                queue.pop(key, None)

    def take(self, place_for: Callable[[Job], Place | None]) -> tuple[Job, Place] | None:
        """Take the first for which there is a place.

        Args:
            place_for: Where a query can be run now; None where it cannot. What is true for one is
                true for all of its queue, so that only the first of each is asked for.

        Returns:
            The query and its place; None where nothing can be run.
        """
        heads = [next(iter(queue)) for queue in self._queues if queue]
        for key in sorted(heads, key=self._order.__getitem__):
            job = next(queue[key] for queue in self._queues if key in queue)
            place = place_for(job)
            if place is not None:
                self.pop(key)
                return job, place
        return None

    def clear(self, *, replica: bool) -> list[Job]:
        """Take out all of one queue, in their order."""
        queue = self._queues[replica]
        jobs = list(queue.values())
        for key in queue:
            del self._order[key]
        queue.clear()
        return jobs

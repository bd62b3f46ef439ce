"""Timers of a node: a heap for those that usually fire, queues for deadlines that usually do not.

Both are pure: they are told the time and answer what is due. The scheduler owns the clock.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NEVER: Final = float("inf")
"""When nothing is due."""
COMPACT_FROM = 1024
MOST_DURATIONS = 32
"""Durations that have a queue of their own: each is looked at in every turn."""


class Timer:
    """One pending timer.

    Attributes:
        when: monotonic seconds at which it fires.
        fire: called once when due; None once it fired or was cancelled.
        owner: whoever set it (a cell); its timers form a doubly linked list through ``before``
            and ``after``, so that the death of an actor cancels them in O(1) each.
        payload: what the owner wants to be told.
    """

    __slots__ = ("after", "before", "fire", "owner", "payload", "when")

    def __init__(
        self, when: float, fire: Callable[[Timer], None], owner: Any, payload: Any
    ) -> None:
        self.when = when
        self.fire: Callable[[Timer], None] | None = fire
        self.owner = owner
        self.payload = payload
        self.before: Timer | None = None
        self.after: Timer | None = None

    @property
    def pending(self) -> bool:
        """Whether it may still fire."""
        return self.fire is not None


class TimerHeap:
    """Timers ordered by time; setting and firing cost O(log n), cancelling O(1).

    A cancelled timer stays in the heap until its time or until half the heap is cancelled.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = 0
        self._dead = 0

    def __len__(self) -> int:
        return len(self._heap) - self._dead

    def set(self, when: float, fire: Callable[[Timer], None], owner: Any, payload: Any) -> Timer:
        """Make a timer and arm it; see ``add``."""
        timer = Timer(when, fire, owner, payload)
        self._count += 1
        heappush(self._heap, (when, self._count, timer))
        return timer

    def add(self, timer: Timer) -> None:
        """Arm a timer; those of the same instant fire in the order they were set."""
        self._count += 1
        heappush(self._heap, (timer.when, self._count, timer))

    def cancel(self, timer: Timer) -> bool:
        """Disarm a timer; return whether it was still pending."""
        if timer.fire is None:
            return False
        timer.fire = None
        self._dead += 1
        if self._dead > COMPACT_FROM and self._dead * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].fire is not None]
            heapify(self._heap)
            self._dead = 0
        return True

    @property
    def next_due(self) -> float:
        """Monotonic seconds of the earliest pending timer; NEVER where there is none."""
        heap = self._heap
        while heap and heap[0][2].fire is None:
            heappop(heap)
            self._dead -= 1
        return heap[0][0] if heap else NEVER

    def pop_due(self, now: float) -> Iterator[Timer]:
        """Take out every timer due at ``now``, earliest first."""
        while (heap := self._heap) and heap[0][0] <= now:
            timer = heappop(heap)[2]
            if timer.fire is None:
                self._dead -= 1
            else:
                yield timer


class Expiring(Protocol):
    """What a deadline queue holds: something that is usually settled before its deadline."""

    settled: bool

    def expire(self) -> None:
        """Called once when the deadline passes and it is not settled."""


class DeadlineQueues:
    """Deadlines of calls: one FIFO for each duration, as equal durations expire in order.

    Setting costs one append and settling nothing, where a heap would pay for every call that is
    answered in time. Settled entries are dropped when they outnumber the live ones. Programs have
    few durations; where there are more than ``MOST_DURATIONS`` (what is left of another deadline,
    for example) the others share a heap.
    """

    def __init__(self) -> None:
        self._queues: dict[float, deque[tuple[float, Expiring]]] = {}
        self._trim_at: dict[float, int] = {}
        self._heap: list[tuple[float, int, Expiring]] = []
        self._heap_count = 0
        self._heap_trim_at = COMPACT_FROM

    def __len__(self) -> int:
        queued = sum(not entry.settled for queue in self._queues.values() for _, entry in queue)
        return queued + sum(not entry.settled for _, _, entry in self._heap)

    def __iter__(self) -> Iterator[Expiring]:
        """What is not settled, in no order."""
        for queue in self._queues.values():
            yield from (entry for _, entry in queue if not entry.settled)
        yield from (entry for _, _, entry in self._heap if not entry.settled)

    def add(self, now: float, duration: float, entry: Expiring) -> bool:
        """Queue ``entry`` for ``now + duration``; return whether it heads its queue."""
        queue = self._queues.get(duration)
        if queue is None:
            if len(self._queues) >= MOST_DURATIONS:
                return self.add_at(now + duration, entry)
            queue = self._queues[duration] = deque()
            self._trim_at[duration] = COMPACT_FROM
        queue.append((now + duration, entry))
        if len(queue) >= self._trim_at[duration]:
            self._trim(duration, queue)
        return len(queue) == 1

    def add_at(self, due: float, entry: Expiring) -> bool:
        """Keep ``entry`` in the heap until ``due``; return whether it is the heap's first."""
        self._heap_count += 1
        heappush(self._heap, (due, self._heap_count, entry))
        if len(self._heap) >= self._heap_trim_at:
            self._heap = [item for item in self._heap if not item[2].settled]
            heapify(self._heap)
            self._heap_trim_at = max(COMPACT_FROM, 2 * len(self._heap))
        return self._heap[0][2] is entry

    def _trim(self, duration: float, queue: deque[tuple[float, Expiring]]) -> None:
        live = [pair for pair in queue if not pair[1].settled]
        queue.clear()
        queue.extend(live)
        self._trim_at[duration] = max(COMPACT_FROM, 2 * len(live))

    @property
    def next_due(self) -> float:
        """Monotonic seconds of the earliest deadline that is not settled; NEVER without one."""
        while self._heap and self._heap[0][2].settled:
            heappop(self._heap)
        earliest = self._heap[0][0] if self._heap else NEVER
        for duration in list(self._queues):
            queue = self._queues[duration]
            while queue and queue[0][1].settled:
                queue.popleft()
            if not queue:
                del self._queues[duration], self._trim_at[duration]
            elif queue[0][0] < earliest:
                earliest = queue[0][0]
        return earliest

    def pop_due(self, now: float) -> Iterator[Expiring]:
        """Take out every entry that is not settled and whose deadline is at or before ``now``."""
        while self._heap and self._heap[0][0] <= now:
            entry = heappop(self._heap)[2]
            if not entry.settled:
                yield entry
        for queue in list(self._queues.values()):
            while queue and (queue[0][1].settled or queue[0][0] <= now):
                entry = queue.popleft()[1]
                if not entry.settled:
                    yield entry

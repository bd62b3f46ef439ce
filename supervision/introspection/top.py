"""Who has most, and who grew most: recon's bounded questions (``proc_count``, ``proc_window``)."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, nullcontext
from heapq import heappush, heappushpop
from typing import TYPE_CHECKING, Any, Self, get_args

from msgspec.structs import asdict

from supervision.introspection.errors import LimitReached, OutOfBounds, check
from supervision.introspection.showing import Showing, memory_of
from supervision.introspection.system_records import Top, TopAttribute, TopRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervision._thespian import Actor
    from supervision.eventloop.cell import Cell, LocalAddress
    from supervision.eventloop.kernel import Kernel
    from supervision.introspection.finding import Found

_QUESTIONS = {"memory": "questions about memory"}
"""By what is asked about: what there is one of at a time, because it is long."""

SAMPLED = 32
"""Messages of which the scheduler times one."""


class Heap:
    """The ``n`` entries with the greatest values; of equal ones those that came first.

    Args:
        size: how many are kept.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[float, int, Found]] = []
        self.offered = 0

    def offer(self, value: float, found: Found) -> None:
        """Keep an entry if it is among the greatest."""
        self.offered += 1
        entry = (value, -self.offered, found)
        if len(self._heap) < self._size:
            heappush(self._heap, entry)
        else:
            heappushpop(self._heap, entry)

    def __iter__(self) -> Iterator[tuple[float, Found]]:
        """The entries, the greatest first."""
        for value, _, found in sorted(self._heap, reverse=True):
            yield value, found


class Sampling:
    """Adds up the sampled times of handlers by actor, while it is entered."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.seconds: dict[LocalAddress, float] = {}

    def __enter__(self) -> Self:
        """Begin.

        Raises:
            LimitReached: another one samples this node already.
        """
        own = self._kernel.sample
        if "sample" in vars(self._kernel):
            raise LimitReached("windows", 1)

        def sample(cell: Cell, actor: Actor, seconds: float) -> None:
            own(cell, actor, seconds)
            address = cell.address
            self.seconds[address] = self.seconds.get(address, 0.0) + SAMPLED * seconds

        self._kernel.sample = sample  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        del self._kernel.sample


class Ranking(Showing):
    """Ranks the actors of a node, going through them in slices and keeping ``n`` of them."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._open: set[str] = set()

    async def top(self, attribute: TopAttribute, n: int = 10, under: str | None = None) -> Top:
        """The actors with the most of something (``recon:proc_count/2``).

        Args:
            attribute: ``mailbox``; ``rate``, messages handled per second of its life; ``memory``
                of its state; ``restarts``; ``time``, seconds that its handlers have taken, about:
                its messages by the mean of its class.
            n: how many.
            under: those below this path, itself included.

        Raises:
            NoSuchActor: nothing has this path.
            OutOfBounds: so many are not shown, or nothing is known of such an attribute.
            LimitReached: another question about memory is under way.
        """
        self._check(attribute, n)
        heap = Heap(n)
        with self._only(_QUESTIONS.get(attribute)):
            shares: dict[str, int] | None = {} if attribute == "memory" else None
            async for found in self.pace.sliced(
                self._walk(self._find(under or self._root), shares)
            ):
                heap.offer(self._value(attribute, found), found)
        return await self._top(attribute, heap, None)

    async def window(
        self, attribute: TopAttribute, n: int, seconds: float, under: str | None = None
    ) -> Top:
        """The actors that grew most within some seconds (``recon:proc_window/3``).

        Args:
            attribute: as for ``top``; ``rate`` and ``time`` are those of the window alone.
            n: how many; who did not grow is not shown.
            seconds: how long.
            under: those below this path, itself included.

        Raises:
            NoSuchActor: nothing has this path.
            OutOfBounds: so many are not shown, or for so long nothing is watched.
            LimitReached: another window is open, or another question about memory under way.
        """
        self._check(attribute, n)
        check("seconds", seconds, self.limits.window_seconds, 0.001)
        self._find(under or self._root)
        with self._only("windows"), self._only(_QUESTIONS.get(attribute)):
            heap = await self._grown(attribute, n, seconds, under or self._root)
        return await self._top(attribute, heap, seconds)

    @contextmanager
    def _only(self, what: str | None) -> Iterator[None]:
        """Have one question of a kind at a time; None is of no kind."""
        if what is None:
            yield
            return
        if what in self._open:
            raise LimitReached(what, 1)
        self._open.add(what)
        try:
            yield
        finally:
            self._open.discard(what)

    async def _grown(self, attribute: TopAttribute, n: int, seconds: float, path: str) -> Heap:
        heap = Heap(n)
        sampled = Sampling(self._kernel) if attribute == "time" else nullcontext()
        with sampled as sampling:
            shares: dict[str, int] | None = {} if attribute == "memory" else None
            before = await self._measure(attribute, path, shares)
            begun = self._kernel.clock.monotonic()
            await asyncio.sleep(seconds)
            lasted = max(self._kernel.clock.monotonic() - begun, 1e-9)
            async for found in self.pace.sliced(self._walk(self._find(path), shares)):
                grown = self._growth(attribute, found, before, sampling)
                if grown > 0:
                    heap.offer(grown / lasted if attribute == "rate" else grown, found)
        return heap

    def _growth(
        self,
        attribute: TopAttribute,
        found: Found,
        before: dict[LocalAddress, tuple[int, float]],
        sampling: Sampling | None,
    ) -> float:
        if sampling is not None:
            return sampling.seconds.get(found.address, 0.0)
        life, had = before.get(found.address, (found.address.incarnation, 0.0))
        has = self._count(attribute, found)
        same = life == found.address.incarnation or attribute == "restarts"
        return has - had if same else has  # another incarnation has begun from nothing

    async def _measure(
        self, attribute: TopAttribute, path: str, shares: dict[str, int] | None
    ) -> dict[LocalAddress, tuple[int, float]]:
        """What each has that has anything, with the incarnation that had it."""
        before = {}
        if attribute != "time":
            async for found in self.pace.sliced(self._walk(self._find(path), shares)):
                if value := self._count(attribute, found):
                    before[found.address] = (found.address.incarnation, value)
        return before

    def _check(self, attribute: str, n: int) -> None:
        check("n", n, self.limits.top_rows)
        if attribute not in get_args(TopAttribute):
            raise OutOfBounds("attribute", f"one of {', '.join(get_args(TopAttribute))}")

    async def _top(self, attribute: TopAttribute, heap: Heap, seconds: float | None) -> Top:
        rows = [
            TopRow(**asdict(self._row(found, measure=True)), value=round(value, 6))
            async for value, found in self.pace.sliced(heap)
        ]
        return Top(attribute=attribute, seconds=seconds, counted=heap.offered, items=rows)

    def _value(self, attribute: TopAttribute, found: Found) -> float:
        """What an actor has now, for ``top``."""
        cell = found.address.cell
        if attribute == "rate" and cell is not None:
            age = self._kernel.clock.monotonic() - cell.since
            return cell.handled / age if age > 0 else 0.0
        if attribute == "time" and cell is not None:
            histogram = self._kernel.latencies.get(type(cell.actor))
            count = 0 if histogram is None else histogram.count
            return cell.handled * histogram.total_s / count if histogram and count else 0.0
        return self._count(attribute, found)

    def _count(self, attribute: TopAttribute, found: Found) -> float:
        """What grows, as a number that can be compared with itself later."""
        cell = found.address.cell
        if attribute == "restarts":
            return 0 if found.child is None else found.child.restarts
        if cell is None or cell.actor is None:
            return 0
        if attribute == "mailbox":
            return cell.depth
        if attribute == "memory":
            return memory_of(cell) or 0
        return cell.handled

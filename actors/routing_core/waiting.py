"""The calls that wait, queue by queue, in the order in which they are served.

Priority with ageing: a call that has waited `ageing_s` longer goes before one whose priority is a
step higher. All calls of a queue age alike, so their order never changes while they wait: each has
the time at which it would have come with priority 0, and the earliest is first. A call is overtaken
only by calls that come within `ageing_s` times the greatest difference of priorities, so none
waits for ever while others are served.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import takewhile
from typing import TypeAlias

from msgspec import Struct

Extra: TypeAlias = tuple[tuple[str, int], ...]
"""Skills and levels that a call asks for besides its queue's, in order."""

NO_SKILLS: Extra = ()


class Waiting(Struct, frozen=True):
    """A call that waits.

    Attributes:
        call: its id.
        queue: where.
        since: when it came, seconds.
        prio: its priority, already within limits.
        extra: skills and levels that it asks for besides its queue's.
        number: unique; what decides between equals.
        due: when it would have come with priority 0, seconds.
    """

    call: str
    queue: str
    since: float
    prio: int = 0
    extra: Extra = NO_SKILLS
    number: int = 0
    due: float = 0.0


Place = tuple[float, int]
"""Where a call stands in its line: the least is first."""


def due_at(since: float, prio: int, ageing_s: float) -> float:
    """When a call would have come with priority 0.

    Args:
        since: when it came, seconds.
        prio: its priority.
        ageing_s: the waiting that one step of priority stands for.
    """
    return since - prio * ageing_s


class WaitingLines:
    """The lines of all queues.

    Args:
        ageing_s: by queue; a queue that is not among them has no line.
        most: calls that wait at most, in all of them.
    """

    def __init__(self, ageing_s: Mapping[str, float], most: int) -> None:
        self._ageing_s = ageing_s
        self._most = most
        self._lines: dict[str, dict[Extra, list[Place]]] = {queue: {} for queue in ageing_s}
        self._calls: dict[str, Waiting] = {}
        self._by_number: dict[int, Waiting] = {}
        self._numbers = 0

    def __len__(self) -> int:
        """How many calls wait."""
        return len(self._calls)

    def __iter__(self) -> Iterator[Waiting]:
        """The calls, in the order in which they came here."""
        return iter(self._calls.values())

    @property
    def full(self) -> bool:
        """Whether no further call may wait."""
        return len(self._calls) >= self._most

    def length(self, queue: str) -> int:
        """How many calls wait in a queue."""
        return sum(map(len, self._lines[queue].values()))

    def get(self, call: str) -> Waiting | None:
        """Return where a call waits, if it does."""
        return self._calls.get(call)

    def ahead(
        self,
        queue: str,
        call: str,
        at: float,
        prio: int,
        counts: Callable[[Extra], bool] = lambda _: True,
    ) -> int:
        """How many calls are served before one, which may wait already or come now.

        Args:
            queue: where.
            call: its id.
            at: now.
            prio: its priority, if it comes now.
            counts: whether calls count that ask for some skills.
        """
        known = self._calls.get(call)
        if known is not None and known.queue == queue:
            place = (known.due, known.number)
        else:
            place = (due_at(at, prio, self._ageing_s[queue]), self._numbers + 1)
        lines = self._lines[queue].items()
        return sum(bisect_left(line, place) for extra, line in lines if counts(extra))

    def enter(
        self,
        call: str,
        queue: str,
        since: float,
        prio: int,
        extra: Extra = NO_SKILLS,
    ) -> Waiting:
        """Have a call wait; one that waits there already keeps its place.

        Args:
            call: its id.
            queue: where.
            since: when it came, seconds.
            prio: its priority, already within limits.
            extra: skills and levels that it asks for.
        """
        known = self._calls.get(call)
        if known is not None and known.queue == queue:
            return known
        self.leave(call)
        self._numbers += 1
        due = due_at(since, prio, self._ageing_s[queue])
        waiting = Waiting(call, queue, since, prio, extra, self._numbers, due)
        self._calls[call] = self._by_number[waiting.number] = waiting
        insort(self._lines[queue].setdefault(extra, []), (due, waiting.number))
        return waiting

    def leave(self, call: str) -> Waiting | None:
        """Have a call wait no longer, if it does."""
        waiting = self._calls.pop(call, None)
        if waiting is not None:
            del self._by_number[waiting.number]
            lines = self._lines[waiting.queue]
            line = lines[waiting.extra]
            del line[bisect_left(line, (waiting.due, waiting.number))]
            if not line:
                del lines[waiting.extra]
        return waiting

    def first(self, queues: Iterable[str], fits: Callable[[Extra], bool]) -> Waiting | None:
        """Return the call that is served next.

        Args:
            queues: whose calls are looked at.
            fits: whether calls may be served that ask for some skills.
        """
        heads = [
            line[0] for queue in queues for extra, line in self._lines[queue].items() if fits(extra)
        ]
        return self._by_number[min(heads)[1]] if heads else None

    def older_than(self, since: float) -> list[Waiting]:
        """Return the calls at the head of all that came at a time or before it, seconds."""
        return list(takewhile(lambda waiting: waiting.since <= since, self._calls.values()))

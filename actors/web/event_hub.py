"""What happens in the node, told to those who look: bounded for each of them.

The hub keeps the latest events, so that a reader who reconnects goes on where it was. A reader who
is slower than the events loses the oldest ones and is told how many.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable
from heapq import merge
from typing import Any, Literal, TypeAlias, get_args

from msgspec import Struct

EventKind: TypeAlias = Literal["supervisor", "crash", "alarm", "release", "trace", "node"]
KINDS: tuple[EventKind, ...] = get_args(EventKind)


class Event(Struct, frozen=True):
    """Something that happened.

    Attributes:
        number: Its number in this life of the hub, from 1.
        kind: What sort of event it is.
        at: When, seconds since the epoch.
        data: Plain data or a record; what it has depends on the kind.
    """

    number: int
    kind: EventKind
    at: float
    data: Any


class TooManySubscriptions(Exception):  # noqa: N818 - an answer, not a failure
    """As many readers are subscribed as may.

    Args:
        limit: How many may.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(f"at most {limit} readers")
        self.limit = limit


class Subscription:
    """The events that one reader has not taken yet.

    Args:
        kinds: What the reader wants.
        capacity: Events kept; the oldest give way.
        end: Called when the reader goes.
    """

    def __init__(
        self, kinds: Collection[EventKind], capacity: int, end: Callable[[Subscription], None]
    ) -> None:
        self._kinds = frozenset(kinds)
        self._waiting: deque[Event] = deque()
        self._capacity = capacity
        self._missed = 0
        self._unknown_gap = False
        self._news = asyncio.Event()
        self._end = end

    def offer(self, event: Event) -> None:
        """Keep an event for the reader, at the price of the oldest when there are too many."""
        if event.kind not in self._kinds:
            return
        if len(self._waiting) == self._capacity:
            self._waiting.popleft()
            self._missed += 1
        self._waiting.append(event)
        self._news.set()

    def miss(self, count: int | None) -> None:
        """Note that events were lost to the reader; None is an unknown number."""
        if count is None:
            self._unknown_gap = True
        else:
            self._missed += count
        self._news.set()

    async def wait(self, timeout_s: float) -> bool:
        """Wait until there is something to take.

        Args:
            timeout_s: Seconds after which to give up.

        Returns:
            Whether there is something.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def take(self) -> tuple[int | None, list[Event]]:
        """Take what is there.

        Returns:
            How many events were lost before these, None for an unknown number, and the events.
        """
        missed = None if self._unknown_gap else self._missed
        events = list(self._waiting)
        self._waiting.clear()
        self._missed, self._unknown_gap = 0, False
        self._news.clear()
        return missed, events

    def close(self) -> None:
        """Want nothing more."""
        self._end(self)


class EventHub:
    """Takes the events of the node and hands them to its readers.

    Args:
        epoch: Hexadecimal name of this life of the hub; different after every start.
        keep: Latest events kept for readers who reconnect, of traces and of the rest each.
        max_subscriptions: Readers at once.
    """

    def __init__(self, epoch: str, *, keep: int = 1_000, max_subscriptions: int = 64) -> None:
        self.epoch = epoch
        self._max_subscriptions = max_subscriptions
        self._latest: deque[Event] = deque(maxlen=keep)
        self._traced: deque[Event] = deque(maxlen=keep)
        self._number = 0
        self._subscriptions: set[Subscription] = set()

    @property
    def watched(self) -> bool:
        """Whether somebody looks: what costs much to tell need not be told to nobody."""
        return bool(self._subscriptions)

    def publish(self, kind: EventKind, data: object, at: float) -> None:
        """Tell what happened; never blocks.

        Args:
            kind: What sort of event it is.
            data: Plain data or a record; it must not change later. Readers see it bounded, as the
                state of an actor is shown.
            at: When, seconds since the epoch.
        """
        self._number += 1
        event = Event(self._number, kind, at, data)
        self._queue_of(kind).append(event)
        for subscription in self._subscriptions:
            subscription.offer(event)

    def latest(self, kinds: Collection[EventKind]) -> list[Event]:
        """The latest events of some kinds, the oldest first."""
        return [event for event in self._kept_after(0) if event.kind in kinds]

    # From one process to the next

    @property
    def number(self) -> int:
        """The number of the last event."""
        return self._number

    @property
    def kept(self) -> list[Event]:
        """All events that are still known, the oldest first."""
        return self._kept_after(0)

    def carry(self, epoch: str, number: int, events: Iterable[Event]) -> None:
        """Go on where the hub of another process was; events of this one follow its last.

        Args:
            epoch: its epoch.
            number: of its last event.
            events: what it has kept, the oldest first.
        """
        own = self.kept
        self._latest.clear()
        self._traced.clear()
        self.epoch, self._number = epoch, number
        for event in events:
            self._queue_of(event.kind).append(event)
        for event in own:
            self.publish(event.kind, event.data, event.at)

    def _queue_of(self, kind: EventKind) -> deque[Event]:
        # Apart: a trace can be of more events than are kept, and must take no crash away.
        return self._traced if kind == "trace" else self._latest

    def subscribe(
        self,
        kinds: Collection[EventKind],
        capacity: int,
        after: tuple[str, int] | None = None,
    ) -> Subscription:
        """Add a reader.

        Args:
            kinds: What it wants.
            capacity: Events kept for it while it is slow.
            after: Epoch and number of the last event it has seen, None for a new reader: it is
                told what happens from now on.

        Raises:
            TooManySubscriptions: There are as many as may be.
        """
        if len(self._subscriptions) >= self._max_subscriptions:
            raise TooManySubscriptions(self._max_subscriptions)
        subscription = Subscription(kinds, capacity, self._subscriptions.discard)
        if after is not None:
            self._resume(subscription, *after)
        self._subscriptions.add(subscription)
        return subscription

    def _resume(self, subscription: Subscription, epoch: str, number: int) -> None:
        if epoch != self.epoch or number > self._number:
            subscription.miss(None)
            return
        kept = self._kept_after(number)
        if missed := self._number - number - len(kept):
            subscription.miss(missed)
        _offer_all(subscription, kept)

    def _kept_after(self, number: int) -> list[Event]:
        """The events after a number that are still known, in order."""
        kept = merge(self._latest, self._traced, key=lambda event: event.number)
        return [event for event in kept if event.number > number]


def _offer_all(subscription: Subscription, events: Iterable[Event]) -> None:
    for event in events:
        subscription.offer(event)

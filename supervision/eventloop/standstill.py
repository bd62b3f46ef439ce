"""A node that stands still: what is ready to run, and the word that nothing of it may for now.

For a takeover: while one node copies another and neither may change.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any

from supervision.eventloop.timekeeping import Timekeeper

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from supervision.clock import Clock
    from supervision.eventloop.cell import Cell, Handling
    from supervision.eventloop.timekeeping import SchedulerLimits


class Resting(Timekeeper):
    """Keeps what is ready, and can be told that nothing of it is to run.

    Args:
        loop: the asyncio loop to live on.
        clock: what tells the time.
        limits: the bounds of a turn.

    Attributes:
        under_way: the handlers that wait for something, ``init`` and ``terminate`` among them.
    """

    __slots__ = ("_inbox", "_ready", "_signals", "_turn_to_come", "under_way")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Clock, limits: SchedulerLimits
    ) -> None:
        super().__init__(loop, clock, limits)
        self._ready: deque[Cell] = deque()
        self._signals: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._inbox: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._turn_to_come = False  # of a node that stands still: it was asked for before
        self.under_way: set[Handling] = set()

    @property
    def quiet(self) -> bool:
        """Whether no actor has anything to handle now; handlers may wait for something."""
        return not (self._ready or self._signals or self._inbox or self._in_turn)

    @property
    def frozen(self) -> bool:
        """Whether the node stands still."""
        return self._frozen

    def freeze(self) -> None:
        """Stand still: no actor runs, no timer fires and no deadline passes until ``thaw``.

        What is sent meanwhile waits in the mailboxes, in order. What other threads have asked for
        with ``post_call`` is done, and so is what the loop itself does.

        Raises:
            RuntimeError: an actor asks for it, which would go on all the same.
        """
        if self._in_turn:
            raise RuntimeError("an actor cannot freeze the node that it runs in")
        if self._frozen:
            return
        self._turn_to_come = self._awake
        self._frozen = self._awake = True  # who is awake needs no waking
        self.arm()

    def thaw(self) -> None:
        """Go on as if nothing had been; what became due meanwhile happens now."""
        if not self._frozen:
            return
        self._frozen = False
        if self._turn_to_come:
            return  # it has not come yet: it finds what is ready, and arms
        if self._ready or self._signals:
            self.loop.call_soon(self._turn)
            return
        self._awake = False
        self.arm()

    @abstractmethod
    def _turn(self) -> None:
        """Run what is ready for a while."""

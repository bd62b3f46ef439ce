"""How long requests may take: one timer for all of them.

A timer of the loop for each request costs more than the rest of its limit: thousands of cancelled
ones are sifted with every other timer of the node. All requests have the same time, so those that
began first are due first, and one timer waits for the first of them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType


class Patience:
    """Ends what takes longer than a time that is the same for all.

    Args:
        seconds: that each has.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._running: dict[Turn, None] = {}  # those that began first come first
        self._timer: asyncio.TimerHandle | None = None

    def turn(self) -> Turn:
        """Something that may take the time: a context of the task that does it."""
        return Turn(self)

    def begin(self, turn: Turn) -> None:
        """Count the time of a turn."""
        loop = asyncio.get_running_loop()
        turn.due = loop.time() + self._seconds
        self._running[turn] = None
        if self._timer is None:
            self._timer = loop.call_at(turn.due, self._look)

    def end(self, turn: Turn) -> None:
        """Forget a turn that has come to its end."""
        self._running.pop(turn, None)

    def _look(self) -> None:
        """End those whose time is over, and wait for the next one."""
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._running:
            first = next(iter(self._running))
            if first.due > now:
                self._timer = loop.call_at(first.due, self._look)
                return
            del self._running[first]
            first.expire()


class Turn:
    """One of the things that may take the time; as `asyncio.timeout`, in fewer steps.

    Args:
        patience: how long.

    Attributes:
        due: when it is over, seconds of the loop.
    """

    __slots__ = ("_before", "_expired", "_patience", "_task", "due")

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._expired = False
        self.due = 0.0

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "only a task can be ended"
        self._task, self._before = task, task.cancelling()
        self._patience.begin(self)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._patience.end(self)
        if not self._expired:
            return
        # Cancelled for this alone: else somebody else has ended the task as well.
        if self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Its time is over."""
        self._expired = True
        self._task.cancel()

"""A baton: what a task of the loop waits for, and goes on with in the midst of who passes it.

The task of a future goes on in the next turn of the loop, after all that is ready already. Where a
connection has become free and a query waits for it, that is time in which the server does nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any, Generic, TypeVar

What = TypeVar("What")


class Baton(Generic[What]):
    """Awaited by one task at a time, again and again; to that task it behaves as a future.

    What is passed while nobody waits is there for who comes next.
    """

    __slots__ = ("_asyncio_future_blocking", "_context", "_error", "_goes_on", "_loop", "_what")

    def __init__(self) -> None:
        # Until it is awaited asyncio must not take it for a future.
        self._asyncio_future_blocking: bool | None = None
        self._goes_on: Callable[[Any], Any] | None = None
        self._context: Context | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._what: list[What] = []
        self._error: BaseException | None = None

    def __await__(self) -> Generator[Baton[What], None, What]:
        if not self._what:
            self._asyncio_future_blocking = True
            self._loop = asyncio.get_running_loop()
            yield self
        self.result()
        return self._what.pop(0)

    def hand(self, what: What) -> None:
        """Have the task that waits go on with something, now.

        A task cannot run within another one: from there, it goes on with the next turn.

        Args:
            what: What the task gets.
        """
        self._what.append(what)
        goes_on, self._goes_on = self._goes_on, None
        if goes_on is None:
            return
        if asyncio.current_task() is None and self._context is not None:
            self._context.run(goes_on, self)
        else:
            self.get_loop().call_soon(goes_on, self, context=self._context)

    # What a task asks of a future.

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the task that waits; it may stand still, as where its tasks are ended."""
        return self._loop or asyncio.get_running_loop()

    def add_done_callback(
        self, callback: Callable[[Any], Any], *, context: Context | None = None
    ) -> None:
        """Have the task that waits go on by a callback."""
        self._goes_on, self._context = callback, context

    def cancel(self, msg: Any = None) -> bool:
        """Have the task that waits go on with a CancelledError; whether any waits."""
        goes_on, self._goes_on = self._goes_on, None
        if goes_on is None:
            return False
        self._error = asyncio.CancelledError(msg)
        self.get_loop().call_soon(goes_on, self, context=self._context)
        return True

    def result(self) -> None:
        """Nothing, or the error raised."""
        error, self._error = self._error, None
        if error is not None:
            raise error

"""An asyncio loop without a selector, whose time is a virtual clock's."""

from __future__ import annotations

import asyncio
from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from contextvars import Context

    from supervision.testing.clock import VirtualClock

_T = TypeVar("_T")
_Args = TypeVarTuple("_Args")

RESOLUTION_S = 1e-9
"""Seconds by which a timer may come early, as in asyncio: sums of floats are not exact."""

MOST_CALLBACKS = 10_000_000
"""Callbacks after which settling is given up: something wakes itself for ever."""


class Restless(AssertionError):  # noqa: N818 - a failed test, in its own words
    """The loop did not come to rest: something makes itself ready again and again."""


class Unhandled(AssertionError):  # noqa: N818 - as above
    """A callback raised, or a task's exception was never asked for."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """Runs callbacks, tasks and timers in virtual time, on the thread that settles it.

    ``asyncio.sleep``, ``timeout``, ``wait_for``, ``TaskGroup``, queues and locks work as on any
    loop. There are no sockets: what a test needs of the outside is a fake.

    Args:
        clock: what tells the time, and is moved by ``advance_to``.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.callbacks_run = 0
        self._ready: deque[asyncio.Handle] = deque()
        self._scheduled: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._scheduled_count = 0
        self._closed = False
        self._running = False
        self._failures: list[dict[str, Any]] = []

    # Running

    def run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call ``function`` as if from a callback of this loop and return what it returns."""
        if self._running:
            return function(*args)
        asyncio._set_running_loop(self)  # noqa: SLF001 - asyncio's hook for loops
        self._running = True
        try:
            return function(*args)
        finally:
            self._running = False
            asyncio._set_running_loop(None)  # noqa: SLF001 - as above

    def settle(self) -> None:
        """Run every callback that is ready and every timer that is due, until none is left.

        Raises:
            Restless: it does not come to an end.
            Unhandled: a callback raised, or nobody looked at a task's exception.
        """
        self.run(self._settle)
        if self._failures:
            context = self._failures.pop(0)
            raise Unhandled(context["message"]) from context.get("exception")

    def _settle(self) -> None:
        last = self.callbacks_run + MOST_CALLBACKS
        while True:
            self._release_due()
            if not self._ready:
                return
            handle = self._ready.popleft()
            if not handle.cancelled():
                self.callbacks_run += 1
                handle._run()  # noqa: SLF001 - how a loop runs a handle
            if self.callbacks_run >= last:
                raise Restless(f"{MOST_CALLBACKS} callbacks at {self.clock.monotonic()} s")

    def _release_due(self) -> None:
        now = self.clock.monotonic()
        while self._scheduled and self._scheduled[0][0] <= now:
            handle = heappop(self._scheduled)[2]
            if not handle.cancelled():
                self._ready.append(handle)

    @property
    def next_due(self) -> float | None:
        """Monotonic seconds of the earliest timer."""
        while self._scheduled and self._scheduled[0][2].cancelled():
            heappop(self._scheduled)
        return self._scheduled[0][0] if self._scheduled else None

    def advance_to(self, monotonic: float) -> None:
        """Move time, stopping at every timer on the way to run it and what comes of it."""
        self.settle()
        while (due := self.next_due) is not None and due <= monotonic + RESOLUTION_S:
            self.clock.advance_to(due)
            self.settle()
        self.clock.advance_to(monotonic)

    # What asyncio asks of a loop

    def time(self) -> float:
        """Monotonic seconds of the virtual clock."""
        return self.clock.monotonic()

    def call_soon(
        self,
        callback: Callable[[*_Args], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Run ``callback`` after those that are ready."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    # A deque takes entries from every thread; whoever settles finds them.
    call_soon_threadsafe = call_soon

    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Args], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run ``callback`` when ``delay`` seconds of virtual time have passed."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Args], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run ``callback`` at a monotonic time; those of one instant in the order they came."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._scheduled_count += 1
        heappush(self._scheduled, (when, self._scheduled_count, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Leave it in the heap: it is dropped when its time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any], **options: Any
    ) -> asyncio.Task[Any]:
        """Make a task that is driven by ``settle``."""
        name, context = options.get("name"), options.get("context")
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def run_in_executor(
        self, executor: Any, func: Callable[[*_Args], _T], *args: *_Args
    ) -> asyncio.Future[_T]:
        """Run ``func`` at once, on this thread: a test has no use for a race."""
        del executor
        future: asyncio.Future[_T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as exception:  # noqa: BLE001 - raised again where it is awaited
            future.set_exception(exception)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody handled; ``settle`` raises it."""
        self._failures.append(context)

    def get_debug(self) -> bool:
        """Off: asyncio's checks measure the machine's time."""
        return False

    def is_running(self) -> bool:
        """Whether a callback runs now."""
        return self._running

    def is_closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    def close(self) -> None:
        """Drop what is ready or scheduled."""
        self._closed = True
        self._ready.clear()
        self._scheduled.clear()

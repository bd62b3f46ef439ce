"""The coroutine of one asynchronous handler, driven by the scheduler."""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task
from typing import TYPE_CHECKING, Any

from supervision.eventloop.calls import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from supervision.eventloop.cell import Cell


CANCEL_ATTEMPTS = 16
"""How often a coroutine that is abandoned may try to await something before it is closed."""


class HandlerTask:
    """Drives a coroutine until it ends, with the manners of an asyncio task.

    While the coroutine waits for another actor it is resumed from the ready queue. When it waits
    for a future of the loop, the future's callback makes it ready. It is the loop's current task
    while it runs (asyncio's documented hooks for third-party tasks), so that timeouts, task
    groups and libraries that ask for the current task work as in a task of the loop.

    Attributes:
        cell: the actor whose handler this is.
        message: what is being handled; None for init and terminate.
        sender: of the message.
        deadline: of the call that is handled: what the handler asks is not waited for longer.
        runnable: whether the next turn of the cell resumes the coroutine.
    """

    __slots__ = (
        "__weakref__",
        "_cancel_due",
        "_cancels",
        "_ended",
        "_error",
        "_finish",
        "_waiting_for",
        "cell",
        "coro",
        "deadline",
        "message",
        "runnable",
        "sender",
    )

    def __init__(
        self,
        cell: Cell,
        coro: Coroutine[Any, Any, Any],
        finish: Callable[[HandlerTask, Any, BaseException | None], None],
        message: Any = None,
        sender: Any = None,
    ) -> None:
        self.cell = cell
        self.coro = coro
        self.message = message
        self.sender = sender
        self.runnable = False
        self.deadline: float | None = None
        self._finish = finish
        self._waiting_for: Waiter | asyncio.Future[Any] | None = None
        self._error: BaseException | None = None
        self._cancels = 0
        self._cancel_due = False
        self._ended = False

    def step(self) -> None:
        """Run the coroutine to its next wait or its end."""
        loop = self.cell.kernel.loop
        self.runnable = False
        self._waiting_for = None
        _enter_task(loop, self)  # type: ignore[arg-type]
        try:
            if self._cancel_due or self._error is not None:
                awaited = self.coro.throw(self._next_error())
            else:
                awaited = self.coro.send(None)
        except StopIteration as stop:
            self._end(stop.value, None)
        except BaseException as exception:  # noqa: BLE001 - whatever it is, it ends the handler
            self._end(None, exception)
        else:
            self._wait(awaited)
        finally:
            _leave_task(loop, self)  # type: ignore[arg-type]

    def when_ended(self, tell: Callable[[], None]) -> None:
        """Have ``tell`` called right after the coroutine's end, before any other message.

        Not where it is abandoned: then its actor ends.
        """
        finish = self._finish

        def both(task: HandlerTask, value: Any, exception: BaseException | None) -> None:
            finish(task, value, exception)
            tell()

        self._finish = both

    def _next_error(self) -> BaseException:
        failure, self._error = self._error, None
        if self._cancel_due or failure is None:
            self._cancel_due = False
            return asyncio.CancelledError()
        return failure

    def _end(self, value: Any, exception: BaseException | None) -> None:
        self._ended = True
        self._finish(self, value, exception)

    def _wait(self, awaited: Any) -> None:
        if isinstance(awaited, Waiter):
            self._waiting_for = awaited
            awaited.task = self
            if awaited.settled:
                self.wake()
        elif awaited is None:  # asyncio.sleep(0): let the loop go round once
            self.cell.kernel.loop.call_soon(self.wake)
        elif getattr(awaited, "_asyncio_future_blocking", None):
            awaited._asyncio_future_blocking = False  # noqa: SLF001 - the protocol of awaitables
            self._waiting_for = awaited
            awaited.add_done_callback(self._future_done)
        else:
            self._error = RuntimeError(f"a handler cannot wait for {awaited!r}")
            self.wake()
            return
        if self._cancel_due:
            self._interrupt()

    def _future_done(self, future: asyncio.Future[Any]) -> None:
        if self._waiting_for is future:
            self.wake()

    def wake(self) -> None:
        """Have the next turn resume the coroutine."""
        if not self.runnable and not self._ended:
            self.runnable = True
            self.cell.kernel.make_ready(self.cell)

    def _interrupt(self) -> None:
        waiting = self._waiting_for
        if isinstance(waiting, Waiter):
            _give_up(waiting)
            self._waiting_for = None
            self.wake()
        elif waiting is not None and waiting.cancel():
            self._cancel_due = False  # the cancelled future raises it in the coroutine
        else:
            self.wake()

    # What asyncio.timeout, TaskGroup and wait_for ask of the current task.

    def cancel(self, msg: Any = None) -> bool:
        """Have CancelledError raised where the coroutine waits; False once it has ended."""
        del msg
        if self._ended:
            return False
        self._cancels += 1
        self._cancel_due = True
        if self._waiting_for is not None:
            self._interrupt()
        return True

    def cancelling(self) -> int:
        """How many cancel requests are not taken back."""
        return self._cancels

    def uncancel(self) -> int:
        """Take one cancel request back; return how many are left."""
        self._cancels = max(0, self._cancels - 1)
        if not self._cancels:
            self._cancel_due = False
        return self._cancels

    def done(self) -> bool:
        """Whether the coroutine has ended."""
        return self._ended

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the node."""
        return self.cell.kernel.loop

    def get_coro(self) -> Coroutine[Any, Any, Any]:
        """The coroutine that is driven."""
        return self.coro

    def get_name(self) -> str:
        """The path of the actor."""
        return self.cell.address.path

    def abandon(self) -> None:
        """End the coroutine now, by CancelledError where it waits; its ``finally`` blocks run.

        Nothing can be awaited any more: a block that tries is cancelled there again.
        """
        if self._ended:
            return
        self._ended = True
        waiting, self._waiting_for = self._waiting_for, None
        if isinstance(waiting, Waiter):
            _give_up(waiting)
        elif waiting is not None:
            waiting.cancel()
        try:
            for _ in range(CANCEL_ATTEMPTS):
                self.coro.throw(asyncio.CancelledError())
        except (StopIteration, asyncio.CancelledError):
            return
        self.coro.close()


def _give_up(waiter: Waiter) -> None:
    waiter.task = None  # it is not woken: it goes on, or ends, otherwise
    waiter.cancel()

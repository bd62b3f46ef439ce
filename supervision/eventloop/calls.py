"""Requests that want an answer: what is waited for, by whom, and how it can fail."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from supervision._thespian import ActorSystemMessage
from supervision.reasons import NOPROC, Reason, error

if TYPE_CHECKING:
    from collections.abc import Generator


LOOK_FROM = 64
"""Open calls of a server from which those that were given up are looked for."""


class CallFailed(Exception):  # noqa: N818 - OTP's word; its subclasses say what went wrong
    """A call got no answer.

    Attributes:
        reason: why, as an exit reason.
    """

    def __init__(self, message: str, reason: Reason) -> None:
        super().__init__(message)
        self.reason = reason


class CallTimeout(CallFailed):
    """No answer came before the caller's deadline; the server may still do what was asked."""

    def __init__(self, request: str) -> None:
        super().__init__(f"{request}: no answer in time", error("timeout"))


class NoProc(CallFailed):
    """Nobody is behind the address or the name."""

    def __init__(self, target: object) -> None:
        super().__init__(f"{target}: no such actor", NOPROC)


class CallingSelf(CallFailed):
    """A handler waits for an answer that its own actor would have to give (``calling_self``)."""

    def __init__(self, target: object) -> None:
        super().__init__(f"{target}: an actor cannot wait for itself", error("calling_self"))


class ServerDied(CallFailed):
    """The server ended before it answered; ``reason`` is its exit reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"the server ended: {reason}", reason)


class MailboxFull(CallFailed):
    """The server's mailbox is at its bound and its policy is not to take more."""

    def __init__(self, target: object, limit: int) -> None:
        super().__init__(f"{target}: mailbox full, limit {limit}", error("mailbox_full"))


class Response(msgspec.Struct, frozen=True):
    """The answer to ``request``: delivered as a message, exactly once.

    Attributes:
        request_id: what ``request`` returned.
        value: the answer; None where ``error`` is set.
        error: why there is none.
    """

    request_id: int
    value: Any
    error: CallFailed | None


class Wakeable(Protocol):
    """What goes on when a waiter is settled; a HandlerTask, as a rule."""

    def wake(self) -> None:
        """Go on, soon."""


class Waiter:
    """Something a handler's coroutine waits for inside the node; awaited once.

    The scheduler drives the coroutine itself while it waits for one of these: no future, no
    loop task and no pass through the loop is spent on it. A task of the loop (``gather``, a task
    group, ``wait_for``) can await one too: to a task it behaves as a future.

    Attributes:
        settled: whether the outcome is known.
        value: the outcome.
        error: raised where it is awaited, in the place of a value.
        task: what goes on when it is settled.
    """

    __slots__ = ("_asyncio_future_blocking", "error", "settled", "task", "value")

    def __init__(self) -> None:
        # Until it is awaited asyncio must not take it for a future.
        self._asyncio_future_blocking: bool | None = None
        self.settled = False
        self.value: Any = None
        self.error: BaseException | None = None
        self.task: Wakeable | None = None

    def __await__(self) -> Generator[Waiter, None, Any]:
        if not self.settled:
            self._asyncio_future_blocking = True
            yield self
        if self.error is not None:
            raise self.error
        return self.value

    def settle(self, value: Any, failure: BaseException | None = None) -> bool:
        """Give the waiter its value; only the first one counts; return whether this was it."""
        if self.settled:
            return False
        self.settled = True
        self.value = value
        self.error = failure
        if self.task is not None:
            self.task.wake()
        return True

    # What a task asks of a future.

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that runs now, for a waiter belongs to no other."""
        return asyncio.get_running_loop()

    def add_done_callback(self, callback: Any, *, context: Any = None) -> None:
        """Have the task that awaits this go on when it is settled."""
        self.task = _TaskWaiting(self, callback, context)
        if self.settled:
            self.task.wake()

    def cancel(self, msg: Any = None) -> bool:
        """Give it up, with a CancelledError: for a call, its answer would come late."""
        return self.settle(None, asyncio.CancelledError(msg))

    def result(self) -> Any:
        """The value, or the error raised."""
        if self.error is not None:
            raise self.error
        return self.value


class _TaskWaiting:
    """A task of the loop that awaits a waiter."""

    __slots__ = ("_callback", "_context", "_loop", "_waiter")

    def __init__(self, waiter: Waiter, callback: Any, context: Any) -> None:
        self._waiter = waiter
        self._callback = callback
        self._context = context
        self._loop = asyncio.get_running_loop()

    def wake(self) -> None:
        self._loop.call_soon(self._callback, self._waiter, context=self._context)


class PendingCall(ActorSystemMessage):  # type: ignore[misc]
    """A request on its way and the place its answer goes: gen_server's ``From``.

    Attributes:
        request: what is asked.
        deadline: monotonic seconds after which nobody wants the answer; None is never.
        settled: whether it has been answered, failed or given up.
    """

    __slots__ = ()

    request: Any
    deadline: float | None
    settled: bool

    @property
    def wanted(self) -> bool:
        """Whether it is open and somebody is left to take its answer."""
        return not self.settled

    @abstractmethod
    def reply(self, value: Any) -> bool:
        """Answer; return False where the answer comes late and is dropped."""

    @abstractmethod
    def fail(self, failure: CallFailed) -> None:
        """Tell the caller at once that no answer will come."""

    def expire(self) -> None:
        """The deadline passed."""
        self.fail(CallTimeout(type(self.request).__name__))


def given_up(call: PendingCall, now: float) -> bool:
    """Whether nobody waits for an answer any more; a call that is past its deadline fails.

    Where the loop was held, deadlines have passed that nothing has looked at yet.
    """
    due = call.deadline
    if due is not None and due < now:
        call.expire()
    return call.settled


class CoroutineCall(Waiter, PendingCall):
    """A call made by a handler's coroutine, which awaits the call itself."""

    __slots__ = ("deadline", "request")

    def __init__(self, request: Any, deadline: float | None) -> None:
        # Slots set here, not through super(): this runs once for every call.
        self._asyncio_future_blocking = None
        self.request = request
        self.deadline = deadline
        self.settled = False
        self.value = None
        self.error = None
        self.task = None

    def reply(self, value: Any) -> bool:
        """Answer; return False where the answer comes late and is dropped."""
        if self.settled:
            return False
        self.settled = True
        self.value = value
        if self.task is not None:
            self.task.wake()
        return True

    def fail(self, failure: CallFailed) -> None:
        """Tell the caller at once that no answer will come."""
        self.settle(None, failure)


class ToldCall(PendingCall):
    """A call whose caller is told the outcome when it comes."""

    __slots__ = ("deadline", "request", "settled")

    def __init__(self, request: Any, deadline: float | None) -> None:
        self.request = request
        self.deadline = deadline
        self.settled = False

    def reply(self, value: Any) -> bool:
        """Answer; return False where the answer comes late and is dropped."""
        if self.settled:
            return False
        self.settled = True
        self._tell(value, None)
        return True

    def fail(self, failure: CallFailed) -> None:
        """Tell the caller at once that no answer will come."""
        if not self.settled:
            self.settled = True
            self._tell(None, failure)

    @abstractmethod
    def _tell(self, value: Any, failure: CallFailed | None) -> None:
        """Hand the outcome to the caller, in the way of its kind."""


class Carrier(Protocol):
    """Who carries messages: the kernel."""

    def deliver(self, cell: Any, message: Any, sender: Any) -> None:
        """Put a message into a mailbox."""


class Caller(Protocol):
    """Who takes the answers of requests: a cell."""

    @property
    def actor(self) -> Any:
        """The actor; None once it has ended."""

    @property
    def kernel(self) -> Carrier:
        """The node it lives in."""


class MessageCall(ToldCall):
    """A call made by a synchronous handler: the answer comes as a ``Response`` message."""

    __slots__ = ("caller", "request_id")

    def __init__(
        self, request: Any, deadline: float | None, caller: Caller, request_id: int
    ) -> None:
        # Slots set here, not through super(): this runs once for every request.
        self.request = request
        self.deadline = deadline
        self.settled = False
        self.caller = caller
        self.request_id = request_id

    @property
    def wanted(self) -> bool:
        """Whether it is open and its caller lives."""
        return not self.settled and self.caller.actor is not None

    def reply(self, value: Any) -> bool:
        """Answer; return False where the answer comes late and is dropped."""
        if self.settled:
            return False
        self.settled = True
        caller = self.caller
        caller.kernel.deliver(caller, Response(self.request_id, value, None), None)
        return True

    def _tell(self, value: Any, failure: CallFailed | None) -> None:
        # A cell is one incarnation: the answer to a dead one's question never meets its successor.
        self.caller.kernel.deliver(self.caller, Response(self.request_id, value, failure), None)


class FutureCall(PendingCall):
    """A call made from outside the actors, by an asyncio task on the same loop."""

    __slots__ = ("deadline", "future", "request")

    def __init__(self, request: Any, deadline: float | None, future: asyncio.Future[Any]) -> None:
        self.request = request
        self.deadline = deadline
        self.future = future

    @property
    def settled(self) -> bool:  # type: ignore[override]
        """Whether it has been answered, failed or given up: cancelling the future gives it up."""
        return self.future.done()

    def reply(self, value: Any) -> bool:
        """Answer; return False where the answer comes late and is dropped."""
        if self.future.done():
            return False
        self.future.set_result(value)
        return True

    def fail(self, failure: CallFailed) -> None:
        """Tell the caller at once that no answer will come."""
        if not self.future.done():
            self.future.set_exception(failure)


class OpenCalls(dict[PendingCall, None]):
    """Calls that a server answers later, kept so that they fail at once should it end first.

    Those that were given up, or whose caller has ended, and that are never answered must not
    gather here: they are looked for whenever the number of calls has doubled.
    """

    __slots__ = ("_look_at",)

    def __init__(self) -> None:
        self._look_at = LOOK_FROM

    def add(self, call: PendingCall) -> None:
        """Keep a call."""
        if len(self) >= self._look_at:
            for gone in [one for one in self if not one.wanted]:
                del self[gone]
            self._look_at = max(LOOK_FROM, 2 * len(self))
        self[call] = None

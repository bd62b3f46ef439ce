"""Calls that come from another process or go to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision.eventloop.calls import (
    CallFailed,
    CallTimeout,
    NoProc,
    PendingCall,
    ServerDied,
)
from supervision.multiproc.messages import Answer, Ask, Failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision._thespian import ActorAddress

LOOK_FROM = 64
"""Open calls from which those that were given up are looked for."""


class ArrivedCall(PendingCall):
    """A call from another process.

    Args:
        request: what is asked.
        deadline: monotonic seconds after which nobody wants the answer.
        answer: sends the outcome: a value, or why there is none.
    """

    __slots__ = ("_answer", "deadline", "request", "settled")

    def __init__(
        self,
        request: Any,
        deadline: float | None,
        answer: Callable[[Any, CallFailed | None], None],
    ) -> None:
        self.request = request
        self.deadline = deadline
        self.settled = False
        self._answer = answer

    def reply(self, value: Any) -> bool:
        """Answer; return False where the answer comes late and is dropped."""
        if self.settled:
            return False
        self.settled = True
        self._answer(value, None)
        return True

    def fail(self, failure: CallFailed) -> None:
        """Tell the caller at once that no answer will come."""
        if not self.settled:
            self.settled = True
            self._answer(None, failure)

    def expire(self) -> None:
        """The deadline passed: the caller knows that as well, from its own clock."""
        self.settled = True


class DepartedCalls:
    """Calls to other processes that wait for their answers."""

    def __init__(self) -> None:
        self._open: dict[int, PendingCall] = {}
        self._last = 0
        self._look_at = LOOK_FROM

    def add(self, call: PendingCall) -> Ask:
        """Keep a call; return what is to be sent."""
        if len(self._open) >= self._look_at:
            self._open = {n: one for n, one in self._open.items() if one.wanted}
            self._look_at = max(LOOK_FROM, 2 * len(self._open))
        self._last += 1
        self._open[self._last] = call
        return Ask(self._last, call.request, call.deadline)

    def answered(self, answer: Answer) -> bool:
        """Hand an answer to its call; return False where it comes late."""
        call = self._open.pop(answer.id, None)
        if call is None or call.settled:
            return False
        if answer.failure is None:
            return call.reply(answer.value)
        call.fail(failure_of(answer.failure))
        return True


def packed(failure: CallFailed) -> Failure:
    """What of a failure travels."""
    return Failure(type(failure).__name__, str(failure), failure.reason)


def failure_of(packed_failure: Failure, target: ActorAddress | None = None) -> CallFailed:
    """The failure that the other process packed."""
    match packed_failure.kind:
        case "ServerDied":
            return ServerDied(packed_failure.reason)
        case "NoProc":
            return NoProc(target if target is not None else packed_failure.text)
        case "CallTimeout":
            return CallTimeout(packed_failure.text)
        case _:
            return CallFailed(packed_failure.text, packed_failure.reason)

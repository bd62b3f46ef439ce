"""Many calls at once: request collections, in the two ways in which handlers can wait.

``Collection`` is for asynchronous handlers: its answers are taken in the order they are given.
``Requests`` is for synchronous ones: it tells which question a ``Response`` message answers.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from supervision.eventloop.calls import (
    CallFailed,
    CallingSelf,
    PendingCall,
    Response,
    ToldCall,
    Waiter,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable, Iterator

    from supervision.eventloop.kernel import Inhabitant, Target


class Answered(msgspec.Struct, frozen=True):
    """What became of one call of several.

    Attributes:
        label: what the call is known by.
        value: the answer; None where ``error`` is set.
        error: why there is none.
    """

    label: Any
    value: Any
    error: CallFailed | None


class MultiAnswer(msgspec.Struct, frozen=True):
    """What became of many calls.

    Attributes:
        replies: the answers of those that answered, by label.
        failed: why the others did not, by label.
    """

    replies: dict[Any, Any]
    failed: dict[Any, CallFailed]


class _CollectedCall(ToldCall):
    """A call whose outcome goes to its collection."""

    __slots__ = ("collection", "label")

    def __init__(
        self, request: Any, deadline: float | None, collection: Collection, label: Any
    ) -> None:
        super().__init__(request, deadline)
        self.collection = collection
        self.label = label

    @property
    def wanted(self) -> bool:
        """Whether it is open and the actor that asked lives."""
        return not self.settled and self.collection.wanted

    def _tell(self, value: Any, failure: CallFailed | None) -> None:
        self.collection.take(Answered(self.label, value, failure))


class Collection:
    """Calls that were made and not yet answered; made by ``asking``, for one handler.

    Args:
        caller: the actor that asks.
        timeout: seconds that each call waits; None is for ever.
    """

    def __init__(self, caller: Inhabitant, timeout: float | None) -> None:
        self._caller = caller
        self._timeout = timeout
        self._open = 0
        self._answered: deque[Answered] = deque()
        self._waiting: Waiter | None = None

    def __len__(self) -> int:
        """How many answers are still to be taken."""
        return self._open + len(self._answered)

    @property
    def wanted(self) -> bool:
        """Whether the actor that asks lives."""
        return self._caller.actor is not None

    def add(
        self,
        label: Hashable,
        target: Target,
        request: Any,
        *,
        within: PendingCall | None = None,
    ) -> None:
        """Ask ``target``; the answer is known by ``label``."""
        self._open += 1
        caller, kernel = self._caller, self._caller.kernel
        due, timeout = kernel.due(caller, self._timeout, within)
        call = _CollectedCall(request, due, self, label)
        if kernel.cell_of(target) is caller and kernel.waits_for_itself(caller):
            call.fail(CallingSelf(target))
        else:
            kernel.ask(target, call, caller.address, timeout)

    def take(self, answered: Answered) -> None:
        """An answer came."""
        self._open -= 1
        self._answered.append(answered)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.settle(None)

    async def next(self) -> Answered | None:
        """The next answer, or None where every call has been answered (``no_request``)."""
        while not self._answered:
            if not self._open:
                return None
            self._waiting = Waiter()
            await self._waiting
        return self._answered.popleft()

    async def __aiter__(self) -> AsyncIterator[Answered]:
        """The answers, in the order they are given."""
        while (answered := await self.next()) is not None:
            yield answered

    async def all(self) -> MultiAnswer:
        """Wait for every answer.

        Raises:
            ValueError: two calls have one label; ``next`` gives the answers of both.
        """
        outcome = MultiAnswer({}, {})
        async for answered in self:
            if answered.label in outcome.replies or answered.label in outcome.failed:
                raise ValueError(f"{answered.label!r} is the label of two calls")
            if answered.error is None:
                outcome.replies[answered.label] = answered.value
            else:
                outcome.failed[answered.label] = answered.error
        return outcome


class Requests:
    """The labels of requests whose responses come as messages (``gen_server:reqids_new/0``)."""

    def __init__(self) -> None:
        self._labels: dict[int, Any] = {}

    def __len__(self) -> int:
        """How many responses are still to come."""
        return len(self._labels)

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        """Pairs of request and label (``reqids_to_list/1``)."""
        return iter(list(self._labels.items()))

    def add(self, request_id: int, label: Any) -> None:
        """Keep what a request is known by (``reqids_add/3``)."""
        self._labels[request_id] = label

    def check(self, message: Any) -> Answered | None:
        """Say what a message answers, once (``check_response/3``).

        Returns:
            None where it is no response to a request of this collection.
        """
        if not isinstance(message, Response) or message.request_id not in self._labels:
            return None
        label = self._labels.pop(message.request_id)
        return Answered(label, message.value, message.error)

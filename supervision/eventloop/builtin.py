"""The actors that every system has, and what wakes where no coroutine waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from supervision._thespian import Actor, ActorAddress, Thespian_ActorStatus, ValidatedSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision.eventloop.cell import Cell
    from supervision.eventloop.sources import Sources


class HasSources(Protocol):
    """The system, which knows its sources by the time that an authority answers."""

    @property
    def sources(self) -> Sources:
        """What actors were loaded from."""


class SystemActor(Actor):
    """What is written to the system itself: the Source Authority's answers."""

    kind = "worker"

    def __init__(self, base: HasSources) -> None:
        self._base = base

    def receiveMessage(self, msg: Any, sender: Any) -> None:
        """Take an answer."""
        del sender
        if isinstance(msg, ValidatedSource):
            self._base.sources.validated(msg.sourceHash, msg.sourceZip)


class NullActor(Actor):
    """Takes the place of a top-level actor that this system cannot make, as Thespian does."""

    kind = "worker"

    def receiveMessage(self, msg: Any, sender: Any) -> None:
        """Drop it."""


class OnOutcome:
    """Wakes a function where a coroutine would wait."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function

    def wake(self) -> None:
        """Call the function."""
        self._function()


def status_of(cell: Cell) -> Any:
    """Thespian's status of an actor."""
    status = Thespian_ActorStatus(
        cell.address, type(cell.actor).__name__, ActorAddress("/ActorSys")
    )
    for child in (cell.children or {}).values():
        status.addChild(child.address)
    for message, sender, _ in cell.mailbox or ():
        status.addReceivedMessage(sender, cell.address, type(message).__name__)
    timer = cell.timers
    while timer is not None:
        if isinstance(timer.payload, tuple):
            status.addWakeups([(cell.address, timer.payload[0])])
        timer = timer.after
    return status

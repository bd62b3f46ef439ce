"""Idle timeouts: what an actor is told when no message has come for a while (gen_server(3))."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision.eventloop.managed import Timeout

if TYPE_CHECKING:
    from supervision.eventloop.cell import Cell
    from supervision.eventloop.timers import Timer


class IdleTimeout:
    """One wait for the next message, given up when one has come.

    The actor's count of messages tells whether one has: nothing is done when a message comes.

    Args:
        cell: the actor.
        after_s: seconds.
        payload: what it is told.
    """

    __slots__ = ("_after_s", "_cell", "_handled", "_payload", "_timer")

    def __init__(self, cell: Cell, after_s: float, payload: Any) -> None:
        self._cell = cell
        self._after_s = after_s
        self._payload = payload
        self._handled = -1
        self._timer: Timer | None = None
        # After the handler that asks for it, and before the next message: it is counted by then.
        cell.kernel.signal(self._begin)

    @property
    def payload(self) -> Any:
        """What it is told."""
        return self._payload

    @property
    def due(self) -> float | None:
        """Monotonic seconds at which it is told; None where a message has come."""
        timer = self._timer
        return timer.when if timer is not None and self._cell.handled == self._handled else None

    def cancel(self) -> None:
        """Tell nothing."""
        self._payload = self  # what can be no payload
        if self._timer is not None:
            self._cell.kernel.cancel_timer(self._timer)
            self._timer = None

    def _begin(self) -> None:
        cell = self._cell
        if self._payload is not self and cell.alive:
            self._handled = cell.handled
            self._timer = cell.kernel.start_timer(cell, self._after_s, self, _fire)

    def over(self) -> None:
        """The time is over: tell the actor, if it has been idle all along."""
        cell, self._timer = self._cell, None
        if cell.task is not None and cell.mailbox is None and cell.handled == self._handled:
            self._begin()  # the handler that asked has not come to its end
        elif cell.task is None and cell.mailbox is None and cell.handled == self._handled:
            cell.kernel.deliver(cell, Timeout(None, self._payload), cell.address)


def _fire(timer: Timer) -> None:
    cell: Cell = timer.owner
    cell.kernel.forget_timer(timer)
    idle: IdleTimeout = timer.payload
    idle.over()

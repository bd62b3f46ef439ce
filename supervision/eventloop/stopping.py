"""Stopping an actor from anywhere, in order and waiting for its end (``gen_server:stop/3``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision.eventloop import lifecycle
from supervision.eventloop.calls import CallingSelf, CallTimeout, NoProc, ServerDied, Waiter
from supervision.eventloop.outcomes import StopRequest

if TYPE_CHECKING:
    from supervision.eventloop.cell import Cell, Node
    from supervision.eventloop.switchboard import Target
    from supervision.reasons import Reason


class Ending(Waiter):
    """Waits for the end of an actor that was asked to."""

    __slots__ = ("_cell", "_reason")

    def __init__(self, cell: Cell, reason: Reason) -> None:
        super().__init__()
        self._cell = cell
        self._reason = reason

    def gone(self) -> None:
        """The actor has ended."""
        ended = self._cell.exiting
        if ended is None or ended == self._reason:
            self.settle(None)
        else:
            self.settle(None, ServerDied(ended))

    def expire(self) -> None:
        """It did not end in time; it goes on ending."""
        self._wait_no_longer()
        self.settle(None, CallTimeout(f"stop of {self._cell.address.path}"))

    def cancel(self, msg: Any = None) -> bool:
        """Whoever waited does so no longer; the actor goes on ending."""
        self._wait_no_longer()
        return super().cancel(msg)

    def _wait_no_longer(self) -> None:
        cell = self._cell
        if not self.settled and cell.at_end is not None:
            cell.at_end = [one for one in cell.at_end if one != self.gone] or None


def stop(
    kernel: Node,
    target: Target,
    reason: Reason,
    timeout: float | None,
    caller: Cell | None = None,
) -> Waiter:
    """Have an actor end; see ``Asking.stop_actor`` for what the waiter raises."""
    if timeout is not None and not 0.0 <= timeout < float("inf"):
        raise ValueError(f"timeout: not {timeout!r}, but seconds from 0 or None")
    cell = kernel.cell_of(target)
    if cell is None or cell.actor is None:
        return _failed(NoProc(target))
    if cell is caller:
        return _failed(CallingSelf(target))
    ending = Ending(cell, reason)
    # Not an exit waiter: those are its parent's, who is told through them and not by a message.
    cell.at_end = cell.at_end if cell.at_end is not None else []
    cell.at_end.append(ending.gone)
    if cell.suspended:
        kernel.signal(lifecycle.begin_exit, kernel, cell, reason)
    else:
        kernel.deliver(cell, StopRequest(reason), None)
    if timeout is not None:
        kernel.present()
        kernel.set_deadline(timeout, ending)
    return ending


def _failed(failure: NoProc | CallingSelf) -> Waiter:
    waiter = Waiter()
    waiter.settle(None, failure)
    return waiter

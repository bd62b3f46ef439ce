"""What an exception in a handler means.

For a managed or supervised actor it is the end, with a crash report. A plain Thespian actor keeps
Thespian's semantics: the message is delivered once more, and if that fails too its sender gets it
back as a PoisonMessage; only SystemExit and KeyboardInterrupt end the actor.
"""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Any

from supervision._thespian import (
    ActorExitRequest,
    ActorSystemMessage,
    ChildActorExited,
    PoisonMessage,
)
from supervision.eventloop import crashes, lifecycle
from supervision.eventloop.calls import PendingCall, ServerDied
from supervision.reasons import NORMAL, crashed

if TYPE_CHECKING:
    from supervision.eventloop.cell import Cell, Node

_log = logging.getLogger("Thespian")


class SecondDelivery(ActorSystemMessage):  # type: ignore[misc]
    """A message that failed once and is delivered again."""

    __slots__ = ("message",)

    def __init__(self, message: Any) -> None:
        self.message = message


def handler_failed(
    kernel: Node, cell: Cell, message: Any, sender: Any, exception: BaseException
) -> None:
    """Decide what the exception of a handler means and do it."""
    if cell.dies:
        _die(kernel, cell, message, sender, exception)
    elif isinstance(exception, SystemExit | KeyboardInterrupt):
        crash = crashes.Crash(crashes.name_of(message), sender)
        lifecycle.begin_exit(kernel, cell, crashed(exception), None, crash)
    elif isinstance(message, SecondDelivery):
        _poison(kernel, cell, message.message, sender, exception)
    else:
        _log.warning(
            "%s failed on %s; it is delivered once more",
            cell.address.path,
            type(message).__name__,
            exc_info=exception,
        )
        _deliver_again(kernel, cell, message, sender)


def _die(kernel: Node, cell: Cell, message: Any, sender: Any, exception: BaseException) -> None:
    reason = crashed(exception)
    if isinstance(message, PendingCall):
        message.fail(ServerDied(reason))
    crash = crashes.Crash(crashes.name_of(message), sender)
    kernel.signal(lifecycle.begin_exit, kernel, cell, reason, None, crash)


def _deliver_again(kernel: Node, cell: Cell, message: Any, sender: Any) -> None:
    kernel.deliver_first(cell, SecondDelivery(message), sender)


def _poison(kernel: Node, cell: Cell, message: Any, sender: Any, exception: BaseException) -> None:
    details = "".join(traceback.format_exception(exception))
    _log.warning("%s failed twice on %s", cell.address.path, type(message).__name__)
    if sender is not None and not isinstance(message, PoisonMessage | ChildActorExited):
        kernel.send(sender, PoisonMessage(message, details), cell.address)


def exit_requested(kernel: Node, cell: Cell, message: ActorExitRequest, sender: Any) -> None:
    """End an actor as it was asked to; its children end with it if the request is recursive."""
    if not message.isRecursive:
        _leave_children(kernel, cell)
    lifecycle.begin_exit(kernel, cell, NORMAL, (message, sender))


def _leave_children(kernel: Node, cell: Cell) -> None:
    children, cell.children = cell.children or {}, None
    for child in children.values():
        child.parent = None
        kernel.roots[child.address.path] = child

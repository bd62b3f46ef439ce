"""Handlers that still wait when a node has to stand still: who they are, what becomes of them.

The default cancels a handler and puts its message back where it was, first in its mailbox: the
new node handles it, or this one should it go on. An actor may ask to be waited for, or to be left
behind and started anew on the new node (``ManagedActor.straggler``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervision.eventloop.crashes import name_of
from supervision.eventloop.managed import ManagedActor
from supervision.reasons import crashed

if TYPE_CHECKING:
    from supervision.eventloop.cell import Handling
    from supervision.eventloop.kernel import Kernel
    from supervision.eventloop.managed import Straggler


def policy(task: Handling, otherwise: Straggler = "redeliver") -> Straggler:
    """What becomes of a handler.

    For ``init`` and ``terminate`` there is nothing to redeliver.

    Args:
        task: the handler.
        otherwise: what becomes of those whose actors say nothing.
    """
    actor = task.cell.actor
    said = (actor.straggler if isinstance(actor, ManagedActor) else None) or otherwise
    return "restart" if task.message is None and said == "redeliver" else said


def waited_for(kernel: Kernel, otherwise: Straggler = "redeliver") -> list[str]:
    """The handlers that the takeover has to wait for."""
    return sorted(_named(task) for task in kernel.under_way if policy(task, otherwise) == "wait")


def treat(kernel: Kernel, otherwise: Straggler = "redeliver") -> list[str]:
    """Do with each handler that waits what its actor says; the node stands still.

    An actor whose handler is left as it is does not travel: its cell still has a task, so that it
    begins anew on the other side (``actor_walk.begins_anew``).

    Args:
        kernel: the node.
        otherwise: what becomes of those whose actors say nothing.

    Returns:
        Who they are and what became of each, for operators.
    """
    said = []
    for task in list(kernel.under_way):
        if policy(task, otherwise) == "redeliver":
            said.append(f"{_named(task)}: cancelled, its message is delivered again")
            _put_back(kernel, task)
        else:
            said.append(f"{_named(task)}: left behind")
    return sorted(said)


def _put_back(kernel: Kernel, task: Handling) -> None:
    cell = task.cell
    cell.task = None
    kernel.under_way.discard(task)
    try:
        task.abandon()
    except BaseException as exception:  # noqa: BLE001 - its last words; its message stays either way
        kernel.report("unexpected", cell.address.path, error=str(crashed(exception)))
    kernel.deliver_first(cell, task.message, task.sender)
    kernel.make_ready(cell)  # with others behind its message nothing else would


def _named(task: Handling) -> str:
    what = "init or terminate" if task.message is None else name_of(task.message)
    return f"{task.cell.address.path} ({what})"

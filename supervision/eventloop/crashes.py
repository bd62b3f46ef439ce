"""Crash reports: what operators are told of an actor that dies of an exception (proc_lib(3)).

A report is bounded, whatever the size of the state or the text of the exception: where many actors
crash at once, each costs about what its traceback does.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from supervision._thespian import ActorAddress
from supervision.eventloop.calls import PendingCall
from supervision.eventloop.cell import NAMED
from supervision.eventloop.managed import Cast, Continued
from supervision.eventloop.plain import CUT, plain
from supervision.eventloop.reports import Report
from supervision.reasons import crashed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from supervision.eventloop.cell import Cell, LocalAddress, Node
    from supervision.reasons import Reason

_REQUESTS = (PendingCall, Cast)
MAX_LISTED = 10
"""Names and links that a report shows."""
MAX_REASON = 2_000
MAX_TRACEBACK = 20_000


class Crash(msgspec.Struct, frozen=True):
    """What an actor did when an exception ended it.

    Attributes:
        what: the type of what it handled.
        sender: the address of who sent that.
    """

    what: str
    sender: Any


def report(
    kernel: Node, cell: Cell, what: str, reason: Reason, sender: Any = None, **more: Any
) -> None:
    """Publish the crash report of an actor.

    Args:
        kernel: the node.
        cell: the actor, with everything that it still has.
        what: the type of what it handled; ``init`` or ``terminate`` where that was it, and
            ``stop`` where it was told to end.
        reason: why it ends.
        sender: the address of who sent what it handled, where that is known.
        more: particulars of the occasion.
    """
    address = cell.address
    path = address.path
    data = {
        "actor": type(cell.actor).__name__,
        "incarnation": address.incarnation,
        "message": what,
        "reason": _cut(str(reason), MAX_REASON),
        "traceback": reason.traceback[-MAX_TRACEBACK:],
        "client": str(sender.addressDetails) if isinstance(sender, ActorAddress) else None,
        "names": _names(cell.names) if cell.names else [],
        "ancestors": _ancestors(address, path),
        "mailbox": cell.depth,
        "links": _paths(cell.links) if cell.links else [],
        "handled": cell.handled,
        "state": _state(cell),
    }
    if more:
        data |= more
    kernel.reports.publish(Report("crash", path, kernel.clock.wall(), data))


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + CUT


def _names(ties: dict[Any, int]) -> list[str]:
    return [str(name) for name, tie in islice(ties.items(), MAX_LISTED) if tie & NAMED]


def _paths(cells: Iterable[Cell]) -> list[str]:
    return [cell.address.path for cell in islice(cells, MAX_LISTED)]


def ancestors(cell: Cell) -> list[str]:
    """The paths of those above an actor, its parent first."""
    return _ancestors(cell.address, cell.address.path)


def _ancestors(address: LocalAddress, path: str) -> list[str]:
    paths = []
    while address.parent is not None:
        path = path[: -len(str(address.name)) - 1]
        paths.append(path)
        address = address.parent
    return paths


def _state(cell: Cell) -> Any:
    """What of the state may be shown; its own ``format_status`` must not hide the crash."""
    status = getattr(cell.actor, "status", None)
    if status is None:
        return None
    try:
        return plain(status())
    except Exception as exception:  # noqa: BLE001 - user code, which crashes where a state is odd
        return f"format_status failed: {_cut(str(crashed(exception)), MAX_REASON)}"


def name_of(message: Any) -> str:
    """The type that tells an operator what was handled: of the request, where there is one."""
    if isinstance(message, _REQUESTS):
        return type(message.request).__name__
    if isinstance(message, Continued):
        return type(message.term).__name__
    return type(message).__name__

"""Links and monitors: who is told when an actor ends (erlang:link/1, erlang:monitor/2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from supervision._thespian import ActorSystemMessage
from supervision.eventloop.cell import Monitor
from supervision.reasons import NOPROC, Reason

if TYPE_CHECKING:
    from supervision._thespian import ActorAddress
    from supervision.eventloop.cell import Cell, Node

__all__ = [
    "Down",
    "Exit",
    "Monitor",
    "begin_watch",
    "demonitor",
    "exit_signal",
    "link",
    "monitor",
    "tell_relations",
    "unlink",
]


class Down(msgspec.Struct, frozen=True):
    """A monitored actor ended; sent once.

    Attributes:
        ref: what ``monitor`` returned.
        address: of the actor.
        reason: why; ``noproc`` where it did not exist when the monitor was set.
        incarnation: which of the actors behind that address it was; 0 where there was none.
    """

    ref: Monitor
    address: ActorAddress
    reason: Reason
    incarnation: int = 0


class Exit(ActorSystemMessage):  # type: ignore[misc]
    """A linked actor ended: what an actor that traps exits receives instead of ending too.

    Attributes:
        address: of the actor.
        reason: why; ``noproc`` where it did not exist when the link was made.
        incarnation: which of the actors behind that address it was; 0 where there was none.
    """

    def __init__(self, address: ActorAddress, reason: Reason, incarnation: int = 0) -> None:
        self.address = address
        self.reason = reason
        self.incarnation = incarnation

    def __repr__(self) -> str:
        return f"Exit({self.address!r}, {self.reason}, incarnation={self.incarnation})"


def monitor(kernel: Node, watcher: Cell, address: ActorAddress) -> Monitor:
    """Have ``watcher`` told by a ``Down`` message when the actor at ``address`` ends."""
    target = kernel.cell_of(address)
    if target is None or target.actor is None:
        watch = Monitor(watcher, watcher)
        kernel.deliver(watcher, Down(watch, address, NOPROC), None)
        return watch
    return begin_watch(Monitor(watcher, target))


def begin_watch(watch: Monitor) -> Monitor:
    """Have a watch of a living actor count."""
    target, watcher = watch.target, watch.watcher
    # Dictionaries, not sets: whoever came first is told first, in every run.
    target.monitors = target.monitors if target.monitors is not None else {}
    target.monitors[watch] = None
    watcher.watching = watcher.watching if watcher.watching is not None else {}
    watcher.watching[watch] = None
    return watch


def demonitor(watch: Monitor) -> None:
    """End a watch; a ``Down`` that is already in the mailbox stays there."""
    if watch.target.monitors is not None:
        watch.target.monitors.pop(watch, None)
    if watch.watcher.watching is not None:
        watch.watcher.watching.pop(watch, None)


def link(kernel: Node, one: Cell, address: ActorAddress) -> None:
    """Tie two actors: when one ends with a reason other than normal, so does the other."""
    other = kernel.cell_of(address)
    if other is None or other.actor is None:
        kernel.signal(exit_signal, kernel, one, address, NOPROC)
        return
    for here, there in ((one, other), (other, one)):
        here.links = here.links if here.links is not None else {}
        here.links[there] = None


def unlink(one: Cell, other: Cell) -> None:
    """Untie two actors."""
    for here, there in ((one, other), (other, one)):
        if here.links is not None:
            here.links.pop(there, None)


def exit_signal(
    kernel: Node, cell: Cell, sender: ActorAddress, reason: Reason, incarnation: int = 0
) -> None:
    """What a link carries: a message where exits are trapped, an end where they are not."""
    if not cell.alive:
        return
    if cell.trap_exit:
        kernel.deliver(cell, Exit(sender, reason, incarnation), None)
    elif reason.kind != "normal":
        kernel.exit(cell, reason)


def tell_relations(kernel: Node, cell: Cell, reason: Reason) -> None:
    """Tell everyone tied to an actor that it has ended; O(1) each."""
    address, incarnation = cell.address, cell.address.incarnation
    for watch in tuple(cell.watching or ()):
        demonitor(watch)
    for watch in tuple(cell.monitors or ()):
        demonitor(watch)
        kernel.deliver(watch.watcher, Down(watch, address, reason, incarnation), None)
    for other in tuple(cell.links or ()):
        unlink(cell, other)
        exit_signal(kernel, other, address, reason, incarnation)

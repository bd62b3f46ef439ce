"""The running side of one incarnation of an actor: its mailbox and its ties to others."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any, Protocol

from supervision._thespian import timePeriodSeconds
from supervision.eventloop.address import LocalAddress
from supervision.eventloop.reference import Reference

if TYPE_CHECKING:
    from collections import OrderedDict, deque
    from collections.abc import Callable
    from datetime import timedelta

    from supervision._thespian import Actor, ActorAddress
    from supervision.eventloop.calls import OpenCalls, Waiter
    from supervision.eventloop.handler import HandlerTask
    from supervision.eventloop.kernel import Kernel
    from supervision.eventloop.links import Monitor
    from supervision.eventloop.mailbox import MailboxPolicy
    from supervision.eventloop.timers import Timer
    from supervision.reasons import Reason


Entry = tuple[Any, Any, float]

NAMED, MEMBER = 1, 2
"""What ties an actor to a name in ``Cell.names``: it is its own, or that of a group; or both."""


class Keeper(Protocol):
    """Where a state is kept beyond the actor that has it."""

    kept: tuple[Any, Any] | None


class Cell(Reference):
    """One incarnation of an actor; what Thespian's actors know as ``_myRef``.

    Everything that most actors do not have is None until they have it: an idle actor owns no
    deque, set or dict beyond its own state.

    Attributes:
        kernel: the node it runs in.
        address: its stable address.
        parent: the cell that started it; None for a top-level actor.
        actor: the Thespian actor; None once it has ended.
        mailbox: of (message, sender, monotonic seconds of arrival): None while empty, a tuple
            while there is one, which spares most messages a queue, a deque beyond.
        task: the asynchronous handler that is waiting, if one is.
        policy: the bound of the mailbox; None is unbounded.
        dies: whether an exception in a handler ends the actor (all but plain Thespian actors).
        suspended: whether ordinary messages stay queued (``sys:suspend``).
        overflows: messages that found its mailbox full.
        keeper: where the actor leaves its last handled state for its next incarnation.
        exiting: the reason, from the moment the actor is told to end.
        at_end: what is called when the actor has ended, however it did.
    """

    __slots__ = (
        "actor",
        "address",
        "at_end",
        "children",
        "deferred",
        "dies",
        "exit_waiters",
        "exiting",
        "globalName",
        "handled",
        "keeper",
        "kernel",
        "links",
        "mailbox",
        "monitors",
        "names",
        "overflows",
        "parent",
        "policy",
        "since",
        "source_hash",
        "suspended",
        "task",
        "timers",
        "trap_exit",
        "waiters",
        "watching",
    )

    def __init__(self, kernel: Kernel, address: LocalAddress, parent: Cell | None) -> None:
        self.kernel: Kernel = kernel
        self.address = address
        self.parent = parent
        self.actor: Actor | None = None
        self.mailbox: tuple[Entry] | deque[Entry] | None = None
        self.task: HandlerTask | None = None
        self.policy: MailboxPolicy | None = None
        self.dies = False
        self.suspended = False
        self.trap_exit = False
        self.exiting: Reason | None = None
        self.handled = 0
        self.overflows = 0
        self.keeper: Keeper | None = None
        self.since = kernel.present()
        self.children: dict[str | int, Cell] | None = None
        self.timers: Timer | None = None
        self.links: dict[Cell, None] | None = None
        self.monitors: dict[Monitor, None] | None = None
        self.watching: dict[Monitor, None] | None = None
        self.deferred: OpenCalls | None = None
        self.waiters: OrderedDict[Waiter, tuple[Any, Any]] | None = None
        self.exit_waiters: list[Any] | None = None
        self.at_end: list[Callable[[], object]] | None = None
        self.names: dict[Any, int] | None = None
        self.globalName: str | None = None
        self.source_hash: str | None = None

    @property
    def alive(self) -> bool:
        """Whether the actor takes messages."""
        return self.actor is not None and self.exiting is None

    @property
    def depth(self) -> int:
        """Messages that wait."""
        return 0 if self.mailbox is None else len(self.mailbox)

    # What Thespian's Actor asks of its reference.

    def actor_send(self, to: ActorAddress, message: Any) -> None:
        """Thespian's ``send``; also from threads that an actor has started."""
        kernel = self.kernel
        if get_ident() != kernel.thread:
            kernel.post(to, message, self.address)
        elif type(to) is LocalAddress and (cell := to.cell) is not None:
            kernel.deliver(cell, message, self.address)
        else:
            kernel.send(to, message, self.address)

    def createActor(
        self,
        actor_class: Any,
        requirements: Any = None,
        global_name: str | None = None,
        source_hash: str | None = None,
    ) -> ActorAddress:
        """Thespian's ``createActor``: a child of this actor."""
        return self.kernel.host.create_child(
            self, actor_class, requirements, global_name, source_hash or self.source_hash
        )

    def wakeupAfter(self, period: timedelta | float, payload: Any = None) -> None:
        """Thespian's timer: a WakeupMessage after ``period``; it cannot be cancelled."""
        self.kernel.wakeup_after(self, period, float(timePeriodSeconds(period)), payload)

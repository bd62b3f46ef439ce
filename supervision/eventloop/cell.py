"""Actors as the node sees them: their addresses, their cells, and the node that cells live in.

They know each other, so they stand together: an address the cell behind it, a cell its address and
its node. The node is only described here, as far as the modules below the kernel need it.
"""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any, Protocol

from supervision._thespian import ActorAddress, timePeriodSeconds
from supervision.eventloop.ground import Ground
from supervision.eventloop.reference import Reference, Services

if TYPE_CHECKING:
    from collections import OrderedDict, deque
    from collections.abc import Callable, Hashable, Iterable, Mapping
    from datetime import timedelta

    from supervision._thespian import Actor
    from supervision.eventloop.calls import OpenCalls, Waiter
    from supervision.eventloop.mailbox import MailboxPolicy
    from supervision.eventloop.timers import Timer
    from supervision.reasons import Reason


Entry = tuple[Any, Any, float]

NAMED, MEMBER = 1, 2
"""What ties an actor to a name in ``Cell.names``: it is its own, or that of a group; or both."""


class LocalAddress(ActorAddress):
    """Where an actor lives: its parent's path and its own name.

    A supervised restart puts a new cell behind the same address and counts its incarnation, so
    references stay valid; while nothing is behind it, what is sent to it is a dead letter.
    """

    __slots__ = ("cell", "incarnation", "name", "parent")

    def __init__(self, parent: LocalAddress | None, name: str | int) -> None:
        self.parent = parent
        self.name = name
        self.cell: Cell | None = None
        self.incarnation = 0

    @property
    def path(self) -> str:
        """The names from the root to here, joined by ``/``."""
        above = self.parent
        if above is None:
            return str(self.name)
        cell = above.cell
        if cell is None:
            return f"{above.path}/{self.name}"
        if cell.below is None:
            cell.below = f"{above.path}/"
        return f"{cell.below}{self.name}"

    # Thespian keeps the details in an attribute; a path made on demand spares 100 bytes an actor.
    @property
    def _aaddr(self) -> str:
        return self.path

    def __eq__(self, other: object) -> bool:
        """An address is itself; a copy that travelled as a path equals it too."""
        if self is other or isinstance(other, LocalAddress):
            return self is other
        return isinstance(other, ActorAddress) and self.path == other.addressDetails

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = object.__hash__

    def __copy__(self) -> LocalAddress:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> LocalAddress:
        return self

    def __reduce__(self) -> tuple[type[ActorAddress], tuple[str]]:
        """Travel as a path: whoever receives it resolves it in its own node."""
        return (ActorAddress, (self.path,))

    def __repr__(self) -> str:
        return f"<{self.path}#{self.incarnation}>"


class Monitor:
    """One watch of one incarnation; its own identity is OTP's reference."""

    __slots__ = ("target", "watcher")

    def __init__(self, watcher: Cell, target: Cell) -> None:
        self.watcher = watcher
        self.target = target


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
        below: what the paths of its children begin with; None until one has been asked for.
    """

    __slots__ = (
        "actor",
        "address",
        "at_end",
        "below",
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

    def __init__(self, kernel: Node, address: LocalAddress, parent: Cell | None) -> None:
        self.kernel: Node = kernel
        self.address = address
        self.parent = parent
        self.actor: Actor | None = None
        self.mailbox: tuple[Entry] | deque[Entry] | None = None
        self.task: Handling | None = None
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
        self.below: str | None = None
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


class Handling(Protocol):
    """An asynchronous handler on its way: a HandlerTask.

    Attributes:
        cell: the actor whose handler this is.
        message: what is being handled; None for init and terminate.
        sender: of the message.
        deadline: of the call that is handled.
        runnable: whether the next turn of the cell resumes it.
    """

    cell: Cell
    message: Any
    sender: Any
    deadline: float | None
    runnable: bool

    def step(self) -> None:
        """Run it to its next wait or its end."""

    def wake(self) -> None:
        """Have the next turn resume it."""

    def when_ended(self, tell: Callable[[], None]) -> None:
        """Have ``tell`` called right after its end."""

    def abandon(self) -> None:
        """End it now."""


class Host(Services, Protocol):
    """What the kernel leaves to the Thespian system around it."""

    def create_child(
        self, cell: Cell, actor_class: Any, requirements: Any, name: str | None, source: str | None
    ) -> ActorAddress:
        """Make a child in Thespian's way."""

    def foreign_address(self, address: ActorAddress) -> LocalAddress | None:
        """Resolve an address that is not the kernel's own (it was copied or pickled)."""

    def undeliverable(self, address: ActorAddress, message: Any) -> None:
        """Tell Thespian's dead letter handler."""

    def status_of(self, cell: Cell) -> Any:
        """Thespian's status of an actor."""

    def exited(self, cell: Cell) -> None:
        """An actor has ended: forget what the system knows of it."""


class Names(Protocol):
    """Who takes names back: the registry."""

    def unregister(self, name: Hashable, address: LocalAddress) -> None:
        """Take a name away from its owner."""

    def leave(self, group: Hashable, address: LocalAddress) -> None:
        """Take a member out of a group."""


class Store(Protocol):
    """Who keeps messages for actors that are down: ``Held``."""

    @property
    def starting(self) -> Mapping[str, object]:
        """What waits for the outcome of a start, by paths."""

    def hold(self, cell: Cell, mailbox: Iterable[Entry]) -> Iterable[Entry]:
        """Keep what an actor that ends has not handled; return what is not kept."""

    def hand_over(self, cell: Cell) -> None:
        """Give what waited to the next incarnation."""

    def started(self, cell: Cell) -> None:
        """Know that an incarnation has started, under names of its own."""


class Watch(Protocol):
    """Who has idle actors hibernate: the sweeper."""

    def watch(self, cell: Cell, after_s: float) -> None:
        """Have an actor hibernate when it has had nothing to do for ``after_s`` seconds."""


class Node(Ground, Protocol):
    """The node that a cell lives in: what the modules below the kernel ask of the kernel.

    Attributes:
        roots: the actors without a parent, by their names.
        under_way: the handlers that wait for something.
    """

    roots: dict[str | int, Cell]
    under_way: set[Handling]

    @property
    def host(self) -> Host:
        """The Thespian system around the node."""

    @property
    def registry(self) -> Names:
        """Names and groups."""

    @property
    def held(self) -> Store:
        """Messages for actors that are down and about to come back."""

    @property
    def sweeper(self) -> Watch:
        """Who has idle actors hibernate."""

    def cell_of(self, target: ActorAddress | str) -> Cell | None:
        """The living cell behind an address or a registered name."""

    def deliver(self, cell: Cell, message: Any, sender: Any) -> None:
        """Put a message at the end of a living cell's mailbox."""

    def deliver_first(self, cell: Cell, message: Any, sender: Any) -> None:
        """Put a message before those that wait."""

    def make_ready(self, cell: Cell) -> None:
        """Have the next turn look at a cell."""

    def handler_ended(self, task: Handling, value: Any, exception: BaseException | None) -> None:
        """An asynchronous handler came to its end."""

    def start_timer(
        self, cell: Cell, after_s: float, payload: Any, fire: Callable[[Timer], None]
    ) -> Timer:
        """Set a timer that dies with its actor."""

    def wakeup_after(self, cell: Cell, period: Any, seconds: float, payload: Any) -> None:
        """Thespian's ``wakeupAfter``."""

    def exit(self, cell: Cell, reason: Reason) -> None:
        """Have an actor end; it handles no further message."""

    def exit_soon(self, cell: Cell, reason: Reason) -> None:
        """Have an actor end at once where that disturbs nobody, else as ``exit`` does."""

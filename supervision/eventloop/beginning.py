"""How actors begin: put behind an address, ``init`` run and judged, the outcome told."""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any

from supervision._thespian import Actor
from supervision.eventloop import crashes, interrupts, lifecycle
from supervision.eventloop.calls import Waiter
from supervision.eventloop.cell import Cell
from supervision.eventloop.handler import HandlerTask
from supervision.eventloop.managed import IGNORE, Continue, Info, ManagedActor, Stop
from supervision.eventloop.outcomes import Failed, Ignored, Outcome, Started
from supervision.reasons import KILLED, SHUTDOWN, Reason, crashed, error
from supervision.registry import NameTaken

if TYPE_CHECKING:
    from supervision.eventloop.cell import Keeper, LocalAddress, Node
    from supervision.eventloop.timers import Timer

SHOWN_CHARS = 200
"""Characters that are shown of what a callback returned and should not have."""


def start(  # noqa: PLR0917 - one call site, which names them
    kernel: Node,
    actor: Actor,
    args: Any,
    parent: Cell | None,
    address: LocalAddress,
    keeper: Keeper | None = None,
) -> Outcome | Waiter:
    """Put ``actor`` behind ``address`` and run its ``init``.

    Returns:
        The outcome, or a waiter for it where ``init`` is asynchronous.
    """
    siblings = kernel.roots if parent is None else parent.children
    if address.cell is not None or (siblings and address.name in siblings):
        return Failed(error("already_started"))
    cell = _place(kernel, actor, parent, address)
    cell.keeper = keeper
    if not isinstance(actor, ManagedActor):
        cell.dies = parent is not None and getattr(parent.actor, "kind", None) == "supervisor"
        return _started(kernel, cell)
    _manage(kernel, cell, actor)
    try:
        result = actor.on_start(args)
    except BaseException as exception:  # noqa: BLE001 - whatever init raises is why it did not start
        return _init_crashed(kernel, cell, exception)
    if type(result) is CoroutineType:
        return _start_later(kernel, cell, actor, result)
    return _judge(kernel, cell, result)


def take_in(
    kernel: Node, actor: ManagedActor, parent: Cell, address: LocalAddress, keeper: Keeper | None
) -> Cell:
    """Put an actor behind ``address`` that goes on where it was in another process.

    Its ``init`` has run there, and does not here; whoever takes it in tells it what it is.
    """
    cell = _place(kernel, actor, parent, address)
    cell.keeper = keeper
    _manage(kernel, cell, actor)
    return cell


def _manage(kernel: Node, cell: Cell, actor: ManagedActor) -> None:
    actor.kernel = kernel
    actor.address = cell.address
    actor.now = kernel.monotonic
    actor.wall = kernel.wall
    cell.dies = True
    cell.policy = actor.mailbox
    if actor.hibernate_after_s is not None:
        kernel.sweeper.watch(cell, actor.hibernate_after_s)


def _place(kernel: Node, actor: Actor, parent: Cell | None, address: LocalAddress) -> Cell:
    cell = Cell(kernel, address, parent)
    cell.actor = actor
    actor._myRef = cell  # noqa: SLF001 - Thespian's name for what ties an actor to its system
    address.cell = cell
    address.incarnation += 1
    if parent is None:
        kernel.roots[address.name] = cell
    elif parent.children is None:
        parent.children = {address.name: cell}
    else:
        parent.children[address.name] = cell
    kernel.held.hand_over(cell)
    return cell


def _judge(kernel: Node, cell: Cell, result: Any) -> Outcome:
    """What the value that ``init`` returned means (gen_server.erl, init_it/6)."""
    if result is None:
        return _started(kernel, cell) if kernel.held.starting else Started(cell.address)
    if result is IGNORE:
        lifecycle.end(kernel, cell, SHUTDOWN, tell_parent=False)
        return Ignored()
    if isinstance(result, Stop):
        return _not_started(kernel, cell, result.reason)
    if isinstance(result, Info):
        return _started(kernel, cell, result.value)
    if isinstance(result, Continue):
        return _start_on(kernel, cell, result)
    reason = error(("bad_return_value", repr(result)[:SHOWN_CHARS]))
    crashes.report(kernel, cell, "init", reason)
    return _not_started(kernel, cell, reason)


def _start_on(kernel: Node, cell: Cell, further: Continue) -> Outcome:
    actor = cell.actor
    assert isinstance(actor, ManagedActor)
    try:
        actor.continue_with(further.term)
    except TypeError as refused:
        return _init_crashed(kernel, cell, refused)
    return _started(kernel, cell)


def _started(kernel: Node, cell: Cell, info: Any = None) -> Started:
    kernel.held.started(cell)
    return Started(cell.address, info)


def _not_started(kernel: Node, cell: Cell, reason: Reason) -> Failed:
    lifecycle.end(kernel, cell, reason, tell_parent=False)
    return Failed(reason)


def _init_crashed(kernel: Node, cell: Cell, exception: BaseException) -> Failed:
    if isinstance(exception, NameTaken):  # somebody was faster: no fault of anybody's
        return _not_started(kernel, cell, error(("already_started", exception.address)))
    reason = crashed(exception)
    crashes.report(kernel, cell, "init", reason)
    interrupts.let_out(kernel, exception)
    return _not_started(kernel, cell, reason)


def _start_later(kernel: Node, cell: Cell, actor: ManagedActor, coro: Any) -> Waiter:
    outcome = Waiter()

    def gone(reason: Reason) -> None:
        outcome.settle(Failed(reason))

    cell.exit_waiters = [gone]
    bound = actor.start_timeout_s
    patience = (
        None if bound is None else kernel.start_timer(cell, bound, outcome, _start_took_too_long)
    )

    def ended(task: HandlerTask, value: Any, exception: BaseException | None) -> None:
        cell.exit_waiters = [one for one in cell.exit_waiters or () if one is not gone] or None
        if patience is not None:
            kernel.cancel_timer(patience)
        kernel.under_way.discard(task)
        if exception is not None:
            outcome.settle(_init_crashed(kernel, cell, exception))
            return
        outcome.settle(_judge(kernel, cell, value))
        kernel.handler_ended(task, value, None)

    lifecycle.drive(kernel, cell, coro, ended)
    return outcome


def _start_took_too_long(timer: Timer) -> None:
    """Kill an actor whose ``init`` has not come to its end (gen_server's ``{timeout, T}``)."""
    cell: Cell = timer.owner
    outcome: Waiter = timer.payload
    cell.kernel.forget_timer(timer)
    # One that was told to end meanwhile has the time for that which it is given then.
    if cell.exiting is None and outcome.settle(Failed(error("timeout"))):
        cell.kernel.exit(cell, KILLED)

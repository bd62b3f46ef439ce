"""How actors end: exit, terminate, stop within a bound, and who is told."""

from __future__ import annotations

import logging
from collections import deque
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from supervision._thespian import (
    Actor,
    ActorExitRequest,
    ChildActorExited,
)
from supervision.eventloop import crashes, interrupts, links
from supervision.eventloop.calls import NoProc, PendingCall, ServerDied, Waiter
from supervision.eventloop.cell import MEMBER, NAMED, Cell
from supervision.eventloop.handler import HandlerTask
from supervision.eventloop.managed import Continued, ManagedActor, Stop
from supervision.eventloop.outcomes import (
    ChildExited,
    Failed,
    Ignored,
    Outcome,
    Started,
    StopRequest,
)
from supervision.reasons import KILLED, SHUTDOWN, Reason, crashed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from supervision.eventloop.cell import Node
    from supervision.eventloop.timers import Timer


__all__ = [
    "ChildExited",
    "Failed",
    "Ignored",
    "Outcome",
    "Started",
    "begin_exit",
    "end",
    "siblings",
    "starting",
    "stop",
]

_log = logging.getLogger("Thespian")

OWN = (ChildExited, StopRequest, Continued, links.Exit)
"""Messages of the node to an actor, which mean nothing when it has ended."""


def begin_exit(
    kernel: Node,
    cell: Cell,
    reason: Reason,
    asked: tuple[ActorExitRequest, Any] | None = None,
    crash: crashes.Crash | None = None,
) -> None:
    """Have an actor end: its ``terminate`` runs unless it is killed, then ``end``.

    A plain Thespian actor is shown an ActorExitRequest in the place of ``terminate``: the one
    that it was sent (``asked``, with its sender), or a new one where its parent or system ends.
    An end with an error is reported here, whoever wants it (``crash``: an exception did), for
    here it is known which reason is the first, the only one that counts.
    """
    actor = cell.actor
    if actor is None or (cell.exiting is not None and reason.kind != "killed"):
        if crash is not None:  # it had been told to end before
            kernel.report("unexpected", cell.address.path, error=f"{crash.what}: {reason}")
        return
    if reason.kind == "error":
        what, sender = ("stop", None) if crash is None else (crash.what, crash.sender)
        crashes.report(kernel, cell, what, reason, sender)
    told = cell.exiting is None and _has_last_words(cell, actor, reason)
    cell.exiting = reason
    if cell.task is not None:
        _abandon_handler(kernel, cell, reason)
    if not told:
        end(kernel, cell, reason)
    elif isinstance(actor, ManagedActor):
        _terminate(kernel, cell, reason, actor.on_finish, reason)
    else:
        above = cell.address if cell.parent is None else cell.parent.address
        request = asked if asked is not None else (ActorExitRequest(), above)
        _terminate(kernel, cell, reason, actor.receiveMessage, *request)


def _has_last_words(cell: Cell, actor: Actor, reason: Reason) -> bool:
    if isinstance(actor, ManagedActor):
        ready = cell.task is None or actor.stops_children or not starting(cell)
        return ready and reason.kind != "killed"
    return reason.clean


def starting(cell: Cell) -> bool:
    """Whether an actor's asynchronous ``init`` has not come to its end."""
    return cell.exiting is None and cell.task is not None and cell.task.message is None


def _abandon_handler(kernel: Node, cell: Cell, reason: Reason) -> None:
    task, cell.task = cell.task, None
    assert task is not None
    kernel.under_way.discard(task)
    if isinstance(task.message, PendingCall):
        task.message.fail(ServerDied(reason))
    try:
        task.abandon()
    except BaseException as exception:  # noqa: BLE001 - its last words; the actor ends either way
        kernel.report("unexpected", cell.address.path, error=str(crashed(exception)))
        interrupts.let_out(kernel, exception)


def _terminate(
    kernel: Node, cell: Cell, reason: Reason, last_words: Callable[..., Any], *args: Any
) -> None:
    try:
        if isinstance(cell.actor, ManagedActor):
            cell.actor.wake_up()
        result = last_words(*args)
    except BaseException as exception:  # noqa: BLE001 - the actor ends, whatever terminate raises
        _terminate_failed(kernel, cell, reason, exception)
        return
    if result is None:
        end(kernel, cell, reason)
        return
    if type(result) is not CoroutineType:
        _terminated(kernel, cell, reason, result)
        return
    _drive_last_words(kernel, cell, reason, result)


def _drive_last_words(kernel: Node, cell: Cell, reason: Reason, coro: Any) -> None:
    def ended(task: HandlerTask, value: Any, exception: BaseException | None) -> None:
        cell.task = None
        kernel.under_way.discard(task)
        if exception is None:
            _terminated(kernel, cell, reason, value)
        else:
            _terminate_failed(kernel, cell, reason, exception)

    drive(kernel, cell, coro, ended)
    bound = _bound_of(cell, reason)
    if bound is not None:
        _kill_in(kernel, cell, bound)


def drive(
    kernel: Node,
    cell: Cell,
    coro: Any,
    ended: Callable[[HandlerTask, Any, BaseException | None], None],
) -> None:
    """Have the next turns run the coroutine of an asynchronous ``init`` or ``terminate``."""
    cell.task = task = HandlerTask(cell, coro, ended)
    kernel.under_way.add(task)
    task.wake()


def _terminated(kernel: Node, cell: Cell, reason: Reason, result: Any) -> None:
    if type(result) is not Stop:
        end(kernel, cell, reason)
        return
    if result.reason.kind == "error" and reason.kind != "error":
        crashes.report(kernel, cell, "terminate", result.reason, ending=str(reason))
    end(kernel, cell, result.reason)


def _bound_of(cell: Cell, reason: Reason) -> float | None:
    """Seconds that an actor which ends by itself has, for its parent may want to start it again."""
    parent = None if cell.parent is None else cell.parent.actor
    if not isinstance(parent, ManagedActor) or (reason.clean and _is_waited_for(cell, parent)):
        return None
    return parent.child_bound(cell.address)


def _is_waited_for(cell: Cell, parent: ManagedActor) -> bool:
    """Whether an end in order is bounded already, or keeps nobody from starting it again."""
    if cell.exit_waiters or not parent.stops_children:
        return True  # its parent has told it to, and for how long; or starts nobody again
    return isinstance(cell.actor, ManagedActor) and cell.actor.stops_children


def _terminate_failed(kernel: Node, cell: Cell, reason: Reason, exception: BaseException) -> None:
    if isinstance(cell.actor, ManagedActor):
        # A crash in terminate is the reason it ended with, as in OTP.
        ending, reason = reason, crashed(exception)
        crashes.report(kernel, cell, "terminate", reason, ending=str(ending))
    else:
        _log.warning("%s failed on its exit request", cell.address.path, exc_info=exception)
    interrupts.let_out(kernel, exception)
    end(kernel, cell, reason)


def end(kernel: Node, cell: Cell, reason: Reason, *, tell_parent: bool = True) -> None:
    """Take an actor out of the node and tell everyone who has a right to know.

    Children that are still there are told to end too: those of an actor that was killed are
    killed, and so on down the tree, without ``terminate``. A supervisor that ends in any other
    way has stopped its children before it comes here.
    """
    if cell.actor is None:
        return
    cell.exiting = reason
    if cell.task is not None:
        _abandon_handler(kernel, cell, reason)
    cell.actor = None
    if cell.address.cell is cell:
        cell.address.cell = None
    _leave_parent(kernel, cell)
    if cell.children:
        below = KILLED if reason.kind == "killed" else SHUTDOWN
        for child in tuple(cell.children.values()):
            kernel.signal(begin_exit, kernel, child, below)
    _forget(kernel, cell)
    _fail_callers(kernel, cell, reason)
    if cell.watching or cell.monitors or cell.links:
        links.tell_relations(kernel, cell, reason)
    _tell_waiting(kernel, cell, reason, tell_parent=tell_parent)


def siblings(kernel: Node, parent: Cell | None) -> dict[str | int, Cell]:
    """Where the children of ``parent`` are found by their names."""
    return kernel.roots if parent is None else parent.children or {}


def _leave_parent(kernel: Node, cell: Cell) -> None:
    name, parent = cell.address.name, cell.parent
    home = kernel.roots if parent is None else parent.children or {}
    if home.get(name) is cell:
        del home[name]
    # One whose parent left without it lives on among the roots, under its path.
    elif home.get(path := cell.address.path) is cell:
        del home[path]


def _forget(kernel: Node, cell: Cell) -> None:
    while cell.timers is not None:
        kernel.cancel_timer(cell.timers)
    if cell.names:
        _give_names_back(kernel, cell, cell.names)
    if cell.at_end:
        _let_go(kernel, cell, cell.at_end)
    kernel.host.exited(cell)


def _give_names_back(kernel: Node, cell: Cell, names: dict[Any, int]) -> None:
    for name, ties in names.items():
        if ties & NAMED:
            kernel.registry.unregister(name, cell.address)
        if ties & MEMBER:
            kernel.registry.leave(name, cell.address)


def _let_go(kernel: Node, cell: Cell, releases: Iterable[Callable[[], object]]) -> None:
    for release in releases:
        try:
            release()
        except Exception as exception:  # noqa: BLE001 - the actor has ended; the rest must go on
            kernel.report("unexpected", cell.address.path, error=str(crashed(exception)))


def _fail_callers(kernel: Node, cell: Cell, reason: Reason) -> None:
    for call in cell.deferred or ():
        call.fail(ServerDied(reason))
    mailbox, cell.mailbox = cell.mailbox, None
    for message, sender, _ in kernel.held.hold(cell, mailbox or ()):
        if isinstance(message, PendingCall):
            message.fail(ServerDied(reason))
        if isinstance(message, OWN):
            continue  # nobody's letter: the node itself told an actor that ends too
        kernel.dead_letter(cell.address, message, sender, "exited")
    if isinstance(mailbox, deque):
        mailbox.clear()  # the scheduler may hold it for the batch in which the actor ended
    for waiter in cell.waiters or ():
        waiter.settle(None, NoProc(cell.address))


def _tell_waiting(kernel: Node, cell: Cell, reason: Reason, *, tell_parent: bool) -> None:
    waiting, cell.exit_waiters = cell.exit_waiters, None
    for tell in waiting or ():
        tell(reason)
    parent = cell.parent
    if waiting or not tell_parent or parent is None or parent.actor is None:
        return
    if isinstance(parent.actor, ManagedActor):
        message = ChildExited(cell.address, cell.address.incarnation, reason)
        kernel.deliver(parent, message, cell.address)
    else:
        kernel.deliver(parent, ChildActorExited(cell.address), cell.address)


def stop(kernel: Node, cell: Cell, reason: Reason, timeout: float | None) -> Waiter:
    """Have a child end within ``timeout`` seconds, else kill it; only its parent asks so.

    The parent is told through the waiter, not by a ``ChildExited``.
    """
    gone = Waiter()
    if cell.actor is None:
        gone.settle(cell.exiting)
        return gone
    cell.exit_waiters = [*(cell.exit_waiters or ()), gone.settle]
    if timeout is not None and timeout <= 0:
        kernel.exit_soon(cell, KILLED)
        return gone
    kernel.exit_soon(cell, reason)
    if timeout is not None and not gone.settled:
        _kill_in(kernel, cell, timeout)
    return gone


def _kill_in(kernel: Node, cell: Cell, seconds: float) -> None:
    def fire(timer: Timer) -> None:
        kernel.forget_timer(timer)
        kernel.exit(cell, KILLED)

    # One of the actor's own timers: it goes with the actor and keeps nothing of it.
    kernel.start_timer(cell, seconds, "kill", fire)

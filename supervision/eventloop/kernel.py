"""The node's engine: starting and ending actors, sending, calls, names. Knows no Thespian system.

Everything here runs on the loop's thread. Starting is synchronous where ``init`` is: a supervisor
knows at once whether its child started; an asynchronous ``init`` is waited for.
"""

from __future__ import annotations

import asyncio
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from supervision._thespian import (
    ActorAddress,
    ActorExitRequest,
    ExpirationTimer,
    Thespian_StatusReq,
    WakeupMessage,
)
from supervision.eventloop import (
    admission,
    beginning,
    crashes,
    failures,
    interrupts,
    lifecycle,
    stopping,
)
from supervision.eventloop.calls import NoProc, PendingCall, Waiter
from supervision.eventloop.cell import Cell, Host, LocalAddress
from supervision.eventloop.held import Held
from supervision.eventloop.hibernation import Sweeper
from supervision.eventloop.latency import Histogram
from supervision.eventloop.managed import Continued, ManagedActor
from supervision.eventloop.outcomes import StopRequest
from supervision.eventloop.reports import DeadLetter, DeadLetters, Report, Reports
from supervision.eventloop.switchboard import Switchboard, Target
from supervision.eventloop.timekeeping import SchedulerLimits
from supervision.reasons import NORMAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision._thespian import Actor
    from supervision.clock import Clock
    from supervision.eventloop.cell import Keeper
    from supervision.eventloop.timers import Timer
    from supervision.reasons import Reason

__all__ = ["Host", "Kernel", "Target"]


class Kernel(Switchboard):
    """Cells, addresses and the ways between them.

    Args:
        loop: the asyncio loop to live on.
        clock: what tells the time.
        limits: the scheduler's bounds.
        host: the Thespian system around it.
    """

    urgent = frozenset({ActorExitRequest, Thespian_StatusReq})
    special = urgent | {failures.SecondDelivery, StopRequest, Continued}

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        limits: SchedulerLimits,
        host: Host,
    ) -> None:
        super().__init__(loop, clock, limits)
        self.host = host
        self.reports = Reports()
        self.dead_letters = DeadLetters()
        self.latencies: dict[type, Histogram] = {}
        self.roots: dict[str | int, Cell] = {}
        self.restarts = 0
        self.held = Held(self)
        self.sweeper = Sweeper(self)

    # Timers

    def start_timer(
        self, cell: Cell, after_s: float, payload: Any, fire: Callable[[Timer], None]
    ) -> Timer:
        """Set a timer that dies with its actor."""
        # As `set_timer` and `_own`, which would be two calls more for each timer.
        when = self._clock() + after_s if after_s > 0.0 else self._clock()
        timer = self.timers.set(when, fire, cell, payload)
        if when < self._armed_for:
            self._come_sooner()
        timer.after = cell.timers
        if cell.timers is not None:
            cell.timers.before = timer
        cell.timers = timer
        return timer

    def postpone_timer(self, timer: Timer, when: float, fire: Callable[[Timer], None]) -> None:
        """Have a timer that is just being fired do so again, at ``when`` (monotonic seconds)."""
        timer.when, timer.fire = when, fire
        self.timers.add(timer)

    def put_timer(self, timer: Timer) -> None:
        """Arm a timer that was made for its actor and a time; it dies with that actor."""
        self.timers.add(timer)
        _own(timer.owner, timer)
        if timer.when < self._armed_for:
            self._come_sooner()

    def carry_timer(
        self, cell: Cell, when: float, payload: Any, fire: Callable[[Timer], None]
    ) -> Timer:
        """Set a timer that ran in another process, to fire at ``when`` (monotonic seconds)."""
        timer = self.set_timer_at(when, fire, cell, payload)
        _own(cell, timer)
        return timer

    def forget_timer(self, timer: Timer) -> None:
        """Take a timer out of its actor's list, once it fired or was cancelled."""
        cell: Cell = timer.owner
        if timer.before is not None:
            timer.before.after = timer.after
        elif cell.timers is timer:
            cell.timers = timer.after
        if timer.after is not None:
            timer.after.before = timer.before
        timer.before = timer.after = None

    def cancel_timer(self, timer: Timer) -> bool:
        """Cancel a timer; return whether it was still pending."""
        pending = self.timers.cancel(timer)
        if pending:
            self.forget_timer(timer)
            timer.owner = timer.payload = None  # its place in the heap must not keep them alive
        return pending

    def wakeup_after(self, cell: Cell, period: Any, seconds: float, payload: Any) -> None:
        """Thespian's ``wakeupAfter``."""
        message = WakeupMessage(period, payload)

        def fire(timer: Timer) -> None:
            self.forget_timer(timer)
            self.deliver(cell, message, cell.address)

        self.start_timer(cell, seconds, (ExpirationTimer(period), payload), fire)

    # Starting and ending

    def spawn(
        self,
        actor: Actor,
        args: Any,
        *,
        parent: Cell | None,
        address: LocalAddress,
        keeper: Keeper | None = None,
    ) -> lifecycle.Outcome | Waiter:
        """Start ``actor`` behind ``address``; see ``beginning.start``."""
        return beginning.start(self, actor, args, parent, address, keeper)

    def child_address(self, parent: Cell | None, name: str | int) -> LocalAddress:
        """An address for a new child; it is taken only when something starts there."""
        return LocalAddress(None if parent is None else parent.address, name)

    def start_root(
        self, actor: Actor, args: Any, name: str, ended: Callable[[], None]
    ) -> asyncio.Future[Any]:
        """Start an actor without a parent, for an asyncio task; await the future for the outcome.

        Args:
            actor: to be started.
            args: what its ``init`` is given.
            name: its path.
            ended: called when it has ended, for whatever reason; not where it never was there.
        """
        spawned = self.spawn(actor, args, parent=None, address=self.child_address(None, name))
        root = self.roots.get(name)
        if root is not None and root.actor is actor:  # not another that has the name already
            root.exit_waiters = [*(root.exit_waiters or ()), lambda _: ended()]
        return self.future_of(spawned)

    def future_of(self, what: Any) -> asyncio.Future[Any]:
        """What a waiter will say, or a value that is known already, for an asyncio task."""
        future: asyncio.Future[Any] = self.loop.create_future()
        if not isinstance(what, Waiter):
            future.set_result(what)
            return future
        what.task = _Telling(what, future)
        if what.settled:
            what.task.wake()
        return future

    def exit(self, cell: Cell, reason: Reason) -> None:
        """Have an actor end; it handles no further message (erlang:exit/2 for those that obey)."""
        self.signal(lifecycle.begin_exit, self, cell, reason)

    def exit_soon(self, cell: Cell, reason: Reason) -> None:
        """Have an actor end at once where that disturbs nobody, else as ``exit`` does."""
        if not self.at_once(lifecycle.begin_exit, self, cell, reason):
            self.exit(cell, reason)

    def stop(self, cell: Cell, reason: Reason, timeout: float | None) -> Waiter:
        """Have an actor end in order within ``timeout`` seconds, else kill it.

        Args:
            cell: the actor.
            reason: what its ``terminate`` is told.
            timeout: seconds; None waits for ever, 0 kills at once.

        Returns:
            A waiter for the reason with which it ended.
        """
        return lifecycle.stop(self, cell, reason, timeout)

    def stop_call(
        self, target: Target, reason: Reason = NORMAL, timeout: float | None = None
    ) -> asyncio.Future[None]:
        """Have any actor end in order, and wait for it in a task (``gen_server:stop/3``).

        Args:
            target: an address or a registered name.
            reason: what its ``terminate`` is told.
            timeout: seconds to wait; None is for ever. It goes on ending when they are over.

        Raises (from the future):
            CallTimeout, NoProc; ServerDied, where it ended with another reason.
        """
        return self.future_of(stopping.stop(self, target, reason, timeout))

    # What the scheduler leaves to us

    def receive_special(self, cell: Cell, message: Any, sender: Any) -> None:
        """ActorExitRequest is shown to the actor before it ends; a status request never is."""
        if type(message) is Thespian_StatusReq:
            self.send(sender, self.host.status_of(cell), cell.address)
        elif type(message) is failures.SecondDelivery:
            self._redeliver(cell, message, sender)
        elif type(message) is StopRequest:
            lifecycle.begin_exit(self, cell, message.reason)
        elif type(message) is Continued:
            self._go_on(cell, message, sender)
        else:
            failures.exit_requested(self, cell, message, sender)

    def _redeliver(self, cell: Cell, again: failures.SecondDelivery, sender: Any) -> None:
        assert cell.actor is not None
        result = cell.actor.receiveMessage(again.message, sender)
        if type(result) is CoroutineType:
            self.begin(cell, result, again, sender)

    def _go_on(self, cell: Cell, message: Continued, sender: Any) -> None:
        actor = cell.actor
        assert isinstance(actor, ManagedActor)
        result = actor.on_continue(message.term)
        if type(result) is CoroutineType:
            self.begin(cell, result, message, sender)

    def handler_failed(
        self, cell: Cell, message: Any, sender: Any, exception: BaseException
    ) -> None:
        """An actor that dies of exceptions ends; a plain Thespian one gets its second delivery."""
        failures.handler_failed(self, cell, message, sender, exception)
        interrupts.let_out(self, exception)

    def overflow(self, cell: Cell, message: Any, sender: Any) -> None:
        """Apply the policy of a full mailbox."""
        admission.overflow(self, cell, message, sender)

    def admit(self, cell: Cell) -> None:
        """Let waiting senders in, in the order they came."""
        admission.admit(self, cell)

    # Accounts

    @property
    def waiting(self) -> int:
        """Messages that wait in the mailboxes of actors that are ready now."""
        return sum(cell.depth for cell in set(self._ready))

    def dead_letter(self, address: Any, message: Any, sender: Any, reason: str) -> None:
        """Count and keep a dead letter; tell callers and Thespian's handler."""
        if reason == "dead" and self.held.keep(address, message, sender):
            return  # whoever it is for is about to come back
        if isinstance(message, PendingCall):
            message.fail(NoProc(address))
        self.dead_letters.add(
            DeadLetter(
                self.clock.wall(), _text(address), _text(sender), type(message).__name__, reason
            )
        )
        if isinstance(address, ActorAddress):
            self.host.undeliverable(address, message)

    def sample(self, cell: Cell, actor: Actor, seconds: float) -> None:
        """Note a handler's time in the histogram of its actor's class."""
        kind = type(actor)
        histogram = self.latencies.get(kind)
        if histogram is None:
            histogram = self.latencies[kind] = Histogram()
        histogram.add(seconds)

    def count_restart(self) -> None:
        """A supervisor restarted a child."""
        self.restarts += 1

    def report(self, kind: str, path: str, **data: Any) -> None:
        """Publish a report; plain data only."""
        self.reports.publish(Report(kind, path, self.clock.wall(), data))

    def report_hold(self, cell: Cell, message: Any, seconds: float) -> None:
        """Name the handler that held the loop."""
        handler = type(cell.actor).__name__ if cell.actor is not None else "ended"
        self.report(
            "hold",
            cell.address.path,
            handler=handler,
            message=crashes.name_of(message),
            seconds=round(seconds, 6),
            limit_s=self.limits.hold_limit_s,
        )


class _Telling:
    """Hands a waiter's value to a future."""

    __slots__ = ("_future", "_waiter")

    def __init__(self, waiter: Waiter, future: asyncio.Future[Any]) -> None:
        self._waiter = waiter
        self._future = future

    def wake(self) -> None:
        if self._future.done():
            return
        if self._waiter.error is not None:
            self._future.set_exception(self._waiter.error)
        else:
            self._future.set_result(self._waiter.value)


def _own(cell: Cell, timer: Timer) -> None:
    """Have a timer die with an actor."""
    timer.after = cell.timers
    if cell.timers is not None:
        cell.timers.before = timer
    cell.timers = timer


def _text(who: Any) -> str:
    if isinstance(who, ActorAddress):
        return str(who.addressDetails)
    return "" if who is None else str(who)


if TYPE_CHECKING:

    class Inhabitant(Cell):
        """A cell as the actors in it see it: its node can do all that a kernel can."""

        kernel: Kernel

"""Who is behind an address or a name, and the ways of telling and asking it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from supervision._thespian import ActorAddress
from supervision.eventloop.calls import (
    CallingSelf,
    CoroutineCall,
    FutureCall,
    MessageCall,
    NoProc,
    PendingCall,
)
from supervision.eventloop.cell import LocalAddress
from supervision.eventloop.scheduler import Scheduler
from supervision.registry import Registry

if TYPE_CHECKING:
    from supervision.clock import Clock
    from supervision.eventloop.cell import Cell, Host
    from supervision.eventloop.held import Held
    from supervision.eventloop.timekeeping import SchedulerLimits

Target = ActorAddress | str


class Switchboard(Scheduler):
    """Finds receivers and carries messages and calls to them; belongs to the loop's thread.

    Args:
        loop: the asyncio loop to live on.
        clock: what tells the time.
        limits: the scheduler's bounds.

    Attributes:
        registry: names and groups.
        host: the Thespian system around the node.
        held: messages for actors that are down and about to come back.
    """

    host: Host
    held: Held

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Clock, limits: SchedulerLimits
    ) -> None:
        super().__init__(loop, clock, limits)
        self.registry: Registry[LocalAddress] = Registry()
        self._request_ids = 0

    @property
    def last_request(self) -> int:
        """The number of the last request that an actor has made."""
        return self._request_ids

    def skip_requests(self, past: int) -> None:
        """Give no request a number up to this one: another node has given them."""
        self._request_ids = max(self._request_ids, past)

    # Sending

    def cell_of(self, target: Target) -> Cell | None:
        """The living cell behind an address or a registered name."""
        if isinstance(target, LocalAddress) and target.cell is not None:
            return target.cell
        # An address that is no longer in use finds what lives under its path now: when a
        # supervisor was restarted, its children have new addresses with the old paths.
        address = (
            self.registry.whereis(target)
            if isinstance(target, str)
            else self.host.foreign_address(target)
        )
        return None if address is None else address.cell

    def send(self, to: ActorAddress, message: Any, sender: Any) -> None:
        """Send a message; to nobody it is a dead letter."""
        cell = to.cell if type(to) is LocalAddress else None
        if cell is None and (cell := self.cell_of(to)) is None:
            self.dead_letter(to, message, sender, "dead")
        else:
            self.deliver(cell, message, sender)

    def post(self, to: ActorAddress, message: Any, sender: Any) -> None:
        """Send from another thread."""
        self.post_call(self.send, to, message, sender)

    def cast(self, target: Target, message: Any, sender: Any = None) -> None:
        """Send to an address or a registered name."""
        cell = self.cell_of(target)
        if cell is None:
            self.dead_letter(target, message, sender, "dead")
        else:
            self.deliver(cell, message, sender)

    # Calls

    def coroutine_call(
        self,
        caller: Cell,
        target: Target,
        request: Any,
        timeout: float | None,
        within: PendingCall | None = None,
    ) -> CoroutineCall:
        """Ask on behalf of a handler's coroutine, which awaits the result."""
        now = self.now if self._in_turn else self.present()
        due = None if timeout is None else now + timeout
        task = caller.task
        if within is not None or (task is not None and task.deadline is not None):
            due, timeout = self._bounded(caller, within, due, timeout)
        call = CoroutineCall(request, due)
        cell = target.cell if type(target) is LocalAddress else None
        if cell is None and (cell := self.cell_of(target)) is None:
            self._nobody(target, call, caller.address)
        elif cell is caller and self.waits_for_itself(caller):
            call.fail(CallingSelf(target))
        elif timeout is not None:
            self.deliver(cell, call, caller.address)
            if not call.settled:
                self.set_deadline(timeout, call)
        else:
            self._carry(cell, call, caller.address)
        return call

    def _bounded(
        self,
        caller: Cell,
        within: PendingCall | None,
        due: float | None,
        timeout: float | None,
    ) -> tuple[float | None, float | None]:
        """The deadline of a call that is made while another is handled.

        Returns:
            The deadline; and the seconds from now, None where they are what is left of the
            other's deadline.
        """
        if within is not None:
            bound = within.deadline
        else:  # what tasks of the loop ask that the actor has made is not asked for this call
            bound = None if caller.task is None else caller.task.deadline
            bound = bound if bound is None or self.waits_for_itself(caller) else None
        if bound is None or (due is not None and due <= bound):
            return due, timeout
        return bound, None

    def waits_for_itself(self, caller: Cell) -> bool:
        """Whether it is an actor's handler that asks now, which its own answer would wait for."""
        # A task of the loop that an actor has made is not its handler, and may ask it.
        return caller.task is not None and asyncio.current_task(self.loop) is caller.task  # type: ignore[comparison-overlap]

    def _nobody(self, target: Target, call: PendingCall, sender: Any) -> None:
        if not self.held.keep_call(target, call, sender):
            call.fail(NoProc(target))

    def _carry(self, cell: Cell, call: PendingCall, sender: Any) -> None:
        """Deliver a call that waits for ever, or for as long as another one."""
        if call.deadline is None:
            self.deliver(cell, call, sender)
        elif call.deadline <= self.now:
            call.expire()
        else:
            self.deliver(cell, call, sender)
            if not call.settled:
                self.set_deadline_at(call.deadline, call)

    def ask(self, target: Target, call: PendingCall, sender: Any, timeout: float | None) -> None:
        """Carry a call to whoever is behind ``target``.

        Args:
            target: an address or a registered name.
            call: its deadline is set.
            sender: the address of who asks.
            timeout: seconds from now to its deadline; None where that is another's deadline.
        """
        cell = target.cell if type(target) is LocalAddress else None
        if cell is None and (cell := self.cell_of(target)) is None:
            self._nobody(target, call, sender)
        elif timeout is None:
            self._carry(cell, call, sender)
        else:
            self.deliver(cell, call, sender)
            if not call.settled:
                self.set_deadline(timeout, call)

    def due(
        self, caller: Cell, timeout: float | None, within: PendingCall | None
    ) -> tuple[float | None, float | None]:
        """When a call that an actor makes now has to be answered.

        Returns:
            The deadline, in monotonic seconds; and what ``ask`` has to be told of it.
        """
        due = None if timeout is None else self.present() + timeout
        return self._bounded(caller, within, due, timeout)

    def message_call(
        self,
        caller: Cell,
        target: Target,
        request: Any,
        timeout: float | None,
        within: PendingCall | None = None,
    ) -> int:
        """Ask on behalf of a synchronous handler; the answer is a ``Response`` message."""
        self._request_ids = number = self._request_ids + 1
        if timeout is not None and within is None and caller.task is None:
            due: float | None = (self.now if self._in_turn else self.present()) + timeout
        else:
            due, timeout = self.due(caller, timeout, within)
        call = MessageCall(request, due, caller, number)
        self.ask(target, call, caller.address, timeout)
        return number

    def call(
        self, target: Target, request: Any, timeout: float | None = 5.0
    ) -> asyncio.Future[Any]:
        """Ask from an asyncio task on the node's loop; await the future for the answer.

        Raises (from the future): CallTimeout, NoProc, ServerDied, MailboxFull.
        """
        future: asyncio.Future[Any] = self.loop.create_future()
        due = None if timeout is None else self.present() + timeout
        self.ask(target, FutureCall(request, due, future), None, timeout)
        return future

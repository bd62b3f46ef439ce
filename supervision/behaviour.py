"""What every behaviour can do: send, call, keep time, watch others, have a name, end itself.

All of it belongs to the loop's thread; foreign threads use the system's ``tell`` and ``ask``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from supervision.eventloop import admission, links
from supervision.eventloop.address import LocalAddress
from supervision.eventloop.calls import OpenCalls
from supervision.eventloop.cell import MEMBER, NAMED
from supervision.eventloop.managed import Cast, ManagedActor, Timeout
from supervision.reasons import NORMAL, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from supervision._thespian import ActorAddress
    from supervision.eventloop.calls import PendingCall, Waiter
    from supervision.eventloop.cell import Cell
    from supervision.eventloop.kernel import Kernel, Target
    from supervision.eventloop.timers import Timer


class _NoReply:
    """``handle_call`` will answer later."""

    def __repr__(self) -> str:
        return "NO_REPLY"


NO_REPLY: Final = _NoReply()


class Behaviour(ManagedActor):
    """The part that gen_server, gen_statem, gen_event and supervisor share.

    Attributes:
        version: of the layout of its state; None where it is not kept apart.
    """

    version: ClassVar[int | str | None] = None
    _myRef: Cell

    @property
    def kernel(self) -> Kernel:
        """The node this actor runs in."""
        return self._myRef.kernel

    @property
    def address(self) -> LocalAddress:
        """This actor's stable address."""
        return self._myRef.address

    # Sending and asking

    def send(self, targetAddr: ActorAddress, msg: Any) -> None:
        """Send a message: at most once, in order between two actors."""
        me = self._myRef
        if type(targetAddr) is LocalAddress and (cell := targetAddr.cell) is not None:
            me.kernel.deliver(cell, msg, me.address)
        else:
            me.kernel.send(targetAddr, msg, me.address)

    async def send_wait(self, target: ActorAddress, message: Any) -> None:
        """Send, waiting for room where the receiver's mailbox policy is ``wait``.

        Raises:
            NoProc: the receiver ended while this waited.
        """
        await admission.send_wait(self.kernel, target, message, self._myRef.address)

    def cast(self, target: Target, request: Any) -> None:
        """Send a request that wants no answer; to nobody it is a dead letter."""
        cell = self._myRef
        cell.kernel.cast(target, Cast(request), cell.address)

    def call(self, target: Target, request: Any, timeout: float | None = 5.0) -> Waiter:
        """Ask and await the answer; only asynchronous handlers can.

        Args:
            target: an address or a registered name.
            request: what is asked; its deadline travels with it.
            timeout: seconds; None waits for ever.

        Raises (when awaited):
            CallTimeout, NoProc, ServerDied, MailboxFull.
        """
        cell = self._myRef
        return cell.kernel.coroutine_call(cell, target, request, timeout)

    def request(self, target: Target, request: Any, timeout: float | None = 5.0) -> int:
        """Ask without waiting: the answer is a ``Response`` with the number returned here.

        ``gen_server:send_request/2``. A response always comes, also for a timeout or a death.
        """
        cell = self._myRef
        return cell.kernel.message_call(cell, target, request, timeout)

    def reply(self, from_: PendingCall, value: Any) -> bool:
        """Answer a call for which ``handle_call`` returned NO_REPLY.

        Returns:
            False where the caller has given up; the answer is dropped and counted.
        """
        cell = self._myRef
        if cell.deferred is not None:
            cell.deferred.pop(from_, None)
            if not cell.deferred:
                cell.deferred = None  # an empty dictionary keeps the room of what was in it
        delivered = from_.reply(value)
        if not delivered:
            cell.kernel.late_replies += 1
        return delivered

    def _defer(self, call: PendingCall) -> None:
        if call.settled:
            return
        cell = self._myRef
        if cell.deferred is None:
            cell.deferred = OpenCalls()
        cell.deferred.add(call)

    # Time

    def now(self) -> float:
        """Monotonic seconds."""
        return self.kernel.clock.monotonic()

    def wall(self) -> float:
        """Seconds since the epoch."""
        return self.kernel.clock.wall()

    def start_timer(self, after_s: float, payload: Any) -> Timer:
        """Have a ``Timeout`` with ``payload`` delivered after ``after_s`` seconds."""
        return self.kernel.start_timer(self._myRef, after_s, payload, _fire)

    def cancel_timer(self, timer: Timer) -> bool:
        """Cancel a timer; False where it already fired (its message may be in the mailbox)."""
        return self.kernel.cancel_timer(timer)

    # Ties

    def monitor(self, address: ActorAddress) -> links.Monitor:
        """Have a ``Down`` delivered when the actor at ``address`` ends; at once if it is not."""
        return links.monitor(self.kernel, self._myRef, address)

    def demonitor(self, ref: links.Monitor) -> None:
        """End a watch."""
        links.demonitor(ref)

    def link(self, address: ActorAddress) -> None:
        """Share the fate of another actor; see ``trap_exit``."""
        links.link(self.kernel, self._myRef, address)

    def unlink(self, address: ActorAddress) -> None:
        """Share the fate of an actor no longer; an ``Exit`` in the mailbox stays there."""
        other = self.kernel.cell_of(address)
        if other is not None:
            links.unlink(self._myRef, other)

    def trap_exit(self, trap: bool = True) -> None:
        """Have the ends of linked actors come as ``Exit`` messages."""
        self._myRef.trap_exit = trap

    # Names

    def register(self, name: Hashable) -> None:
        """Take a name, which goes when this actor ends.

        Raises:
            NameTaken: it belongs to a living actor.
        """
        self.kernel.registry.register(name, self.address)
        self._own(name, NAMED)

    def unregister(self, name: Hashable) -> None:
        """Give a name back."""
        self.kernel.registry.unregister(name, self.address)
        self._disown(name, NAMED)

    def join(self, group: Hashable) -> None:
        """Become a member of a group until this actor ends or leaves."""
        self.kernel.registry.join(group, self.address)
        self._own(group, MEMBER)

    def leave(self, group: Hashable) -> None:
        """Stop being a member of a group."""
        self.kernel.registry.leave(group, self.address)
        self._disown(group, MEMBER)

    def _own(self, name: Hashable, tie: int) -> None:
        cell = self._myRef
        cell.names = cell.names if cell.names is not None else {}
        cell.names[name] = cell.names.get(name, 0) | tie

    def _disown(self, name: Hashable, tie: int) -> None:
        names = self._myRef.names
        if names and name in names:
            names[name] &= ~tie
            if not names[name]:
                del names[name]

    def whereis(self, name: Hashable) -> LocalAddress | None:
        """The address registered under a name."""
        return self.kernel.registry.whereis(name)

    def members(self, group: Hashable) -> Iterator[LocalAddress]:
        """The members of a group."""
        return self.kernel.registry.members(group)

    # Ending

    def stop(self, reason: Reason = NORMAL) -> None:
        """End after the handler that runs now; ``terminate`` is told the reason."""
        self.kernel.exit(self._myRef, reason)

    def at_end(self, release: Callable[[], object]) -> None:
        """Have ``release`` called when this actor has ended, also when it was killed.

        For what lives outside the actors: threads, loop tasks, sockets. Erlang closes the ports
        of an owner that is gone; ``terminate`` alone is not enough, for a kill skips it.

        Args:
            release: must not block; it is called on the loop's thread, once.
        """
        cell = self._myRef
        cell.at_end = cell.at_end if cell.at_end is not None else []
        cell.at_end.append(release)

    def format_status(self, state: Any) -> Any:
        """What of ``state`` operators and crash reports may see; override to leave secrets out."""
        return state

    def status(self) -> Any:
        """The scrubbed state (``sys:get_status``)."""
        return self.format_status(getattr(self, "state", None))

    # What operators and releases do (sys(3))

    def system_get_state(self) -> Any:
        """The state itself, with its secrets (``sys:get_state``)."""
        return getattr(self, "state", None)

    def system_replace_state(self, function: Callable[[Any], Any]) -> Any:
        """Put what ``function`` makes of the state in its place (``sys:replace_state``).

        Returns:
            The new state. Where the function raises nothing has changed.
        """
        self.state = function(self.system_get_state())
        return self.state

    def system_code_change(self, old_vsn: Any, extra: Any) -> Any:
        """Convert the state to the layout of this code (``sys:change_code``); may be awaitable.

        Args:
            old_vsn: version of the layout that the state has; ``("down", version)`` asks for
                the layout of an older version, for the code of which it is left.
            extra: what the release has to say.

        Raises:
            Exception: whatever refuses the change; the state is the old one then.
        """
        raise TypeError(f"{type(self).__name__} has no code_change from {old_vsn!r}")


def _fire(timer: Timer) -> None:
    cell: Cell = timer.owner
    cell.kernel.forget_timer(timer)
    cell.kernel.deliver(cell, Timeout(timer, timer.payload), cell.address)

"""What every behaviour can do: send, call, keep time, watch others, have a name, end itself.

All of it belongs to the loop's thread; foreign threads use the system's ``tell`` and ``ask``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from supervision.behaviour.asking import Asking
from supervision.behaviour.carrying import Carrying
from supervision.behaviour.naming import Naming
from supervision.behaviour.resting import Resting
from supervision.eventloop import links
from supervision.eventloop.managed import ManagedActor, Timeout
from supervision.message_shape import shape_of
from supervision.reasons import NORMAL, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision._thespian import ActorAddress
    from supervision.eventloop.cell import Cell, LocalAddress
    from supervision.eventloop.kernel import Inhabitant, Kernel
    from supervision.eventloop.timers import Timer


class _NoReply:
    """``handle_call`` will answer later."""

    def __repr__(self) -> str:
        return "NO_REPLY"


NO_REPLY: Final = _NoReply()


def undefined(actor: object, callback: str, message: object) -> TypeError:
    """What a message to a class without the callback for it is: the end of the actor, in words."""
    verb = "answers" if callback == "handle_call" else "takes"
    name, kind = type(actor).__name__, type(message).__name__
    return TypeError(f"{name} {verb} no {kind}: it has no {callback} for it")


class Behaviour(Asking, Naming, Resting, Carrying, ManagedActor):
    """The part that gen_server, gen_statem, gen_event and supervisor share.

    Attributes:
        version: of the layout of its state; None where it is not kept apart.
        fixed_fields: of its state, or of a machine's data, what operators may not patch: by which
            others know it, or what only makes sense together.
        kernel: the node this actor runs in.
        address: this actor's stable address.
        now: tells monotonic seconds.
        wall: tells seconds since the epoch.
    """

    version: ClassVar[int | str | None] = None
    fixed_fields: ClassVar[frozenset[str]] = frozenset()
    _myRef: Inhabitant
    # Set where the actor is put behind its address: what every handler asks for costs no call.
    kernel: Kernel
    address: LocalAddress
    now: Callable[[], float]
    wall: Callable[[], float]

    # Time

    def start_timer(self, after_s: float, payload: Any) -> Timer:
        """Have a ``Timeout`` with ``payload`` delivered after ``after_s`` seconds."""
        return self._myRef.kernel.start_timer(self._myRef, after_s, payload, deliver_timeout)

    def start_moving_timer(self, due: Callable[[], float | None], payload: Any) -> Timer | None:
        """Have a ``Timeout`` delivered at a time that moves later while the timer runs.

        For what each message puts off: nothing is set anew and nobody is told before the time has
        really come. It is not carried into another process.

        Args:
            due: the time, monotonic seconds; None ends the timer. It must not block.
            payload: of the ``Timeout``.

        Returns:
            The timer; None where ``due`` says so.
        """
        when = due()
        if when is None:
            return None
        kernel, cell = self._myRef.kernel, self._myRef
        after_s = when - kernel.clock.monotonic()
        return kernel.start_timer(cell, after_s, payload, _WhenDue(due))

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

    # Ending

    def stop(self, reason: Reason = NORMAL) -> None:
        """End after the handler that runs now; ``terminate`` is told the reason.

        An end with an error is reported as a crash is; one in order is nobody's concern.
        """
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

    def format_message(self, message: Any) -> Any:
        """What traces and logs of system events may show of a message, a timer or an answer.

        The default tells types and field names, never a value; override to tell more.
        """
        return shape_of(message)

    def status(self) -> Any:
        """The scrubbed state (``sys:get_status``)."""
        return self.format_status(self.unpacked())

    # What operators and releases do (sys(3))

    def system_get_state(self) -> Any:
        """The state itself, with its secrets (``sys:get_state``)."""
        return self.unpacked()

    def system_replace_state(self, function: Callable[[Any], Any]) -> Any:
        """Put what ``function`` makes of the state in its place (``sys:replace_state``).

        Returns:
            The new state. Where the function raises nothing has changed.
        """
        new = function(self.system_get_state())
        self.wake_up()
        self.state = new
        return new

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


class _WhenDue:
    """Tells its owner that a timer of ``start_moving_timer`` is due, unless its time has moved."""

    __slots__ = ("_due",)

    def __init__(self, due: Callable[[], float | None]) -> None:
        self._due = due

    def __call__(self, timer: Timer) -> None:
        kernel, when = timer.owner.kernel, self._due()
        if when is None:
            kernel.forget_timer(timer)
        elif when > kernel.now:
            kernel.postpone_timer(timer, when, self)
        else:
            deliver_timeout(timer)


def deliver_timeout(timer: Timer) -> None:
    """Tell its owner that a timer which ``start_timer`` has set is due."""
    cell: Cell = timer.owner
    cell.kernel.forget_timer(timer)
    cell.kernel.deliver(cell, Timeout(timer, timer.payload), cell.address)

"""Actors whose start and end the node runs: what the behaviours are built on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import msgspec

from supervision._thespian import Actor, ActorSystemMessage
from supervision.eventloop.mailbox import MailboxPolicy
from supervision.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision.eventloop.cell import LocalAddress


Straggler = Literal["redeliver", "wait", "restart"]

CRASHED_S = 5.0
"""Seconds that the asynchronous ``terminate`` of a crashed actor has, where nobody says more."""


class _Ignore:
    """``init`` wants no actor; the supervisor goes on without it (gen_server's ``ignore``)."""

    def __repr__(self) -> str:
        return "IGNORE"


IGNORE: Final = _Ignore()


class Stop(msgspec.Struct, frozen=True):
    """``init`` refuses to start, without a crash report (gen_server's ``{stop, Reason}``)."""

    reason: Reason


class Info(msgspec.Struct, frozen=True):
    """``init`` succeeds and tells whoever starts the actor something (``{ok, Pid, Info}``)."""

    value: Any


class Continue(msgspec.Struct, frozen=True):
    """``init`` goes on in ``handle_continue``, before any message (``{continue, Term}``)."""

    term: Any


class Continued(ActorSystemMessage):  # type: ignore[misc]
    """Comes before all other messages: an actor goes on with ``term``."""

    __slots__ = ("term",)

    def __init__(self, term: Any) -> None:
        self.term = term


class Cast(msgspec.Struct, frozen=True):
    """A request that wants no answer (``gen_server:cast/2``)."""

    request: Any


class Timeout(msgspec.Struct, frozen=True):
    """A timer set with ``start_timer`` fired, or one set with ``idle_timeout``.

    Attributes:
        ref: what ``start_timer`` returned; None for an idle timeout.
        payload: what it was given.
    """

    ref: Any
    payload: Any


class ManagedActor(Actor):
    """An actor that starts with arguments, ends with a reason and dies of its exceptions.

    ``on_start`` and ``on_finish`` may be asynchronous; while one of them runs the actor takes no
    message. ``on_finish`` is not called when the actor is killed.

    Attributes:
        kind: what operators are shown it as.
        stops_children: whether ``on_finish`` is due even while ``on_start`` has not come to its
            end, because there may be children to be stopped in order.
        mailbox: the bound of its mailbox; None is unbounded.
        hibernate_after_s: seconds without a message after which its state is packed; None is
            never.
        start_timeout_s: seconds that an asynchronous ``on_start`` may take before the actor is
            killed and its start has failed with ``timeout``; None is for ever.
        straggler: what becomes of a handler that still waits when its node hands over to another:
            ``redeliver`` cancels it and the new node is given its message again, ``wait`` has the
            takeover wait for it, ``restart`` has the new node start the actor anew; None is what
            the node does with all.
        kernel: the node it runs in.
        address: where it lives.
        now: tells monotonic seconds.
        wall: tells seconds since the epoch.
    """

    kind: ClassVar[str] = "worker"
    stops_children: ClassVar[bool] = False
    mailbox: ClassVar[MailboxPolicy | None] = None
    hibernate_after_s: ClassVar[float | None] = None
    start_timeout_s: ClassVar[float | None] = None
    straggler: ClassVar[Straggler | None] = None
    kernel: Any
    address: LocalAddress
    now: Callable[[], float]
    wall: Callable[[], float]

    def on_start(self, args: Any) -> Any:
        """Begin; returns None, IGNORE, or a Stop, Info or Continue."""

    def continue_with(self, term: Any) -> None:
        """Go on with ``term`` before any message; what ``init`` asks for with Continue.

        Raises:
            TypeError: this kind of actor has no ``handle_continue``.
        """
        raise TypeError(f"{type(self).__name__} has no handle_continue for {type(term).__name__}")

    def on_continue(self, term: Any) -> Any:
        """Go on: the turn of a term that ``continue_with`` was given; may be asynchronous."""

    def fall_asleep(self, *, swept: bool = False) -> None:
        """Pack the state: there has been nothing to do for long."""

    def wake_up(self) -> None:
        """Unpack the state, if it is packed."""

    def on_finish(self, reason: Reason) -> Any:
        """Clean up; the reason says why the actor ends. A Stop that it returns says another."""

    def keep_limit(self, child: LocalAddress, ended: Reason | None = None) -> int:
        """How many messages are kept for the next incarnation of a child; 0 keeps none.

        Args:
            child: where it lives.
            ended: why it has just ended; None where nothing is known of it.
        """
        del child, ended
        return 0

    def child_bound(self, child: LocalAddress) -> float | None:
        """Seconds that a child which crashed has to end before it is killed; None is for ever."""
        del child
        return CRASHED_S

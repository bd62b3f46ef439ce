"""Probes: actors that write down what they get, in the place of those not under test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from supervision.behaviour import NO_REPLY
from supervision.gen_server import GenServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision.eventloop.calls import PendingCall
    from supervision.reasons import Reason


class Received(msgspec.Struct, frozen=True):
    """One thing a probe got.

    Attributes:
        kind: ``call``, ``cast``, or ``info`` for any other message.
        message: the request or the message.
        sender: the address of who sent a message; None where it is not known.
        at: monotonic seconds.
        call: where a call is answered with ``Probe.reply``; None for the others.
    """

    kind: Literal["call", "cast", "info"]
    message: Any
    sender: Any
    at: float
    call: PendingCall | None = None


class Probe(GenServer):
    """An actor that records what it gets; ends of linked actors come as messages too.

    Args:
        answer: what answers its calls; without it they stay open until ``reply``.

    Attributes:
        received: everything it got, in order.
        ended: why it ended; None while it lives.
    """

    def __init__(self, answer: Callable[[Any], Any] | None = None) -> None:
        self.received: list[Received] = []
        self.ended: Reason | None = None
        self._answer = answer

    @property
    def messages(self) -> list[Any]:
        """What it got, without kinds and senders."""
        return [one.message for one in self.received]

    def take(self) -> list[Any]:
        """Return ``messages`` and forget them."""
        taken = self.messages
        self.received.clear()
        return taken

    def of_type(self, kind: type) -> list[Any]:
        """The messages of one type."""
        return [message for message in self.messages if isinstance(message, kind)]

    # What the node calls

    def init(self, args: Any) -> None:
        """Trap exits, so that they are recorded."""
        self.trap_exit()

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        """Record a call and answer it, or keep it open."""
        self.received.append(Received("call", request, None, self.now(), from_))
        return NO_REPLY if self._answer is None else self._answer(request)

    def handle_cast(self, request: Any) -> None:
        """Record a cast."""
        self.received.append(Received("cast", request, None, self.now()))

    def handle_info(self, message: Any, sender: Any) -> None:
        """Record a message."""
        self.received.append(Received("info", message, sender, self.now()))

    def terminate(self, reason: Reason) -> None:
        """Record the end."""
        self.ended = reason

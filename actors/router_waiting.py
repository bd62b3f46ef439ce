"""Calls that wait in the router for what is known of their customers: who, since when, until when.

The router's next incarnation begins with none: their sessions ask it again, and are answered in
time whatever becomes of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from actors.routing_core.facts import Request
    from supervision.eventloop.calls import PendingCall
    from supervision.eventloop.timers import Timer


class FactsDue(Struct, frozen=True):
    """What comes of the timer of a call that waits: nobody waits for its decision any more.

    Attributes:
        ref: of the look-up.
    """

    ref: int


class WaitingCall(Struct):
    """A call that waits.

    Attributes:
        request: what the router was asked.
        from_: who has asked.
        since: monotonic seconds.
        timer: that ends the waiting.
    """

    request: Request
    from_: PendingCall
    since: float
    timer: Timer


class WaitingCalls:
    """The calls that wait, by the references of their look-ups."""

    def __init__(self) -> None:
        self._asked = 0
        self._waiting: dict[int, WaitingCall] = {}
        self._refs: dict[str, tuple[int, ...]] = {}

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def __contains__(self, call: str) -> bool:
        """Whether a call waits.

        Args:
            call: its id.
        """
        return call in self._refs

    def next_ref(self) -> int:
        """A reference that no other look-up has."""
        self._asked += 1
        return self._asked

    def add(self, ref: int, one: WaitingCall) -> None:
        """Have a call wait.

        Args:
            ref: of its look-up.
            one: the call.
        """
        call = one.request.call
        self._waiting[ref] = one
        self._refs[call] = (*self._refs.get(call, ()), ref)

    def take(self, ref: Any) -> WaitingCall | None:
        """The call of a look-up waits no more; None where it does not wait.

        Args:
            ref: of the look-up.
        """
        one = self._waiting.pop(ref, None)
        if one is None:
            return None
        call = one.request.call
        left = tuple(other for other in self._refs[call] if other != ref)
        if left:
            self._refs[call] = left
        else:
            del self._refs[call]
        return one

    def take_all(self, call: str) -> list[WaitingCall]:
        """A call waits no more, whatever it was that it had asked.

        Args:
            call: its id.
        """
        taken = [self.take(ref) for ref in self._refs.get(call, ())]
        return [one for one in taken if one is not None]

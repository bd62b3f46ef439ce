"""router: who takes the call. A thin server around the pure core in ``routing``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from actors.routing import Decision, RoutingTable, decide
from supervision import GenServer

if TYPE_CHECKING:
    from supervision.eventloop.calls import PendingCall

NAME = "router"


class Decide(Struct, frozen=True):
    """Ask who takes a call; answered with a Decision.

    Attributes:
        rp: where the call waits.
        tried: targets that did not take it.
    """

    rp: str
    tried: tuple[str, ...] = ()


class RouterState(Struct):
    """What the router knows and has done.

    Attributes:
        table: the routing points.
        decided: decisions by reason.
    """

    table: RoutingTable
    decided: dict[str, int] = {}


class Router(GenServer):
    """Decides for every routing point; registered as ``router``."""

    version = 1
    carried = dict[str, int]
    state: RouterState

    def init(self, args: RoutingTable) -> None:
        """Begin with a routing table."""
        self.state = RouterState(args)
        # One record for each routing point, shared by all the sessions that it is the answer of.
        self._first = {name: decide(args, name) for name in args.points}
        self.register(NAME)

    def handle_call(self, request: Any, from_: PendingCall) -> Decision:
        """Decide."""
        if not isinstance(request, Decide):
            raise TypeError(f"the router answers no {type(request).__name__}")
        known = None if request.tried else self._first.get(request.rp)
        decision = known or decide(self.state.table, request.rp, request.tried)
        counts = self.state.decided
        counts[decision.reason] = counts.get(decision.reason, 0) + 1
        return decision

    def hand_over(self) -> dict[str, int]:
        """The counts: the routing points are those of the new version's configuration."""
        return self.state.decided

    def adopt(self, state: dict[str, int]) -> None:
        """Count on."""
        counts = self.state.decided
        for reason, count in state.items():
            counts[reason] = counts.get(reason, 0) + count

    def format_status(self, state: RouterState) -> Any:
        """The routing points and the counts."""
        points = {
            name: {"target": point.target, "alternates": list(point.alternates)}
            for name, point in state.table.points.items()
        }
        return {
            "default_target": state.table.default_target,
            "routing_points": points,
            "decided": dict(state.decided),
        }

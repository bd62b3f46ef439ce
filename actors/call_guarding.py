"""The loop guard of a call's session, as a part of its machine.

The session of a call that comes of another one asks that one's session how often it has been
routed before it asks the router; where that has not answered in time, the default answer leaves as
always. Two sessions of what turns out to be one call know of each other's routings.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace

from actors import loop_guard, metrics
from actors.call_answers import AnsweringCall
from actors.call_names import call_name, ucid_name
from actors.call_saving import tell
from actors.loop_guard import Routings
from actors.router_messages import CallOver
from actors.session_data import with_dialogue
from supervision import Keep, NameTaken, Reply, SetTimeout, Transition

if TYPE_CHECKING:
    from actors.dialogues import Dialogue
    from actors.session_data import Session
    from protocols.cti.messages import RouteRequest
    from supervision.eventloop.calls import PendingCall
    from supervision.eventloop.cell import LocalAddress


class HandRoutings(Struct, frozen=True):
    """Call: how often has your call been routed, which ours comes of; answered by `RoutingsTold`.

    Attributes:
        ucid: that both calls have: whoever looks for it is to find the later one.
    """

    ucid: str | None = None


class RoutingsTold(Struct, frozen=True):
    """How often a call has been routed that another one comes of, or turns out to be.

    Attributes:
        routings: all of them.
        ucid: that was asked with; its name is free for the later call.
    """

    routings: Routings
    ucid: str | None = None


class GuardedCall(AnsweringCall):
    """The loop guard of one call; ``CallSession`` is the whole session."""

    @abstractmethod
    def _asked(self, data: Session, xref: str, dialogue: Dialogue) -> Session:
        """Ask the router."""

    @abstractmethod
    def _until_default(self, xref: str, dialogue: Dialogue) -> SetTimeout:
        """When the default answer leaves."""

    @abstractmethod
    def _router_told(self, event: CallOver) -> None:
        """Tell the router what has become of the call."""

    # One more routing

    def _begun_dialogue(
        self, data: Session, xref: str, dialogue: Dialogue, message: RouteRequest | None = None
    ) -> Transition:
        """Have a new dialogue decided; ``data`` is as it was before."""
        due = self._until_default(xref, dialogue)
        if message is not None and (message.prev_call or message.ucid):
            data, earlier = self._comes_of(data, message)
            if earlier is not None:
                data = replace(data, rp=dialogue.rp)
                request_id = self.request(earlier, HandRoutings(message.ucid))
                waiting = replace(dialogue, request_id=request_id)
                return Keep(with_dialogue(data, xref, waiting), due)
        if data.routings or data.routing is not None or data.dialogues:  # not the first one
            data = loop_guard.counted(data, dialogue.rp, self._args.settings.routing, self.wall())
        if data.rp != dialogue.rp:
            data = replace(data, rp=dialogue.rp)
        return self._guarded(data, xref, dialogue, due)

    def _guarded(self, data: Session, xref: str, dialogue: Dialogue, *actions: Any) -> Transition:
        """Ask the router, unless the call goes round and round."""
        loop = None
        if data.routings:
            loop = loop_guard.loop_of(data, dialogue.rp, self._args.settings.routing)
        if loop is None:
            return Keep(self._asked(data, xref, dialogue), *actions)
        settings, rp = self._args.settings, dialogue.rp
        metrics.ROUTE_LOOPS.labels(rp if rp in settings.table.points else "other").inc()
        self.kernel.report("loop", self.address.path, xref=xref, call=data.call, why=loop.why)
        self._router_told(CallOver(data.call))
        decision = loop_guard.way_out(loop, settings.table, rp, settings.routing.on_loop)
        data = loop_guard.with_loop(data, loop, rp, settings.sessions.max_journey, self.wall())
        decided = self._decided(data, xref, dialogue, decision)
        return Keep(decided.data, *actions, *decided.actions)

    # Calls that come of each other

    def _comes_of(
        self, data: Session, message: RouteRequest
    ) -> tuple[Session, LocalAddress | None]:
        """The session of the call that this one comes of, before the first routing of this one."""
        if not loop_guard.is_new(data) or data.routings:
            return data, None
        ucid = message.ucid or ""
        names = [call_name(message.prev_call)] if message.prev_call else []
        names += [ucid_name(ucid), call_name(ucid)] if ucid else []
        for name in names:
            found = self.whereis(name)
            if found is not None and found != self.address:
                return data, found
        return self._with_ucid(data, ucid), None

    def _with_ucid(self, data: Session, ucid: str) -> Session:
        if not ucid:
            return data
        try:
            self.register(ucid_name(ucid))
        except NameTaken:
            return data
        return replace(data, traced=ucid)

    def _earlier_told(
        self, data: Session, xref: str, dialogue: Dialogue, told: RoutingsTold
    ) -> Transition:
        """The call that this one comes of has been routed so often: this is one more."""
        data = replace(data, routings=loop_guard.merged(data.routings, told.routings))
        data = self._with_ucid(data, told.ucid or "")
        if data.routings:
            routing = self._args.settings.routing
            data = loop_guard.counted(data, dialogue.rp, routing, self.wall())
        return self._guarded(data, xref, dialogue)

    def _hand_routings(
        self, request: HandRoutings, from_: PendingCall, _state: str, data: Session
    ) -> Transition:
        answer = Reply(from_, RoutingsTold(loop_guard.of(data), request.ucid))
        if data.traced is None or data.traced != request.ucid:
            return Keep(data, answer)
        self.unregister(ucid_name(data.traced))
        return Keep(replace(data, traced=None), answer)

    def _handed_to(self, call: str, data: Session) -> Session:
        """The call goes on in a session of its own, which is to know how it came there."""
        told = RoutingsTold(loop_guard.of(data))
        self._later(partial(tell, self.kernel, self.address, call_name(call), told))
        return data

    def _routings_told(self, event: RoutingsTold, _state: str, data: Session) -> Transition:
        known = loop_guard.merged(loop_guard.of(data), event.routings)
        return Keep(data if known == data.routings else replace(data, routings=known))

    GUARD_CALLS: ClassVar[dict[type, Any]] = {HandRoutings: _hand_routings}
    GUARD_EVENTS: ClassVar[dict[type, Any]] = {RoutingsTold: _routings_told}

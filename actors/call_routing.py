"""The routing dialogues of a call, as a part of its session's state machine.

One decision for each dialogue, whoever asks and however often; the default answer in time.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace

from actors import dialogues, metrics, routing, session_data
from actors.call_guarding import GuardedCall, RoutingsTold
from actors.call_messages import (
    GuardAnswered,
    RerouteAsked,
    RouteAnswered,
    RouteAsked,
    RouteTold,
)
from actors.call_names import xref_name
from actors.call_promises import Caller, Promise
from actors.call_timings import all_for_facts, plain, took_of
from actors.customer_lookup import NAME as CUSTOMERS
from actors.dialogues import Asker, Dialogue
from actors.router_messages import NAME as ROUTER
from actors.router_messages import CallOver, CallTaken
from actors.routing import late_default, marks
from actors.routing_core.facts import NOBODY, Request
from actors.session_api import RouteFromIvr, SessionOver
from actors.session_data import Session, dialogue_of, with_dialogue
from protocols.cti.messages import RouteEnd
from protocols.numbering import Number
from supervision import (
    CancelTimeout,
    Keep,
    NameTaken,
    Reply,
    Response,
    SetTimeout,
    Transition,
)

if TYPE_CHECKING:
    from collections.abc import Hashable

    from actors.session_data import Took
    from protocols.cti.messages import EndCause
    from supervision.eventloop.calls import PendingCall

ASK_AGAIN_S = 0.01


class RoutedCall(GuardedCall):
    """The dialogues of one call; ``CallSession`` is the whole session."""

    # Being asked

    def _route_asked(self, event: RouteAsked, _state: str, data: Session) -> Transition:
        known = dialogue_of(data, event.message.xref)
        if known is not None:
            return self._asked_too(event, known, data)
        if data.closed is not None:
            return self._told_over(event, data)
        return self._new_dialogue(event, data)

    def _told_over(self, event: RouteAsked | RerouteAsked, data: Session) -> Transition:
        """The dialogue is over, or the call is: nothing is decided any more."""
        cause: EndCause = "ok" if data.closed is None else "abandoned"
        end = RouteEnd(xref=event.message.xref, cause=cause)
        answer = RouteAnswered(end, event.message.i, "ended", data.rp or "", "")
        self._tell(event.link, answer)
        return Keep()

    def _asked_too(
        self, event: RouteAsked | RerouteAsked, known: Dialogue, data: Session
    ) -> Transition:
        """One more asks for a decision, or for one more time."""
        xref, i = event.message.xref, event.message.i
        asker = Asker(event.link, i, event.marks)
        if known.decision is not None:
            return self._answer_again(data, xref, known, asker)
        for other in known.askers:
            if other.link == event.link and other.i != i:
                self._confirm(other.link, other.i)
        joined = dialogues.joined(known, asker)
        return Keep(with_dialogue(data, xref, joined), self._until_default(xref, joined))

    def _new_dialogue(self, event: RouteAsked, data: Session) -> Transition:
        message = event.message
        xref, i = message.xref, message.i
        limit = self._args.settings.sessions.max_dialogues
        if len(data.dialogues) >= limit:
            oldest, dialogue = data.dialogues[0]
            if dialogue.decision is None:
                self._refuse(event.link, xref, i, 429, f"sessions.max_dialogues is {limit}")
                return Keep()
            self.unregister(xref_name(oldest))
            data = with_dialogue(data, oldest, None)
        try:
            self.register(xref_name(xref))
        except NameTaken:
            self._refuse(event.link, xref, i, 409, "xref is another call's")
            return Keep(data)
        asker = Asker(event.link, i, event.marks)
        prio = message.prio or 0
        dialogue = Dialogue(message.rp, (asker,), event.marks.read_at, prio=prio)
        if event.cti and event.cti != data.cti:
            data = replace(data, cti=event.cti)
        return self._begun_dialogue(data, xref, dialogue, message)

    def _reroute_asked(self, event: RerouteAsked, _state: str, data: Session) -> Transition:
        message = event.message
        xref = message.xref
        known = dialogue_of(data, xref)
        if known is None:
            self._refuse(event.link, xref, message.i, 404, "xref is not of an open dialogue")
            return Keep()
        what, dialogue = dialogues.rerouted(
            known, message.failed, Asker(event.link, message.i, event.marks)
        )
        promise = (self._promises or {}).get(xref)
        if what == "unanswered" or (what == "ask" and promise is not None and not promise.told):
            rule = "the dialogue has not been answered yet"
            self._refuse(event.link, xref, message.i, 409, rule)
            return Keep()
        if what != "ask":
            return self._asked_too(event, known, data)
        if data.closed is not None:
            return self._told_over(event, data)
        most = self._args.settings.routing.max_tries
        if len(known.tried) >= most:  # what else failed is not kept: it might go on for ever
            dialogue = replace(dialogue, tried=known.tried)
            return self._decided(data, xref, dialogue, routing.tried_enough(most))
        data = self._asked(data, xref, dialogue)
        heard = CancelTimeout(("abandon", xref))
        return Keep(data, heard, self._until_default(xref, dialogue))

    def repeated(self, event: Any, data: Session) -> Transition:
        """Answer a frame that has been applied: the decision again, or that it is handled."""
        message = event.message
        if not isinstance(event, RouteAsked | RerouteAsked):
            self._confirm(event.link, message.i)
            return Keep()
        known = dialogue_of(data, message.xref)
        if known is not None:
            return self._asked_too(event, known, data)
        return self._told_over(event, data)

    def route_for_application(
        self, request: RouteFromIvr, from_: PendingCall, state: str, data: Session
    ) -> Any:
        """Decide for an IVR application, which waits for the answer of its call."""
        if state == "closed":
            return Keep(data, Reply(from_, SessionOver()))
        callers = self._callers or {}
        for xref, caller in callers.items():
            if request.once is not None and caller.once == request.once:
                self._callers = {**callers, xref: Caller((*caller.calls, from_), caller.once)}
                return Keep()
        self._questions += 1
        xref = f"ivr-{data.session}-{self.address.incarnation}-{self._questions}"
        self._callers = {**callers, xref: Caller((from_,), request.once)}
        deadlines = marks(self._args.settings.routing, self.now(), None)
        dialogue = Dialogue(request.rp, (Asker(None, 0, deadlines),), deadlines.read_at)
        return self._begun_dialogue(data, xref, dialogue)

    def _resumed(self, data: Session) -> tuple[Session, list[Any]]:
        """Take the dialogues up where the last incarnation left them."""
        actions: list[Any] = []
        for xref, dialogue in data.dialogues:
            if dialogues.are_applications(dialogue.askers):
                data = with_dialogue(data, xref, None)
                continue
            self._take_name(xref_name(xref))
            if dialogue.decision is None:
                data = self._asked(data, xref, dialogue)
                actions.append(self._until_default(xref, dialogue))
            elif dialogue.silent_since is not None:
                actions.append(self._until_abandoned(xref, dialogue))
        return data, actions

    def _dialogues_carried(self, data: Session, timers: list[tuple[Any, float]]) -> bool:
        """Add the timers of dialogues; return whether one is to be taken up."""
        abandon_s = self._args.settings.routing.abandon_timeout_ms / 1000
        left = False
        for xref, dialogue in data.dialogues:
            if dialogue.decision is None:
                left = True
            elif dialogue.silent_since is not None:
                timers.append((("abandon", xref), dialogue.silent_since + abandon_s))
        return left

    def _take_name(self, name: Hashable) -> None:
        """Take a name again; one that has another owner by now is not worth this session."""
        try:
            self.register(name)
        except NameTaken as taken:
            self.kernel.report("name_taken", self.address.path, name=str(name), why=str(taken))

    # Asking the router

    def _asked(self, data: Session, xref: str, dialogue: Dialogue) -> Session:
        """Ask the router; its answer comes as a Response."""
        request_id = self.request(ROUTER, request_of(data, dialogue))
        self._asked_at = (request_id, self.now())
        return with_dialogue(data, xref, replace(dialogue, request_id=request_id))

    def _router_told(self, event: CallOver | CallTaken) -> None:
        """Tell the router what has become of the call, where it knows of any."""
        desk = self._args.settings.desk
        if desk is not None and desk.listens:
            self.cast(ROUTER, event)

    def _until_default(self, xref: str, dialogue: Dialogue) -> SetTimeout:
        return SetTimeout(("default", xref), dialogues.first_default(dialogue.askers) - self.now())

    def _response(self, event: Response, _state: str, data: Session) -> Transition:
        for xref, dialogue in data.dialogues:
            if dialogue.request_id == event.request_id and dialogue.decision is None:
                if event.error is not None:  # the router is between two lives: ask the next one
                    return Keep(data, SetTimeout(("ask", xref), ASK_AGAIN_S))
                if type(event.value) is RoutingsTold:
                    return self._earlier_told(data, xref, dialogue, event.value)
                told = plain(event.value, self._took(dialogue))
                return self._decided(data, xref, dialogue, *told)
        return Keep()

    def _took(self, dialogue: Dialogue) -> Took:
        """What a dialogue has taken; nothing is known where another one has asked since."""
        asked, self._asked_at = self._asked_at, None
        if asked is None or asked[0] != dialogue.request_id:
            return ()
        return took_of(dialogue.asked_at, asked[1], self.now())

    def _ask_again(self, xref: str, _state: str, data: Session) -> Transition:
        dialogue = dialogue_of(data, xref)
        if dialogue is None or dialogue.decision is not None:
            return Keep()
        return Keep(self._asked(data, xref, dialogue))

    def _default_due(self, xref: str, _state: str, data: Session) -> Transition:
        promise = (self._promises or {}).get(xref)
        if promise is not None:
            return self._promise_due(xref, promise, data)
        dialogue = dialogue_of(data, xref)
        if dialogue is None or dialogue.decision is not None:
            return Keep()
        settings, took = self._args.settings, self._took(dialogue)
        slow, desk = ROUTER, settings.desk
        if desk is not None and data.call in desk.waiting:
            slow, took = CUSTOMERS, all_for_facts(took)
        decision = late_default(settings.table, dialogue.rp, self._path_of(slow), dialogue.tried)
        return self._decided(data, xref, dialogue, decision, took)

    def _path_of(self, name: str) -> str:
        address = self.whereis(name)
        return name if address is None else address.path

    # Being told

    def _guard_answered(self, event: GuardAnswered, _state: str, data: Session) -> Transition:
        """A link has answered in our place: so it is, unless somebody was told otherwise."""
        xref = event.xref
        self._confirm(event.link, event.i)
        dialogue = dialogue_of(data, xref)
        if dialogue is None:
            try:
                self.register(xref_name(xref))
            except NameTaken:
                return Keep()
            dialogue = Dialogue(event.rp, (), self.now())
        elif dialogue.decision is not None:
            promise = (self._promises or {}).get(xref)
            told = promise is None or promise.told
            anew = dialogues.rerouted_without(dialogue, event.failed)
            if anew is not None:  # a reroute that never came here, and has been answered
                dialogue = anew
            elif told and not dialogues.stands_corrected(dialogue, event.failed, data.applied):
                return Keep()
            else:
                data = session_data.unrouted(data, dialogue)
                dialogue = replace(dialogue, askers=self._withdrawn(xref, promise))
        others = dialogues.without(dialogue, event.link)
        return self._decided(data, xref, others, event.decision)

    def _withdrawn(self, xref: str, promise: Promise | None) -> tuple[Asker, ...]:
        """Have a promise not kept; return who waited for it."""
        if promise is None:
            return ()
        promise.void = True
        self._forget_promise(xref, promise)
        return tuple(promise.askers)

    def _route_told(self, event: RouteTold, _state: str, data: Session) -> Transition:
        xref = event.message.xref
        self._confirm(event.link, event.message.i)
        dialogue = dialogue_of(data, xref)
        if isinstance(event.message, RouteEnd):
            return self._ended(xref, dialogue, event, data)
        if dialogue is not None:
            data = with_dialogue(data, xref, replace(dialogue, silent_since=None))
        return Keep(replace(data, updated=self.wall()), CancelTimeout(("abandon", xref)))

    def _heard(self, data: Session) -> tuple[Session, tuple[CancelTimeout, ...]]:
        """The call lives: none of its dialogues is abandoned."""
        silent = [xref for xref, one in data.dialogues if one.silent_since is not None]
        if not silent:
            return data, ()
        heard = [(xref, replace(one, silent_since=None)) for xref, one in data.dialogues]
        cancelled = [CancelTimeout(("abandon", xref)) for xref in silent]
        return replace(data, dialogues=tuple(heard)), tuple(cancelled)

    def _abandoned(self, xref: str, _state: str, data: Session) -> Transition:
        """Nothing was heard after the answer; its decision stays known while the session does."""
        metrics.ROUTES_ABANDONED.inc()
        self.kernel.report("abandoned", self.address.path, xref=xref, call=data.call)
        dialogue = dialogue_of(data, xref)
        if dialogue is None:
            return Keep()
        return Keep(with_dialogue(data, xref, replace(dialogue, silent_since=None)))

    def _give_up_pending(self, data: Session) -> tuple[Session, tuple[Any, ...]]:
        """The call is over: whoever waits for a decision is told so instead, and none is made."""
        actions: list[Any] = []
        for xref, dialogue in data.dialogues:
            if dialogue.decision is not None:
                continue
            if dialogues.are_applications(dialogue.askers):
                [asker] = dialogue.askers
                self._later(partial(self._answer_one, xref, asker, SessionOver()))
                data = with_dialogue(data, xref, None)
                actions += (CancelTimeout(("default", xref)), CancelTimeout(("ask", xref)))
                continue
            decided = self._decided(data, xref, dialogue, routing.call_over())
            data = decided.data
            actions += decided.actions
        data, heard = self._heard(data) if actions else (data, ())
        return data, (*actions, *heard)

    def _ended(
        self, xref: str, dialogue: Dialogue | None, event: RouteTold, data: Session
    ) -> Transition:
        waiting = () if dialogue is None else dialogue.askers
        for asker in (*waiting, *self._withdrawn(xref, (self._promises or {}).get(xref))):
            self._end_for(asker, xref, dialogue, event)
        self.unregister(xref_name(xref))
        timers = (("default", xref), ("ask", xref), ("abandon", xref))
        ended = data if dialogue is None else with_dialogue(data, xref, None)
        return Keep(ended, *(CancelTimeout(name) for name in timers))

    def _end_for(
        self, asker: Asker, xref: str, dialogue: Dialogue | None, event: RouteTold
    ) -> None:
        """The link that ended the dialogue waits no more; the other is told."""
        if asker.link is None or asker.link == event.link:
            self._confirm(asker.link, asker.i)
            return
        assert isinstance(event.message, RouteEnd)
        end = RouteEnd(xref=xref, cause=event.message.cause)
        rp = "" if dialogue is None else dialogue.rp
        self._tell(asker.link, RouteAnswered(end, asker.i, "ended", rp, ""))

    DIALOGUE_EVENTS: ClassVar[dict[type, Any]] = {
        RouteAsked: _route_asked,
        RerouteAsked: _reroute_asked,
        RouteTold: _route_told,
        GuardAnswered: _guard_answered,
        Response: _response,
    }
    DIALOGUE_TIMEOUTS: ClassVar[dict[str, Any]] = {
        "default": _default_due,
        "ask": _ask_again,
        "abandon": _abandoned,
    }


def request_of(data: Session, dialogue: Dialogue) -> Request:
    """What the router is asked about a call.

    Args:
        data: of its session.
        dialogue: that is to be decided.
    """
    number = NOBODY if data.ani is None else Number(data.ani, data.ani_type or "unknown")
    return Request(
        call=data.call,
        rp=dialogue.rp,
        ani=number.number,
        number=number,
        dnis=data.dnis or "",
        digits=data.digits or "",
        lang=data.lang or "",
        media=data.media or "",
        prio=dialogue.prio,
        tried=dialogue.tried,
        until=dialogues.first_default(dialogue.askers) if dialogue.askers else 0.0,
    )

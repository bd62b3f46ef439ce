"""The routing dialogues of a call, as a part of its session's state machine.

One decision for each dialogue, whoever asks and however often; the default answer in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace

from actors import dialogues, metrics, session_data
from actors.call_messages import (
    GuardAnswered,
    RerouteAsked,
    RouteAnswered,
    RouteAsked,
    RouteRefused,
    RouteTold,
)
from actors.call_names import link_name, xref_name
from actors.dialogues import Asker, Dialogue
from actors.router import NAME as ROUTER
from actors.router import Decide
from actors.routing import Decision, late_default, marks
from actors.session_api import RouteFromIvr, SessionOver
from actors.session_data import Session, dialogue_of, with_dialogue
from protocols.cti.messages import RouteEnd
from supervision import (
    CancelTimeout,
    Keep,
    NameTaken,
    Next,
    Reply,
    Response,
    SetTimeout,
    StateMachine,
    Transition,
)

if TYPE_CHECKING:
    from actors.call_messages import SessionArgs
    from protocols.cti.messages import ErrorCode
    from supervision.eventloop.calls import PendingCall

ASK_AGAIN_S = 0.01


class RoutedCall(StateMachine):
    """The dialogues of one call; ``CallSession`` is the whole session."""

    data: Session
    _args: SessionArgs
    # Callers that wait for an IVR's routing: they are told at once should this incarnation end, so
    # they need not be part of the data that outlives it.
    _callers: dict[str, PendingCall] | None = None
    _questions: int = 0

    # Being asked

    def _route_asked(self, event: RouteAsked, state: str, data: Session) -> Transition:
        message = event.message
        known = dialogue_of(data, message.xref)
        if known is None:
            return self._new_dialogue(event, state, data)
        if known.decision is not None:
            self._answer_one(data, message.xref, known, Asker(event.link, message.i, event.marks))
            return Keep()
        joined = dialogues.joined(known, Asker(event.link, message.i, event.marks))
        data = with_dialogue(data, message.xref, joined)
        return Keep(data, self._until_default(message.xref, joined))

    def _new_dialogue(self, event: RouteAsked, state: str, data: Session) -> Transition:
        message = event.message
        limit = self._args.settings.sessions.max_dialogues
        if len(data.dialogues) >= limit:
            oldest, dialogue = data.dialogues[0]
            if dialogue.decision is None:
                self._refuse(event, 429, f"sessions.max_dialogues is {limit}")
                return Keep()
            self.unregister(xref_name(oldest))
            data = with_dialogue(data, oldest, None)
        try:
            self.register(xref_name(message.xref))
        except NameTaken:
            self._refuse(event, 409, "xref is another call's")
            return Keep()
        asker = Asker(event.link, message.i, event.marks)
        dialogue = Dialogue(message.rp, (asker,), event.marks.read_at)
        data = self._asked(replace(data, rp=message.rp), message.xref, dialogue)
        return Next(state, data, self._until_default(message.xref, dialogue))

    def _reroute_asked(self, event: RerouteAsked, _state: str, data: Session) -> Transition:
        message = event.message
        xref = message.xref
        known = dialogue_of(data, xref)
        if known is None:
            self._refuse(event, 404, "xref is not of an open dialogue")
            return Keep()
        asker = Asker(event.link, message.i, event.marks)
        what, dialogue = dialogues.rerouted(known, event.message.failed, asker)
        if what == "unanswered":
            self._refuse(event, 409, "the dialogue has not been answered yet")
            return Keep()
        if what == "repeat":
            self._answer_one(data, xref, dialogue, asker)
            return Keep()
        if what == "ask":
            data = self._asked(data, xref, dialogue)
        else:
            data = with_dialogue(data, xref, dialogue)
        heard = CancelTimeout(("abandon", xref))
        return Keep(data, heard, self._until_default(xref, dialogue))

    def route_for_application(
        self, request: RouteFromIvr, from_: PendingCall, state: str, data: Session
    ) -> Any:
        """Decide for an IVR application, which waits for the answer of its call."""
        if state == "closed":
            return Keep(data, Reply(from_, SessionOver()))
        self._questions += 1
        xref = f"ivr-{data.session}-{self.address.incarnation}-{self._questions}"
        self._callers = {**(self._callers or {}), xref: from_}
        deadlines = marks(self._args.settings.routing, self.now(), None)
        dialogue = Dialogue(request.rp, (Asker(None, 0, deadlines),), deadlines.read_at)
        data = self._asked(replace(data, rp=request.rp), xref, dialogue)
        return Keep(data, self._until_default(xref, dialogue))

    def _refuse(self, event: RouteAsked | RerouteAsked, code: ErrorCode, msg: str) -> None:
        message = event.message
        self._tell(event.link, RouteRefused(message.xref, message.i, code, msg, "xref"))

    def _tell(self, link: str, message: Any) -> None:
        """Tell a link, if it is there; one that is between two lives hears it later."""
        name = link_name(link)
        address = self.whereis(name)
        if address is not None:
            self.send(address, message)
        else:
            self.kernel.dead_letter(name, message, self.address, "dead")

    def _resumed(self, data: Session) -> tuple[Session, list[Any]]:
        """Take the dialogues up where the last incarnation left them."""
        actions: list[Any] = []
        for xref, dialogue in data.dialogues:
            if dialogues.of_application(dialogue):
                data = with_dialogue(data, xref, None)
                continue
            self.register(xref_name(xref))
            if dialogue.decision is None:
                data = self._asked(data, xref, dialogue)
                actions.append(self._until_default(xref, dialogue))
        return data, actions

    # Asking the router

    def _asked(self, data: Session, xref: str, dialogue: Dialogue) -> Session:
        """Ask the router; its answer comes as a Response."""
        request_id = self.request(ROUTER, Decide(dialogue.rp, dialogue.tried))
        return with_dialogue(data, xref, replace(dialogue, request_id=request_id))

    def _until_default(self, xref: str, dialogue: Dialogue) -> SetTimeout:
        return SetTimeout(("default", xref), dialogues.first_default(dialogue) - self.now())

    def _until_abandoned(self, xref: str) -> SetTimeout:
        settings = self._args.settings.routing
        return SetTimeout(("abandon", xref), settings.abandon_timeout_ms / 1000)

    def _response(self, event: Response, _state: str, data: Session) -> Transition:
        for xref, dialogue in data.dialogues:
            if dialogue.request_id == event.request_id and dialogue.decision is None:
                if event.error is not None:  # the router is between two lives: ask the next one
                    return Keep(data, SetTimeout(("ask", xref), ASK_AGAIN_S))
                return self._decided(data, xref, dialogue, event.value)
        return Keep()

    def _ask_again(self, xref: str, _state: str, data: Session) -> Transition:
        dialogue = dialogue_of(data, xref)
        if dialogue is None or dialogue.decision is not None:
            return Keep()
        return Keep(self._asked(data, xref, dialogue))

    def _default_due(self, xref: str, _state: str, data: Session) -> Transition:
        dialogue = dialogue_of(data, xref)
        if dialogue is None or dialogue.decision is not None:
            return Keep()
        table = self._args.settings.table
        decision = late_default(table, dialogue.rp, self._path_of(ROUTER), dialogue.tried)
        return self._decided(data, xref, dialogue, decision)

    def _path_of(self, name: str) -> str:
        address = self.whereis(name)
        return name if address is None else address.path

    # Answering

    def _decided(
        self, data: Session, xref: str, dialogue: Dialogue, decision: Decision
    ) -> Transition:
        dialogue = replace(dialogue, decision=decision, request_id=None)
        for asker in dialogue.askers:
            self._answer_one(data, xref, dialogue, asker)
        data = session_data.routed(data, dialogue, self.now(), self.wall())
        forever_over = dialogues.of_application(dialogue)
        dialogue = replace(dialogue, askers=())
        return Keep(
            with_dialogue(data, xref, None if forever_over else dialogue),
            CancelTimeout(("default", xref)),
            CancelTimeout(("ask", xref)),
            CancelTimeout(("abandon", xref)) if forever_over else self._until_abandoned(xref),
        )

    def _answer_one(
        self,
        data: Session,
        xref: str,
        dialogue: Dialogue,
        asker: Asker,
    ) -> None:
        decision = dialogue.decision
        assert decision is not None
        if asker.link is None:
            self._answer_ivr(data, xref, decision)
            return
        message = dialogues.for_link(decision, xref, data.session, data.rev)
        answer = RouteAnswered(message, asker.i, decision.reason, dialogue.rp, ROUTER)
        self._tell(asker.link, answer)

    def _answer_ivr(self, data: Session, xref: str, decision: Decision) -> None:
        caller = (self._callers or {}).pop(xref, None)
        if caller is not None:
            answer = dialogues.for_application(decision, data.session, data.rev)
            self.reply(caller, answer)

    # Being told

    def _guard_answered(self, event: GuardAnswered, _state: str, data: Session) -> Transition:
        dialogue = dialogue_of(data, event.xref)
        if dialogue is None:
            try:
                self.register(xref_name(event.xref))
            except NameTaken:
                return Keep()
            dialogue = Dialogue(event.rp, (), self.now())
        if dialogue.decision is not None:
            return Keep()
        others = dialogues.without(dialogue, event.link)
        return self._decided(data, event.xref, others, event.decision)

    def _route_told(self, event: RouteTold, _state: str, data: Session) -> Transition:
        xref = event.message.xref
        if not isinstance(event.message, RouteEnd):
            return Keep(replace(data, updated=self.wall()), CancelTimeout(("abandon", xref)))
        self._end_for_others(xref, event, data)
        self.unregister(xref_name(xref))
        timers = (("default", xref), ("ask", xref), ("abandon", xref))
        return Keep(with_dialogue(data, xref, None), *(CancelTimeout(name) for name in timers))

    def _heard(self, data: Session) -> tuple[CancelTimeout, ...]:
        """The call lives: none of its dialogues is abandoned."""
        return tuple(CancelTimeout(("abandon", xref)) for xref, _ in data.dialogues)

    def _abandoned(self, xref: str, _state: str, data: Session) -> Transition:
        """Nothing was heard after the answer; its decision stays known while the session does."""
        metrics.ROUTES_ABANDONED.inc()
        self.kernel.report("abandoned", self.address.path, xref=xref, call=data.call)
        return Keep()

    def _end_for_others(self, xref: str, event: RouteTold, data: Session) -> None:
        dialogue = dialogue_of(data, xref)
        if dialogue is None:
            return
        for asker in dialogue.askers:
            if asker.link is not None and asker.link != event.link:
                assert isinstance(event.message, RouteEnd)
                end = RouteEnd(xref=xref, cause=event.message.cause)
                self._tell(asker.link, RouteAnswered(end, asker.i, "ended", dialogue.rp, ""))

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

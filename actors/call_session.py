"""callSession: one state machine for each call.

Its states are those of the outside contract. It decides once for each routing dialogue and gives
the same answer to everyone who asks with the same xref, on whichever link. Its handlers are
synchronous: look-ups are messages, so that the default answer leaves in time whatever is pending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace

from actors import dialogues, session_data
from actors.call_messages import (
    CallTold,
    GuardAnswered,
    RerouteAsked,
    RouteAnswered,
    RouteAsked,
    RouteRefused,
    RouteTold,
    SessionArgs,
    StoreSession,
)
from actors.call_states import OPEN, after
from actors.dialogues import Asker, Dialogue
from actors.router import NAME as ROUTER
from actors.router import Decide
from actors.routing import Decision, late_default, marks
from actors.session_api import (
    AddJourneyStep,
    CloseSession,
    GetSession,
    PatchSession,
    RouteFromIvr,
    SessionOver,
)
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
    Stop,
    StopMachine,
    Transition,
)
from supervision.eventloop.address import LocalAddress
from supervision.reasons import error

if TYPE_CHECKING:
    from actors.session_api import SessionView
    from protocols.cti.messages import CallEvent
    from supervision.eventloop.calls import PendingCall
    from supervision.reasons import Reason

ASK_AGAIN_S = 0.01
STORE = "sessionStore"


def call_name(call: str) -> tuple[str, str]:
    """The name under which the session of a call is registered."""
    return ("call", call)


def xref_name(xref: str) -> tuple[str, str]:
    """The name under which the session of a routing dialogue is registered."""
    return ("xref", xref)


def ani_group(ani: str) -> tuple[str, str]:
    """The group of the sessions of a caller's number."""
    return ("ani", ani)


class CallSession(StateMachine):
    """The session of one call; see the module."""

    data: Session
    _args: SessionArgs
    # Callers that wait for an IVR's routing: they are told at once should this incarnation end, so
    # they need not be part of the data that outlives it.
    _callers: dict[str, PendingCall] | None = None
    _questions: int = 0

    # Beginning

    def init(self, args: SessionArgs) -> Any:
        """Take the call's name; where it is taken, the call has a session already."""
        self._args = args
        try:
            self.register(call_name(args.first.call))
        except NameTaken:
            return Stop(error("already_open"))
        args.settings.count.opened()
        return self._begun(args.state, args.first)

    def restore(self, args: SessionArgs, state: str, data: Session) -> Any:
        """Go on where the last incarnation was killed: names, timers and pending questions."""
        self._args = args
        if state != "closed":
            self.register(call_name(data.call))
        for name in data.names:
            self.register(call_name(name))
        state, data, *actions = self._begun(state, data)
        for xref, dialogue in data.dialogues:
            self.register(xref_name(xref))
            if dialogue.decision is None:
                data = self._asked(data, xref, dialogue)
                actions.append(self._until_default(xref, dialogue))
            else:
                actions.append(self._until_forgotten(xref))
        return state, data, *actions

    def _begun(self, state: str, data: Session) -> tuple[Any, ...]:
        if data.ani is not None:
            self.join(ani_group(data.ani))
        if data.closed is not None:
            left = data.closed[0] + self._args.settings.sessions.linger_s - self.wall()
            return state, data, SetTimeout("linger", left)
        return state, data, SetTimeout("idle", self._args.settings.sessions.idle_expiry_s)

    def terminate(self, reason: Reason) -> None:
        """A session that ends while its call goes on is open no more; a crash may bring it back."""
        if self.data.closed is None and reason.clean:
            self._args.settings.count.ended()

    # Events

    def handle_event(self, kind: Any, event: Any, state: str, data: Any) -> Transition:
        """Hand an event to its method."""
        transition: Transition
        if kind == "call":
            request, from_ = event
            transition = self._CALLS[type(request)](self, request, from_, state, data)
        elif kind == "timeout":
            transition = self._timeout_event(event[0], state, data)
        else:
            transition = self._EVENTS[type(event)](self, event, state, data)
        return transition

    def _timeout_event(self, name: Any, state: str, data: Session) -> Any:
        if isinstance(name, tuple):
            return self._DIALOGUE_TIMEOUTS[name[0]](self, name[1], state, data)
        return self._TIMEOUTS[name](self, state, data)

    # Routing dialogues

    def _route_asked(self, event: RouteAsked, state: str, data: Session) -> Transition:
        message = event.message
        known = dialogue_of(data, message.xref)
        if known is None:
            return self._new_dialogue(event, state, data)
        if known.decision is not None:
            self._answer_one(data, message.xref, known, event.link)
            return Keep()
        asker = Asker(event.link, event.marks)
        return Keep(with_dialogue(data, message.xref, dialogues.joined(known, asker)))

    def _new_dialogue(self, event: RouteAsked, state: str, data: Session) -> Transition:
        message = event.message
        try:
            self.register(xref_name(message.xref))
        except NameTaken:
            self.send(event.link, RouteRefused(message.xref, 409, "xref is another call's", "xref"))
            return Keep()
        asker = Asker(event.link, event.marks)
        dialogue = Dialogue(message.rp, (asker,), event.marks.read_at)
        data = self._asked(replace(data, rp=message.rp), message.xref, dialogue)
        return Next(state, data, self._until_default(message.xref, dialogue))

    def _asked(self, data: Session, xref: str, dialogue: Dialogue) -> Session:
        """Ask the router; its answer comes as a Response."""
        request_id = self.request(ROUTER, Decide(dialogue.rp, dialogue.tried))
        return with_dialogue(data, xref, replace(dialogue, request_id=request_id))

    def _until_default(self, xref: str, dialogue: Dialogue) -> SetTimeout:
        return SetTimeout(("default", xref), dialogues.first_default(dialogue) - self.now())

    def _until_forgotten(self, xref: str) -> SetTimeout:
        settings = self._args.settings.routing
        return SetTimeout(("forget", xref), settings.abandon_timeout_ms / 1000)

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
        decision = late_default(self._args.settings.table, dialogue.rp, ROUTER)
        return self._decided(data, xref, dialogue, decision)

    def _decided(
        self, data: Session, xref: str, dialogue: Dialogue, decision: Decision
    ) -> Transition:
        dialogue = replace(dialogue, decision=decision, request_id=None)
        for asker in dialogue.askers:
            self._answer_one(data, xref, dialogue, asker.link)
        dialogue = replace(dialogue, askers=())
        data = session_data.routed(data, dialogue, self.now(), self.wall())
        return Keep(
            with_dialogue(data, xref, dialogue),
            CancelTimeout(("default", xref)),
            CancelTimeout(("ask", xref)),
            self._until_forgotten(xref),
        )

    def _answer_one(
        self, data: Session, xref: str, dialogue: Dialogue, link: LocalAddress | None
    ) -> None:
        decision = dialogue.decision
        assert decision is not None
        if link is None:
            self._answer_ivr(data, xref, decision)
            return
        message = dialogues.for_link(decision, xref, data.session, data.rev)
        slow = self._path_of(ROUTER) if decision.reason == "late-default" else ""
        self.send(link, RouteAnswered(message, decision.reason, slow))

    def _answer_ivr(self, data: Session, xref: str, decision: Decision) -> None:
        caller = (self._callers or {}).pop(xref, None)
        if caller is not None:
            answer = dialogues.for_application(decision, data.session, data.rev)
            self.reply(caller, answer)

    def _path_of(self, name: str) -> str:
        address = self.whereis(name)
        return name if address is None else address.path

    def _reroute_asked(self, event: RerouteAsked, _state: str, data: Session) -> Transition:
        xref = event.message.xref
        dialogue = dialogue_of(data, xref)
        if dialogue is None or dialogue.decision is None:
            rule = "a dialogue that has been answered"
            self.send(event.link, RouteRefused(xref, 404, f"xref is not of {rule}", "xref"))
            return Keep()
        asker = Asker(event.link, event.marks)
        again = dialogues.reopened(dialogue, event.message.failed, asker)
        return Keep(self._asked(data, xref, again), self._until_default(xref, again))

    def _guard_answered(self, event: GuardAnswered, _state: str, data: Session) -> Transition:
        dialogue = dialogue_of(data, event.xref)
        if dialogue is None or dialogue.decision is not None:
            return Keep()
        return self._decided(data, event.xref, replace(dialogue, askers=()), event.decision)

    def _route_told(self, event: RouteTold, _state: str, data: Session) -> Transition:
        xref = event.message.xref
        if isinstance(event.message, RouteEnd):
            return self._forget(xref, _state, data)
        data = replace(data, updated=self.wall())
        return Keep(data, self._until_forgotten(xref))

    def _forget(self, xref: str, _state: str, data: Session) -> Transition:
        self.unregister(xref_name(xref))
        timers = (("default", xref), ("ask", xref), ("forget", xref))
        return Keep(with_dialogue(data, xref, None), *(CancelTimeout(name) for name in timers))

    # The call

    def _call_told(self, event: CallTold, state: str, data: Session) -> Transition:
        message = event.message
        if message.new_call is not None and message.new_call not in (data.call, *data.names):
            data = self._also_known_as(message.new_call, data)
        reached = after(state, message.ev)  # type: ignore[arg-type]
        data = replace(data, updated=self.wall())
        if reached == "closed" and state != "closed":
            return self._closed(data, _why(message))
        return Next(reached, data)

    def _also_known_as(self, call: str, data: Session) -> Session:
        try:
            self.register(call_name(call))
        except NameTaken:
            return data  # the new call has a session of its own, which goes on
        return replace(data, names=(*data.names, call))

    def _closed(self, data: Session, why: str) -> Transition:
        """Answer for a while yet; the call's names are free for its successors at once."""
        wall = self.wall()
        self._args.settings.count.ended()
        data = replace(data, closed=(wall, why), updated=wall)
        for name in (data.call, *data.names):
            self.unregister(call_name(name))
        self.cast(STORE, StoreSession(session_data.view(data, "closed", None), wall, why))
        linger = SetTimeout("linger", self._args.settings.sessions.linger_s)
        return Next("closed", replace(data, names=()), CancelTimeout("idle"), linger)

    def _idle(self, _state: str, data: Session) -> Transition:
        left = data.updated + self._args.settings.sessions.idle_expiry_s - self.wall()
        if left > 0:
            return Keep(data, SetTimeout("idle", left))
        return self._closed(data, "idle")

    def _lingered(self, _state: str, _data: Session) -> Transition:
        return StopMachine()

    # IVR applications

    def _view(self, state: str, data: Session) -> SessionView:
        sessions = self._args.settings.sessions
        if data.closed is not None:
            expires = data.closed[0] + sessions.linger_s
        else:
            expires = data.updated + sessions.idle_expiry_s
        return session_data.view(data, state, expires)  # type: ignore[arg-type]

    def _get(self, _request: GetSession, from_: PendingCall, state: str, data: Session) -> Any:
        return Keep(data, Reply(from_, self._view(state, data)))

    def _patch(self, request: PatchSession, from_: PendingCall, state: str, data: Session) -> Any:
        if state == "closed":
            return Keep(data, Reply(from_, SessionOver()))
        limit = self._args.settings.sessions.max_user_data_bytes
        changed = session_data.patched(data, request, limit, self.wall())
        if not isinstance(changed, Session):
            return Keep(data, Reply(from_, changed))
        return Keep(changed, Reply(from_, self._view(state, changed)))

    def _step(self, request: AddJourneyStep, from_: PendingCall, state: str, data: Session) -> Any:
        if state == "closed":
            return Keep(data, Reply(from_, SessionOver()))
        longest = self._args.settings.sessions.max_journey
        data = session_data.with_step(data, request, longest, self.wall())
        state = "ivr" if state == "new" else state
        return Next(state, data, Reply(from_, self._view(state, data)))

    def _ivr_route(
        self, request: RouteFromIvr, from_: PendingCall, state: str, data: Session
    ) -> Any:
        if state == "closed":
            return Keep(data, Reply(from_, SessionOver()))
        self._questions += 1
        xref = f"ivr-{data.session}-{self.address.incarnation}-{self._questions}"
        self._callers = {**(self._callers or {}), xref: from_}
        deadlines = marks(self._args.settings.routing, self.now(), None)
        dialogue = Dialogue(request.rp, (Asker(None, deadlines),), deadlines.read_at)
        data = self._asked(replace(data, rp=request.rp), xref, dialogue)
        return Keep(data, self._until_default(xref, dialogue))

    def _close(self, request: CloseSession, from_: PendingCall, state: str, data: Session) -> Any:
        if state not in OPEN:
            return Keep(data, Reply(from_, self._view(state, data)))
        transition = self._closed(data, request.reason or "ivr")
        answer = Reply(from_, self._view("closed", transition.data))
        return Next("closed", transition.data, *transition.actions, answer)

    _CALLS: ClassVar[dict[type, Any]] = {
        GetSession: _get,
        PatchSession: _patch,
        AddJourneyStep: _step,
        RouteFromIvr: _ivr_route,
        CloseSession: _close,
    }
    _EVENTS: ClassVar[dict[type, Any]] = {
        RouteAsked: _route_asked,
        RerouteAsked: _reroute_asked,
        RouteTold: _route_told,
        GuardAnswered: _guard_answered,
        CallTold: _call_told,
        Response: _response,
    }
    _TIMEOUTS: ClassVar[dict[str, Any]] = {"idle": _idle, "linger": _lingered}
    _DIALOGUE_TIMEOUTS: ClassVar[dict[str, Any]] = {
        "default": _default_due,
        "ask": _ask_again,
        "forget": _forget,
    }


def _why(message: CallEvent) -> str:
    return message.ev if message.cause is None else f"{message.ev}: {message.cause}"

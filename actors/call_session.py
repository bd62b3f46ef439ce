"""callSession: one state machine for each call.

Its states are those of the outside contract. It decides once for each routing dialogue and gives
the same answer to everyone who asks with the same xref, on whichever link. Its handlers are
synchronous: look-ups are messages, so that the default answer leaves in time whatever is pending.
What it is goes to the journal after each event that changed it, see ``call_saving``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, get_args

from msgspec.structs import replace

from actors import session_data, session_ending
from actors.call_guarding import HandRoutings, RoutingsTold
from actors.call_messages import (
    CallTold,
    DataAsked,
    RerouteAsked,
    RouteAsked,
    RouteTold,
    SessionArgs,
)
from actors.call_names import ani_group, call_name, once_name
from actors.call_queueing import QueuedCall
from actors.call_saving import KIND
from actors.call_states import OPEN, after
from actors.router_messages import AgentFound, CallOver, CallTaken
from actors.session_api import (
    AddJourneyStep,
    CloseSession,
    GetSession,
    KeyReused,
    NotDurable,
    OpenAgain,
    PatchSession,
    Repeated,
    RouteFromIvr,
    SessionOver,
    SessionState,
)
from actors.session_data import Once, Session
from actors.session_names import lasting_names, names_of
from actors.session_unread import known
from supervision import (
    CancelTimeout,
    Keep,
    NameTaken,
    Next,
    Reply,
    SetTimeout,
    Stop,
    StopMachine,
    Transition,
)
from supervision.reasons import error
from supervision.release.messages import Adapters

if TYPE_CHECKING:
    from actors.config import SessionsConfig
    from actors.routing import Decision
    from actors.session_api import IdempotentKey, SessionView
    from actors.session_unread import Unread
    from protocols.cti.messages import CallEvent
    from supervision.eventloop.calls import PendingCall

MAX_NAMES = 16
"""Ids of a call's transfers that are remembered; the oldest give way."""

GRACE_S = 300.0
"""How long an open session that was idle goes on at least after a start of the node, seconds: its
links and applications have to come back, and the clock may have been set meanwhile."""


def _target_alone(decision: Decision) -> tuple[str, dict[str, Any]]:
    """A decision as sessions of version 1 know it."""
    fields = ("target", "rtype", "reason", "alt", "why")
    return "actors.routing:Decision", {name: getattr(decision, name) for name in fields}


def _unknown_there(_: HandRoutings | RoutingsTold | AgentFound) -> None:
    """Versions before 3 count no routings, and tell nobody of agents for calls that wait."""


class CallSession(QueuedCall):
    """The session of one call; see the module."""

    version = 3
    adapters = Adapters(
        down={
            "actors.routing:Decision": _target_alone,
            "actors.routing:Routed": _target_alone,
            "actors.call_guarding:HandRoutings": _unknown_there,
            "actors.call_guarding:RoutingsTold": _unknown_there,
            "actors.router_messages:AgentFound": _unknown_there,
        }
    )

    states: ClassVar = frozenset(get_args(SessionState))
    fixed_fields: ClassVar = frozenset(
        {
            *("session", "call", "opened", "ani", "names", "leg", "heard", "dialogues", "closed"),
            *("events", "applied", "once", "cti", "orphan", "routings", "traced"),
            *("prev_call", "ucid"),
        }
    )

    # Beginning

    def init(self, args: SessionArgs) -> Any:
        """Take the call's name; where it is taken, the call has a session already."""
        self._args = args
        first = args.first
        assert first is not None, "a session begins once"
        name = call_name(first.call)
        if self.kernel.held.awaits(name):  # it has one, which will be back
            return Stop(error("already_open"))
        try:
            for once in first.once:
                self.register(once_name(once.key.key))
            self.register(name)
        except NameTaken:
            return Stop(error("already_open"))
        args.first = None
        self._put(args.state, first)
        return self._begun(args.state, first)

    def restore(self, args: SessionArgs, state: str, data: Any) -> Any:
        """Go on where the last incarnation was killed: names, timers and pending questions."""
        self._args, data = args, known(data)
        for name in lasting_names(data):
            self._take_name(name)
        if self.address.incarnation > 1:  # else it was of another process: all is saved as it is
            self._put(state, data)
        data, resumed = self._resumed(data)
        return *self._begun(state, data), *resumed

    def _begun(self, state: str, data: Session) -> tuple[Any, ...]:
        if data.ani is not None:
            self.join(ani_group(data.ani))
        self._join_legs(data)
        sessions, wall = self._args.settings.sessions, self.wall()
        if data.closed is not None:
            left = session_data.left(data.closed[0], sessions.linger_s, wall)
            return state, data, SetTimeout("linger", left)
        self._args.settings.count.opened(data.session)
        if data.updated > wall:
            data = replace(data, updated=wall)
        left = session_data.left(data.updated, sessions.idle_expiry_s, wall)
        if self.address.incarnation == 1:  # of this process: nobody could reach it meanwhile
            left = max(left, min(sessions.idle_expiry_s, GRACE_S))
        idle = SetTimeout("idle", left)
        if data.orphan is None:
            return state, data, idle
        grace_s = max(0.0, min(sessions.orphan_grace_s, data.orphan - wall))
        return state, data, idle, SetTimeout("orphan", grace_s)

    # Going on where another process was

    def carry_on(
        self, args: SessionArgs, state: str, data: Session, due: float, came: Unread | None = None
    ) -> bool:
        """Be what this session was in another process, and do nothing yet.

        Args:
            args: shared by all sessions that go on.
            state: of the machine.
            data: its data.
            due: when it has been idle or lingered for too long, monotonic seconds.
            came: the data as they came, kept so where there is nothing to do. They are from a
                process that lives: of two sessions with one name it is this one's now.

        Returns:
            Whether it has something to do as soon as it may: then ``take_up`` is called.
        """
        self._args = args
        timers: list[tuple[Any, float]] = [("idle" if data.closed is None else "linger", due)]
        if data.orphan is not None:
            timers.append(("orphan", self.now() + max(0.0, data.orphan - self.wall())))
        left = data.dialogues and self._dialogues_carried(data, timers)
        group = None if data.ani is None else ani_group(data.ani)
        for name in self.inherit(names_of(data), group, given=came is not None):
            self._take_name(name)  # it says who has it
        self._join_legs(data)
        self.go_on_as(state, data if left or came is None else came, timers)
        if data.closed is None:
            args.settings.count.opened(data.session)
        return bool(left)

    def take_up(self) -> None:
        """This process serves: ask what was asked and not answered, answer in time."""
        data, actions = self._resumed(self.data)
        self.go_on_with(data, *actions)

    # Events

    def handled(self, kind: Any, event: Any, state: str, data: Session) -> Transition:
        """Hand an event to its method."""
        transition: Transition
        if kind == "call":
            request, from_ = event
            transition = self._CALLS[type(request)](self, request, from_, state, data)
        elif kind == "timeout":
            transition = self._timeout_event(event[0], state, data)
        elif type(event) in self._FRAMES:
            transition = self._frame_of(event, state, data, self._EVENTS[type(event)])
        else:
            transition = self._EVENTS[type(event)](self, event, state, data)
        return transition

    def _timeout_event(self, name: Any, state: str, data: Session) -> Any:
        if isinstance(name, tuple):
            return self.DIALOGUE_TIMEOUTS[name[0]](self, name[1], state, data)
        return self._TIMEOUTS[name](self, state, data)

    # The call

    def _call_told(self, event: CallTold, state: str, data: Session) -> Transition:
        message = event.message
        self._confirm(event.link, message.i)
        if state == "closed" or session_data.repeated(data, message):
            return Keep()
        old_leg = session_data.is_of_old_leg(data, message)
        late = session_data.is_late(data, message)
        data = session_data.told(data, message, self.wall())
        leg = session_data.leg_of(message)
        if leg is not None and leg not in (data.call, *data.names):
            data = self._also_known_as(leg, data)
        if message.ev == "established":
            self._router_told(CallTaken(data.call))
        data, heard = self._heard(data)
        reached = after(state, message.ev)  # type: ignore[arg-type]
        if reached != "closed":
            return Next(state if late else reached, data, *heard)
        if old_leg:  # the leg that a transfer has left behind is cleared; the call goes on
            return Keep(data, *heard)
        return self._closed(data, _why(message), *heard)

    def _also_known_as(self, call: str, data: Session) -> Session:
        try:
            self.register(call_name(call))
        except NameTaken:
            return self._handed_to(call, data)  # it has a session of its own, which goes on
        names = (*data.names, call)
        for forgotten in names[:-MAX_NAMES]:
            self.unregister(call_name(forgotten))
        return replace(data, names=names[-MAX_NAMES:])

    def _closed(self, data: Session, why: str, *actions: Any) -> Transition:
        """Answer for a while yet, to whoever asks by the call's names."""
        wall = self.wall()
        self._args.settings.count.ended(data.session)
        self._router_told(CallOver(data.call))
        data, given_up = self._give_up_pending(data)
        data = replace(data, closed=(wall, why), updated=wall)
        self._item = session_ending.item(data, wall, why)
        linger = SetTimeout("linger", self._args.settings.sessions.linger_s)
        return Next("closed", data, CancelTimeout("idle"), linger, *actions, *given_up)

    def _idle(self, _state: str, data: Session) -> Transition:
        period, wall = self._args.settings.sessions.idle_expiry_s, self.wall()
        if data.updated > wall:  # the clock has been set back: by how much nobody knows
            return Keep(replace(data, updated=wall), SetTimeout("idle", period))
        left = session_data.left(data.updated, period, wall)
        if left > 0:
            return Keep(data, SetTimeout("idle", left))
        data, heard = self._heard(data)
        return self._closed(data, "idle", *heard)

    def _orphaned(self, _state: str, data: Session) -> Transition:
        """The CTI of the call has it no more, and has not told of it since it said so."""
        if data.orphan is None or data.closed is not None:
            return Keep()
        data, heard = self._heard(data)
        return self._closed(data, "orphan", *heard)

    def _lingered(self, _state: str, data: Session) -> Transition:
        self._args.settings.journal.delete(KIND, data.session)
        return StopMachine()

    # IVR applications

    def _view(self, state: str, data: Session) -> SessionView:
        settings = self._args.settings
        expires = session_data.expires(data, settings.sessions)
        view = session_data.view(data, state, expires)  # type: ignore[arg-type]
        return view if settings.desk is None else settings.desk.with_customer(view, self.now())

    def _get(self, _request: GetSession, from_: PendingCall, state: str, data: Session) -> Any:
        view = self._view(state, data)
        settings = self._args.settings
        if not settings.journal.failing or self._is_saved(data):
            return Keep(data, Reply(from_, view))
        # Nobody waits for a disk that fails: what is told now says what it is worth.
        answers = settings.on_stall == "answer"
        self.reply(from_, replace(view, durable=False) if answers else NotDurable())
        return Keep(data)

    def _patch(self, request: PatchSession, from_: PendingCall, state: str, data: Session) -> Any:
        if state == "closed":
            return Keep(data, Reply(from_, SessionOver()))
        changed = self._changed(request, data)
        if not isinstance(changed, Session):
            return Keep(data, Reply(from_, changed))
        self._tell_change(data, changed)
        return Keep(changed, Reply(from_, self._view(state, changed)))

    def _step(self, request: AddJourneyStep, from_: PendingCall, state: str, data: Session) -> Any:
        known = self._known(request.once, "step", state, data)
        if known is not None or state == "closed":
            return Keep(data, Reply(from_, known or SessionOver()))
        longest = self._args.settings.sessions.max_journey
        data = session_data.with_step(data, request, longest, self.wall())
        if request.once is not None:
            data = self._with_once(data, Once(request.once, "step", len(data.journey)))
        state = "ivr" if state == "new" else state
        return Next(state, data, Reply(from_, self._view(state, data)))

    def _close(self, request: CloseSession, from_: PendingCall, state: str, data: Session) -> Any:
        known = self._known(request.once, "close", state, data)
        if known is not None or state not in OPEN:
            return Keep(data, Reply(from_, known or self._view(state, data)))
        if request.once is not None:
            data = self._with_once(data, Once(request.once, "close"))
        data, heard = self._heard(data)
        transition = self._closed(data, request.reason or "ivr", *heard)
        answer = Reply(from_, self._view("closed", transition.data))
        return Next("closed", transition.data, *transition.actions, answer)

    def _route(self, request: RouteFromIvr, from_: PendingCall, state: str, data: Session) -> Any:
        known = self._known(request.once, "route", state, data)
        if known is not None:
            return Keep(data, Reply(from_, known))
        return self.route_for_application(request, from_, state, data)

    def _open(self, request: OpenAgain, from_: PendingCall, state: str, data: Session) -> Any:
        """The call has a session: that is the answer, this time and the next."""
        known = self._known(request.once, "open", state, data)
        if known is not None:
            return Keep(data, Reply(from_, known))
        data = self._with_once(data, Once(request.once, "open"))
        return Keep(data, Reply(from_, self._view(state, data)))

    def _known(
        self, key: IdempotentKey | None, kind: str, state: str, data: Session
    ) -> Repeated | KeyReused | None:
        """What a request is answered whose idempotency key has been used; None where it is new."""
        if key is None:
            return None
        owner = self.whereis(once_name(key.key))
        known = session_data.once_of(data, key.key)
        if known is None:
            return None if owner is None else KeyReused()
        if known.key != key or known.kind != kind:
            return KeyReused()
        return Repeated(known.answer or self._view(state, data), known.detail)

    _CALLS: ClassVar[dict[type, Any]] = {
        GetSession: _get,
        PatchSession: _patch,
        AddJourneyStep: _step,
        RouteFromIvr: _route,
        CloseSession: _close,
        OpenAgain: _open,
        **QueuedCall.GUARD_CALLS,
    }
    _FRAMES: ClassVar = frozenset({RouteAsked, RerouteAsked, RouteTold, CallTold, DataAsked})
    _EVENTS: ClassVar[dict[type, Any]] = {
        **QueuedCall.DIALOGUE_EVENTS,
        **QueuedCall.DATA_EVENTS,
        **QueuedCall.GUARD_EVENTS,
        **QueuedCall.QUEUE_EVENTS,
        CallTold: _call_told,
    }
    _TIMEOUTS: ClassVar[dict[str, Any]] = {
        "idle": _idle,
        "linger": _lingered,
        "orphan": _orphaned,
    }


def left_after_start(data: Session, sessions: SessionsConfig, wall: float) -> float:
    """Seconds that a session which a journal gave back goes on if nothing happens to it.

    Args:
        data: of the session.
        sessions: the bounds.
        wall: seconds since the epoch.
    """
    if data.closed is not None:
        return session_data.left(data.closed[0], sessions.linger_s, wall)
    left = session_data.left(data.updated, sessions.idle_expiry_s, wall)
    return max(left, min(sessions.idle_expiry_s, GRACE_S))


def _why(message: CallEvent) -> str:
    return message.ev if message.cause is None else f"{message.ev}: {message.cause}"

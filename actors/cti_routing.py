"""The routing of a CTI link, as a part of its actor: what the peer asks, what it is told.

Sessions decide; a link finds or opens them, hands frames on in order, and answers for a session
that is mute, so that no request waits longer than its default answer.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from actors import dialogues, metrics
from actors.call_messages import (
    CallTold,
    FrameHandled,
    GuardAnswered,
    RerouteAsked,
    RouteAnswered,
    RouteAsked,
    RouteRefused,
    RouteTold,
)
from actors.call_names import call_name, xref_name
from actors.cti_dialogues import Question, Questions
from actors.cti_held import MAX_HELD, Held, HeldFrame
from actors.routing import late_default, marks
from protocols.cti.messages import (
    CallEvent,
    ErrorCode,
    Message,
    RerouteRequest,
    RouteEnd,
    RouteRequest,
    RouteUsed,
)
from supervision import GenServer, Response

if TYPE_CHECKING:
    from collections.abc import Hashable

    from actors.call_messages import CallSettings
    from actors.routing import Decision
    from actors.session_opening import Opening, Openings
    from supervision.eventloop.cell import LocalAddress
    from supervision.eventloop.timers import Timer

LOOK_AGAIN_S = 0.01
"""Wait before a session that is not there yet is looked for again."""


class RoutingLink(GenServer):
    """The routing of one link; ``CtiLink`` is the whole actor."""

    def _begin_routing(self, settings: CallSettings, openings: Openings) -> None:
        self._settings = settings
        self._openings = openings
        self._questions = Questions()
        self._held = Held()
        self._opening: dict[int, Opening] = {}
        self._guarded: dict[str, tuple[int, str, Decision]] = {}
        self._guard: Timer | None = None
        self._look: Timer | None = None

    @abstractmethod
    def _send(self, message: Message) -> bool:
        """Send a message to the peer; False where it cannot be."""

    @abstractmethod
    def _error(self, message: Message, code: ErrorCode, msg: str, field: str) -> None:
        """Refuse a frame of the peer."""

    @abstractmethod
    def _session_id(self) -> str:
        """The id of the link session."""

    @abstractmethod
    def _log(self, what: str, **particulars: Any) -> None:
        """Tell operators."""

    # Route requests

    def _route(self, message: RouteRequest, at: float) -> None:
        question = Question(message, marks(self._settings.routing, at, message.reply_ms))
        self._ask(question)
        session = self.whereis(call_name(message.call))
        if session is None:
            self._open(question)
        else:
            self._ask_session(question, session)

    def _ask(self, question: Question) -> None:
        self._questions.ask(question)
        due = question.marks.guard_at
        if self._guard is not None and due < self._guard.when:
            self.cancel_timer(self._guard)
            self._guard = None
        if self._guard is None:
            self._guard = self.start_timer(due - self.now(), "guard")

    def _ask_session(self, question: Question, session: LocalAddress) -> None:
        question.session, question.address = str(session.name), session
        if isinstance(question.message, RouteRequest):
            self.send(session, RouteAsked(question.message, self._session_id(), question.marks))
        else:
            self.send(session, RerouteAsked(question.message, self._session_id(), question.marks))

    def _open(self, question: Question) -> None:
        message = question.message
        assert isinstance(message, RouteRequest)
        opening = self._openings.for_route(message, self.wall())
        question.session = opening.session
        if opening.request is None:
            self._refuse(message.xref, 503, opening.refusal, "call")
            return
        self._opening[self.request(self._openings.supervisor, opening.request)] = opening

    def _open_again(self, question: Question) -> None:
        waits = self._questions.open.get(question.message.xref) is question
        if waits and self.now() < question.marks.default_at:
            self._open(question)

    def _response(self, response: Response) -> None:
        opening = self._opening.pop(response.request_id, None)
        if opening is None:
            return
        question = self._questions.open.get(opening.xref)
        session = self.whereis(call_name(opening.call))
        guarded = self._guarded.pop(opening.xref, None)
        if session is None:
            # The pool is between two lives: try again, as long as the session could still answer.
            if question is not None:
                self.start_timer(LOOK_AGAIN_S, question)
            return
        if question is not None:
            self._ask_session(question, session)
        elif guarded is not None:
            self.send(session, GuardAnswered(opening.xref, *guarded, self._session_id()))
        self._release(call_name(opening.call), session)

    # What is about a session that there should be

    def _about_call(self, message: CallEvent, at: float) -> None:
        name = call_name(message.call)
        if message.prev_call is not None and self.whereis(name) is None:
            name = call_name(message.prev_call)
        self._about(name, HeldFrame(message, at))

    def _about_dialogue(self, message: RouteUsed | RouteEnd | RerouteRequest, at: float) -> None:
        pending = self._questions.open.get(message.xref)
        asked = None if pending is None else pending.message
        if isinstance(message, RerouteRequest) and isinstance(asked, RouteRequest):
            self._error(message, 409, "the dialogue has not been answered yet", "xref")
            return
        self._about(xref_name(message.xref), HeldFrame(message, at))

    def _about(self, name: Hashable, frame: HeldFrame) -> None:
        session = None if name in self._held else self.whereis(name)
        if session is not None:
            self._hand_over(session, frame)
        elif not self._held.hold(name, frame):
            rule = f"{MAX_HELD} frames wait for sessions that are not there"
            self._error(frame.message, 429, rule, "call")
        elif self._look is None:
            self._look = self.start_timer(LOOK_AGAIN_S, "look")

    def _hand_over(self, session: LocalAddress, frame: HeldFrame) -> None:
        message = frame.message
        match message:
            case CallEvent():
                self.send(session, CallTold(message, self._session_id()))
            case RerouteRequest():
                deadlines = marks(self._settings.routing, frame.at, message.reply_ms)
                question = Question(message, deadlines)
                self._ask(question)
                self._ask_session(question, session)
            case RouteUsed() | RouteEnd():
                if isinstance(message, RouteEnd):
                    self._questions.open.pop(message.xref, None)
                self.send(session, RouteTold(message, self._session_id()))

    def _look_again(self) -> None:
        for name in self._held.names:
            session = self.whereis(name)
            if session is not None:
                self._release(name, session)
        for frame in self._held.overdue(self.now()):
            self._about_nothing(frame.message)
        self._look = self.start_timer(LOOK_AGAIN_S, "look") if len(self._held) else None

    def _release(self, name: Hashable, session: LocalAddress) -> None:
        for frame in self._held.release(name):
            self._hand_over(session, frame)

    def _about_nothing(self, message: Message) -> None:
        if isinstance(message, CallEvent):
            self._error(message, 404, "call has no session", "call")
        else:
            self._error(message, 404, "xref is not of an open dialogue", "xref")

    # Answers

    def _answered(self, answer: RouteAnswered) -> None:
        question = self._questions.answer(answer.message.xref, self.now())
        if question is not None and self._send(answer.message):
            self._measure(question, answer.rp, answer.reason, answer.waited_for)

    def _measure(self, question: Question, rp: str, reason: str, waited_for: str) -> None:
        spent = self.now() - question.marks.read_at
        known = rp in self._settings.table.points
        metrics.ROUTE_SECONDS.labels(rp if known else "other", reason).observe(spent)
        if self.now() < question.marks.late_at:
            return
        metrics.ROUTES_LATE.labels(waited_for).inc()
        count = self._questions.counts.late
        if count.bit_count() == 1:  # the 1st, 2nd, 4th, 8th, ...: the metric has them all
            xref, ms = question.message.xref, round(spent * 1000, 3)
            self._log("late", count=count, xref=xref, ms=ms, slow=waited_for)

    def _refusal(self, refusal: RouteRefused) -> None:
        self._refuse(refusal.xref, refusal.code, refusal.msg, refusal.field)

    def _refuse(self, xref: str, code: ErrorCode, msg: str, field: str) -> None:
        question = self._questions.refuse(xref)
        if question is not None:
            self._error(question.message, code, msg, field)

    def _frame_handled(self, handled: FrameHandled) -> None:
        """Nothing is acknowledged on this link yet."""

    # The guard

    def _guard_due(self) -> None:
        for question in self._questions.mute(self.now()):
            self._answer_for(question)
        due = self._questions.next_guard
        self._guard = None if due is None else self.start_timer(due - self.now(), "guard")

    def _answer_for(self, question: Question) -> None:
        """The session is mute: answer in its place, and tell it so."""
        message = question.message
        if self._questions.answer(message.xref, self.now()) is None:
            return
        self._questions.counts.guarded += 1
        if isinstance(message, RerouteRequest):
            self._send(RouteEnd(xref=message.xref, cause="timeout"))
            return
        waited_for = "sessionSup" if question.address is None else "callSession"
        decision = late_default(self._settings.table, message.rp, waited_for)
        # The session alone knows its revision; 0 is none that a change could be based on.
        if self._send(dialogues.for_link(decision, message.xref, question.session, rev=0)):
            self._measure(question, message.rp, decision.reason, waited_for)
        if question.address is None:
            self._guarded[message.xref] = (message.i, message.rp, decision)
        else:
            told = GuardAnswered(message.xref, message.i, message.rp, decision, self._session_id())
            self.send(question.address, told)

    ROUTING_INFO: ClassVar[dict[type, Any]] = {
        Response: _response,
        RouteAnswered: _answered,
        RouteRefused: _refusal,
        FrameHandled: _frame_handled,
    }
    ROUTING_FRAMES: ClassVar[dict[type, Any]] = {
        RerouteRequest: _about_dialogue,
        RouteUsed: _about_dialogue,
        RouteEnd: _about_dialogue,
        CallEvent: _about_call,
    }

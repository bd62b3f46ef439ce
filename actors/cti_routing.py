"""The routing of a CTI link, as a part of its actor: what the peer asks, what it is told.

Sessions decide; a link finds or opens them, hands frames on in order, and answers for a session
that is mute, so that no request waits longer than its default answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace

from actors import cti_row, dialogues, metrics
from actors.call_messages import (
    CallTold,
    DataAsked,
    FrameHandled,
    GuardAnswered,
    RerouteAsked,
    RouteAnswered,
    RouteAsked,
    RouteRefused,
    RouteTold,
)
from actors.cti_dialogues import Question
from actors.cti_finding import FindingLink
from actors.routing import late_default, late_end, marks
from protocols.cti.messages import (
    CallEvent,
    DataUpdate,
    RerouteRequest,
    RouteEnd,
    RouteRequest,
    RouteSelect,
    RouteUsed,
)

if TYPE_CHECKING:
    from actors.call_messages import CallSettings
    from actors.cti_ways import Pending
    from actors.routing import Decision
    from actors.session_opening import Openings
    from actors.session_pool import SessionPool
    from protocols.cti.link_session import LinkSession
    from protocols.cti.messages import Message
    from supervision.eventloop.cell import LocalAddress
    from supervision.eventloop.timers import Timer

WORKS_ON = "callSession"

_REQUESTS = (RouteRequest, RerouteRequest)


class RoutingLink(FindingLink):
    """The routing of one link; ``CtiLink`` is the whole actor."""

    def _begin_routing(
        self, settings: CallSettings, openings: Openings, sessions: SessionPool
    ) -> None:
        self._settings = settings
        self._begin_finding(openings, sessions)
        self._guard: Timer | None = None

    # Frames of the peer

    def _request_of(self, pending: Pending) -> None:
        """Start the clock of a request, and ask its session."""
        message = pending.message
        assert isinstance(message, _REQUESTS)
        if isinstance(message, RerouteRequest) and self._unanswered(message.xref):
            self._error(message, 409, "the dialogue has not been answered yet", "xref")
            return
        deadlines = marks(self._settings.routing, pending.at, message.reply_ms)
        self._row.questions.ask(Question(message, deadlines))
        if self._guard is None or deadlines.guard_at < self._guard.when:
            self._guard_at(deadlines.guard_at)
        self._to_session(pending)

    def _unanswered(self, xref: str) -> bool:
        open_one = self._row.questions.open.get(xref)
        return open_one is not None and isinstance(open_one.message, RouteRequest)

    def _guard_at(self, due: float) -> None:
        if self._guard is not None and due < self._guard.when:
            self.cancel_timer(self._guard)
            self._guard = None
        if self._guard is None:
            self._guard = self.start_timer(due - self._now, "guard")

    def _end_told(self, pending: Pending) -> None:
        """The peer waits no more for this dialogue."""
        assert isinstance(pending.message, RouteEnd)
        self._row.questions.open.pop(pending.message.xref, None)
        self._to_session(pending)

    # To the session

    def _hand(self, pending: Pending, session: LocalAddress) -> None:
        """Hand a frame to its session."""
        pending.handed = self._now
        message, known = pending.message, self._row.session
        assert known is not None
        link = known.id
        match message:
            case RouteRequest() | RerouteRequest():
                self._hand_request(pending, message, session, known)
            case CallEvent():
                self.send(session, CallTold(message, link))
            case RouteUsed() | RouteEnd():
                self.send(session, RouteTold(message, link))
            case DataUpdate():
                self.send(session, DataAsked(message, link))

    def _hand_request(
        self,
        pending: Pending,
        message: RouteRequest | RerouteRequest,
        session: LocalAddress,
        known: LinkSession,
    ) -> None:
        link, question = known.id, self._row.questions.asked(message)
        if pending.guarded is not None:
            failed = message.failed if isinstance(message, RerouteRequest) else ""
            told = GuardAnswered(message.xref, message.i, *pending.guarded, link, failed)
            self.send(session, told)
            pending.told = True
            if question is None:
                return
        if question is None:  # it has been answered or is too late, and is to be confirmed
            deadlines = marks(self._settings.routing, pending.at, message.reply_ms)
        else:
            deadlines = question.marks
            question.session, question.handed = str(session.name), True
        if isinstance(message, RouteRequest):
            self.send(session, RouteAsked(message, link, deadlines, known.name))
        else:
            self.send(session, RerouteAsked(message, link, deadlines))

    # Answers

    def _answered(self, answer: RouteAnswered) -> None:
        message = answer.message
        question = self._closing(message.xref)
        if question is not None and self._send(message):
            self._measure(question, answer.rp, answer.reason, answer.waited_for)
        if not (type(message) is RouteSelect and message.durable is False):
            self._settled(answer.i)

    def _closing(self, xref: str) -> Question | None:
        """The question that an answer is for; None where nothing may be sent any more."""
        questions = self._row.questions
        expired = questions.counts.expired
        question = questions.answer(xref, self._now)
        if questions.counts.expired != expired:
            metrics.ROUTES_EXPIRED.inc()
        return question

    def _settled(self, i: int) -> None:
        """Confirm a frame, once its session knows what this link has answered in its place."""
        pending = self._row.pending.get(i)
        if pending is None or pending.guarded is None or pending.told:
            cti_row.confirm(self._row, i, self._now)

    def _measure(self, question: Question, rp: str, reason: str, waited_for: str) -> None:
        now = self._now
        spent = now - question.marks.read_at
        known = rp in self._settings.table.points
        metrics.ROUTE_SECONDS.labels(rp if known else "other", reason).observe(spent)
        if now < question.marks.late_at:
            return
        metrics.ROUTES_LATE.labels(waited_for).inc()
        count = self._row.questions.counts.late
        if count.bit_count() == 1:  # the 1st, 2nd, 4th, 8th, ...: the metric has them all
            xref, ms = question.message.xref, round(spent * 1000, 3)
            self._log("late", count=count, xref=xref, ms=ms, slow=waited_for)

    def _refusal(self, refusal: RouteRefused) -> None:
        pending = self._row.pending.get(refusal.i)
        question = self._row.questions.open.get(refusal.xref)
        if question is not None and question.message.i == refusal.i:
            self._refuse(question.message, refusal.code, refusal.msg, refusal.field)
        elif pending is None or isinstance(pending.message, RouteRequest | RerouteRequest):
            self._confirm(refusal.i)  # its peer waits no more
        else:
            code, msg, field = refusal.code, refusal.msg, refusal.field
            self._error(pending.message, code, msg, field, refusal.rev)

    def _frame_handled(self, handled: FrameHandled) -> None:
        self._settled(handled.i)

    # The guard

    def _guard_due(self) -> None:
        questions = self._row.questions
        for question in questions.mute(self._now):
            self._answer_for(question)
        due = questions.next_guard
        self._guard = None if due is None else self.start_timer(due - self._now, "guard")

    def _answer_for(self, question: Question) -> None:
        """The session is mute: answer in its place, and tell it so."""
        message = question.message
        if self._closing(message.xref) is None:
            return
        self._row.questions.counts.guarded += 1
        waited_for = WORKS_ON if question.handed else self._openings.supervisor
        rp, decision = self._default_of(message, waited_for)
        # The session alone knows its revision; 0 is none that a change could be based on.
        answer = dialogues.for_link(decision, message.xref, question.session, rev=0)
        if isinstance(answer, RouteSelect):
            answer = replace(answer, durable=False)
        if self._send(answer):
            self._measure(question, rp, decision.reason, waited_for)
        pending = self._row.pending.get(message.i)
        if pending is None:
            return
        pending.guarded = (rp, decision)
        if question.handed:
            self._give(pending)

    def _default_of(
        self, message: RouteRequest | RerouteRequest, waited_for: str
    ) -> tuple[str, Decision]:
        """The routing point, and what is decided for a request whose session is mute."""
        if isinstance(message, RerouteRequest):
            return "", late_end(waited_for)
        return message.rp, late_default(self._settings.table, message.rp, waited_for)

    def _about_nothing(self, message: Message) -> None:
        field, msg = "xref", "xref is not of an open dialogue"
        if isinstance(message, DataUpdate) and message.session is not None:
            field, msg = "session", "there is no such session"
        elif isinstance(message, CallEvent | DataUpdate):
            field, msg = "call", "call has no session"
        self._refuse(message, 404, msg, field)

    ROUTING_INFO: ClassVar[dict[type, Any]] = {
        RouteAnswered: _answered,
        RouteRefused: _refusal,
        FrameHandled: _frame_handled,
        **FindingLink.FINDING_INFO,
    }
    ROUTING_FRAMES: ClassVar[dict[type, Any]] = {
        RerouteRequest: _request_of,
        RouteUsed: FindingLink._to_session,  # noqa: SLF001 - of this very class
        RouteEnd: _end_told,
        CallEvent: FindingLink._to_session,  # noqa: SLF001 - as above
    }

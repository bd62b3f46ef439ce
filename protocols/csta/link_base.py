"""What every part of a link in framing B needs: its phases, what it writes, how it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from protocols.csta import errors, header, idempotency, link_state, outbound, services
from protocols.csta.application_session import (
    ApplicationSessionTerminated,
    StartApplicationSessionNegResponse,
)
from protocols.csta.errors import CSTAErrorCode
from protocols.csta.limits import REFERENCES, element
from protocols.csta.link_state import Dialogue, LinkState, Origin, Question
from protocols.csta.routeing import RouteRegisterAbort, RouteRegisterResponse, RouteSelect
from protocols.csta.system_status import SystemStatus
from protocols.cti import flow, framing, link_session
from protocols.cti.events import Closed, CloseReason, Refused, Transmit
from protocols.cti.link_end import LinkEnd
from protocols.cti.messages import Error, ErrorCode, QueueSelect, RouteEnd, RpAbort, RpRegistered
from protocols.cti.messages import RouteSelect as Answer

if TYPE_CHECKING:
    from msgspec import Struct

    from protocols.csta.events import Event
    from protocols.csta.link_state import CstaConfig
    from protocols.csta.system_status import SystemStatusValue
    from protocols.csta.values import ErrorValue
    from protocols.csta.xml import Edition
    from protocols.cti.link_session import LinkSession
    from protocols.cti.link_state import LinkConfig, LinkStatistics
    from protocols.cti.messages import Message

BUSY: Final = frozenset({429, 503})
_EVENT = header.EVENT_INVOKE_ID
_OWN_QUESTIONS: Final = 16
"""Questions to the peer that are open at once besides those about monitors."""


class LinkBase(LinkEnd[LinkState, header.Decoder]):
    """The output and the end of a link; see `link.Link`.

    Args:
        config: the limits that both framings have.
        csta: those of framing B.
        now: the caller's monotonic clock when the connection was accepted, seconds.
        wall: the same instant in seconds since the epoch.

    No peer in framing B resumes: what its messages wait in ends with the connection.
    """

    lasting = False
    unit = "message"
    successor = "the peer has another connection"

    def __init__(self, config: LinkConfig, csta: CstaConfig, *, now: float, wall: float) -> None:
        state = link_state.start(config, csta, now=now, wall=wall)
        super().__init__(config, state, header.Decoder(csta.max_message_bytes))
        self.csta = csta

    # What the application tells

    def send(self, message: Message, now: float) -> bytes:
        """Make the bytes of a message, to be written in the order of the calls.

        An answer (`route.select`, `route.end`, `error`) takes its request out of the window; an
        `error` confirms the message that it refuses, and is not told where an event was refused.
        What framing B has no word for (`ack`, `hb`, `void`) becomes nothing.

        Raises:
            WrongPhaseError: the link is not open.
            FramingError: the message is too long.
            ValueError: it answers a dialogue of another application.
        """
        session = self._open_session("send")
        match message:
            case Answer() | RouteEnd():
                data = self._answer(session, message)
            case QueueSelect():
                data = self._deflected(message)
            case RpRegistered():
                data = self._registered(message)
            case RpAbort():
                data = self._aborted(message)
            case Error():
                data = self._error(session, message, now)
            case _:
                data = b""
        return data + self._relief()

    def ack(self, now: float) -> bytes:
        """Tell nothing: framing B has no promise of what is durable.

        Raises:
            WrongPhaseError: the link is not open.
        """
        del now
        self._open_session("ack")
        return b""

    def overload(self, status: SystemStatusValue, now: float) -> bytes:
        """Make the bytes that tell the peer how vigie is; nothing where it knows.

        Args:
            status: "overloadImminent", "overloadReached", "overloadRelieved", ...
            now: monotonic seconds.

        Raises:
            WrongPhaseError: the link is not open.
        """
        del now
        self._open_session("overload")
        return self._tell_status(status)

    def unheard(self, seconds: float) -> None:
        """Nothing was read of the connection for some seconds, which do not count."""
        if self.state.phase == "open":
            self.state.session_until += seconds
        else:
            self.state.opened_at += seconds

    def statistics(self) -> LinkStatistics:
        """What the link counted so far, and what waits in its link session."""
        return link_state.statistics(self.state, self.session)

    # Answers

    def _answer(self, session: LinkSession, message: Answer | RouteEnd) -> bytes:
        state = self.state
        dialogue = state.dialogues.get(message.xref) or self._forgotten(message.xref)
        known = outbound.Dialogue(dialogue.cross_ref, dialogue.register_id)
        if isinstance(message, RouteEnd):
            service: Struct = outbound.end(message, known)
        else:
            service = outbound.select(message, known)
        data = self._ask_within(service, dialogue.edition)
        flow.answered(session.window, message.xref)
        if isinstance(service, RouteSelect) and isinstance(message, Answer):
            self._remember(message.xref, dialogue, message.target)
        else:
            state.dialogues.pop(message.xref, None)
        return data

    def _ask_within(self, service: Struct, edition: Edition) -> bytes:
        """Answer without user data where the answer is too long with it: the call must go on."""
        try:
            return self._ask(service, edition)
        except framing.FramingError:
            if not isinstance(service, RouteSelect) or service.data is None:
                raise
            self._count_refusal(413)
            return self._ask(replace(service, data=None), edition)

    def _deflected(self, message: QueueSelect) -> bytes:
        """Have the switch send a call that waits to its agent."""
        state = self.state
        dialogue = state.dialogues.get(message.xref) or self._forgotten(message.xref)
        service = outbound.deflect(message, dialogue.cross_ref, dialogue.target)
        return self._ask(service, dialogue.edition, Question("deflect", message.call))

    def _forgotten(self, xref: str) -> Dialogue:
        """What is known of a dialogue by its name alone."""
        reference = idempotency.cross_ref(self.state.name or "", xref)
        edition = self.state.edition
        return Dialogue(
            cross_ref=reference, register_id=None, edition=edition, target=None, until=0.0
        )

    def _remember(self, xref: str, dialogue: Dialogue, target: str) -> None:
        if xref in self.state.dialogues:
            self.state.dialogues[xref] = Dialogue(
                cross_ref=dialogue.cross_ref,
                register_id=dialogue.register_id,
                edition=dialogue.edition,
                target=target,
                until=dialogue.until,
            )

    def _registered(self, message: RpRegistered) -> bytes:
        state = self.state
        state.registrations.add(message.reg)
        if not state.registering:
            return b""
        origin = state.origins.pop(state.registering.pop(0), None)
        return b"" if origin is None else self._respond(RouteRegisterResponse(message.reg), origin)

    def _aborted(self, message: RpAbort) -> bytes:
        self.state.registrations.discard(message.reg)
        return self._ask(RouteRegisterAbort(message.reg), self.state.edition)

    def _error(self, session: LinkSession, message: Error, now: float) -> bytes:
        state = self.state
        flow.close(session.window, message.ref)
        link_session.confirm(session, message.ref, now)
        origin = state.origins.pop(message.ref, None)
        if message.ref in state.registering:
            state.registering.remove(message.ref)
        self._count_refusal(message.code)
        if origin is None or origin.invoke_id == _EVENT:
            return b""
        error = errors.of_code(message.code, message.field)
        words = errors.detail(element(origin.tag, message.field), message.msg)
        return self._respond(CSTAErrorCode(error, words), origin)

    # How it is

    def _tell_status(self, status: SystemStatusValue) -> bytes:
        state = self.state
        if state.status == status:
            return b""
        state.status = status
        service = SystemStatus(status, state.system_register)
        return self._ask(service, state.edition, Question("status"))

    def _relief(self) -> bytes:
        """Tell the peer when its window, which was full, is half empty."""
        state, session = self.state, self.session
        if not state.full or session is None:
            return b""
        half = self.config.window // 2
        if len(session.window.open) > half or len(session.others) > half:
            return b""
        state.full = False
        return self._tell_status("overloadRelieved")

    # For the parts of a link

    def _speak(self, service: Struct, edition: Edition, invoke_id: int) -> bytes:
        """Make the bytes of a service."""
        payload = services.encode(service, edition)
        try:
            data = header.encode(invoke_id, payload, max_bytes=self.csta.max_message_bytes)
        except header.HeaderError as error:
            raise framing.FramingError(413, error.msg) from None
        self.state.frames_out += 1
        self.state.bytes_out += len(data)
        return data

    def _respond(self, service: Struct, origin: Origin) -> bytes:
        return self._speak(service, origin.edition, origin.invoke_id)

    def _ask(self, service: Struct, edition: Edition, question: Question | None = None) -> bytes:
        """Make the bytes of a service of vigie's own accord, and note what it asks."""
        state = self.state
        invoke_id = state.next_invoke
        while invoke_id in state.questions:
            invoke_id = (invoke_id + 1) % _EVENT
        data = self._speak(service, edition, invoke_id)
        state.next_invoke = (invoke_id + 1) % _EVENT
        if question is not None:
            state.questions[invoke_id] = question
            most = min(2 * self.csta.max_monitors + _OWN_QUESTIONS, header.MAX_INVOKE_ID)
            while len(state.questions) > most:
                del state.questions[next(iter(state.questions))]
        return data

    def _refuse(
        self,
        origin: Origin,
        code: ErrorCode,
        rule: str,
        field: str | None = None,
        error: ErrorValue | None = None,
    ) -> list[Event]:
        """Refuse a service; the link goes on. An event gets no answer."""
        self._count_refusal(code)
        refused = Refused(code, rule, field, origin.invoke_id)
        if origin.invoke_id == _EVENT:
            return [refused]
        words = errors.detail(element(REFERENCES, field), rule)
        said = CSTAErrorCode(error or errors.of_code(code, field), words)
        return [Transmit(self._respond(said, origin)), refused]

    def _fail(
        self,
        reason: CloseReason,
        code: ErrorCode,
        msg: str,
        invoke_id: int | None = None,
        field: str | None = None,
    ) -> list[Event]:
        """Tell the peer why the link is closed, and close it.

        Args:
            reason: why.
            code: framing A's.
            msg: the rule, for the peer.
            invoke_id: of the service that is answered with it; None where it is none's fault.
            field: the element that breaks the rule.
        """
        self._count_refusal(code)
        last = self._last_words(code, msg, invoke_id, field)
        self.state.phase = "closed"
        refused = Refused(code, msg, field, _EVENT if invoke_id is None else invoke_id)
        return [Transmit(last), refused, Closed(reason, msg, code)]

    def _last_words(
        self, code: ErrorCode, msg: str, invoke_id: int | None, field: str | None
    ) -> bytes:
        state, words = self.state, errors.detail(field, msg)
        if invoke_id is not None:
            said = CSTAErrorCode(errors.of_code(code, field), words)
            return self._speak(said, state.edition, invoke_id)
        if state.phase == "open":
            why = "resourceLimitation" if code in BUSY else words[: link_state.MAX_REASON_CHARS]
            ended = ApplicationSessionTerminated(state.session or "", why)
            return self._speak(ended, state.edition, _EVENT)
        if state.phase == "verifying":
            no = StartApplicationSessionNegResponse(start_error(code), words)
            return self._speak(no, state.edition, state.asked_by)
        return self._speak(CSTAErrorCode(errors.of_code(code), words), state.edition, _EVENT)


def start_error(code: ErrorCode) -> str:
    """ECMA-354's error for a StartApplicationSession that is refused."""
    return "serverResourcesBusy" if code in BUSY else "invalidApplicationInfo"

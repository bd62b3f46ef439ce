"""The application session of a link in framing B: how a peer is let in, and for how long."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, NoReturn

from protocols.csta.application_session import (
    ApplicationSessionTerminated,
    ResetApplicationSessionTimer,
    ResetApplicationSessionTimerNegResponse,
    ResetApplicationSessionTimerPosResponse,
    StartApplicationSession,
    StartApplicationSessionNegResponse,
    StartApplicationSessionPosResponse,
    StopApplicationSession,
    StopApplicationSessionNegResponse,
    StopApplicationSessionPosResponse,
)
from protocols.csta.header import EVENT_INVOKE_ID
from protocols.csta.link_base import LinkBase, start_error
from protocols.csta.xml import CSTA, edition_of
from protocols.cti import link_session
from protocols.cti.events import Closed, HelloReceived, Refused, Transmit
from protocols.cti.link_end import WrongPhaseError
from protocols.cti.link_state import session_limits
from protocols.cti.message_base import MAX_NAME_CHARS
from protocols.cti.messages import QUEUE_SELECT, Hello

if TYPE_CHECKING:
    from collections.abc import Iterable

    from msgspec import Struct

    from protocols.csta.events import Event
    from protocols.csta.link_state import Origin
    from protocols.csta.xml import Edition
    from protocols.cti.link_session import LinkSession
    from protocols.cti.messages import ErrorCode, Side

HELD_S = 1.0
"""Seconds that a session lasts on while its peer is not read."""

MAX_APPLICATION_CHARS = 64
"""Of an applicationID: with a crossRefIdentifier it must fit into framing A's xref."""

assert MAX_APPLICATION_CHARS < MAX_NAME_CHARS


class SessionLink(LinkBase):
    """The application session of one link; ``link.Link`` is the whole link."""

    # What time tells

    @property
    def next_timeout(self) -> float | None:
        """When to call `timeout` next, monotonic seconds; None once closed.

        A ResetApplicationSessionTimer only moves it later; it moves nearer when a link opens.
        """
        if self.state.phase == "closed":
            return None
        if self.state.phase == "open":
            return self.state.session_until
        return self.state.opened_at + self.config.handshake_timeout_ms / 1000

    def timeout(self, now: float) -> list[Event]:
        """Do what is due at `now`; nothing when called early."""
        due = self.next_timeout
        if due is None or now < due:
            return []
        if self.state.phase == "open":
            return self._expire()
        rule = f"no StartApplicationSession within {self.config.handshake_timeout_ms} ms"
        if self.state.phase == "verifying":
            return self.close("handshake-timeout", "the token could not be checked in time", 503)
        return self.close("handshake-timeout", rule, 400)

    def held(self, now: float) -> list[Event]:
        """As `timeout` while the caller does not read: what would prolong the session may wait."""
        if self.state.phase == "open":
            self.state.session_until = max(self.state.session_until, now + HELD_S)
        return self.timeout(now)

    def _expire(self) -> list[Event]:
        state = self.state
        ended = ApplicationSessionTerminated(state.session or "", "sessionTimerExpired")
        data = self._speak(ended, state.edition, EVENT_INVOKE_ID)
        state.phase = "closed"
        return [
            Transmit(data),
            Closed("silent", f"the session was not reset in {state.session_s} s"),
        ]

    # What the application tells after `HelloReceived`

    def accept(self, session: str, now: float, caps: Iterable[str] = ()) -> list[Event]:
        """Let the peer in.

        Args:
            session: the id of the application session, and of its link session.
            now: monotonic seconds.
            caps: none: what a peer takes besides is configured by its applicationID.

        Returns:
            The response, and what services that came meanwhile give.

        Raises:
            WrongPhaseError: no StartApplicationSession waits for its response.
        """
        del caps
        state = self.state
        if state.phase != "verifying" or not state.name or not state.side:
            raise WrongPhaseError(f"accept in phase {state.phase}")
        version = CSTA + state.edition
        response = StartApplicationSessionPosResponse(session, version, state.session_s)
        data = self._speak(response, state.edition, state.asked_by)
        limits = session_limits(self.config)
        self.session = link_session.begin(session, state.name, state.side, limits)
        if state.name in self.csta.deflect:
            self.session.caps = (QUEUE_SELECT,)
        state.session, state.phase = session, "open"
        state.session_until = now + state.session_s
        return [Transmit(data), *self._take_segments(now)]

    def refuse(self, code: ErrorCode, msg: str, field: str | None = None) -> list[Event]:
        """Turn the peer away: a negative response, and the link is closed.

        Args:
            code: 401 for a token that is unknown, expired or of another scope.
            msg: the rule, for the peer.
            field: the field that broke it.

        Raises:
            WrongPhaseError: no StartApplicationSession waits for its response.
        """
        if self.state.phase != "verifying":
            raise WrongPhaseError(f"refuse in phase {self.state.phase}")
        return self._fail("refused", code, f"{field}: {msg}" if field else msg)

    def can_resume(self, session: LinkSession) -> bool:
        """Tell whether a link session can go on: in framing B none can."""
        del session
        return False

    def resume(self, session: LinkSession, now: float, caps: Iterable[str] = ()) -> NoReturn:
        """Refuse to go on with a link session.

        Raises:
            WrongPhaseError: always; no peer in framing B asks for it.
        """
        del session, now
        raise WrongPhaseError("framing B goes on with no link session")

    def resume_lost(self, now: float) -> NoReturn:
        """Refuse, as ``resume`` does.

        Raises:
            WrongPhaseError: always.
        """
        del now
        raise WrongPhaseError("framing B goes on with no link session")

    # Services of ECMA-354

    def _start(self, service: StartApplicationSession, origin: Origin, now: float) -> list[Event]:
        del now
        if self.state.phase == "open":
            return self._say_no(
                StartApplicationSessionNegResponse("maxNumberSessions"), 409, origin
            )
        edition, side = self._edition(service), self._side(service.application_id)
        if edition is None:
            error = "requestedProtocolVersionNotSupported"
            words = f"protocolVersion: {CSTA}ed3, ed4 or ed5"
            return self._say_no(StartApplicationSessionNegResponse(error, words), 400, origin)
        rule = self._broken_rule(service, side)
        if rule is not None or side is None:
            error = start_error(401)
            return self._say_no(StartApplicationSessionNegResponse(error, rule), 401, origin)
        return self._verify(service, origin, edition, side)

    def _verify(
        self, service: StartApplicationSession, origin: Origin, edition: Edition, side: Side
    ) -> list[Event]:
        state = self.state
        state.phase, state.edition, state.asked_by = "verifying", edition, origin.invoke_id
        state.name, state.side = service.application_id, side
        state.session_s = self._duration(service.session_duration_s)
        token = service.token or ""
        return [HelloReceived(Hello(proto=1, name=service.application_id, side=side, token=token))]

    def _edition(self, service: StartApplicationSession) -> Edition | None:
        """The first version that both speak; edition 4 where the peer names none."""
        if not service.protocol_versions:
            return "ed4"
        editions = map(edition_of, service.protocol_versions)
        return next((edition for edition in editions if edition is not None), None)

    def _side(self, application: str) -> Side | None:
        return self.csta.applications.get(application, self.csta.default_side)

    def _broken_rule(self, service: StartApplicationSession, side: Side | None) -> str | None:
        if len(service.application_id) > MAX_APPLICATION_CHARS:
            return f"applicationID: at most {MAX_APPLICATION_CHARS} characters are allowed"
        if not service.application_id.isprintable():
            return "applicationID: control character"
        if side is None:
            return "applicationID: is not configured"
        if service.token is None:
            return "applicationSpecificInfo: a token is needed"
        if not service.token.isprintable():
            return "applicationSpecificInfo: control character"
        return None

    def _duration(self, wanted: int | None) -> int:
        csta = self.csta
        if wanted is None:
            return csta.session_s
        return max(csta.min_session_s, min(wanted, csta.max_session_s))

    def _stop(self, service: StopApplicationSession, origin: Origin, now: float) -> list[Event]:
        del now
        if self.state.phase != "open" or service.session_id != self.state.session:
            return self._say_no(StopApplicationSessionNegResponse("invalidSessionID"), 404, origin)
        data = self._respond(StopApplicationSessionPosResponse(), origin)
        self.state.phase = "closed"
        return [Transmit(data), Closed("peer", "the peer has stopped its application session")]

    def _reset(
        self, service: ResetApplicationSessionTimer, origin: Origin, now: float
    ) -> list[Event]:
        state = self.state
        if state.phase != "open" or service.session_id != state.session:
            no = ResetApplicationSessionTimerNegResponse("invalidSessionID")
            return self._say_no(no, 404, origin)
        if service.session_duration_s is not None:
            state.session_s = self._duration(service.session_duration_s)
        state.session_until = now + state.session_s
        response = ResetApplicationSessionTimerPosResponse(state.session_s)
        return [Transmit(self._respond(response, origin))]

    def _say_no(self, response: Struct, code: ErrorCode, origin: Origin) -> list[Event]:
        """Answer with a negative response; the link goes on."""
        self._count_refusal(code)
        error: str = getattr(response, "error", "")
        msg: str = getattr(response, "detail", None) or error
        refused = Refused(code, msg, None, origin.invoke_id)
        return [Transmit(self._respond(response, origin)), refused]

    # For the other parts

    @abstractmethod
    def _take_segments(self, now: float) -> list[Event]:
        """Take what has come."""

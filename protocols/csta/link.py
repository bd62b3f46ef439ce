"""vigie's end of one CTI connection in framing B: bytes and times in, events out; no socket.

The interface is that of ``protocols.cti.link.Link``, as far as framing B has the same: an actor
drives either. What framing A numbers on the wire is numbered here, so that messages can be
confirmed; a refusal is told at once, for nothing is replayed.

What contract 4 leaves open is decided so: a document that is not well-formed, breaks a limit of
``xml`` or follows a broken header closes the link, as a malformed frame of framing A does; a
well-formed service that breaks a rule gets CSTAErrorCode and the link goes on. Services before
StartApplicationSession get a negative response, events before it are passed over. Whatever
gets no answer (an event that is refused, unknown, repeated) is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace

from protocols.csta import errors, header, idempotency, inbound, services
from protocols.csta.agent_events import AgentEvent
from protocols.csta.application_session import (
    SERVICES,
    ResetApplicationSessionTimer,
    StartApplicationSession,
    StopApplicationSession,
)
from protocols.csta.call_events import CallControlEvent
from protocols.csta.deflecting import DeflectCallResponse
from protocols.csta.errors import CSTAErrorCode
from protocols.csta.fields import ServiceRefusedError
from protocols.csta.limits import checked, element
from protocols.csta.link_state import Dialogue, Origin
from protocols.csta.monitoring import (
    MonitorStart,
    MonitorStartResponse,
    MonitorStop,
    MonitorStopResponse,
)
from protocols.csta.routeing import (
    ReRoute,
    RouteEnd,
    RouteRegister,
    RouteRegisterAbort,
    RouteRegisterCancel,
    RouteRegisterCancelResponse,
    RouteRequest,
    RouteUsed,
)
from protocols.csta.services import UnknownServiceError
from protocols.csta.system_link import SystemLink
from protocols.csta.system_status import (
    RequestSystemStatus,
    SystemRegister,
    SystemRegisterCancel,
    SystemStatus,
    SystemStatusResponse,
)
from protocols.csta.xml import XmlError
from protocols.cti import flow, link_session
from protocols.cti.events import Received, Transmit
from protocols.cti.link import ends
from protocols.cti.messages import RerouteRequest, RpAbort, RpCancel
from protocols.cti.messages import RouteRequest as Request
from protocols.cti.parsing import FrameRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from protocols.csta.events import Event
    from protocols.csta.header import Segment
    from protocols.csta.services import Read
    from protocols.cti.link_session import LinkSession
    from protocols.cti.messages import Message

_TOO_LARGE = frozenset({"depth", "elements", "attributes", "text", "names"})
_EVENT = header.EVENT_INVOKE_ID


class Link(SystemLink):
    """The server end of one connection in framing B.

    Args:
        config: the limits that both framings have.
        csta: those of framing B.
        now: the caller's monotonic clock when the connection was accepted, seconds.
        wall: the same instant in seconds since the epoch.
    """

    # What the connection tells

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take the bytes of one read.

        Args:
            data: what was read, from the first byte of the connection on.
            now: when, monotonic seconds.
        """
        state = self.state
        if state.phase == "closed":
            return []
        state.bytes_in += len(data)
        self._decoder.feed(data)
        if state.phase == "verifying":
            return self._check_waiting()
        relief = self._relief()
        events: list[Event] = [Transmit(relief)] if relief else []
        return [*events, *self._take_segments(now)]

    def _check_waiting(self) -> list[Event]:
        if self._decoder.pending_bytes <= self.csta.max_message_bytes:
            return []
        rule = "more than one message's bytes before StartApplicationSession is answered"
        return self.close("refused", rule, 429)

    def _take_segments(self, now: float) -> list[Event]:
        events: list[Event] = []
        try:
            while self.state.phase in ("greeting", "open"):
                segment = self._decoder.next_segment()
                if segment is None:
                    break
                events += self._take(segment, now)
        except header.HeaderError as error:
            events += self._fail("malformed", error.code, error.msg, _EVENT)
        return events

    def _take(self, segment: Segment, now: float) -> list[Event]:
        state = self.state
        state.frames_in += 1
        state.received_at = now
        origin = Origin(segment.invoke_id, state.edition)
        if not flow.take(state.bucket, now):
            rule = f"more than {self.config.max_frames_per_s} messages in a second"
            return self._refuse(origin, 429, rule, None, errors.TOO_FAST)
        try:
            read = services.decode(segment.payload, self.csta.xml)
        except XmlError as error:
            return self._not_read(error, origin)
        except UnknownServiceError as error:
            return self._unknown(error, origin)
        except ServiceRefusedError as error:
            return self._broken(error, origin)
        return self._serve(read, segment, now)

    def _not_read(self, error: XmlError, origin: Origin) -> list[Event]:
        if error.rule == "namespace":
            return self._refuse(origin, 400, error.msg, None, errors.NOT_SERVED)
        code: Any = 413 if error.rule in _TOO_LARGE else 400
        return self._fail("malformed", code, f"{error.rule}: {error.msg}", origin.invoke_id)

    def _unknown(self, error: UnknownServiceError, origin: Origin) -> list[Event]:
        if error.is_event:
            self.state.ignored += 1
            return []
        rule = "is not a service that is spoken"
        return self._refuse(origin, 400, rule, error.service, errors.NOT_SERVED)

    def _broken(self, error: ServiceRefusedError, origin: Origin) -> list[Event]:
        field = f"{error.service}/{error.field}" if error.field else error.service
        negative = SERVICES.get(error.service)
        if negative is not None:
            reason = "invalidSessionID" if "sessionID" in error.field else "invalidApplicationInfo"
            return self._say_no(negative(reason, errors.detail(field, error.rule)), 400, origin)
        kind = errors.MISSING if error.rule == "is missing" else errors.RULE
        if error.service.endswith("Event"):
            origin = replace(origin, invoke_id=_EVENT)
        return self._refuse(origin, 400, error.rule, field, kind)

    # Services

    def _serve(self, read: Read, segment: Segment, now: float) -> list[Event]:
        if read.edition is not None:
            self.state.edition = read.edition
        service = read.service
        is_event = type(service) in services.EVENTS
        origin = Origin(_EVENT if is_event else segment.invoke_id, self.state.edition)
        if self.state.phase == "greeting" and type(service) not in self._BEFORE:
            return self._too_early(origin)
        serve = self._SERVICES.get(type(service))
        if serve is None:
            rule = "is not a service that vigie is asked"
            return self._refuse(origin, 400, rule, type(service).__name__, errors.NOT_SERVED)
        if origin.invoke_id == _EVENT and not is_event:
            return self._reserved(origin, type(service).__name__)
        return serve(self, service, origin, now)

    def _reserved(self, origin: Origin, name: str) -> list[Event]:
        """A service with the id of events: refused, and told so with that very id."""
        rule = f"the invoke id {_EVENT} is for events"
        said = CSTAErrorCode(errors.RULE, errors.detail(name, rule))
        refused = self._refuse(origin, 400, rule, name)
        return [Transmit(self._respond(said, origin)), *refused]

    def _too_early(self, origin: Origin) -> list[Event]:
        if origin.invoke_id == _EVENT:
            self.state.ignored += 1
            return []
        return self._refuse(origin, 401, "StartApplicationSession comes first")

    # Routing

    def _route_register(self, service: RouteRegister, origin: Origin, now: float) -> list[Event]:
        state = self.state
        if len(state.registrations) + len(state.registering) >= self.csta.max_registrations:
            rule = f"at most {self.csta.max_registrations} registrations"
            return self._refuse(origin, 429, rule, "routeingDevice")
        events = self._hand(inbound.register(service), origin, now)
        state.registering += [event.message.i for event in events if isinstance(event, Received)]
        return events

    def _route_cancel(
        self, service: RouteRegisterCancel, origin: Origin, now: float
    ) -> list[Event]:
        if service.register_id not in self.state.registrations:
            return self._refuse(origin, 404, "is not a registration of this link", "reg")
        events = self._hand(RpCancel(reg=service.register_id), origin, now)
        if not _taken(events):
            return events
        self.state.registrations.discard(service.register_id)
        return [Transmit(self._respond(RouteRegisterCancelResponse(), origin)), *events]

    def _route_abort(self, service: RouteRegisterAbort, origin: Origin, now: float) -> list[Event]:
        if service.register_id not in self.state.registrations:
            return self._refuse(origin, 404, "is not a registration of this link", "reg")
        events = self._hand(RpAbort(reg=service.register_id), origin, now)
        if _taken(events):
            self.state.registrations.discard(service.register_id)
        return events

    def _route_request(self, service: RouteRequest, origin: Origin, now: float) -> list[Event]:
        unit_ms = self.csta.reply_timeout_ms
        message = inbound.request(service, self._application, self._wall(now), unit_ms)
        known = message.xref in self.state.dialogues
        events = self._hand(message, origin, now)
        if not _taken(events):
            return events
        self.state.repetitions += known
        self._note_dialogue(message.xref, service, origin, now)
        return events

    def _note_dialogue(self, xref: str, service: RouteRequest, origin: Origin, now: float) -> None:
        dialogues = self.state.dialogues
        earlier = dialogues.pop(xref, None)
        dialogues[xref] = Dialogue(
            cross_ref=service.cross_ref,
            register_id=service.register_id,
            edition=origin.edition,
            target=None if earlier is None else earlier.target,
            until=now + self.csta.dialogue_s,
        )
        while dialogues:
            oldest = next(iter(dialogues))
            if len(dialogues) <= self.csta.max_dialogues and dialogues[oldest].until > now:
                return
            del dialogues[oldest]

    def _reroute(self, service: ReRoute, origin: Origin, now: float) -> list[Event]:
        dialogue = self.state.dialogues.get(self._xref(service.cross_ref))
        failed = service.failed or (dialogue.target if dialogue else None)
        if failed is None:
            return self._refuse(origin, 404, "is not of a dialogue that was answered", "xref")
        unit_ms = self.csta.reply_timeout_ms
        message = inbound.reroute(service, self._application, failed, unit_ms)
        return self._hand(message, origin, now)

    def _route_used(self, service: RouteUsed, origin: Origin, now: float) -> list[Event]:
        return self._hand(inbound.used(service, self._application), origin, now)

    def _route_end(self, service: RouteEnd, origin: Origin, now: float) -> list[Event]:
        message = inbound.end(service, self._application)
        flow.answered(self._open_session("end").window, message.xref)
        self.state.dialogues.pop(message.xref, None)
        return self._hand(message, origin, now)

    # Events

    def _call_event(self, event: CallControlEvent, origin: Origin, now: float) -> list[Event]:
        at = self._wall(now)
        message = inbound.call_event(event, at)
        if message is None:
            self.state.ignored += 1
            return []
        key = idempotency.event_key(event.monitor, message, message.ts)
        if idempotency.seen(self.state.seen, key):
            self.state.repetitions += 1
            return []
        events = self._hand(message, origin, now)
        if _taken(events):
            idempotency.remember(self.state.seen, key)
        return events

    def _agent_event(self, event: AgentEvent, origin: Origin, now: float) -> list[Event]:
        return self._hand(inbound.agent_state(event, self._wall(now)), origin, now)

    # Messages

    def _hand(self, message: Message, origin: Origin, now: float) -> list[Event]:
        """Hand a message to the application, with a number, if there is room for it."""
        tag = str(message.__struct_config__.tag)
        origin = replace(origin, tag=tag)
        try:
            message = checked(message, self.config.messages)
        except FrameRefused as refused:
            field = element(tag, refused.field)
            return self._refuse(origin, refused.code, refused.msg, field)
        session = self._open_session("receive")
        i = session.next_in
        if not self._admit(session, message, i, now):
            return self._full(origin)
        link_session.take(session, i)
        self._note_origin(i, origin)
        return [Received(replace(message, i=i), now)]

    def _admit(self, session: LinkSession, message: Message, i: int, now: float) -> bool:
        if not isinstance(message, Request | RerouteRequest):
            return link_session.admit_other(session, i, ends=ends(message))
        wait_ms = self.config.request_timeout_ms
        if message.reply_ms is not None:
            wait_ms = min(wait_ms, message.reply_ms)
        request = flow.Request(message.xref, now + wait_ms / 1000)
        return flow.admit(session.window, i, request, now)

    def _full(self, origin: Origin) -> list[Event]:
        """Refuse what there is no room for, and tell the peer so once."""
        self.state.full = True
        rule = f"{self.config.window} messages wait for their answer"
        events = self._refuse(origin, 429, rule)
        told = self._tell_status("overloadReached")
        return [Transmit(told), *events] if told else events

    def _note_origin(self, i: int, origin: Origin) -> None:
        origins = self.state.origins
        if origin.invoke_id == _EVENT:
            return
        origins[i] = origin
        while len(origins) > 2 * self.config.window:
            del origins[next(iter(origins))]

    @property
    def _application(self) -> str:
        return self.state.name or ""

    def _xref(self, cross_ref: str) -> str:
        return idempotency.dialogue(self._application, cross_ref)

    def _wall(self, now: float) -> float:
        return now + self.state.wall_offset

    _BEFORE: ClassVar[frozenset[type]] = frozenset(
        {StartApplicationSession, StopApplicationSession, ResetApplicationSessionTimer}
    )
    _SERVICES: ClassVar[dict[type, Callable[..., list[Event]]]] = {
        StartApplicationSession: SystemLink._start,  # noqa: SLF001 - of this very class
        StopApplicationSession: SystemLink._stop,  # noqa: SLF001 - as above
        ResetApplicationSessionTimer: SystemLink._reset,  # noqa: SLF001 - as above
        SystemRegister: SystemLink._system_register,  # noqa: SLF001 - as above
        SystemRegisterCancel: SystemLink._system_cancel,  # noqa: SLF001 - as above
        RequestSystemStatus: SystemLink._status_asked,  # noqa: SLF001 - as above
        SystemStatus: SystemLink._status_told,  # noqa: SLF001 - as above
        SystemStatusResponse: SystemLink._status_taken,  # noqa: SLF001 - as above
        MonitorStart: SystemLink._monitor_start,  # noqa: SLF001 - as above
        MonitorStartResponse: SystemLink._monitor_started,  # noqa: SLF001 - as above
        MonitorStop: SystemLink._monitor_stop,  # noqa: SLF001 - as above
        MonitorStopResponse: SystemLink._monitor_stopped,  # noqa: SLF001 - as above
        DeflectCallResponse: SystemLink._call_deflected,  # noqa: SLF001 - as above
        CSTAErrorCode: SystemLink._complaint,  # noqa: SLF001 - as above
        RouteRegister: _route_register,
        RouteRegisterCancel: _route_cancel,
        RouteRegisterAbort: _route_abort,
        RouteRequest: _route_request,
        ReRoute: _reroute,
        RouteUsed: _route_used,
        RouteEnd: _route_end,
        **dict.fromkeys(CallControlEvent.__subclasses__(), _call_event),
        **dict.fromkeys(AgentEvent.__subclasses__(), _agent_event),
    }


def _taken(events: list[Event]) -> bool:
    """Whether a message was handed to the application."""
    return any(isinstance(event, Received) for event in events)

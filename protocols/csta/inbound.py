"""From CSTA's services to framing A's messages, so that the same actors stand behind both.

The table is docs/csta.md's; a golden file for each of its rows holds the two together.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from protocols.csta import causes, idempotency, routeing
from protocols.csta.agent_events import (
    AgentBusyEvent,
    AgentEvent,
    AgentLoggedOffEvent,
    AgentLoggedOnEvent,
    AgentNotReadyEvent,
    AgentReadyEvent,
    AgentWorkingAfterCallEvent,
)
from protocols.csta.call_events import (
    CallClearedEvent,
    CallControlEvent,
    ConferencedEvent,
    ConnectionClearedEvent,
    DeliveredEvent,
    DivertedEvent,
    EstablishedEvent,
    FailedEvent,
    HeldEvent,
    QueuedEvent,
    RetrievedEvent,
    TransferredEvent,
)
from protocols.csta.devices import ani_type, number
from protocols.cti.messages import (
    AgentState,
    CallEvent,
    RerouteRequest,
    RouteEnd,
    RouteRequest,
    RouteUsed,
    RpRegister,
)

if TYPE_CHECKING:
    from typing import Any

    from protocols.csta.values import ConnectionListItem, Device
    from protocols.cti.messages import AgentStatus, CallEventType, CallType, UserData

ANY_POINT: Final = "*"

_session_id = re.compile(r"[0-9a-f]{20,26}")

_CALL_EVENTS: Final[dict[type[CallControlEvent], CallEventType]] = {
    QueuedEvent: "queued",
    DeliveredEvent: "delivered",
    EstablishedEvent: "established",
    HeldEvent: "held",
    RetrievedEvent: "retrieved",
    DivertedEvent: "diverted",
    TransferredEvent: "transferred",
    ConferencedEvent: "conferenced",
    ConnectionClearedEvent: "cleared",
    CallClearedEvent: "cleared",
    FailedEvent: "failed",
}
_AGENT_EVENTS: Final[dict[type[AgentEvent], AgentStatus]] = {
    AgentLoggedOnEvent: "login",
    AgentLoggedOffEvent: "logout",
    AgentReadyEvent: "ready",
    AgentNotReadyEvent: "notready",
    AgentBusyEvent: "busy",
    AgentWorkingAfterCallEvent: "wrapup",
}
_SUBJECTS: Final[dict[type[CallControlEvent], str]] = {
    DeliveredEvent: "alerting",
    EstablishedEvent: "answering",
    HeldEvent: "holding",
    RetrievedEvent: "retrieving",
    DivertedEvent: "diverting",
    TransferredEvent: "transferring",
    ConferencedEvent: "conferencing",
    ConnectionClearedEvent: "releasing",
    FailedEvent: "failing",
}
"""The attribute of each event that says which device did it."""

_OTHERS: Final[dict[type[CallControlEvent], str]] = {
    DivertedEvent: "new_destination",
    TransferredEvent: "transferred_to",
    ConferencedEvent: "added",
}
"""The attribute that says with whom; for all others it is who calls."""

_STILL_THERE: Final = frozenset({"initiated", "alerting", "connected", "hold", "queued"})
ABANDONED: Final = "callCancelled"


class Correlation(Struct, frozen=True):
    """What travelled with a call.

    Attributes:
        session: vigie's session, where it is one.
        other: text of somebody else's, or hexadecimal digits where it is no text.
    """

    session: str | None = None
    other: str | None = None


def correlation(data: bytes | None) -> Correlation:
    """Tell vigie's correlator data from others'."""
    if not data:
        return Correlation()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return Correlation(other=data.hex())
    if _session_id.fullmatch(text):
        return Correlation(session=text)
    return Correlation(other=text if text.isprintable() else data.hex())


def register(service: routeing.RouteRegister) -> RpRegister:
    """Make ``rp.register`` of RouteRegister."""
    return RpRegister(rp=[number(service.device) or ANY_POINT])


def request(
    service: routeing.RouteRequest, application: str, received_at: float, unit_ms: int = 1
) -> RouteRequest:
    """Make ``route.request`` of RouteRequest.

    Args:
        service: the request.
        application: the peer's applicationID.
        received_at: seconds since the epoch; stands in where the request has no time.
        unit_ms: milliseconds in one unit of its ``replyTimeout``.
    """
    return RouteRequest(
        xref=idempotency.dialogue(application, service.cross_ref),
        call=(service.routed_call.call if service.routed_call else None) or "",
        rp=number(service.current_route) or "",
        ts=received_at if service.time is None else service.time,
        reg=service.register_id,
        ucid=service.linkage,
        ani=number(service.calling),
        ani_type=ani_type(service.calling),
        dnis=number(service.associated_called),
        called=service.called,
        digits=service.digits,
        ctype=_call_type(service.call_type),
        prev_call=service.previous_call,
        prio=_priority(service),
        lang=service.languages,
        trunk=number(service.associated_calling),
        media=service.media[0] if service.media else None,
        hist=_history(service),
        ud=_user_data(service),
        session=correlation(service.correlator).session,
        reply_ms=_reply_ms(service.reply_timeout, unit_ms),
    )


def reroute(
    service: routeing.ReRoute, application: str, failed: str | None, unit_ms: int = 1
) -> RerouteRequest:
    """Make ``reroute.request`` of ReRoute, which does not say what failed.

    Args:
        service: the request.
        application: the peer's applicationID.
        failed: the target of the dialogue's last answer.
        unit_ms: milliseconds in one unit of its ``replyTimeout``.
    """
    return RerouteRequest(
        xref=idempotency.dialogue(application, service.cross_ref),
        failed=service.failed or failed or "",
        cause=service.cause or "",
        reply_ms=_reply_ms(service.reply_timeout, unit_ms),
    )


def used(service: routeing.RouteUsed, application: str) -> RouteUsed:
    """Make ``route.used`` of RouteUsed."""
    return RouteUsed(
        xref=idempotency.dialogue(application, service.cross_ref),
        target=number(service.used) or "",
        reason=service.reason or "",
        ts=service.time,
    )


def end(service: routeing.RouteEnd, application: str) -> RouteEnd:
    """Make ``route.end`` of RouteEnd."""
    cause, detail = causes.cause_of(service.error)
    xref = idempotency.dialogue(application, service.cross_ref)
    return RouteEnd(xref=xref, cause=cause, detail=service.detail or detail)


def call_event(event: CallControlEvent, received_at: float) -> CallEvent | None:
    """Make ``call.event`` of an event of a call.

    Args:
        event: what happened.
        received_at: seconds since the epoch; stands in where the event has no time.

    Returns:
        None where it says nothing of the call: one of several has left it.
    """
    kind = type(event)
    if kind is ConnectionClearedEvent and event.local_state in _STILL_THERE:
        return None
    connections: tuple[ConnectionListItem, ...] = getattr(event, "connections", ())
    secondary = getattr(event, "secondary", None)
    return CallEvent(
        call=_connection(event).call or "",
        ev=_kind_of(event),
        ts=received_at if event.time is None else event.time,
        dev=number(_device(event, _SUBJECTS)) or _connection(event).device,
        other=number(_device(event, _OTHERS) if kind in _OTHERS else event.calling),
        queue=number(event.queue) if isinstance(event, QueuedEvent) else None,
        cause=event.cause,
        prev_call=secondary.call if secondary else None,
        new_call=_new_call(connections),
    )


def agent_state(event: AgentEvent, received_at: float) -> AgentState:
    """Make ``agent.state`` of an event of an agent; arguments as of ``call_event``."""
    device = number(event.device)
    return AgentState(
        agent=event.agent or device or "",
        st=_AGENT_EVENTS[type(event)],
        ts=received_at if event.time is None else event.time,
        reason=event.cause,
        dev=device,
        skills=dict(map(_level, event.skills)) or None,
    )


# Within


def _level(word: str) -> tuple[str, int]:
    """A skill, with its level after a colon; without one it is 1."""
    name, _, level = word.rpartition(":")
    is_level = bool(name) and level.isascii() and level.isdecimal() and len(level) <= len("100")
    return (name, int(level)) if is_level else (word, 1)


def _reply_ms(reply_timeout: int | None, unit_ms: int) -> int | None:
    return None if reply_timeout is None else reply_timeout * unit_ms


def _call_type(text: str | None) -> CallType | None:
    for kind in ("in", "out", "int", "consult", "callback"):
        if text == kind:
            return kind
    return None


def _priority(service: routeing.RouteRequest) -> int | None:
    """3, 2 and 1 for the high, plain and low priority that ECMA-269 knows."""
    if "highPriorityCall" in service.characteristics:
        return 3
    if service.priority or "priorityCall" in service.characteristics:
        return 2
    return 1 if "lowPriorityCall" in service.characteristics else None


def _history(service: routeing.RouteRequest) -> list[Any] | None:
    items = [
        {"dev": number(item.old_device), "cause": item.event_cause} for item in service.history
    ]
    return items or None


def _user_data(service: routeing.RouteRequest) -> UserData | None:
    """User data, with what has no field of its own under CSTA's names, where these are free."""
    data: UserData = {}
    other = correlation(service.correlator).other
    if other is not None:
        data["correlatorData"] = other
    if service.subject is not None:
        data["subjectOfCall"] = service.subject
    return {**data, **(service.data or {})} or None


def _connection(event: CallControlEvent) -> Any:
    return event.connection  # type: ignore[attr-defined]


def _kind_of(event: CallControlEvent) -> CallEventType:
    kind = _CALL_EVENTS[type(event)]
    if kind in ("cleared", "failed") and event.cause == ABANDONED:
        return "abandoned"
    return kind


def _device(event: CallControlEvent, table: dict[type[CallControlEvent], str]) -> Device | None:
    attribute = table.get(type(event))
    return None if attribute is None else getattr(event, attribute)


def _new_call(connections: tuple[ConnectionListItem, ...]) -> str | None:
    for item in connections:
        if item.new is not None and item.new.call is not None:
            return item.new.call
    return None

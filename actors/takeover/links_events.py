"""What links have told and is not carried out yet, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from msgspec import Struct
from msgspec.structs import astuple

from protocols.csta import events as csta_events
from protocols.csta.system_status import SystemStatusValue
from protocols.cti import events
from protocols.cti.events import CloseReason
from protocols.cti.messages import ErrorCode, Hello, Inbound

if TYPE_CHECKING:
    from protocols.csta.events import Event


class ReceivedState(Struct, tag="received"):
    """As `protocols.cti.events.Received`; so are those that follow."""

    message: Inbound
    at: float
    again: bool


class HelloState(Struct, tag="hello"):
    """As `HelloReceived`."""

    hello: Hello


class RefusedState(Struct, tag="refused"):
    """As `Refused`."""

    code: ErrorCode
    msg: str
    field: str | None
    ref: int


class FramingState(Struct, tag="framing-b"):
    """As `FramingB`."""


class ClosedState(Struct, tag="closed"):
    """As `Closed`."""

    reason: CloseReason
    msg: str
    code: ErrorCode | None


class MonitorStartedState(Struct, tag="monitor-started"):
    """As `protocols.csta.events.MonitorStarted`; so are those that follow."""

    device: str
    monitor: str


class MonitorStoppedState(Struct, tag="monitor-stopped"):
    """As `MonitorStopped`."""

    device: str
    monitor: str
    why: str | None


class StatusToldState(Struct, tag="status-told"):
    """As `StatusTold`."""

    status: SystemStatusValue


EventState: TypeAlias = (
    ReceivedState
    | HelloState
    | RefusedState
    | FramingState
    | ClosedState
    | MonitorStartedState
    | MonitorStoppedState
    | StatusToldState
)


_STATES: Final[dict[type[Struct], type[Struct]]] = {
    events.Received: ReceivedState,
    events.HelloReceived: HelloState,
    events.Refused: RefusedState,
    events.FramingB: FramingState,
    events.Closed: ClosedState,
    csta_events.MonitorStarted: MonitorStartedState,
    csta_events.MonitorStopped: MonitorStoppedState,
    csta_events.StatusTold: StatusToldState,
}
"""The same fields in the same order; `Transmit` is never kept in a row."""

_EVENTS: Final[dict[type[Struct], Any]] = {state: event for event, state in _STATES.items()}


def event_state(event: Event) -> EventState:
    """Write an event of a row down."""
    return cast("EventState", _STATES[type(event)](*astuple(event)))


def event_of(state: EventState) -> Event:
    """The event of what ``event_state`` has written down."""
    return cast("Event", _EVENTS[type(state)](*astuple(state)))

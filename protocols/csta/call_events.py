"""Call control events (ECMA-269 clause 17): what becomes of a call."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, get_args

from msgspec import Struct

from protocols.csta import kinds, participants
from protocols.csta.fields import Codec, Field
from protocols.csta.monitoring import MONITOR
from protocols.csta.values import ConnectionID, ConnectionListItem, Device

LocalState: TypeAlias = Literal[
    "null", "initiated", "alerting", "connected", "hold", "queued", "fail"
]
"""How the device that is monitored takes part in the call."""


class CallControlEvent(Struct, frozen=True, kw_only=True):
    """What every event of a call has.

    Attributes:
        monitor: the monitor that the event belongs to.
        calling, called: who calls whom.
        local_state: how the device that is monitored takes part from now on.
        cause: why, one of ECMA-269's event causes.
        correlator: what travels with the call.
        time: when, seconds since the epoch.
    """

    monitor: str
    calling: Device | None = None
    called: Device | None = None
    local_state: LocalState | None = None
    correlator: bytes | None = None
    cause: str | None = None
    time: float | None = None


class QueuedEvent(CallControlEvent, frozen=True):
    """A call waits in a queue."""

    connection: ConnectionID
    queue: Device | None = None
    number_queued: int | None = None
    calls_in_front: int | None = None


class DeliveredEvent(CallControlEvent, frozen=True):
    """It rings."""

    connection: ConnectionID
    alerting: Device | None = None


class EstablishedEvent(CallControlEvent, frozen=True):
    """It was answered."""

    connection: ConnectionID
    answering: Device | None = None


class HeldEvent(CallControlEvent, frozen=True):
    """It was put on hold."""

    connection: ConnectionID
    holding: Device | None = None


class RetrievedEvent(CallControlEvent, frozen=True):
    """It was taken off hold."""

    connection: ConnectionID
    retrieving: Device | None = None


class DivertedEvent(CallControlEvent, frozen=True):
    """It goes elsewhere."""

    connection: ConnectionID
    diverting: Device | None = None
    new_destination: Device | None = None


class TransferredEvent(CallControlEvent, frozen=True):
    """Who spoke has given it to somebody else; the schema's name is TransferedEvent."""

    connection: ConnectionID
    secondary: ConnectionID | None = None
    transferring: Device | None = None
    transferred_to: Device | None = None
    connections: tuple[ConnectionListItem, ...] = ()


class ConferencedEvent(CallControlEvent, frozen=True):
    """One more takes part."""

    connection: ConnectionID
    secondary: ConnectionID | None = None
    conferencing: Device | None = None
    added: Device | None = None
    connections: tuple[ConnectionListItem, ...] = ()


class ConnectionClearedEvent(CallControlEvent, frozen=True):
    """One of those who took part does no more."""

    connection: ConnectionID
    releasing: Device | None = None


class CallClearedEvent(CallControlEvent, frozen=True):
    """Nobody takes part any more."""

    connection: ConnectionID


class FailedEvent(CallControlEvent, frozen=True):
    """It could not be delivered."""

    connection: ConnectionID
    failing: Device | None = None


TIME: Final = Field("time", "extensions/security/timeStamp", kinds.TIME)
CAUSE: Final = Field("cause", "cause", kinds.NAME)


def _codec(record: type[Any], connection: str, *fields: Field, **more: Any) -> Codec:
    """The codec of an event.

    Args:
        record: its type.
        connection: the name of the element that says which call it is about.
        fields: what it has of its own.
        more: see ``Codec``.
    """
    table = (
        MONITOR,
        Field("connection", connection, participants.CONNECTION, required=True),
        *fields,
        Field("calling", "callingDevice", participants.EXTENDED),
        Field("called", "calledDevice", participants.EXTENDED),
        Field("local_state", "localConnectionInfo", kinds.one_of(*get_args(LocalState))),
        Field("correlator", "correlatorData", kinds.CORRELATOR),
        CAUSE,
        TIME,
    )
    return Codec(more.pop("element", record.__name__), record, table, **more)


def _device(attribute: str, element: str) -> Field:
    return Field(attribute, element, participants.EXTENDED)


CODECS: Final = (
    _codec(
        QueuedEvent,
        "queuedConnection",
        _device("queue", "queue"),
        Field("number_queued", "numberQueued", kinds.whole()),
        Field("calls_in_front", "callsInFront", kinds.whole()),
    ),
    _codec(DeliveredEvent, "connection", _device("alerting", "alertingDevice")),
    _codec(EstablishedEvent, "establishedConnection", _device("answering", "answeringDevice")),
    _codec(HeldEvent, "heldConnection", _device("holding", "holdingDevice")),
    _codec(RetrievedEvent, "retrievedConnection", _device("retrieving", "retrievingDevice")),
    _codec(
        DivertedEvent,
        "connection",
        _device("diverting", "divertingDevice"),
        _device("new_destination", "newDestination"),
    ),
    _codec(
        TransferredEvent,
        "primaryOldCall",
        Field("secondary", "secondaryOldCall", participants.CONNECTION),
        _device("transferring", "transferringDevice"),
        _device("transferred_to", "transferredToDevice"),
        Field("connections", "transferredConnections", participants.CONNECTIONS),
        element="TransferedEvent",
        also=("TransferredEvent",),
    ),
    _codec(
        ConferencedEvent,
        "primaryOldCall",
        Field("secondary", "secondaryOldCall", participants.CONNECTION),
        _device("conferencing", "conferencingDevice"),
        _device("added", "addedParty"),
        Field("connections", "conferenceConnections", participants.CONNECTIONS),
    ),
    _codec(ConnectionClearedEvent, "droppedConnection", _device("releasing", "releasingDevice")),
    _codec(CallClearedEvent, "clearedCall"),
    _codec(FailedEvent, "failedConnection", _device("failing", "failingDevice")),
)

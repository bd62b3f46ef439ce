"""Routeing services (ECMA-269 clause 20): a switch asks where a call goes; the answer; what became.

The field order is that of the schema of edition 3, as far as it is known (docs/csta.md).
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias, get_args

from msgspec import Struct

from protocols.csta import kinds, participants, private_data
from protocols.csta.fields import Codec, Field, Kind
from protocols.csta.values import ConnectionID, Device, DeviceHistoryItem, ErrorValue

RejectCause: TypeAlias = Literal[
    "busyOverflow",
    "queueTimeOverflow",
    "capacityOverflow",
    "calendarOverflow",
    "unknownOverflow",
]

CHARACTERISTICS: Final = (
    "acdCall",
    "lowPriorityCall",
    "priorityCall",
    "highPriorityCall",
    "directAgent",
    "voiceUnitCall",
    "privateCall",
)
MEDIA: Final = ("voice", "audio", "chat", "email", "sms", "mms", "im", "message", "image", "data")


class RouteRegister(Struct, frozen=True):
    """Calls at this device are routed by this dialogue; without one, those at all devices."""

    device: Device | None = None


class RouteRegisterResponse(Struct, frozen=True):
    """Answers ``RouteRegister``."""

    register_id: str


class RouteRegisterCancel(Struct, frozen=True):
    """Undoes a registration."""

    register_id: str


class RouteRegisterCancelResponse(Struct, frozen=True):
    """Answers ``RouteRegisterCancel``."""


class RouteRegisterAbort(Struct, frozen=True):
    """A registration has ended by itself."""

    register_id: str


class RouteRequest(Struct, frozen=True, kw_only=True):
    """Who takes this call?

    Attributes:
        cross_ref: the dialogue, chosen by the switch.
        register_id: of the registration that covers it.
        current_route: where the call waits.
        reply_timeout: how long the switch waits.
        correlator: what travels with the call; vigie's is its session's id.
        linkage: an id of the call that is unique beyond the switch.
        time: when the call got there, seconds since the epoch.
        data, digits, called, call_type, previous_call: private data, see docs/csta.md.
    """

    cross_ref: str
    current_route: Device
    register_id: str | None = None
    calling: Device | None = None
    routeing_device: Device | None = None
    routed_call: ConnectionID | None = None
    associated_calling: Device | None = None
    associated_called: Device | None = None
    priority: bool | None = None
    reply_timeout: int | None = None
    correlator: bytes | None = None
    media: tuple[str, ...] = ()
    characteristics: tuple[str, ...] = ()
    linkage: str | None = None
    subject: str | None = None
    languages: str | None = None
    history: tuple[DeviceHistoryItem, ...] = ()
    time: float | None = None
    data: dict[str, Any] | None = None
    digits: str | None = None
    called: str | None = None
    call_type: str | None = None
    previous_call: str | None = None


class ReRoute(Struct, frozen=True, kw_only=True):
    """The target did not take the call: another one, please.

    Attributes:
        failed, cause: private data: which target it was, and why.
    """

    cross_ref: str
    register_id: str | None = None
    reply_timeout: int | None = None
    correlator: bytes | None = None
    failed: str | None = None
    cause: str | None = None


class RouteSelect(Struct, frozen=True, kw_only=True):
    """The decision.

    Attributes:
        route_type, reason, revision, stale, durable, treatment, data, dropped: private data,
            framing A's fields of ``route.select``.
    """

    cross_ref: str
    selected: Device
    register_id: str | None = None
    alternates: tuple[Device, ...] = ()
    retries: int | None = None
    used_wanted: bool | None = None
    correlator: bytes | None = None
    route_type: str | None = None
    reason: str | None = None
    revision: int | None = None
    stale: bool | None = None
    durable: bool | None = None
    data: dict[str, Any] | None = None
    dropped: tuple[str, ...] = ()
    treatment: dict[str, Any] | None = None


class RouteUsed(Struct, frozen=True, kw_only=True):
    """Where the call went in the end.

    Attributes:
        reason: private data, framing A's.
    """

    cross_ref: str
    used: Device
    register_id: str | None = None
    calling: Device | None = None
    domain: bool | None = None
    correlator: bytes | None = None
    time: float | None = None
    reason: str | None = None


class RouteEnd(Struct, frozen=True, kw_only=True):
    """The dialogue is over; without an error, as it should.

    Attributes:
        detail: private data, framing A's.
    """

    cross_ref: str
    register_id: str | None = None
    error: ErrorValue | None = None
    correlator: bytes | None = None
    detail: str | None = None


class RouteReject(Struct, frozen=True, kw_only=True):
    """The call is to be turned away.

    Attributes:
        route_type, reason: private data, framing A's.
    """

    cross_ref: str
    register_id: str | None = None
    cause: RejectCause | None = None
    correlator: bytes | None = None
    route_type: str | None = None
    reason: str | None = None


PRIVATE: Final = "extensions/privateData/private"

_cross_ref = Field("cross_ref", "crossRefIdentifier", kinds.NAME, required=True)
_register = Field("register_id", "routeRegisterReqID", kinds.NAME)
_registered = Field("register_id", "routeRegisterReqID", kinds.NAME, required=True)
_correlator = Field("correlator", "correlatorData", kinds.CORRELATOR)
_reply_timeout = Field("reply_timeout", "replyTimeout", kinds.whole())
_time = Field("time", "extensions/security/timeStamp", kinds.TIME)
_calling = Field("calling", "callingDevice", participants.EXTENDED)


def _private(attribute: str, name: str, kind: Kind) -> Field:
    return Field(attribute, f"{PRIVATE}/v:{name}", kind)


def _codec(record: type[Any], *fields: Field) -> Codec:
    return Codec(record.__name__, record, fields)


CODECS: Final = (
    _codec(RouteRegister, Field("device", "routeingDevice", participants.DEVICE)),
    _codec(RouteRegisterResponse, _registered),
    _codec(RouteRegisterCancel, _registered),
    _codec(RouteRegisterCancelResponse),
    _codec(RouteRegisterAbort, _registered),
    _codec(
        RouteRequest,
        _cross_ref,
        _register,
        Field("current_route", "currentRoute", participants.EXTENDED, required=True),
        _calling,
        Field("routeing_device", "routeingDevice", participants.EXTENDED),
        Field("routed_call", "routedCall", participants.CONNECTION),
        Field("associated_calling", "associatedCallingDevice", participants.EXTENDED),
        Field("associated_called", "associatedCalledDevice", participants.EXTENDED),
        Field("priority", "priority", kinds.BOOLEAN),
        _reply_timeout,
        _correlator,
        Field("media", "mediaCallCharacteristics/mediaClass", kinds.flags(*MEDIA)),
        Field("characteristics", "callCharacteristics", kinds.flags(*CHARACTERISTICS)),
        Field("linkage", "callLinkageData/globalCallData/globalCallLinkageID", kinds.NAME),
        Field("subject", "subjectOfCall", kinds.TEXT),
        Field("languages", "languagePreferences", kinds.NAME),
        Field("history", "deviceHistory", participants.HISTORY),
        _time,
        _private("data", "ud", private_data.DATA),
        _private("digits", "digits", kinds.TEXT),
        _private("called", "called", kinds.TEXT),
        _private("call_type", "ctype", kinds.NAME),
        _private("previous_call", "prevCall", kinds.NAME),
    ),
    _codec(
        ReRoute,
        _cross_ref,
        _register,
        _reply_timeout,
        _correlator,
        _private("failed", "failed", kinds.NAME),
        _private("cause", "cause", kinds.TEXT),
    ),
    _codec(
        RouteSelect,
        _cross_ref,
        _register,
        Field("selected", "routeSelected", participants.DEVICE, required=True),
        Field("alternates", "alternateRoutes", kinds.list_of("deviceID", participants.DEVICE)),
        Field("retries", "remainRetries", kinds.RETRIES),
        Field("used_wanted", "routeUsedReq", kinds.BOOLEAN),
        _correlator,
        _private("route_type", "rtype", kinds.NAME),
        _private("reason", "reason", kinds.TEXT),
        _private("revision", "rev", kinds.whole()),
        _private("stale", "stale", kinds.BOOLEAN),
        _private("durable", "durable", kinds.BOOLEAN),
        _private("data", "ud", private_data.DATA),
        _private("dropped", "udDel", kinds.list_of("v:key", kinds.TEXT)),
        _private("treatment", "treat", private_data.JSON),
    ),
    _codec(
        RouteUsed,
        _cross_ref,
        _register,
        Field("used", "routeUsed", participants.EXTENDED, required=True),
        _calling,
        Field("domain", "domain", kinds.BOOLEAN),
        _correlator,
        _time,
        _private("reason", "reason", kinds.TEXT),
    ),
    _codec(
        RouteEnd,
        _cross_ref,
        _register,
        Field("error", "errorValue", kinds.ERROR),
        _correlator,
        _private("detail", "detail", kinds.TEXT),
    ),
    _codec(
        RouteReject,
        _cross_ref,
        _register,
        Field("cause", "rejectCause", kinds.one_of(*get_args(RejectCause))),
        _correlator,
        _private("route_type", "rtype", kinds.NAME),
        _private("reason", "reason", kinds.TEXT),
    ),
)

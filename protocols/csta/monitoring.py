"""Monitoring (ECMA-269 clause 15): which calls and devices events are told of."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from protocols.csta import kinds, participants
from protocols.csta.fields import Codec, Field
from protocols.csta.values import ConnectionID, Device


class MonitorStart(Struct, frozen=True):
    """Events of this device, or of this call, are wanted."""

    device: Device | None = None
    call: ConnectionID | None = None


class MonitorStartResponse(Struct, frozen=True):
    """They will have this reference."""

    monitor: str


class MonitorStop(Struct, frozen=True):
    """No more of them are wanted; or: none can be told any more."""

    monitor: str


class MonitorStopResponse(Struct, frozen=True):
    """Answers ``MonitorStop``."""


MONITOR: Final = Field("monitor", "monitorCrossRefID", kinds.NAME, required=True)


def _codec(record: type[Any], *fields: Field) -> Codec:
    return Codec(record.__name__, record, fields)


CODECS: Final = (
    _codec(
        MonitorStart,
        Field("device", "monitorObject/deviceObject", participants.DEVICE),
        Field("call", "monitorObject/callObject", participants.CONNECTION),
    ),
    _codec(MonitorStartResponse, MONITOR),
    _codec(MonitorStop, MONITOR),
    _codec(MonitorStopResponse),
)

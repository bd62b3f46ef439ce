"""Deflect Call (ECMA-269 clause 17): a call is to go from where it waits to another device."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from protocols.csta import kinds, participants
from protocols.csta.fields import Codec, Field, Kind
from protocols.csta.values import ConnectionID, Device


class DeflectCall(Struct, frozen=True, kw_only=True):
    """The call that waits goes to another device.

    Attributes:
        waiting: the call, and where it waits.
        destination: where to.
        correlator: its session.
        cross_ref, queue, reason, for_ms: private data, framing A's fields of ``queue.select``.
    """

    waiting: ConnectionID
    destination: Device
    correlator: bytes | None = None
    cross_ref: str | None = None
    queue: str | None = None
    reason: str | None = None
    for_ms: int | None = None


class DeflectCallResponse(Struct, frozen=True):
    """Answers ``DeflectCall``: it is tried; events tell what becomes of it."""


def _private(field: str, name: str, kind: Kind) -> Field:
    return Field(field, f"extensions/privateData/private/v:{name}", kind)


CODECS: Final = (
    Codec(
        "DeflectCall",
        DeflectCall,
        (
            Field("waiting", "callToBeDiverted", participants.CONNECTION, required=True),
            Field("destination", "newDestination", participants.DEVICE, required=True),
            Field("correlator", "correlatorData", kinds.CORRELATOR),
            _private("cross_ref", "crossRef", kinds.TEXT),
            _private("queue", "queue", kinds.TEXT),
            _private("reason", "reason", kinds.TEXT),
            _private("for_ms", "forMs", kinds.whole()),
        ),
    ),
    Codec("DeflectCallResponse", DeflectCallResponse, ()),
)

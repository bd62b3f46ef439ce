"""From framing A's messages to CSTA's services; the way back of ``inbound``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from protocols.csta import causes, routeing
from protocols.csta.deflecting import DeflectCall
from protocols.csta.values import ConnectionID, Device
from protocols.cti.messages import RouteSelect

if TYPE_CHECKING:
    from protocols.cti.messages import QueueSelect, RouteEnd

TURNED_AWAY: Final = frozenset({"reject", "disconnect"})
"""Answers of these types are a RouteReject: there is no target to select."""


class Dialogue(Struct, frozen=True):
    """What of a routing dialogue each of its messages repeats.

    Attributes:
        cross_ref: the switch's crossRefIdentifier.
        register_id: of the registration that covers it.
    """

    cross_ref: str
    register_id: str | None = None


def select(answer: RouteSelect, dialogue: Dialogue) -> routeing.RouteSelect | routeing.RouteReject:
    """Make RouteSelect of ``route.select``; RouteReject where the call is turned away."""
    if answer.rtype in TURNED_AWAY or not answer.target:
        return _reject(answer, dialogue)
    return routeing.RouteSelect(
        cross_ref=dialogue.cross_ref,
        register_id=dialogue.register_id,
        selected=Device(answer.target),
        alternates=tuple(Device(target) for target in answer.alt or () if target),
        retries=answer.retries,
        used_wanted=answer.used_req,
        correlator=answer.session.encode() or None,
        route_type=answer.rtype,
        reason=answer.reason,
        revision=answer.rev,
        stale=answer.stale,
        durable=answer.durable,
        data=answer.ud,
        dropped=tuple(answer.ud_del or ()),
        treatment=answer.treat,
    )


def deflect(message: QueueSelect, cross_ref: str, waits_at: str | None) -> DeflectCall:
    """Make DeflectCall of ``queue.select``.

    Args:
        message: what is told.
        cross_ref: the switch's crossRefIdentifier of the request that put the call there.
        waits_at: the device that was selected then, where that is still known.
    """
    return DeflectCall(
        waiting=ConnectionID(message.call, waits_at),
        destination=Device(message.target),
        correlator=message.session.encode() or None,
        cross_ref=cross_ref,
        queue=message.queue,
        reason=message.reason,
        for_ms=message.for_ms,
    )


def end(message: RouteEnd, dialogue: Dialogue) -> routeing.RouteEnd:
    """Make RouteEnd of ``route.end``."""
    return routeing.RouteEnd(
        cross_ref=dialogue.cross_ref,
        register_id=dialogue.register_id,
        error=causes.error_of(message.cause),
        detail=message.detail,
    )


def _reject(answer: RouteSelect, dialogue: Dialogue) -> routeing.RouteReject:
    return routeing.RouteReject(
        cross_ref=dialogue.cross_ref,
        register_id=dialogue.register_id,
        cause="unknownOverflow",
        correlator=answer.session.encode() or None,
        route_type=answer.rtype,
        reason=answer.reason,
    )

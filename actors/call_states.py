"""The life of a call as its session sees it: one table, from CSTA's call events to states."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.session_api import SessionState
    from protocols.cti.messages import CallEventType

OPEN: Final = frozenset({"new", "ivr", "queued", "ringing", "connected", "held", "wrapup"})

# What an event makes of a call wherever it stands; events that come out of order (two links, a
# slow switch) are taken at their word, as the switch knows better. `failed` is not here: a device
# could not be reached, and the call may be routed to another one or be cleared.
_AFTER: Final[Mapping[CallEventType, SessionState]] = MappingProxyType(
    {
        "queued": "queued",
        "delivered": "ringing",
        "established": "connected",
        "held": "held",
        "retrieved": "connected",
        "diverted": "queued",
        "transferred": "connected",
        "conferenced": "connected",
        "cleared": "closed",
        "abandoned": "closed",
    }
)


def after(state: SessionState, event: CallEventType) -> SessionState:
    """The state that an event leads to; a closed session stays closed.

    Args:
        state: where the call stands.
        event: what the switch says (CSTA call control events).
    """
    return "closed" if state == "closed" else _AFTER.get(event, state)

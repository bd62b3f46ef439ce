"""Framing A's rules for single messages, held by framing B's, and told in framing B's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from protocols.cti.parsing import MessageLimits, parse, to_frame

if TYPE_CHECKING:
    from protocols.cti.messages import Message

REFERENCES: Final = "references"
"""Instead of a message's type: fields that refer to something, whatever message they are in."""

_ELEMENTS: Final = {
    REFERENCES: {"xref": "crossRefIdentifier", "reg": "routeRegisterReqID"},
    "route.request": {
        "xref": "crossRefIdentifier",
        "call": "routedCall/callID",
        "rp": "currentRoute",
        "reg": "routeRegisterReqID",
        "ucid": "callLinkageData",
        "ani": "callingDevice",
        "dnis": "associatedCalledDevice",
        "prev_call": "v:prevCall",
        "called": "v:called",
        "digits": "v:digits",
        "lang": "languagePreferences",
        "trunk": "associatedCallingDevice",
        "hist": "deviceHistory",
        "ud": "v:ud",
        "ts": "timeStamp",
        "reply_ms": "replyTimeout",
    },
    "reroute.request": {
        "xref": "crossRefIdentifier",
        "failed": "v:failed",
        "cause": "v:cause",
        "reply_ms": "replyTimeout",
    },
    "route.used": {"xref": "crossRefIdentifier", "target": "routeUsed", "reason": "v:reason"},
    "route.end": {"xref": "crossRefIdentifier", "detail": "v:detail"},
    "agent.state": {"agent": "agentID", "dev": "agentDevice", "skills": "v:skills"},
    "rp.register": {"rp": "routeingDevice"},
    "rp.cancel": {"reg": "routeRegisterReqID"},
    "rp.abort": {"reg": "routeRegisterReqID"},
}


def element(tag: str, field: str | None) -> str | None:
    """The element that stands for a field of framing A's.

    Args:
        tag: the type of its message, ``t``, or ``REFERENCES``.
        field: its name; one without an element is returned as it is.
    """
    return _ELEMENTS.get(tag, {}).get(field or "", field)


def checked(message: Message, limits: MessageLimits) -> Any:
    """Hold a message to framing A's rules: lengths, control characters, user data, reply times.

    Args:
        message: made of a service.
        limits: see ``MessageLimits``.

    Returns:
        The same message, with its values as framing A would have read them.

    Raises:
        FrameRefused: it breaks a rule; ``field`` is framing A's, see ``element``.
    """
    return parse(to_frame(message), limits)

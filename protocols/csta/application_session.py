"""ECMA-354: how a peer begins, prolongs and ends its application session."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from protocols.csta import kinds
from protocols.csta.fields import ROOT, Codec, Field, Kind, ValueRefusedError
from protocols.csta.xml import Element, add, split, text_of

MAX_TOKEN_CHARS = 1_024


class StartApplicationSession(Struct, frozen=True):
    """A peer presents itself; the first service of a connection.

    Attributes:
        application_id: the peer's name.
        token: what lets it in.
        protocol_versions: namespaces that it speaks, the one preferred first.
        session_duration_s: seconds until the session ends unless it is prolonged.
    """

    application_id: str
    token: str | None = None
    protocol_versions: tuple[str, ...] = ()
    session_duration_s: int | None = None

    def __repr__(self) -> str:
        """Leave the token out: messages are logged and shown."""
        return f"StartApplicationSession(application_id={self.application_id!r})"


class StartApplicationSessionPosResponse(Struct, frozen=True):
    """The peer is let in."""

    session_id: str
    protocol_version: str
    session_duration_s: int | None = None


class StartApplicationSessionNegResponse(Struct, frozen=True):
    """The peer is not let in.

    Attributes:
        error: one of ECMA-354's, or a text.
        detail: the element and the rule in words, as a comment.
    """

    error: str
    detail: str | None = None


class StopApplicationSession(Struct, frozen=True):
    """The peer ends its session."""

    session_id: str
    reason: str | None = None


class StopApplicationSessionPosResponse(Struct, frozen=True):
    """The session has ended."""


class StopApplicationSessionNegResponse(Struct, frozen=True):
    """It has not; attributes as of ``StartApplicationSessionNegResponse``."""

    error: str
    detail: str | None = None


class ResetApplicationSessionTimer(Struct, frozen=True):
    """The peer prolongs its session."""

    session_id: str
    session_duration_s: int | None = None


class ResetApplicationSessionTimerPosResponse(Struct, frozen=True):
    """It ends only so many seconds from now."""

    session_duration_s: int


class ResetApplicationSessionTimerNegResponse(Struct, frozen=True):
    """It is not prolonged; attributes as of ``StartApplicationSessionNegResponse``."""

    error: str
    detail: str | None = None


class ApplicationSessionTerminated(Struct, frozen=True):
    """vigie ends the session.

    Attributes:
        reason: "sessionTimerExpired", "resourceLimitation", or a text.
    """

    session_id: str
    reason: str | None = None


SERVICES: Final = {
    "StartApplicationSession": StartApplicationSessionNegResponse,
    "StopApplicationSession": StopApplicationSessionNegResponse,
    "ResetApplicationSessionTimer": ResetApplicationSessionTimerNegResponse,
}
"""What a peer may ask, and the response that refuses it."""


def _read_token(element: Element) -> str | None:
    """The text of an element ``token`` in whatever namespace, or the text right away."""
    named = [child for child in element if split(child)[1] == "token"]
    if len(named) > 1:
        raise ValueRefusedError("is there more than once", "token")
    token = text_of(named[0] if named else element).strip()
    if len(token) > MAX_TOKEN_CHARS:
        raise ValueRefusedError(f"at most {MAX_TOKEN_CHARS} characters are allowed", "token")
    return token or None


def _write_token(parent: Element, tag: str, value: str) -> None:
    add(add(parent, tag), "v:token", value)


_TOKEN = Kind(_read_token, _write_token)
_VERSIONS = kinds.list_of("protocolVersion", kinds.NAME)
_SECONDS = kinds.whole(0)
_ERROR = kinds.choice_of("definedError", "applError")


def _codec(record: type[Any], *fields: Field) -> Codec:
    return Codec(record.__name__, record, fields, family="session")


def _refusal(record: type[Any]) -> Codec:
    detail = Field("detail", ROOT, kinds.COMMENT)
    return _codec(record, Field("error", "errorCode", _ERROR, required=True), detail)


_session = Field("session_id", "sessionID", kinds.NAME, required=True)
_requested = Field("session_duration_s", "requestedSessionDuration", _SECONDS)
_actual = Field("session_duration_s", "actualSessionDuration", _SECONDS)

CODECS: Final = (
    _codec(
        StartApplicationSession,
        Field("application_id", "applicationInfo/applicationID", kinds.NAME, required=True),
        Field("token", "applicationInfo/applicationSpecificInfo", _TOKEN),
        Field("protocol_versions", "requestedProtocolVersions", _VERSIONS),
        _requested,
    ),
    _codec(
        StartApplicationSessionPosResponse,
        _session,
        Field("protocol_version", "actualProtocolVersion", kinds.NAME, required=True),
        _actual,
    ),
    _refusal(StartApplicationSessionNegResponse),
    _codec(
        StopApplicationSession,
        _session,
        Field("reason", "sessionEndReason", kinds.choice_of("definedEndReason", "appEndReason")),
    ),
    _codec(StopApplicationSessionPosResponse),
    _refusal(StopApplicationSessionNegResponse),
    _codec(ResetApplicationSessionTimer, _session, _requested),
    _codec(
        ResetApplicationSessionTimerPosResponse,
        Field("session_duration_s", "actualSessionDuration", _SECONDS, required=True),
    ),
    _refusal(ResetApplicationSessionTimerNegResponse),
    _codec(
        ApplicationSessionTerminated,
        _session,
        Field(
            "reason", "sessionTermReason", kinds.choice_of("definedTermReason", "serverTermReason")
        ),
    ),
)

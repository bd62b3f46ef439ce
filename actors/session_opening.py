"""How a session is opened for a call that has none, from whichever side it comes."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from msgspec import Struct

from actors import outbox_limits
from actors.call_messages import SessionArgs
from actors.session_data import NO_USER_DATA, Once, Session
from protocols.numbering import normalise
from supervision import StartChild

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.call_messages import CallSettings
    from actors.session_api import OpenFromChannel, OpenSession
    from protocols.cti.messages import AniType, RouteRequest

SUPERVISOR = "sessionSup"
TIME_DIGITS = 12
RANDOM_BYTES = 6
DRAWN = 256
"""Ids whose random part is drawn at once: each draw is a call of the system."""

_drawn: list[str] = []


class Opening(Struct, frozen=True):
    """A session that is being opened.

    Attributes:
        session: its id.
        call: the call's id.
        xref: the dialogue that waits for it; empty where none does.
        request: to the supervisor of sessions; None where the node has as many as it may.
        refusal: why there is no request.
    """

    session: str
    call: str
    xref: str
    request: StartChild | None
    refusal: str = ""


class Openings(Struct, frozen=True):
    """Makes openings.

    Attributes:
        settings: what every session is told.
        region: where numbers without a prefix are read, ISO 3166-1.
        count: how many sessions there are now.
        supervisor: the name of the supervisor of sessions.
    """

    settings: CallSettings
    region: str
    count: Callable[[], int]
    supervisor: str = SUPERVISOR

    def for_snapshot(self, call: str, wall: float, cti: str) -> Opening:
        """An opening for a call that a CTI has and vigie does not know.

        Args:
            call: its id.
            wall: seconds since the epoch.
            cti: the name of the CTI.
        """
        first = Session(session=session_id(wall), call=call, opened=wall, updated=wall, cti=cti)
        return self._opening(first, "new", "")

    def for_route(self, message: RouteRequest, wall: float, cti: str | None = None) -> Opening:
        """An opening for a route request.

        Args:
            message: the request.
            wall: seconds since the epoch.
            cti: the name of the CTI that asks.
        """
        ani, ani_type = self._number(message.ani, message.ani_type)
        first = Session(
            session=session_id(wall),
            call=message.call,
            opened=wall,
            updated=wall,
            ani=ani,
            ani_type=ani_type,
            dnis=message.dnis,
            digits=message.digits,
            lang=message.lang,
            media=message.media,
            rp=message.rp,
            ud=message.ud or NO_USER_DATA,
            cti=cti,
            prev_call=message.prev_call,
            ucid=message.ucid,
        )
        return self._opening(first, "new", message.xref)

    def for_application(self, request: OpenSession, wall: float) -> Opening:
        """An opening for an IVR application.

        Args:
            request: what it wants.
            wall: seconds since the epoch.
        """
        ani, ani_type = self._number(request.ani, None)
        first = Session(
            session=session_id(wall),
            call=request.call,
            opened=wall,
            updated=wall,
            ani=ani,
            ani_type=ani_type,
            dnis=request.dnis,
            lang=request.lang,
            ud=request.ud or NO_USER_DATA,
            once=() if request.once is None else (Once(request.once, "open", 1),),
            prev_call=request.prev_call,
            ucid=request.ucid,
        )
        return self._opening(first, "ivr", "")

    def for_channel(self, request: OpenFromChannel, wall: float) -> Opening:
        """An opening for what has come by a channel that is no telephone.

        Args:
            request: what has come.
            wall: seconds since the epoch.
        """
        ani, ani_type = request.ani, "unknown"
        if request.number:
            ani, ani_type = self._number(request.ani, None)  # type: ignore[assignment]
        first = Session(
            session=session_id(wall),
            call=request.call,
            opened=wall,
            updated=wall,
            ani=ani,
            ani_type=ani_type,  # type: ignore[arg-type]
            dnis=request.dnis,
            lang=request.lang,
            media=request.media,
            rp=request.rp,
            journey=(request.first,),
            ud=request.ud or NO_USER_DATA,
            once=(Once(request.once, "open", 1),),
        )
        return self._opening(first, "new", "")

    def _opening(self, first: Session, state: str, xref: str) -> Opening:
        refusal = self._refusal()
        if refusal:
            return Opening(first.session, first.call, xref, None, refusal)
        args = SessionArgs(self.settings, first, state)
        return Opening(first.session, first.call, xref, StartChild(id=first.session, args=args))

    def _refusal(self) -> str:
        limit = self.settings.sessions.max_open
        if self.count() >= limit:
            return f"sessions.max_open is {limit}"
        journal = self.settings.journal
        return outbox_limits.refusal(journal.outbox_rows, journal.config)

    def _number(
        self, ani: str | None, ani_type: AniType | None
    ) -> tuple[str | None, AniType | None]:
        if ani is None or ani_type == "private":
            return ani, ani_type
        number = normalise(ani, self.region)
        return number.number, number.type


def session_id(wall: float) -> str:
    """A new session's id: 24 hexadecimal digits, in the order of time but not to be guessed."""
    if not _drawn:
        digits, width = secrets.token_hex(DRAWN * RANDOM_BYTES), 2 * RANDOM_BYTES
        _drawn.extend([digits[at : at + width] for at in range(0, len(digits), width)])
    return f"{int(wall * 1000):0{TIME_DIGITS}x}{_drawn.pop()}"

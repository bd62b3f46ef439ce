"""Previous calls of a customer: closed sessions by number, call or UCID, cut to what is shown.

A session in the database may have megabytes of steps and user data. What is asked for here is cut
by the database: so many calls of such an age, so many steps of each, so many bytes of all steps.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from actors.database import Query
from actors.session_api import JourneyStep, Routing, SessionState, SessionView

PastKey: TypeAlias = Literal["ani", "call", "ucid"]
"""What previous calls are found by."""

_SELECT = (
    "WITH found AS (SELECT session, opened, view, jsonb_path_query_array("
    "coalesce(view->'journey', '[]'), '$[last - $n to last]',"
    " jsonb_build_object('n', $5::int - 1)) AS steps FROM closed_session WHERE "
)
_CUT = (
    " = $1 AND opened < $2 AND opened >= $3 ORDER BY opened DESC LIMIT $4),"
    " sized AS (SELECT *, sum(octet_length(steps::text)) OVER (ORDER BY opened DESC, session DESC)"
    " <= $6 AS fits FROM found)"
    " SELECT session, (view - 'journey' - 'ud' - 'customer' - 'timings')::text AS view,"
    " CASE WHEN fits THEN steps::text ELSE '[]' END AS steps,"
    " coalesce(jsonb_array_length(view->'journey'), 0) AS made"
    " FROM sized ORDER BY opened DESC, session DESC"
)
_FIND: dict[PastKey, str] = {by: _SELECT + by + _CUT for by in ("ani", "call", "ucid")}


class FindPast(Struct, frozen=True, kw_only=True):
    """Look previous calls up; answered with `Past`.

    Attributes:
        by: What they are looked up by: the caller's number, the call's id or its UCID.
        value: The number in E.164, or the id.
        before: They were opened before this, seconds since the epoch.
        since: They were opened then or later, likewise.
        calls: Greatest number wanted, the latest opened first.
        steps: Greatest number of steps of each, the latest.
        max_bytes: Greatest size of all steps together; calls further back come without.
    """

    by: PastKey
    value: str
    before: float
    since: float = 0.0
    calls: int = 10
    steps: int = 50
    max_bytes: int = 262_144


class PastCall(Struct, frozen=True, kw_only=True):
    """A previous call of the same customer.

    Attributes:
        session: Its session's id.
        call: Its id at the switch.
        opened: When it was opened; `updated` likewise, seconds since the epoch.
        routing: The last decision.
        journey: What the customer did; steps that are left out were before these.
        cut: Whether steps are left out.
    """

    session: str
    call: str
    state: SessionState
    opened: float
    updated: float
    ani: str | None = None
    dnis: str | None = None
    media: str | None = None
    rp: str | None = None
    routing: Routing | None = None
    journey: list[JourneyStep] = []
    cut: bool = False


class Past(Struct, frozen=True):
    """Previous calls, the latest opened first.

    Attributes:
        calls: What was found.
        missing: Why there may be more of them; empty where there are not.
    """

    calls: list[PastCall]
    missing: str = ""


_view = msgspec.json.Decoder(SessionView)
_steps = msgspec.json.Decoder(list[JourneyStep])


def query(wanted: FindPast) -> Query:
    """Return the query that looks calls up in the database.

    Args:
        wanted: Which ones.
    """
    found = (wanted.value, wanted.before, wanted.since, wanted.calls)
    args = (*found, wanted.steps, wanted.max_bytes)
    return Query(sql=_FIND[wanted.by], args=args, repeatable=True)


def read(row: dict[str, Any]) -> PastCall:
    """Read a row of the query's answer.

    Args:
        row: By the names of its columns.

    Raises:
        msgspec.ValidationError: It is not what a release has stored.
    """
    journey = _steps.decode(row["steps"])
    return _of(_view.decode(row["view"]), journey, cut=len(journey) < row["made"])


def of_view(view: SessionView, wanted: FindPast) -> PastCall | None:
    """Return a session as a previous call.

    Args:
        view: The session.
        wanted: What was looked for.

    Returns:
        None where it is not of the time that is looked for.
    """
    if not wanted.since <= view.opened < wanted.before:
        return None
    journey = view.journey[-wanted.steps :]
    return _of(view, journey, cut=len(journey) < len(view.journey))


def _of(view: SessionView, journey: list[JourneyStep], *, cut: bool) -> PastCall:
    return PastCall(
        session=view.session,
        call=view.call,
        state=view.state,
        opened=view.opened,
        updated=view.updated,
        ani=view.ani,
        dnis=view.dnis,
        media=view.media,
        rp=view.rp,
        routing=view.routing,
        journey=journey,
        cut=cut,
    )

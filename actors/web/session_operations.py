"""Operations of IVR applications on the sessions of calls."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field, structs

from actors.journeys import SessionJourney
from actors.session_api import (
    SESSION_ID,
    AddJourneyStep,
    CloseSession,
    Done,
    FindSessions,
    OpenSession,
    PatchSession,
    RouteAnswer,
    RouteFromIvr,
    SessionView,
)
from actors.session_changes import check_changes
from actors.web import admission
from actors.web.api import Call, Operation, Reply, operation
from actors.web.lists import select
from actors.web.parameters import PageParameters
from actors.web.problems import (
    NO_SUCH_SESSION,
    OVERLOADED,
    SESSION_CLOSED,
    STEP_DATA_TOO_LARGE,
    USER_DATA_TOO_LARGE,
)
from actors.web.tokens import Scope
from protocols.cti.messages import Name, Text, UserData
from protocols.http import etag, idempotency, paging, problem
from protocols.http.paging import Key, Page, Selection

SESSION_COLUMNS = ("opened", "updated", "state", "call", "ani")
MAX_FOUND = 500

_SESSIONS = "/api/v1/sessions"
_SESSION = "/api/v1/sessions/{session}"
_READERS: tuple[Scope, ...] = ("viewer", "ivr")
_WRITERS: tuple[Scope, ...] = ("ivr",)
_DIGIT = re.compile("[0-9]")
_ADDRESS = re.compile("[@:]")
_GONE = (NO_SUCH_SESSION, SESSION_CLOSED, problem.UNAVAILABLE, OVERLOADED)


class SessionsQuery(PageParameters, frozen=True, kw_only=True):
    """Which sessions: those of a call, or of a caller's number in any notation."""

    call: Name | None = None
    ani: Name | None = None
    open: Literal["0", "1"] = "0"


class SendListQuery(Struct, frozen=True):
    """The application that asks; its list decides what it is sent."""

    app: Text = ""


class JourneyQuery(Struct, frozen=True):
    """Whether previous calls of the customer are wanted too, and how many at most."""

    across: Literal["0", "1"] = "0"
    calls: Annotated[int, Meta(ge=1, le=100)] | None = None


class Changes(Struct, frozen=True):
    """New values by key, and keys to delete: `auth_level`, `lang`, `digits`, `ud.KEY`."""

    set: dict[str, Any] | None = None
    delete: list[str] | None = field(default=None, name="del")


class NewSession(Struct, frozen=True, kw_only=True):
    """Open a session for a call that has none; with one already open, that one is meant."""

    call: Name
    ani: Text | None = None
    dnis: Text | None = None
    app: Text | None = None
    lang: Text | None = None
    ud: UserData = {}
    prev_call: Name | None = None
    ucid: Name | None = None


class NewStep(Struct, frozen=True, kw_only=True):
    """A step of the caller's journey."""

    ev: Name
    step: Name
    app: Text | None = None
    data: dict[str, Any] = {}


class RouteWanted(Struct, frozen=True):
    """Where the call waits."""

    rp: Name


class Closing(Struct, frozen=True):
    """Why the session ends."""

    reason: Text = ""


class StepNoted(Struct, frozen=True):
    """The step is in the session's journey, which has `steps` of them now."""

    session: str
    steps: int


@operation(
    "POST",
    _SESSIONS,
    scopes=_WRITERS,
    status=201,
    request=NewSession,
    response=SessionView,
    problems=(USER_DATA_TOO_LARGE, problem.UNAVAILABLE, OVERLOADED),
    remembered_by="sessions",
    admit=admission.recovered,
)
async def open_session(call: Call[None, NewSession]) -> Reply:
    """Open the session of a call; 200 with the one it has already."""
    body, sessions = call.body, call.services.sessions
    if body.lang is not None:
        check_changes({"lang": body.lang}, ())
    known = sessions.knows(body.call, call.once)
    admission.let_through(call.services, "established" if known else "new")
    done = await sessions.open(OpenSession(**structs.asdict(body), once=call.once))
    view = _view(done)
    headers = {"Location": f"/api/v1/sessions/{view.session}"} | _tag(view) | _replayed(done)
    return Reply(value=view, status=201 if done.created else 200, headers=headers)


def _see_session(call: Call[None, None]) -> Reply | None:
    view = call.services.sessions.seen(session_id(call))
    return None if view is None else Reply(value=view, headers=_tag(view))


@operation(
    "GET",
    _SESSION,
    scopes=_READERS,
    response=SessionView,
    problems=_GONE,
    admit=admission.reading,
    at_once=_see_session,
)
async def get_session(call: Call[None, None]) -> Reply:
    """One session."""
    view = await call.services.sessions.get(session_id(call))
    return Reply(value=view, headers=_tag(view))


@operation(
    "GET",
    _SESSIONS,
    scopes=_READERS,
    query=SessionsQuery,
    response=Page[SessionView],
    problems=(problem.UNAVAILABLE, OVERLOADED),
    admit=admission.reading,
)
async def find_sessions(call: Call[SessionsQuery, None]) -> Reply:
    """Sessions of a call or of a number, open or in the store."""
    query = call.query
    if (query.call is None) == (query.ani is None):
        raise problem.invalid("call", "given, or else ani, and not both")
    found = await call.services.sessions.find(
        FindSessions(
            call=query.call,
            ani=None if query.ani is None else _number(query.ani),
            open_only=query.open == "1",
            limit=MAX_FOUND,
        )
    )
    selection: Selection[SessionView] = Selection(
        paging.parse(call.parameters, SESSION_COLUMNS),
        key_of=_column,
        name_of=lambda view: view.session,
        text_of=lambda view: f"{view.session} {view.call} {view.ani} {view.state}",
    )
    return Reply(value=await select(found, selection, call.services.introspection.pace))


@operation(
    "GET",
    f"{_SESSION}/ivr",
    scopes=_READERS,
    query=SendListQuery,
    response=dict[str, str],
    problems=_GONE,
    admit=admission.reading,
)
async def get_send_list(call: Call[SendListQuery, None]) -> Reply:
    """What an IVR application is sent of a session, as flat text."""
    view = await call.services.sessions.get(session_id(call))
    return Reply(value=call.services.sent(view, call.query.app), headers=_tag(view))


@operation(
    "GET",
    f"{_SESSION}/journey",
    scopes=_READERS,
    query=JourneyQuery,
    response=SessionJourney,
    problems=_GONE,
    admit=admission.reading,
)
async def get_journey(call: Call[JourneyQuery, None]) -> Reply:
    """What the customer did in this call, and in those before it."""
    asked = call.query
    journeys = call.services.journeys
    found = await journeys.of(session_id(call), across=asked.across == "1", calls=asked.calls)
    return Reply(value=found)


@operation(
    "PATCH",
    _SESSION,
    scopes=_WRITERS,
    request=Changes,
    headers={"If-Match": "The ETag of the session as it was read."},
    response=SessionView,
    problems=(*_GONE, problem.STALE_REVISION, problem.PRECONDITION_REQUIRED, USER_DATA_TOO_LARGE),
    admit=admission.changing,
)
async def patch_session(call: Call[None, Changes]) -> Reply:
    """Change a session; 412 when somebody else has changed it meanwhile."""
    revision = etag.if_match(call.headers.get("if-match"))
    request = _change(revision, call.body)
    view = await call.services.sessions.patch(session_id(call), request)
    return Reply(value=view, headers=_tag(view))


@operation(
    "POST",
    f"{_SESSION}/events",
    scopes=_WRITERS,
    request=NewStep,
    response=StepNoted,
    problems=(*_GONE, STEP_DATA_TOO_LARGE),
    remembered_by="sessions",
    admit=admission.changing,
)
async def add_journey_step(call: Call[None, NewStep]) -> Reply:
    """Note a step of the caller's journey."""
    step = AddJourneyStep(**structs.asdict(call.body), once=call.once)
    done = await call.services.sessions.add_step(session_id(call), step)
    return Reply(value=StepNoted(_view(done).session, done.steps), headers=_replayed(done))


@operation(
    "POST",
    f"{_SESSION}/route",
    scopes=_WRITERS,
    request=RouteWanted,
    response=RouteAnswer,
    problems=_GONE,
    remembered_by="sessions",
    admit=admission.changing,
)
async def route_session(call: Call[None, RouteWanted]) -> Reply:
    """Decide where the call goes from here."""
    request = RouteFromIvr(call.body.rp, once=call.once)
    done = await call.services.sessions.route(session_id(call), request)
    return Reply(value=done.value, headers=_replayed(done))


@operation(
    "POST",
    f"{_SESSION}/close",
    scopes=_WRITERS,
    request=Closing,
    request_optional=True,
    response=SessionView,
    problems=_GONE,
    remembered_by="sessions",
    admit=admission.changing,
)
async def close_session(call: Call[None, Closing]) -> Reply:
    """End a session; it answers for its linger time, and ending it again changes nothing."""
    request = CloseSession(call.body.reason, once=call.once)
    done = await call.services.sessions.close(session_id(call), request)
    view = _view(done)
    call.services.channels.wake(view.call)
    return Reply(value=view, headers=_tag(view) | _replayed(done))


def session_id(call: Call[Any, Any]) -> str:
    """The session's id in the path.

    Raises:
        HttpProblem: 404 where it is none.
    """
    session = call.path["session"]
    if not SESSION_ID.fullmatch(session):
        raise problem.HttpProblem(
            NO_SUCH_SESSION,
            "an id has 20 to 26 hexadecimal digits in lower case",
            field="session",
            rule=SESSION_ID.pattern,
        )
    return session


def _view(done: Done) -> SessionView:
    assert isinstance(done.value, SessionView)
    return done.value


def _replayed(done: Done) -> dict[str, str]:
    return {idempotency.REPLAYED: "true"} if done.repeated else {}


def _tag(view: SessionView) -> dict[str, str]:
    return {"ETag": etag.tag(view.rev)}


def _change(revision: int, body: Changes) -> PatchSession:
    if body.set is None and body.delete is None:
        raise problem.invalid("body", "an object with set, del or both")
    changes, delete = body.set or {}, body.delete or []
    check_changes(changes, delete)
    return PatchSession(rev=revision, set=changes, delete=delete)


def _number(ani: str) -> str:
    """Mend a plus sign that was sent as it is: in a query it stands for a space."""
    if not _DIGIT.search(ani) and not _ADDRESS.search(ani):
        raise problem.invalid("ani", "a number, with a digit at least, or an address")
    return "+" + ani[1:] if ani.startswith(" ") else ani


def _column(view: SessionView, column: str) -> Key:
    key: Key = getattr(view, column)
    return key


OPERATIONS: tuple[Operation, ...] = (
    open_session,
    find_sessions,
    get_session,
    get_send_list,
    get_journey,
    patch_session,
    add_journey_step,
    route_session,
    close_session,
)

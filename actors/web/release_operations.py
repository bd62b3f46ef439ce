"""Operations on releases: what is installed, what an upgrade would do, and doing it.

What takes its time is answered with 202 at once; an event of kind `release` tells how it ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta, Struct

from actors.releases.manifest import VSN
from actors.releases.shelf import Row
from actors.web.api import Call, Handler, Operation, Reply, operation
from actors.web.lists import select
from actors.web.parameters import LOOK, PageParameters, Reason
from actors.web.problems import NO_SUCH_RELEASE, RELEASE_BUSY, RELEASE_REFUSED
from actors.web.tokens import Scope
from protocols.http import paging, problem
from protocols.http.paging import Key, Page, Selection
from protocols.http.problem import HttpProblem

logger = logging.getLogger(__name__)

RELEASES = "/api/v1/releases"
ADMIN: tuple[Scope, ...] = ("admin",)
CHECK_SHARE = 0.8
"""Of the time that a request may take, what a check may, before it is answered with 202."""

MAX_PROBATION_S = 604_800
MAX_LINES = 1_000

_COLUMNS = ("vsn", "state", "installed", "origin")
_DOING = (NO_SUCH_RELEASE, RELEASE_REFUSED, RELEASE_BUSY)


class Forced(Reason, frozen=True, kw_only=True):
    """With `force`, though what is new would be lost on the way back."""

    force: bool = False


class Wanted(Forced, frozen=True, kw_only=True):
    """How to upgrade.

    Attributes:
        shadow: Only look on, on a copy of the traffic, and report.
        seconds: Of the probation, or that a shadow looks on; None takes the configured ones.
    """

    shadow: bool = False
    seconds: Annotated[float, Meta(gt=0, le=MAX_PROBATION_S)] | None = None


class Begun(Struct, frozen=True, kw_only=True):
    """What was begun, by whom, why and when; an event of kind `release` tells how it ends."""

    step: str
    vsn: str | None
    reason: str
    by: str
    at: float


class HistoryParameters(Struct, frozen=True, kw_only=True):
    """How many lines, the last one first."""

    limit: Annotated[int, Meta(ge=1, le=MAX_LINES)] = 50


class Lines(Struct, frozen=True, kw_only=True):
    """Lines of the history of releases: who, when, plan, timings, result."""

    items: list[dict[str, Any]]


@operation("GET", RELEASES, scopes=LOOK, query=PageParameters, response=Page[Row])
async def list_releases(call: Call[PageParameters, None]) -> Reply:
    """The installed releases, and what each one is."""
    selection: Selection[Row] = Selection(
        paging.parse(call.parameters, _COLUMNS),
        key_of=_column,
        name_of=lambda row: row.vsn,
        text_of=lambda row: f"{row.vsn} {row.state} {row.origin}",
    )
    rows = await call.services.releases.rows()
    return Reply(value=await select(rows, selection, call.services.introspection.pace))


@operation("GET", f"{RELEASES}/status", scopes=LOOK, response=dict[str, Any])
async def release_status(call: Call[None, None]) -> Reply:
    """What runs, and what is under way."""
    return Reply(value=await call.services.releases.ask("release.status", {}))


@operation("GET", f"{RELEASES}/history", scopes=LOOK, query=HistoryParameters, response=Lines)
async def release_history(call: Call[HistoryParameters, None]) -> Reply:
    """What was done with releases."""
    return Reply(value=Lines(items=await call.services.releases.history(call.query.limit)))


@operation(
    "POST",
    f"{RELEASES}/{{vsn}}/check",
    scopes=ADMIN,
    request=Forced,
    request_optional=True,
    problems=_DOING,
)
async def check_release(call: Call[None, Forced]) -> Reply:
    """Say what an upgrade would do; 202 where that takes longer than a request may."""
    loop = asyncio.get_running_loop()
    until = loop.time() + call.services.config.request_timeout_s * CHECK_SHARE
    vsn = await _known(call)  # a slow disk takes of the same time
    asked = _begin(call, "check", {"vsn": vsn, "force": call.body.force})
    done, _ = await asyncio.wait([asked], timeout=max(0.0, until - loop.time()))
    if done:
        return Reply(value=asked.result())
    return Reply(value=_begun(call, "check", vsn), status=202)


def _step(path: str, request: type[Reason]) -> Callable[[Handler], Operation]:
    """An operation that begins something."""
    return operation(
        "POST",
        f"{RELEASES}/{path}",
        scopes=ADMIN,
        status=202,
        request=request,
        request_optional=True,
        response=Begun,
        problems=_DOING,
    )


@_step("{vsn}/upgrade", Wanted)
async def upgrade_release(call: Call[None, Wanted]) -> Reply:
    """Hand everything over to a release, on probation, under live calls."""
    vsn, wanted = await _known(call), call.body
    args: dict[str, Any] = {"vsn": vsn, "force": wanted.force, "shadow": wanted.shadow}
    if wanted.seconds is not None:
        args["seconds"] = wanted.seconds
    _begin(call, "upgrade", args)
    return Reply(value=_begun(call, "upgrade", vsn))


@_step("commit", Reason)
async def commit_release(call: Call[None, Reason]) -> Reply:
    """Make the release on probation permanent."""
    _begin(call, "commit", {})
    return Reply(value=_begun(call, "commit", None))


@_step("rollback", Forced)
async def rollback_release(call: Call[None, Forced]) -> Reply:
    """Hand everything back to the release before this one."""
    _begin(call, "rollback", {"force": call.body.force})
    return Reply(value=_begun(call, "rollback", None))


async def _known(call: Call[Any, Any]) -> str:
    """The release of the path, which is installed."""
    vsn = call.path["vsn"]
    if not VSN.fullmatch(vsn):
        raise problem.invalid("vsn", "1 to 64 of 0-9 A-Z a-z . + _ -")
    if vsn not in {row.vsn for row in await call.services.releases.rows()}:
        raise HttpProblem(NO_SUCH_RELEASE, "it is not installed", field="vsn")
    return vsn


def _begin(call: Call[Any, Any], step: str, args: dict[str, Any]) -> asyncio.Future[Any]:
    reason = call.body.reason.strip()
    logger.info("%s asks to %s release %s: %s", call.who, step, args.get("vsn", ""), reason)
    asked = call.services.releases.begin(step, {"who": call.who, "why": reason, **args})
    asked.add_done_callback(_seen)
    return asked


def _seen(asked: asyncio.Future[Any]) -> None:
    """An event tells what it was refused for: nobody has to wait for it."""
    if not asked.cancelled():
        asked.exception()


def _begun(call: Call[Any, Any], step: str, vsn: str | None) -> Begun:
    at = call.services.wall()
    return Begun(step=step, vsn=vsn, reason=call.body.reason.strip(), by=call.who, at=at)


def _column(row: Row, column: str) -> Key:
    key: Key = getattr(row, column)
    return key


OPERATIONS: tuple[Operation, ...] = (
    list_releases,
    release_status,
    release_history,
    check_release,
    upgrade_release,
    commit_release,
    rollback_release,
)

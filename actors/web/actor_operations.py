"""Operations on the actor tree: look at it, and act on one actor."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct, structs

from actors.web.api import Call, Operation, Reply, operation
from actors.web.lists import select
from actors.web.parameters import PageParameters
from actors.web.problems import ACTION_REFUSED, NO_SUCH_ACTOR
from actors.web.shown import shown
from actors.web.tokens import Scope
from protocols.http import paging
from protocols.http.paging import Key, Page, Selection
from supervision.introspection import (
    ActorDetail,
    ActorRow,
    ActorState,
    DeadLetterRow,
    TreeNode,
)

logger = logging.getLogger(__name__)

_LOOK: tuple[Scope, ...] = ("viewer",)
_UNKNOWN = (NO_SUCH_ACTOR,)
_ACTOR = "/api/v1/actors/{path}"

ACTOR_COLUMNS = ("path", "mailbox", "handled", "rate", "memory", "restarts", "since", "status")
DEAD_LETTER_COLUMNS = ("number", "target", "reason")
MAX_DEPTH = 64
MAX_REASON_CHARS = 200


ActorAction: TypeAlias = Literal["suspend", "resume", "restart", "kill"]

_Act: TypeAlias = Callable[[str, str], Coroutine[Any, Any, None]]

_acting: set[asyncio.Task[None]] = set()
"""Actions under way; the loop itself keeps no reference."""


class TreeQuery(Struct, frozen=True):
    """Which part of the tree: from `path`, `depth` levels of children."""

    path: str | None = None
    depth: Annotated[int, Meta(ge=0, le=MAX_DEPTH)] | None = None


class ActorsQuery(PageParameters, frozen=True, kw_only=True):
    """Which actors: those below a path."""

    under: str | None = None


class Reason(Struct, frozen=True):
    """Why an operator acts; the log and the events keep it."""

    reason: Annotated[str, Meta(max_length=MAX_REASON_CHARS)] = ""


class ActionDone(Struct, frozen=True, kw_only=True):
    """What was done to an actor, by whom, why and when (seconds since the epoch)."""

    path: str
    action: ActorAction
    reason: str
    by: str
    at: float


@operation(
    "GET", "/api/v1/tree", scopes=_LOOK, query=TreeQuery, response=TreeNode, problems=_UNKNOWN
)
async def get_tree(call: Call[TreeQuery, None]) -> Reply:
    """The tree below a path."""
    node = await call.services.introspection.tree(call.query.path, call.query.depth)
    return Reply(value=node)


@operation(
    "GET",
    "/api/v1/actors",
    scopes=_LOOK,
    query=ActorsQuery,
    response=Page[ActorRow],
    problems=_UNKNOWN,
)
async def list_actors(call: Call[ActorsQuery, None]) -> Reply:
    """The actors below a path, in pages."""
    page = paging.parse(call.parameters, ACTOR_COLUMNS)
    selection: Selection[ActorRow] = Selection(
        page, key_of=_column, name_of=lambda row: row.path, text_of=lambda row: row.path
    )
    rows = iter(call.services.introspection.actors(call.query.under))
    if await _is_pool(call):
        next(rows)  # the pool itself, which is none of its members
    return Reply(value=await select(rows, selection))


async def _is_pool(call: Call[ActorsQuery, None]) -> bool:
    under = call.query.under
    if under is None:
        return False
    return (await call.services.introspection.tree(under, 0)).pool is not None


@operation("GET", _ACTOR, scopes=_LOOK, response=ActorDetail, problems=_UNKNOWN)
async def get_actor(call: Call[None, None]) -> Reply:
    """One actor."""
    return Reply(value=await call.services.introspection.actor(call.path["path"]))


@operation("GET", f"{_ACTOR}/state", scopes=_LOOK, response=ActorState, problems=_UNKNOWN)
async def get_actor_state(call: Call[None, None]) -> Reply:
    """The state of one actor, without secrets."""
    found = await call.services.introspection.state(call.path["path"])
    return Reply(value=structs.replace(found, state=shown(found.state)))


@operation(
    "GET", "/api/v1/dead-letters", scopes=_LOOK, query=PageParameters, response=Page[DeadLetterRow]
)
async def list_dead_letters(call: Call[PageParameters, None]) -> Reply:
    """The latest messages that nobody took, the newest first unless asked otherwise."""
    parameters = {"order": "desc"} | dict(call.parameters)
    if call.query.cursor and not call.query.order:
        del parameters["order"]
    selection: Selection[DeadLetterRow] = Selection(
        paging.parse(parameters, DEAD_LETTER_COLUMNS),
        key_of=_column,
        name_of=lambda letter: f"{letter.number:020}",
        text_of=lambda letter: f"{letter.target} {letter.sender} {letter.message}",
    )
    return Reply(value=await select(call.services.introspection.dead_letters(), selection))


def _column(row: ActorRow | DeadLetterRow, column: str) -> Key:
    key: Key = getattr(row, column)
    return key


def _action(action: ActorAction, summary: str) -> Operation:
    async def act(call: Call[None, Reason]) -> Reply:
        path, reason = call.path["path"], call.body.reason.strip()
        do: _Act = getattr(call.services.introspection, action)
        logger.info("%s asks to %s %s: %s", call.who, action, path, reason)
        noted = f"{reason} (by {call.who})" if reason else f"{action} by {call.who}"
        await _done(do(path, noted), call.leaving)
        told, at = reason or noted, call.services.wall()
        done = ActionDone(path=path, action=action, reason=told, by=call.who, at=at)
        return Reply(value=done)

    act.__name__, act.__doc__ = f"{action}_actor", summary
    return operation(
        "POST",
        f"{_ACTOR}/{action}",
        scopes=("operator",),
        request=Reason,
        request_optional=True,
        response=ActionDone,
        problems=(NO_SUCH_ACTOR, ACTION_REFUSED),
    )(act)


async def _done(action: Coroutine[Any, Any, None], leaving: asyncio.Event | None) -> None:
    """Wait until it is done, or until that would wait for its own answer: it goes on then."""
    if leaving is None:
        await action
        return
    acting, closing = asyncio.create_task(action), asyncio.create_task(leaving.wait())
    _acting.add(acting)
    acting.add_done_callback(_settled)
    try:
        await asyncio.wait({acting, closing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        closing.cancel()
    if acting.done():
        await acting


def _settled(acting: asyncio.Task[None]) -> None:
    """Log a refusal, which nobody may be left to be told."""
    _acting.discard(acting)
    if not acting.cancelled() and (error := acting.exception()):
        logger.warning("refused: %s", error)


OPERATIONS: tuple[Operation, ...] = (
    get_tree,
    list_actors,
    get_actor,
    get_actor_state,
    _action("suspend", "Let the actor take system messages only."),
    _action("resume", "Let a suspended actor go on."),
    _action("restart", "End the actor in order; its supervisor starts it again."),
    _action("kill", "End the actor at once; its supervisor sees a crash."),
    list_dead_letters,
)

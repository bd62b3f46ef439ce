"""Operations that look at the actor tree."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, structs

from actors.web.api import Call, Operation, Reply, operation
from actors.web.lists import select
from actors.web.parameters import ACTOR, LOOK, PageParameters
from actors.web.problems import ACTION_REFUSED, CALLBACK_FAILED, NO_SUCH_ACTOR, NOT_RUNNING
from actors.web.shown import shown
from protocols.http import paging
from protocols.http.paging import Key, Page, Selection
from supervision.introspection import (
    ActorDetail,
    ActorInfo,
    ActorRow,
    ActorState,
    ChildRow,
    DeadLetterRow,
    Found,
    SystemStatus,
    TreeNode,
)

_UNKNOWN = (NO_SUCH_ACTOR,)
_RUNNING = (NO_SUCH_ACTOR, NOT_RUNNING)
_STATE = (NO_SUCH_ACTOR, NOT_RUNNING, CALLBACK_FAILED)

ACTOR_COLUMNS = ("path", "mailbox", "handled", "rate", "memory", "restarts", "since", "status")
DEAD_LETTER_COLUMNS = ("number", "target", "reason")
CHILD_COLUMNS = ("id", "restarts", "failures", "status")
MAX_DEPTH = 64


class TreeQuery(Struct, frozen=True):
    """Which part of the tree: from `path`, `depth` levels of children."""

    path: str | None = None
    depth: Annotated[int, Meta(ge=0, le=MAX_DEPTH)] | None = None


class ActorsQuery(PageParameters, frozen=True, kw_only=True):
    """Which actors: those below a path."""

    under: str | None = None


@operation(
    "GET", "/api/v1/tree", scopes=LOOK, query=TreeQuery, response=TreeNode, problems=_UNKNOWN
)
async def get_tree(call: Call[TreeQuery, None]) -> Reply:
    """The tree below a path."""
    node = await call.services.introspection.tree(call.query.path, call.query.depth)
    return Reply(value=node)


@operation(
    "GET",
    "/api/v1/actors",
    scopes=LOOK,
    query=ActorsQuery,
    response=Page[ActorRow],
    problems=_UNKNOWN,
)
async def list_actors(call: Call[ActorsQuery, None]) -> Reply:
    """The actors below a path, in pages."""
    page = paging.parse(call.parameters, ACTOR_COLUMNS)
    tree, under = call.services.introspection, call.query.under
    selection: Selection[Found] = Selection(
        page, key_of=tree.column, name_of=_path_of, text_of=_path_of
    )
    found = iter(tree.found(under))
    if under is not None and tree.is_pool(under):
        next(found)  # the pool itself, which is none of its members
    selected = await select(found, selection, tree.pace)
    rows = [tree.row(one) async for one in tree.pace.sliced(selected.items)]
    return Reply(value=Page(rows, selected.next_cursor, selected.total))


def _path_of(found: Found) -> str:
    return found.address.path


@operation("GET", ACTOR, scopes=LOOK, response=ActorDetail, problems=_UNKNOWN)
async def get_actor(call: Call[None, None]) -> Reply:
    """One actor."""
    return Reply(value=await call.services.introspection.actor(call.path["path"]))


@operation("GET", f"{ACTOR}/state", scopes=LOOK, response=ActorState, problems=_STATE)
async def get_actor_state(call: Call[None, None]) -> Reply:
    """The state of one actor, without secrets."""
    found = await call.services.introspection.state(call.path["path"])
    return Reply(value=structs.replace(found, state=shown(found.state)))


@operation(
    "GET", "/api/v1/dead-letters", scopes=LOOK, query=PageParameters, response=Page[DeadLetterRow]
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
    tree = call.services.introspection
    return Reply(value=await select(tree.dead_letters(), selection, tree.pace))


@operation(
    "GET",
    f"{ACTOR}/status",
    scopes=LOOK,
    response=SystemStatus,
    problems=_STATE,
)
async def get_actor_status(call: Call[None, None]) -> Reply:
    """The status of one actor: class, ancestors, suspended or not, what it is watched for."""
    found = await call.services.introspection.get_status(call.path["path"])
    return Reply(value=structs.replace(found, state=shown(found.state)))


@operation(
    "GET", f"{ACTOR}/info", scopes=LOOK, response=ActorInfo, problems=(*_UNKNOWN, NOT_RUNNING)
)
async def get_actor_info(call: Call[None, None]) -> Reply:
    """What an actor is tied to, takes and does; never what its mailbox holds."""
    return Reply(value=await call.services.introspection.info(call.path["path"]))


@operation(
    "GET",
    f"{ACTOR}/children",
    scopes=LOOK,
    query=PageParameters,
    response=Page[ChildRow],
    problems=(NO_SUCH_ACTOR, NOT_RUNNING, ACTION_REFUSED),
)
async def list_children(call: Call[PageParameters, None]) -> Reply:
    """The children of a supervisor, in pages."""
    selection: Selection[ChildRow] = Selection(
        paging.parse(call.parameters, CHILD_COLUMNS),
        key_of=_column,
        name_of=lambda row: row.id,
        text_of=lambda row: row.id,
    )
    tree = call.services.introspection
    rows = tree.children(call.path["path"])
    return Reply(value=await select(rows, selection, tree.pace))


def _column(row: DeadLetterRow | ChildRow, column: str) -> Key:
    key: Key = getattr(row, column)
    return key


OPERATIONS: tuple[Operation, ...] = (
    get_tree,
    list_actors,
    get_actor,
    get_actor_state,
    get_actor_status,
    get_actor_info,
    list_children,
    list_dead_letters,
)

"""Operations that rank actors, and tell how the node is."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from actors.web.api import Call, Operation, Reply, operation
from actors.web.parameters import LOOK
from actors.web.problems import LIMIT_REACHED, NO_SUCH_ACTOR
from supervision.introspection import NodeStatistics, OutOfBounds, Top, TopAttribute

ROWS = 20
"""Rows of a ranking, unless another number is asked for."""

WINDOW_SHARE = 0.8
"""Of the time that a request may take, what a window may be open."""


class TopQuery(Struct, frozen=True, kw_only=True):
    """The most of what, how many (20), within how many seconds (none: what they have), where."""

    attribute: TopAttribute = "mailbox"
    n: Annotated[int, Meta(ge=1)] | None = None
    seconds: Annotated[float, Meta(gt=0)] | None = None
    under: str | None = None


@operation(
    "GET",
    "/api/v1/top",
    scopes=LOOK,
    query=TopQuery,
    response=Top,
    problems=(NO_SUCH_ACTOR, LIMIT_REACHED),
)
async def get_top(call: Call[TopQuery, None]) -> Reply:
    """The actors with the most of something, or that grew most within a window."""
    query, tree = call.query, call.services.introspection
    n = min(ROWS, tree.limits.top_rows) if query.n is None else query.n
    if query.seconds is None:
        return Reply(value=await tree.top(query.attribute, n, query.under))
    longest = call.services.config.request_timeout_s * WINDOW_SHARE
    if query.seconds > longest:
        raise OutOfBounds("seconds", f"at most {longest:g}")
    return Reply(value=await tree.window(query.attribute, n, query.seconds, query.under))


@operation("GET", "/api/v1/node/statistics", scopes=LOOK, response=NodeStatistics)
async def get_node_statistics(call: Call[None, None]) -> Reply:
    """How the node is: its scheduler, its memory, what it has told."""
    return Reply(value=call.services.introspection.node_statistics())


OPERATIONS: tuple[Operation, ...] = (get_top, get_node_statistics)

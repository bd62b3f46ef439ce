"""Parameters that several operations have."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from actors.web.tokens import Scope
from protocols.http.paging import MAX_LIMIT, MAX_QUERY_CHARS

MAX_REASON_CHARS = 200

LOOK: tuple[Scope, ...] = ("viewer",)
ACT: tuple[Scope, ...] = ("operator",)
ACTOR = "/api/v1/actors/{path}"


class PageParameters(Struct, frozen=True, kw_only=True):
    """The parameters of every list."""

    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT)] | None = None
    cursor: str | None = None
    sort: str | None = None
    order: Literal["asc", "desc"] | None = None
    q: Annotated[str, Meta(max_length=MAX_QUERY_CHARS)] | None = None


class Reason(Struct, frozen=True, kw_only=True):
    """Why an operator acts; the log and the events keep it."""

    reason: Annotated[str, Meta(max_length=MAX_REASON_CHARS)] = ""

"""Operations on tokens; offered by the control channel only."""

from __future__ import annotations

import logging
from typing import Annotated

from msgspec import Meta, Struct

from actors.web.api import Call, Operation, Reply, operation
from actors.web.lists import select
from actors.web.parameters import PageParameters
from actors.web.problems import NO_SUCH_TOKEN, TOO_MANY_TOKENS
from actors.web.tokens import Scope, Token
from protocols.http import paging
from protocols.http.paging import Key, Page, Selection
from protocols.http.problem import HttpProblem

logger = logging.getLogger(__name__)

TOKEN_COLUMNS = ("created", "expires", "name", "scope")
MAX_LIFE_S = 10 * 366 * 86_400


class NewToken(Struct, frozen=True, kw_only=True):
    """The token wanted.

    Attributes:
        expires_s: Seconds from now after which it ends; None is never.
    """

    scope: Scope
    name: Annotated[str, Meta(max_length=100)] = ""
    expires_s: Annotated[float, Meta(gt=0, le=MAX_LIFE_S)] | None = None


class TokenRow(Struct, frozen=True, kw_only=True):
    """What is shown of a token."""

    id: str
    name: str
    scope: Scope
    created: float
    expires: float | None


class TokenMade(TokenRow, frozen=True, kw_only=True):
    """A new token with its secret, which is told this once."""

    token: str


@operation(
    "POST",
    "/api/v1/tokens",
    scopes=("admin",),
    status=201,
    request=NewToken,
    response=TokenMade,
    problems=(TOO_MANY_TOKENS,),
    remembered_by="nobody",  # nothing keeps the secret
)
async def create_token(call: Call[None, NewToken]) -> Reply:
    """Make a token; its secret is told this once."""
    now, wanted = call.services.wall(), call.body
    expires = None if wanted.expires_s is None else now + wanted.expires_s
    secret, token = await call.services.tokens.create(wanted.scope, wanted.name, now, expires)
    logger.info("%s made token %s of scope %s", call.who, token.id, token.scope)
    made = TokenMade(
        id=token.id,
        name=token.name,
        scope=token.scope,
        created=token.created,
        expires=token.expires,
        token=secret,
    )
    return Reply(value=made)


@operation(
    "GET", "/api/v1/tokens", scopes=("admin",), query=PageParameters, response=Page[TokenRow]
)
async def list_tokens(call: Call[PageParameters, None]) -> Reply:
    """The valid tokens, without their secrets."""
    selection: Selection[TokenRow] = Selection(
        paging.parse(call.parameters, TOKEN_COLUMNS),
        key_of=_column,
        name_of=lambda row: row.id,
        text_of=lambda row: f"{row.id} {row.name} {row.scope}",
    )
    tokens = call.services.tokens.valid(call.services.wall())
    return Reply(value=await select(map(_row, tokens), selection, call.services.introspection.pace))


@operation(
    "DELETE", "/api/v1/tokens/{id}", scopes=("admin",), status=204, problems=(NO_SUCH_TOKEN,)
)
async def revoke_token(call: Call[None, None]) -> Reply:
    """Revoke a token."""
    token_id = call.path["id"]
    if not await call.services.tokens.revoke(token_id, call.services.wall()):
        raise HttpProblem(NO_SUCH_TOKEN, "it is unknown, revoked or expired", field="id")
    logger.info("%s revoked token %s", call.who, token_id)
    return Reply()


def _row(token: Token) -> TokenRow:
    return TokenRow(
        id=token.id,
        name=token.name,
        scope=token.scope,
        created=token.created,
        expires=token.expires,
    )


def _column(row: TokenRow, column: str) -> Key:
    key: Key = getattr(row, column)
    return key


OPERATIONS: tuple[Operation, ...] = (create_token, list_tokens, revoke_token)

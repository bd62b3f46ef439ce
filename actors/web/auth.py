"""Who asks, and whether they may (RFC 6750)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from actors.web.tokens import Scope, TokenStore, includes
from protocols.http import problem
from protocols.http.problem import HttpProblem

_BEARER = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)
_REALM = 'Bearer realm="vigie"'


class Principal(Struct, frozen=True):
    """Who asks.

    Attributes:
        scope: What they may do.
        name: Who they are, in logs and events.
        token_id: The token they showed, None for the control channel's.
    """

    scope: Scope
    name: str
    token_id: str | None = None

    @property
    def who(self) -> str:
        """The name, and the id of the token where that is not all: names are not unique."""
        known = self.token_id is None or self.token_id == self.name
        return self.name if known else f"{self.name} ({self.token_id})"


LOCAL_ADMIN = Principal("admin", "local")
"""The user the node runs as, through the control socket."""


def authenticate(authorization: str | None, tokens: TokenStore, now: float) -> Principal | None:
    """Find out who asks.

    Args:
        authorization: The header `Authorization`, None when there is none.
        tokens: The tokens that exist.
        now: Seconds since the epoch.

    Returns:
        Who asks, None when they do not say.

    Raises:
        HttpProblem: 401 for anything but a valid bearer token.
    """
    if authorization is None:
        return None
    match = _BEARER.fullmatch(authorization.strip())
    if match is None:
        raise _unauthorized("Authorization is not of the form: Bearer TOKEN", "invalid_request")
    token = tokens.authenticate(match[1], now)
    if token is None:
        raise _unauthorized("the token is unknown, revoked or expired", "invalid_token")
    return Principal(token.scope, token.name.strip() or token.id, token.id)


def require(principal: Principal | None, scopes: Sequence[str]) -> None:
    """Let through who has one of the scopes.

    Args:
        principal: Who asks.
        scopes: Scopes of which one is enough; none means that everybody may.

    Raises:
        HttpProblem: 401 when nobody says who asks, 403 when their scope does not include it.
    """
    if not scopes:
        return
    if principal is None:
        raise _unauthorized("the header Authorization: Bearer TOKEN is missing", None)
    if not includes(principal.scope, scopes):
        raise HttpProblem(
            problem.FORBIDDEN,
            f"this needs a token of scope {' or '.join(scopes)}, not {principal.scope}",
            field="Authorization",
            rule=f"scope {' or '.join(scopes)}",
            headers={
                "WWW-Authenticate": (
                    f'{_REALM}, error="insufficient_scope", scope="{" ".join(scopes)}"'
                )
            },
        )


def _unauthorized(detail: str, error: str | None) -> HttpProblem:
    challenge = _REALM if error is None else f'{_REALM}, error="{error}"'
    return HttpProblem(
        problem.UNAUTHORIZED,
        detail,
        field="Authorization",
        rule="a valid bearer token",
        headers={"WWW-Authenticate": challenge},
    )

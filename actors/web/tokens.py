"""Bearer tokens: who may do what, with the database up or down.

A token is 256 random bits; what is kept, in `DATA/tokens.json`, is its SHA-256. Without a word of
the secret in the file a copy of it opens nothing, and because the secrets are random a plain hash
is enough: there is nothing to guess.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import msgspec

from actors import atomic_file

Scope: TypeAlias = Literal["viewer", "ivr", "cti", "operator", "admin"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
MAX_TOKENS = 10_000
SECRET_BYTES = 32

_INCLUDED: dict[str, frozenset[str]] = {
    "admin": frozenset(SCOPES),
    "operator": frozenset({"operator", "viewer", "ivr"}),
}


def includes(scope: str, wanted: Iterable[str]) -> bool:
    """Tell whether a token of `scope` may do what needs one of the `wanted` scopes.

    `admin` includes every scope, `operator` includes `viewer` and `ivr`; the others themselves.
    """
    return not _INCLUDED.get(scope, frozenset({scope})).isdisjoint(wanted)


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a token.

    Attributes:
        id: Names the token without opening anything.
        name: Whose it is.
        sha256: Digest of the secret, hexadecimal.
        created: When it was made, seconds since the epoch.
        expires: When it ends, seconds since the epoch; None is never.
    """

    id: str
    name: str
    scope: Scope
    sha256: str
    created: float
    expires: float | None = None

    def valid_at(self, now: float) -> bool:
        """Tell whether the token has not expired at `now`, seconds since the epoch."""
        return self.expires is None or now < self.expires


class TokenFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of `tokens.json`."""

    tokens: list[Token]
    version: Literal[1] = 1


class TokensUnreadable(Exception):  # noqa: N818 - named for what it says of the file
    """`tokens.json` is damaged; nobody could be let in by what it says."""


class TooManyTokens(Exception):  # noqa: N818 - an answer, not a failure
    """As many tokens exist as may."""


class TokenStore:
    """The tokens of a node, in memory and in a file.

    Args:
        path: The file; its directory exists.
        tokens: What the file says.
    """

    def __init__(self, path: Path, tokens: Iterable[Token] = ()) -> None:
        self._path = path
        self._tokens = {token.sha256: token for token in tokens}
        self._writing = asyncio.Lock()

    @classmethod
    def load(cls, path: Path) -> TokenStore:
        """Read the file; without one the store is empty.

        Raises:
            TokensUnreadable: The file is not what `TokenStore` writes.
        """
        try:
            contents = msgspec.json.decode(path.read_bytes(), type=TokenFile)
        except FileNotFoundError:
            return cls(path)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise TokensUnreadable(f"{path}: {error}") from error
        return cls(path, contents.tokens)

    def again(self) -> None:
        """Read the file again: another process may have written it.

        Raises:
            TokensUnreadable: The file is not what `TokenStore` writes; what was known is kept.
        """
        self._tokens = TokenStore.load(self._path)._tokens  # noqa: SLF001 - its own kind

    def authenticate(self, secret: str, now: float) -> Token | None:
        """Find the valid token of a secret.

        Args:
            secret: What the client sent.
            now: Seconds since the epoch.
        """
        digest = _digest(secret)
        token = self._tokens.get(digest)
        if token is None or not hmac.compare_digest(token.sha256, digest):
            return None
        return token if token.valid_at(now) else None

    def valid(self, now: float) -> list[Token]:
        """The tokens that are valid at `now`, seconds since the epoch."""
        return [token for token in self._tokens.values() if token.valid_at(now)]

    async def create(
        self, scope: Scope, name: str, now: float, expires: float | None = None
    ) -> tuple[str, Token]:
        """Make a token; it is on the disk when this returns.

        Args:
            scope: What it permits.
            name: Whose it is.
            now: Seconds since the epoch.
            expires: When it ends, seconds since the epoch; None is never.

        Returns:
            The secret, which is told this once, and what is kept of it.

        Raises:
            TooManyTokens: There are `MAX_TOKENS` valid ones.
        """
        async with self._writing:
            valid = self.valid(now)
            if len(valid) >= MAX_TOKENS:
                raise TooManyTokens(f"at most {MAX_TOKENS} tokens")
            secret, token = _make(scope, name, now, expires)
            await self._keep([*valid, token])
        return secret, token

    async def revoke(self, token_id: str, now: float) -> bool:
        """Forget a token; it is gone from the disk when this returns.

        Args:
            token_id: Its id.
            now: Seconds since the epoch.

        Returns:
            Whether there was such a token.
        """
        async with self._writing:
            valid = self.valid(now)
            kept = [token for token in valid if token.id != token_id]
            if len(kept) == len(valid):
                return False
            await self._keep(kept)
        return True

    async def _keep(self, tokens: list[Token]) -> None:
        await asyncio.to_thread(_write, self._path, tokens)
        self._tokens = {token.sha256: token for token in tokens}


def open_store(data: Path, now: float, *, makes: bool = True) -> tuple[TokenStore, str | None]:
    """Open the store of a data directory; at the first start make the operator's token.

    Args:
        data: The data directory.
        now: Seconds since the epoch.
        makes: Whether there may be a first start; a process that takes over writes nothing.

    Returns:
        The store, and the operator's secret when this was the first start; it is in
        `operator.token` as well, readable by the node's user alone.

    Raises:
        TokensUnreadable: `tokens.json` is damaged.
    """
    path = data / "tokens.json"
    if path.exists() or not makes:
        return TokenStore.load(path), None
    secret, token = _make("operator", "operator", now, None)
    # In this order a crash in between leaves a first start, not a token that nobody knows.
    atomic_file.replace(data / "operator.token", f"{secret}\n".encode())
    _write(path, [token])
    return TokenStore(path, [token]), secret


def _make(scope: Scope, name: str, now: float, expires: float | None) -> tuple[str, Token]:
    secret = secrets.token_urlsafe(SECRET_BYTES)
    token = Token(
        id=secrets.token_hex(6),
        name=name,
        scope=scope,
        sha256=_digest(secret),
        created=now,
        expires=expires,
    )
    return secret, token


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _write(path: Path, tokens: list[Token]) -> None:
    contents = msgspec.json.encode(TokenFile(tokens))
    atomic_file.replace(path, msgspec.json.format(contents, indent=2))

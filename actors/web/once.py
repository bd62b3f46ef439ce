"""Requests with an `Idempotency-Key`: done once, answered as often as they are sent.

What is done to sessions is remembered by the sessions, durably, so that it holds over a crash of
the node; what is done to the node itself is remembered here, as long as the node runs, and beyond
where another process takes over from it. Both are kept apart by who asks, and while one request is
under way another one with its key waits: so the second always finds what the first has done.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from actors.session_api import IdempotentKey
from protocols.http.idempotency import HEADER, KEY_IN_USE, KEY_REUSED, key
from protocols.http.problem import HttpProblem

if TYPE_CHECKING:
    from actors.web.auth import Principal

MAX_ANSWERS = 1_000
"""Answers kept of what was done to the node; the oldest give way."""

KEEP_S = 3_600.0
WAIT_S = 2.0
"""How long a request waits for another one with its key."""

RETRY_AFTER_S = 1
DIGEST_BYTES = 16


class Kept(Struct, frozen=True):
    """What was answered.

    Attributes:
        fingerprint: Of the request.
        at: When, monotonic seconds.
        answer: As the API gave it.
    """

    fingerprint: str
    at: float
    answer: Any


class _Running(Struct, frozen=True):
    fingerprint: str
    ended: asyncio.Event


def once_of(
    headers: Mapping[str, str], principal: Principal | None, *content: object
) -> IdempotentKey | None:
    """Read the key of a request.

    Args:
        headers: Its headers by lower-case name.
        principal: Who asks: nobody meets the keys of others.
        content: What the request is, as plain data and records: method, path, body.

    Returns:
        The key, no longer to be read by anybody, and the fingerprint of the content: the same for
        bodies that mean the same, in whichever order and media type; None without the header.

    Raises:
        HttpProblem: 400 for a header that is no key.
    """
    given = key(headers.get(HEADER.lower()))
    if given is None:
        return None
    who = "" if principal is None else principal.token_id or f"{principal.scope} {principal.name}"
    return IdempotentKey(
        _digest(f"{len(who)} {who} {given}".encode()),
        _digest(msgspec.msgpack.encode(content, order="sorted")),
    )


def reused() -> HttpProblem:
    """Make the problem of a key that came with other content before (422)."""
    rule = "a new key for each new request"
    return HttpProblem(KEY_REUSED, "it is another request", field=HEADER, rule=rule)


class Requests:
    """The requests with keys that are under way, and the answers of the last ones.

    Args:
        now: Monotonic seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._running: dict[str, _Running] = {}
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    @asynccontextmanager
    async def alone(self, once: IdempotentKey) -> AsyncIterator[None]:
        """Keep others with this key waiting meanwhile.

        Raises:
            HttpProblem: 422 where one of other content is under way; 409 where one of the same
                content takes longer than `WAIT_S`.
        """
        try:
            async with asyncio.timeout(WAIT_S):
                await self._wait(once)
        except TimeoutError:
            headers = {"Retry-After": str(RETRY_AFTER_S)}
            detail = "the first request with this key has not been answered yet"
            raise HttpProblem(KEY_IN_USE, detail, field=HEADER, headers=headers) from None
        running = self._running[once.key] = _Running(once.fingerprint, asyncio.Event())
        try:
            yield
        finally:
            del self._running[once.key]
            running.ended.set()

    async def _wait(self, once: IdempotentKey) -> None:
        while (running := self._running.get(once.key)) is not None:
            if running.fingerprint != once.fingerprint:
                raise reused()
            await running.ended.wait()

    def answered(self, once: IdempotentKey) -> Any:
        """Find the answer that was given before; None where there is none.

        Raises:
            HttpProblem: 422 where the key came with other content.
        """
        self._forget()
        kept = self._kept.get(once.key)
        if kept is None:
            return None
        if kept.fingerprint != once.fingerprint:
            raise reused()
        return kept.answer

    def keep(self, once: IdempotentKey, answer: Any) -> None:
        """Remember an answer for when it is asked for again."""
        self._kept[once.key] = Kept(once.fingerprint, self._now(), answer)

    # From one process to the next

    def kept(self) -> list[tuple[IdempotentKey, Kept]]:
        """The answers that are still known, each with what it was given to, the oldest first."""
        self._forget()
        return [(IdempotentKey(key, one.fingerprint), one) for key, one in self._kept.items()]

    def carry(self, kept: Iterable[tuple[IdempotentKey, Kept]]) -> None:
        """Know what another process has answered; what this one has follows.

        Args:
            kept: as the other one's `kept` says.
        """
        own = self._kept
        self._kept = OrderedDict((once.key, one) for once, one in kept)
        self._kept.update(own)

    def _forget(self) -> None:
        oldest = self._now() - KEEP_S
        while self._kept:
            first = next(iter(self._kept))
            if len(self._kept) < MAX_ANSWERS and self._kept[first].at > oldest:
                return
            del self._kept[first]


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).hexdigest()

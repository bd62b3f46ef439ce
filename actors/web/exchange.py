"""What the API takes from a transport and gives back to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Protocol

from msgspec import Struct

from actors.web.auth import Principal
from protocols.http import media, problem
from protocols.http.problem import HttpProblem

RETRY_AFTER_S = 1
"""When to ask again, seconds, where a refusal for now does not say."""

_FOR_NOW = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class ApiRequest(Struct, frozen=True, kw_only=True):
    """What a transport received.

    Attributes:
        method: HTTP method, in capitals.
        path: Path as it was sent: percent-encoded, without query.
        query: Query as it was sent: percent-encoded, without question mark.
        headers: Headers by lower-case name.
        read_body: Reads the body, within the transport's limits; called once at most, and only
            when whoever asks may.
        principal: Who asks, where the transport knows; else the header `authorization` tells.
        leaving: Set once the transport closes in order; None for one that outlives every request.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = {}
    read_body: Callable[[], Awaitable[bytes]]
    principal: Principal | None = None
    leaving: asyncio.Event | None = None


class ByteStream(Protocol):
    """An answer that goes on: chunks until the source ends or the transport closes it."""

    async def chunk(self) -> bytes | None:
        """The next chunk, None at the end."""
        ...

    def close(self) -> None:
        """Give back what the stream holds; called once by the transport, whatever happened."""
        ...


class ApiResponse(Struct, frozen=True, kw_only=True):
    """What the transport sends: a whole body or a stream."""

    status: int
    media_type: str = media.JSON
    body: bytes = b""
    headers: Mapping[str, str] = {}
    stream: ByteStream | None = None


def patient(status: int, headers: Mapping[str, str]) -> Mapping[str, str]:
    """Tell whoever is refused for now when to ask again, whatever the refusal says itself.

    Args:
        status: Of the answer.
        headers: Its own headers.
    """
    return {"Retry-After": str(RETRY_AFTER_S), **headers} if status in _FOR_NOW else headers


def problem_response(error: HttpProblem) -> ApiResponse:
    """Make the answer of a problem, whatever types the client accepts (RFC 9457, 3)."""
    return ApiResponse(
        status=error.status,
        media_type=problem.MEDIA_TYPE,
        body=error.body(),
        headers=patient(error.status, error.headers),
    )

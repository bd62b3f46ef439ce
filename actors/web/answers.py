"""Whole answers as the bytes of HTTP/1.1, made in one go and written at once.

What aiohttp makes of an answer, header by header, without the objects that it makes for it. Only
answers whose framing is plain are made here: to HTTP/1.1, with a body of known length. The others
(HEAD, HTTP/1.0, statuses without a body) are left to aiohttp.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias, cast

from aiohttp import HttpVersion11
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import SERVER_SOFTWARE
from aiohttp.http_writer import _serialize_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp.http import HttpVersion
    from aiohttp.web import BaseRequest
    from multidict import CIMultiDict

    from actors.web.exchange import ApiResponse

_ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
TooSlow: TypeAlias = "Callable[[BaseRequest], None]"
"""Cuts off the client of a request."""

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED})


def is_plain(method: str, version: HttpVersion, response: ApiResponse) -> bool:
    """Whether `whole` can make an answer.

    Args:
        method: of the request.
        version: of the request.
        response: the answer.
    """
    if method == "HEAD" or version != HttpVersion11 or response.stream is not None:
        return False
    return response.status >= HTTPStatus.OK and response.status not in _BODILESS


def whole(response: ApiResponse, *, keep_alive: bool) -> bytes:
    """Make the bytes of an answer.

    Args:
        response: the answer, a plain one.
        keep_alive: whether the connection goes on afterwards.

    Raises:
        ValueError: a header has a line break.
    """
    headers = {
        **headers_of(response),
        "Content-Length": str(len(response.body)),
        "Date": rfc822_formatted_time(),
        "Server": SERVER_SOFTWARE,
    }
    if not keep_alive:
        headers["Connection"] = "close"
    line = f"HTTP/1.1 {response.status} {_REASONS.get(response.status, '')}"
    return _serialize_headers(line, cast("CIMultiDict[str]", headers)) + response.body


class Whole:
    """An answer that aiohttp has sent as it is, in the place of one of its own.

    Args:
        content: all of it.
        keep_alive: whether the connection goes on afterwards.
        slow: cuts off a client that does not read it.
        timeout_s: how long that may take, seconds.

    Attributes:
        keep_alive: as given.
    """

    __slots__ = ("_content", "_request", "_slow", "_timeout_s", "keep_alive")

    def __init__(self, content: bytes, keep_alive: bool, slow: TooSlow, timeout_s: float) -> None:
        self._content = content
        self._slow = slow
        self._timeout_s = timeout_s
        self._request: BaseRequest | None = None
        self.keep_alive = keep_alive

    async def prepare(self, request: BaseRequest) -> None:
        """Write it.

        Raises:
            ConnectionResetError: nobody is there to read it.
        """
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the connection has been closed")
        self._request = request
        transport.write(self._content)

    async def write_eof(self) -> None:
        """Wait until the client has read most of it, as long as it may take."""
        request = self._request
        assert request is not None
        if not request.protocol.writing_paused:
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                await request.protocol._drain_helper()  # noqa: SLF001 - as its own writer does
        except TimeoutError:
            self._slow(request)


def headers_of(response: ApiResponse) -> Mapping[str, str]:
    """All headers of an answer but those that the server makes."""
    if response.status == HTTPStatus.NO_CONTENT:
        return {**_ALWAYS, **response.headers}
    return {**_ALWAYS, "Content-Type": response.media_type, **response.headers}

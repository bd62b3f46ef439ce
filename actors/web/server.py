"""The HTTP server: a thin layer of aiohttp between sockets and the API.

It knows connections, bytes and time; what a request means is the API's business. Whatever a client
does wrong is answered with a problem (RFC 9457), also where aiohttp finds the fault.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import cast

from aiohttp import HttpVersion11, hdrs, web, web_protocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawRequestMessage

from actors import metrics
from actors.channels.chat_desk import ChatDesk
from actors.config import HttpConfig
from actors.entrance import Acceptor, Entrance
from actors.web import chat_socket
from actors.web.answers import Whole, headers_of, is_plain, whole
from actors.web.api import Api
from actors.web.connections import Connections, Moving, Stream
from actors.web.exchange import ApiRequest, ApiResponse, ByteStream, problem_response
from actors.web.patience import Patience
from actors.web.problems import unavailable
from protocols.http import problem
from protocols.http.problem import HttpProblem

BACKLOG = 1_024
"""Connections that may wait to be accepted."""

ACCEPTS = 64
"""Connections accepted in one turn of the loop, so that a flood of them leaves time for others; and
where no descriptor is left, how often asyncio tries and says so before it pauses for a second."""

RETRY_AFTER_S = 1.0
CLOSE_S = 1.0
"""How long running requests are given to end when the server closes, seconds."""


AT_ONCE_BYTES = 32_768
"""Bodies up to here are written without waiting for the client: less than a transport buffers
before it says that it is full."""

LAST_CHUNK = b"0\r\n\r\n"
"""Where an answer in chunks ends (RFC 9112, 7.1)."""


class WebServer:
    """Serves an API on a listening socket; made on the loop that it serves on.

    Args:
        api: What answers.
        config: The limits.
        entrance: Whether connections are accepted.
        chat: The web chat; None where it is not enabled.
    """

    def __init__(
        self,
        api: Api,
        config: HttpConfig,
        entrance: Entrance | None = None,
        chat: ChatDesk | None = None,
    ) -> None:
        self._api = api
        self._chat = chat
        self._config = config
        self._protocols = Connections(self._handle, config, self._at_once)
        entrance = entrance or Entrance()
        self._acceptor = Acceptor(entrance, self._protocols, accepts=ACCEPTS, backlog=BACKLOG)
        self._patience = Patience(config.request_timeout_s)
        self._over = False
        self._leaving = asyncio.Event()

    async def start(self, listening: socket.socket) -> None:
        """Accept connections, where the entrance is open.

        Args:
            listening: A socket that listens; it is duplicated, never closed.
        """
        await self._acceptor.begin(listening)

    def pause(self) -> None:
        """Accept no more until the next `start`."""
        self._acceptor.pause()

    async def close(self) -> None:
        """Stop accepting, let running requests end for a while, close every connection."""
        if self._over:
            return
        self._over = True
        self._acceptor.end()
        self._leaving.set()
        if self._chat is not None:
            self._chat.end_all()
        self._protocols.end_streams()
        self._protocols.pre_shutdown()
        await self._protocols.shutdown(CLOSE_S)

    def let_go(self) -> None:
        """Stop accepting at once; close what is idle now, the rest when its answer has gone.

        Does not wait: it is for an owner that is gone already. What still runs after `CLOSE_S`
        seconds is cut off.
        """
        if self._over:
            return
        self._over = True
        self._acceptor.end()
        self._protocols.end_streams()
        self._protocols.let_go()
        asyncio.get_running_loop().call_later(CLOSE_S, self._protocols.cut_off)

    # To another process

    def drain(self) -> None:
        """Read no further request; those that have been read are answered."""
        self._protocols.drain()

    def go_on(self) -> None:
        """Read requests again."""
        self._protocols.go_on()

    @property
    def busy(self) -> list[str]:
        """The requests that are not answered; streams of events are not among them."""
        return [connection.shown for connection in self._protocols.busy]

    def take_out(self) -> list[Moving]:
        """Take the connections that no answer is due on out of this process's loop."""
        return self._protocols.take_out()

    def ends(self) -> list[tuple[int, bytes]]:
        """The descriptors of streams of events, and what ends each of them."""
        return self._protocols.ends()

    def put_in(self, moving: Moving) -> None:
        """Go on with a connection that was taken out, here or in another process.

        Raises:
            OSError: It is none.
        """
        self._protocols.put_in(moving)

    @property
    def connections(self) -> int:
        """Connections open now."""
        return self._protocols.open

    @property
    def streams(self) -> int:
        """Answers that go on: streams of events."""
        return len(self._protocols.streams)

    def _at_once(self, message: RawRequestMessage) -> bytes | None:
        """Answer a request without a body or a query, where that needs no waiting."""
        if "?" in message.path or not message.path.startswith("/"):
            return None
        asked = ApiRequest(
            method=message.method,
            path=message.url.raw_path,
            headers=_headers(message.headers),
            read_body=_nothing,
            leaving=self._leaving,
        )
        response = self._api.at_once(asked, AT_ONCE_BYTES)
        return None if response is None else whole(response, keep_alive=True)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.rel_url.raw_path == chat_socket.PATH and request.method == hdrs.METH_GET:
            return await self._visit(request)
        body = _Body(request, self._config.max_body_bytes)
        asked = ApiRequest(
            method=request.method,
            path=request.rel_url.raw_path,
            query=request.rel_url.raw_query_string,
            headers=_headers(request.headers),
            read_body=body.read,
            leaving=self._leaving,
        )
        try:
            with self._patience.turn():
                response = await self._api.dispatch(asked)
        except TimeoutError:
            response = self._api.refused(asked, self._late(body))
        if response.stream is not None:
            return await self._stream(request, response, response.stream)
        return await self._reply(request, response)

    async def _reply(self, request: web.BaseRequest, response: ApiResponse) -> web.StreamResponse:
        """Send an answer, or have aiohttp do so."""
        if is_plain(request.method, request.version, response):
            keep_alive = request.keep_alive
            answer = whole(response, keep_alive=keep_alive)
            said = Whole(answer, keep_alive, _cut_off, self._config.write_timeout_s)
            return cast("web.StreamResponse", said)
        reply = web.Response(
            status=response.status, body=response.body, headers=headers_of(response)
        )
        return await self._send(request, reply)

    async def _visit(self, request: web.BaseRequest) -> web.StreamResponse:
        """Have a visitor of the web chat served, or say why not."""
        try:
            desk = chat_socket.check(self._chat, _headers(request.headers))
        except HttpProblem as error:
            return await self._reply(request, problem_response(error))
        return await chat_socket.serve(desk, request)

    def _late(self, body: _Body) -> HttpProblem:
        rule = f"within {self._config.request_timeout_s} s"
        if body.arriving:
            return HttpProblem(
                problem.REQUEST_TIMEOUT, "the body stopped arriving", field="body", rule=rule
            )
        return unavailable(f"no answer {rule}; a change may have been made", RETRY_AFTER_S)

    async def _send(self, request: web.BaseRequest, reply: web.Response) -> web.StreamResponse:
        try:
            async with asyncio.timeout(self._config.write_timeout_s):
                await reply.prepare(request)
                await reply.write_eof()
        except TimeoutError:
            _cut_off(request)
        return reply

    async def _stream(
        self, request: web.BaseRequest, response: ApiResponse, stream: ByteStream
    ) -> web.StreamResponse:
        reply = web.StreamResponse(status=response.status, headers=headers_of(response))
        end = LAST_CHUNK if request.version >= HttpVersion11 else b""
        self._protocols.streams[request.protocol] = Stream(_this_task(), reply, end)
        try:
            await self._copy(request, reply, stream)
        except TimeoutError:
            _cut_off(request)
        finally:
            del self._protocols.streams[request.protocol]
            stream.close()
        return reply

    async def _copy(
        self, request: web.BaseRequest, reply: web.StreamResponse, stream: ByteStream
    ) -> None:
        await reply.prepare(request)
        if request.method == hdrs.METH_HEAD:
            return
        while (chunk := await stream.chunk()) is not None:
            async with asyncio.timeout(self._config.write_timeout_s):
                await reply.write(chunk)


class _Body:
    """The body of a request, read when it is wanted and no further than the limit."""

    def __init__(self, request: web.BaseRequest, limit: int) -> None:
        self._request = request
        self._limit = limit
        self.arriving = False

    async def read(self) -> bytes:
        if (self._request.content_length or 0) > self._limit:
            raise self._too_large()
        if hdrs.EXPECT in self._request.headers:
            await self._ask_for_it()
        self.arriving = True
        try:
            body = await self._collect()
        except (OSError, web_protocol.RequestPayloadError, HttpProcessingError) as error:
            raise HttpProblem(
                problem.MALFORMED_REQUEST, f"the body broke off: {error}", field="body"
            ) from None
        self.arriving = False
        return body

    async def _collect(self) -> bytes:
        content = self._request.content
        if content.is_eof():  # it has come whole, as most do
            come = content.read_nowait()
            if len(come) > self._limit:
                raise self._too_large()
            return come
        body = bytearray()
        async for chunk in content.iter_any():
            body += chunk
            if len(body) > self._limit:
                raise self._too_large()
        return bytes(body)

    async def _ask_for_it(self) -> None:
        """Tell a client that waits for a word to go on (RFC 9110, 10.1.1)."""
        if self._request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
            writer = self._request.writer
            await writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            writer.output_size = 0

    def _too_large(self) -> HttpProblem:
        rule = f"at most {self._limit} bytes"
        return HttpProblem(problem.BODY_TOO_LARGE, f"a body takes {rule}", field="body", rule=rule)


def _cut_off(request: web.BaseRequest) -> None:
    """Give up on a client that does not read its answer."""
    metrics.HTTP_SLOW_CLIENTS.inc()
    if request.transport is not None:
        request.transport.abort()


def _this_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def _nothing() -> bytes:
    """The body of a request without one."""
    return b""


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    """Headers by lower-case name; those sent more than once joined by commas (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for name, value in given.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers

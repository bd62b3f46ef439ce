"""The HTTP server: a thin layer of aiohttp between sockets and the API.

It knows connections, bytes and time; what a request means is the API's business. Whatever a client
does wrong is answered with a problem (RFC 9457), also where aiohttp finds the fault.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from aiohttp import hdrs, web, web_protocol
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from actors import metrics
from actors.config import HttpConfig
from actors.web.api import Api
from actors.web.exchange import ApiRequest, ApiResponse, ByteStream, problem_response
from actors.web.problems import TOO_MANY_CONNECTIONS, unavailable
from protocols.http import problem
from protocols.http.problem import HttpProblem

logger = logging.getLogger(__name__)

BACKLOG = 1_024
"""Connections that may wait to be accepted."""

ACCEPTS = 64
"""Connections accepted in one turn of the loop, so that a flood of them leaves time for others; and
where no descriptor is left, how often asyncio tries and says so before it pauses for a second."""

LINGER_S = 2.0
RETRY_AFTER_S = 1.0
CLOSE_S = 1.0
"""How long running requests are given to end when the server closes, seconds."""

_ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class WebServer:
    """Serves an API on a listening socket; made on the loop that it serves on.

    Args:
        api: What answers.
        config: The limits.
    """

    def __init__(self, api: Api, config: HttpConfig) -> None:
        self._api = api
        self._config = config
        self._protocols = _Protocols(self._handle, config)
        self._listener: asyncio.Server | None = None
        self._leaving = asyncio.Event()

    async def start(self, listening: socket.socket) -> None:
        """Accept connections.

        Args:
            listening: A socket that listens; it is closed with the server.
        """
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._protocols, sock=listening, backlog=ACCEPTS)
        listening.listen(BACKLOG)  # asyncio has one number for both

    async def close(self) -> None:
        """Stop accepting, let running requests end for a while, close every connection."""
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        self._leaving.set()
        self._protocols.end_streams()
        self._protocols.pre_shutdown()
        await self._protocols.shutdown(CLOSE_S)

    def let_go(self) -> None:
        """Stop accepting at once; close what is idle now, the rest when its answer has gone.

        Does not wait: it is for an owner that is gone already. What still runs after `CLOSE_S`
        seconds is cut off.
        """
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        self._protocols.end_streams()
        self._protocols.let_go()
        asyncio.get_running_loop().call_later(CLOSE_S, self._protocols.cut_off)

    @property
    def connections(self) -> int:
        """Connections open now."""
        return self._protocols.open

    @property
    def streams(self) -> int:
        """Answers that go on: streams of events."""
        return len(self._protocols.streams)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = _Body(request, self._config.max_body_bytes)
        asked = ApiRequest(
            method=request.method,
            path=request.rel_url.raw_path,
            query=request.rel_url.raw_query_string,
            headers=_headers(request),
            read_body=body.read,
            leaving=self._leaving,
        )
        try:
            async with asyncio.timeout(self._config.request_timeout_s):
                response = await self._api.dispatch(asked)
        except TimeoutError:
            response = problem_response(self._late(body))
        if response.stream is not None:
            return await self._stream(request, response, response.stream)
        reply = web.Response(
            status=response.status, body=response.body, headers=_response_headers(response)
        )
        return await self._send(request, reply)

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
        reply = web.StreamResponse(status=response.status, headers=_response_headers(response))
        self._protocols.streams[request.protocol] = _this_task()
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
        body = bytearray()
        async for chunk in self._request.content.iter_any():
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


class _Protocols(web.Server):
    """Makes the protocol of each connection, and knows what is open."""

    def __init__(self, handler: web_protocol._RequestHandler, config: HttpConfig) -> None:
        super().__init__(
            handler,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=config.idle_timeout_s,
            lingering_time=LINGER_S,
            logger=logger,
            max_field_size=config.max_header_bytes,
            max_headers=config.max_headers,
            max_line_size=config.max_header_bytes,
        )
        self.config = config
        self.open = 0
        self.streams: dict[asyncio.BaseProtocol, asyncio.Task[object]] = {}

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)

    def let_go(self) -> None:
        for connection in self.connections:
            cast("_Connection", connection).let_go()

    def cut_off(self) -> None:
        for connection in self.connections:
            connection.force_close()

    def end_streams(self) -> None:
        for task in self.streams.values():
            task.cancel()


class _Connection(web.RequestHandler):
    """One connection: counted, limited, and its faults answered with problems."""

    __slots__ = ("_counted", "_protocols")

    def __init__(self, protocols: _Protocols, **options: Any) -> None:
        super().__init__(protocols, **options)
        self._protocols = protocols
        self._counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are too many."""
        if self._protocols.open >= self._protocols.config.max_connections:
            self._refuse(cast("asyncio.Transport", transport))
            return
        self._count(1)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let go of what the connection held."""
        if self._counted:
            self._count(-1)
        if task := self._protocols.streams.get(self):
            task.cancel()
        super().connection_lost(exc)

    def let_go(self) -> None:
        """Close now, or when the answer that is being made has gone."""
        if self._request_in_progress:
            self.close()
        else:
            self.force_close()

    def _count(self, change: int) -> None:
        self._counted = change > 0
        self._protocols.open += change
        metrics.HTTP_CONNECTIONS.inc(change)

    def _refuse(self, transport: asyncio.Transport) -> None:
        self.close()
        transport.write(_refusal(self._protocols.config.max_connections))
        transport.close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what aiohttp found wrong with a request, or a failure of this layer."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun; another one cannot be sent")
        error = self._problem(status, exc, message)
        reply = web.Response(
            status=error.status,
            body=error.body(),
            headers=_response_headers(problem_response(error)),
        )
        reply.force_close()
        return reply

    def _problem(self, status: int, exc: BaseException | None, message: str | None) -> HttpProblem:
        if isinstance(exc, LineTooLong):
            rule = f"lines of at most {self._protocols.config.max_header_bytes} bytes"
            return HttpProblem(problem.HEADERS_TOO_LARGE, "a line is too long", rule=rule)
        if status == HTTPStatus.BAD_REQUEST:
            detail = (message or "the request is not valid HTTP").partition("\n")[0]
            return HttpProblem(problem.MALFORMED_REQUEST, detail.rstrip(":"))
        logger.error("the HTTP layer failed", exc_info=exc)
        return HttpProblem(problem.INTERNAL_ERROR, "the failure has been logged")


def _refusal(limit: int) -> bytes:
    """The whole answer to a connection above the limit."""
    error = HttpProblem(TOO_MANY_CONNECTIONS, "close one first", rule=f"at most {limit}")
    body = error.body()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\n"
        f"Content-Type: {problem.MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
        "Retry-After: 1\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def _cut_off(request: web.BaseRequest) -> None:
    """Give up on a client that does not read its answer."""
    metrics.HTTP_SLOW_CLIENTS.inc()
    if request.transport is not None:
        request.transport.abort()


def _this_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task


def _headers(request: web.BaseRequest) -> dict[str, str]:
    """Headers by lower-case name; those sent more than once joined by commas (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


def _response_headers(response: ApiResponse) -> Mapping[str, str]:
    if response.status == HTTPStatus.NO_CONTENT:
        return _ALWAYS | dict(response.headers)
    return _ALWAYS | {"Content-Type": response.media_type} | dict(response.headers)

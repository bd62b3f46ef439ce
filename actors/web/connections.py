"""The connections of the HTTP server: counted, limited, their faults answered with problems.

They can be moved to another process. Between two requests a connection is its socket, what is to
be sent first, the beginning of a request where one has come, and the time when it is idle too long.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, TypeAlias, cast

from aiohttp import HttpVersion11, web, web_protocol
from aiohttp.http_exceptions import LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from msgspec import Struct

from actors import metrics
from actors.config import HttpConfig
from actors.web.answers import headers_of
from actors.web.exchange import problem_response
from actors.web.problems import TOO_MANY_CONNECTIONS
from protocols.http import problem
from protocols.http.arriving import Arriving
from protocols.http.problem import HttpProblem
from supervision.release.sockets import Detached, NotDetachable, adopt, detach

logger = logging.getLogger("actors.web.server")

LINGER_S = 2.0


AtOnce: TypeAlias = Callable[[RawRequestMessage], bytes | None]
"""Makes all that is sent to a request without a body, where nothing has to be waited for."""


class Moving(Struct, frozen=True):
    """A connection between two requests that goes to another process.

    Attributes:
        socket: itself, with what is to be sent first.
        begun: what has come of its next request.
        close_at: when it has been idle for too long, seconds of the loop; None where it is closed
            as soon as the rest has been sent.
    """

    socket: Detached
    begun: bytes = b""
    close_at: float | None = None


class Stream(Struct, frozen=True):
    """An answer that goes on: its task, itself, and what is to be written where it ends."""

    task: asyncio.Task[object]
    reply: web.StreamResponse
    end: bytes


class Connections(web.Server):
    """Makes the protocol of each connection, and knows what is open.

    Args:
        handler: what answers a request.
        config: the limits.
        at_once: what answers one without waiting, as the handler would, with all that is sent; None
            leaves it to the handler.

    Attributes:
        open: how many connections there are.
        streams: the answers that go on, by connection.
        draining: whether no further request is read.
    """

    def __init__(
        self, handler: web_protocol._RequestHandler, config: HttpConfig, at_once: AtOnce
    ) -> None:
        self.draining = False
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
        self.at_once = at_once
        self.open = 0
        self.streams: dict[asyncio.BaseProtocol, Stream] = {}

    def __call__(self) -> Connection:
        """The protocol of a new connection."""
        return Connection(self, loop=self._loop, **self._kwargs)

    def let_go(self) -> None:
        """Close what is idle, the rest when its answer has gone."""
        for connection in self._made():
            connection.let_go()

    def cut_off(self) -> None:
        """Close everything."""
        for connection in self.connections:
            connection.force_close()

    def end_streams(self) -> None:
        """End the answers that go on."""
        for stream in self.streams.values():
            stream.task.cancel()

    def _made(self) -> list[Connection]:
        return cast("list[Connection]", self.connections)

    # To another process

    def drain(self) -> None:
        """Read no further request: it waits in its socket. What has been read is answered."""
        self.draining = True
        for connection in self._made():
            connection.read_no_further()

    def go_on(self) -> None:
        """Read requests again."""
        self.draining = False
        for connection in self._made():
            connection.read_on()

    @property
    def busy(self) -> list[Connection]:
        """Those with a request that is not answered; answers that go on are not among them."""
        return [one for one in self._made() if one not in self.streams and one.answering]

    def take_out(self) -> list[Moving]:
        """Take what is between two requests, or only sends its rest, out of this process's loop."""
        moving: list[Moving] = []
        for handler, transport in list(self._connections.items()):
            connection = cast("Connection", handler)
            if connection in self.streams:
                continue
            closing = transport.is_closing()
            if not (closing or connection.idle):
                continue
            begun, close_at = connection.begun, None if closing else connection.close_at
            with suppress(NotDetachable):  # it has ended, and the loop is about to say so
                moving.append(Moving(detach(transport), begun, close_at))
                connection.connection_lost(None)  # of this one, not of the peer
        return moving

    def ends(self) -> list[tuple[int, bytes]]:
        """What would end the answers that go on, where nothing of theirs waits to be sent.

        Returns:
            The descriptor of each, which stays where it is, and the bytes.
        """
        found = []
        for handler, stream in self.streams.items():
            transport = cast("Connection", handler).transport
            if transport is None or not stream.reply.prepared:
                continue
            if not (transport.is_closing() or transport.get_write_buffer_size()):
                found.append((transport.get_extra_info("socket").fileno(), stream.end))
        return found

    def put_in(self, moving: Moving) -> None:
        """Go on with a connection that was taken out, here or in another process.

        Raises:
            OSError: it is none.
        """
        loop = asyncio.get_running_loop()
        if moving.close_at is None:
            rest = adopt(loop, moving.socket, asyncio.Protocol())
            loop.call_later(self.config.write_timeout_s, rest.abort)
            return
        connection = self()
        connection.expected = moving
        adopt(loop, moving.socket, connection)


class Connection(web.RequestHandler):
    """One connection: counted, limited, and its faults answered with problems.

    Attributes:
        expected: what another process has known of it, until it is made.
    """

    __slots__ = ("_all", "_arriving", "_counted", "expected")

    def __init__(self, all_of_them: Connections, **options: Any) -> None:
        super().__init__(all_of_them, **options)
        self._all = all_of_them
        self._counted = False
        self._arriving = Arriving()
        self.expected: Moving | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are too many."""
        known, full = self.expected, self._all.open >= self._all.config.max_connections
        if full and known is None:
            self._refuse(cast("asyncio.Transport", transport))
            return
        self._count(1)
        super().connection_made(transport)
        if known is not None:
            self._carry_on(known)
        if self._all.draining:
            self.read_no_further()

    def data_received(self, data: bytes) -> None:
        """Take what was read."""
        self._arriving.take(data)
        waiter = self._waiter
        if waiter is None or waiter.done():
            super().data_received(data)
        else:
            self._take(data, waiter)
        if self._all.draining:
            self.read_no_further()

    def _take(self, data: bytes, waiter: asyncio.Future[None]) -> None:
        """Take what was read while nothing is answered, and wake who answers where that is due."""
        self._waiter = None  # it is not woken before it is known to be needed
        try:
            super().data_received(data)
        finally:
            self._waiter = waiter
        if self._messages and not self._answered() and not waiter.done():
            waiter.set_result(None)

    def _answered(self) -> bool:
        """Answer the request that has come, where that needs no waiting; return whether it is done.

        Else aiohttp's way is gone: turns of the loop, a task and the objects of a request and an
        answer. What is pipelined goes that way too, for a connection is served one after the other.
        """
        transport, (message, payload) = self.transport, self._messages[0]
        if transport is None or len(self._messages) > 1 or payload is not EMPTY_PAYLOAD:
            return False
        if type(message) is not RawRequestMessage or not _is_plain(message):
            return False
        if self._buffer_paused or transport.is_closing() or transport.get_write_buffer_size():
            return False
        answer = self._all.at_once(message)
        if answer is None:
            return False
        self._messages.clear()
        if self._parser is not None:
            self._parser.message_consumed()
        self._all.requests_count += 1
        transport.write(answer)
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let go of what the connection held."""
        if self._counted:
            self._count(-1)
        if stream := self._all.streams.get(self):
            stream.task.cancel()
        super().connection_lost(exc)

    def let_go(self) -> None:
        """Close now, or when the answer that is being made has gone."""
        if self._request_in_progress:
            self.close()
        else:
            self.force_close()

    # To another process

    def read_no_further(self) -> None:
        """Read nothing more, unless it is of a request that has come in part."""
        if self.transport is not None and self._arriving.between:
            self.transport.pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Read again, where that had been stopped: aiohttp asks for it with each body."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def read_on(self) -> None:
        """Read again, where nothing else is against it."""
        if not (self._reading_paused or self._buffer_paused):
            self._resume_transport_reading()

    def _resume_transport_reading(self) -> None:
        if not (self._all.draining and self._arriving.between):
            super()._resume_transport_reading()

    @property
    def idle(self) -> bool:
        """Whether it waits for a request, of which the beginning may have come."""
        waits = self._waiter is not None and not self._waiter.done() and not self._messages
        ends = self._close or self._force_close or self._upgraded or self._buffer_paused
        return waits and not ends and self._arriving.between

    @property
    def answering(self) -> bool:
        """Whether an answer is due; not where it only has to be sent."""
        return self.transport is not None and not (self.transport.is_closing() or self.idle)

    @property
    def begun(self) -> bytes:
        """What has come of the next request."""
        return self._arriving.begun

    @property
    def close_at(self) -> float:
        """When it has been idle for too long, seconds of the loop."""
        return self._next_keepalive_close_time

    @property
    def shown(self) -> str:
        """What it is about, for operators."""
        request = self._current_request
        what = "a request that has not come whole" if request is None else _line(request)
        host, port, *_ = self.peername if isinstance(self.peername, tuple) else ("?", 0)
        return f"{what} of {host}:{port}"

    def _carry_on(self, known: Moving) -> None:
        """Be where another process was."""
        self.expected = None
        if known.begun:
            self.data_received(known.begun)
        if self._keepalive_handle is not None and known.close_at is not None:
            self._keepalive_handle.cancel()
            self._next_keepalive_close_time = known.close_at
            self._keepalive_handle = self._loop.call_at(known.close_at, self._process_keepalive)
        self.read_on()

    def _count(self, change: int) -> None:
        self._counted = change > 0
        self._all.open += change
        metrics.HTTP_CONNECTIONS.inc(change)

    def _refuse(self, transport: asyncio.Transport) -> None:
        self.close()
        transport.write(_refusal(self._all.config.max_connections))
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
            headers=headers_of(problem_response(error)),
        )
        reply.force_close()
        return reply

    def _problem(self, status: int, exc: BaseException | None, message: str | None) -> HttpProblem:
        if isinstance(exc, LineTooLong):
            rule = f"lines of at most {self._all.config.max_header_bytes} bytes"
            return HttpProblem(problem.HEADERS_TOO_LARGE, "a line is too long", rule=rule)
        if status == HTTPStatus.BAD_REQUEST:
            detail = (message or "the request is not valid HTTP").partition("\n")[0]
            return HttpProblem(problem.MALFORMED_REQUEST, detail.rstrip(":"))
        logger.error("the HTTP layer failed", exc_info=exc)
        return HttpProblem(problem.INTERNAL_ERROR, "the failure has been logged")


def _is_plain(message: RawRequestMessage) -> bool:
    """Whether a request is a GET of HTTP/1.1 on a connection that goes on as it is."""
    goes_on = not (message.should_close or message.upgrade)
    return goes_on and message.method == "GET" and message.version == HttpVersion11


def _line(request: web.BaseRequest) -> str:
    return f"{request.method} {request.rel_url.raw_path}"


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

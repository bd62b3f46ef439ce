"""The control socket: JSON lines from local commands of the same user.

A connection carries requests one after the other. Whatever a client can do wrong or too much of has
a limit and an answer: a foreign user, too many clients, a long line, something that is not a
request, a client that says nothing or does not read.

A connection can go on in another process that has the same socket: what it has read, what it has
not yet sent and the request that waits for a program are its whole state.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from supervision.anchor.messages import (
    ExitCode,
    LineSplitter,
    LineTooLong,
    Message,
    Refusal,
    decode,
    encode,
    failure,
    operation,
    success,
)
from supervision.anchor.peer import peer_user
from supervision.anchor.unsent import Unsent

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine

    Dispatch = Callable[[str, Message], Coroutine[Any, Any, Any]]

ACCEPT_AGAIN_S = 1.0
"""After what time the next client is accepted where there was no room for one, in seconds."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ControlLimits:
    """What a client may do.

    Attributes:
        max_clients: Connections at a time.
        max_line_bytes: The length of a request.
        idle_s: Seconds a connection may say nothing.
        write_s: Seconds a client may take to read an answer.
    """

    max_clients: int = 32
    max_line_bytes: int = 64 * 1024
    idle_s: float = 60.0
    write_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Conversation:
    """A connection between two turns of the loop.

    Attributes:
        unread: Bytes that were read and belong to requests not yet begun.
        ended: Whether the client sends nothing more.
        unsent: Bytes of answers that the kernel has not taken.
        number: The id of the request under way.
        waiting: The task in which it is done; None where nothing is under way.
    """

    unread: bytes = b""
    ended: bool = False
    unsent: bytes = b""
    number: object = None
    waiting: asyncio.Task[Any] | None = None


class ControlServer:
    """Serves a listening Unix socket.

    Args:
        dispatch: Does an operation: (op, args) -> result; raises Refusal.
        limits: What a client may do.

    Attributes:
        connections: The clients.
        tasks: In which requests are done; a client that has gone away does not end them.
    """

    def __init__(self, dispatch: Dispatch, limits: ControlLimits) -> None:
        self.dispatch = dispatch
        self.limits = limits
        self.connections: set[Connection] = set()
        self.tasks: set[asyncio.Task[Any]] = set()
        self._listener: socket.socket | None = None
        self._accepting: set[asyncio.Task[Any]] = set()

    def start(self, listener: socket.socket) -> None:
        """Begin to accept.

        Not by a server of asyncio's, which would hold a connection for some turns of the loop where
        nobody can see it; and since Python 3.13 looks for the path that the socket was bound to,
        which led through a descriptor and means something else by now.

        Args:
            listener: The listening socket; the server owns it from now on.
        """
        listener.setblocking(False)
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener, self._accept)

    def hold(self, *, on: bool) -> None:
        """Accept and read nothing for now, or go on."""
        self._listen(on=not on)
        for connection in tuple(self.connections):
            connection.hold(on=on)

    @property
    def accepting(self) -> bool:
        """Whether a client has been accepted that is not among the connections yet."""
        return bool(self._accepting)

    async def go_on(self, connection: socket.socket, known: Conversation) -> None:
        """Take up a connection where another process left it.

        Args:
            connection: Connected; the server owns it from now on.
            known: Its state; `waiting` is a task that answers the request under way.
        """
        loop = asyncio.get_running_loop()
        connection.setblocking(False)
        await loop.connect_accepted_socket(lambda: Connection(self, known), connection)

    @property
    def descriptor(self) -> int:
        """Of the listening socket."""
        assert self._listener is not None
        return self._listener.fileno()

    def close(self) -> None:
        """Stop accepting; connections end with the process."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _listen(self, *, on: bool) -> None:
        if self._listener is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._listener)
            if on:
                loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        """Take the next client; the loop calls again while there are others."""
        assert self._listener is not None
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:  # no descriptor is left, or no memory
            _log.error("a control client cannot be accepted: %s", error.strerror)
            self._listen(on=False)
            asyncio.get_running_loop().call_later(ACCEPT_AGAIN_S, lambda: self._listen(on=True))
            return
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._connect(client))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)

    async def _connect(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: Connection(self), client)


class Connection(asyncio.Protocol):
    """One client.

    Args:
        server: What it is connected to.
        known: What another process left of it; None for a new one.
    """

    def __init__(self, server: ControlServer, known: Conversation | None = None) -> None:
        self._server = server
        self._limits = server.limits
        self._known = known
        self._lines = LineSplitter(server.limits.max_line_bytes)
        self._queue: deque[bytes] = deque()
        self._ended = False
        self._closing = False
        self._held = False
        self._number: object = None
        self._task: asyncio.Task[Any] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport
        self._unsent: Unsent

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected, or is taken over."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(0)
        self._unsent = Unsent(self._transport)
        self._server.connections.add(self)
        if self._known is not None:
            self._take_up(self._known)
            return
        try:
            self._admit()
        except Refusal as refusal:
            self._refuse(refusal)
        else:
            self._go_on()

    def data_received(self, data: bytes) -> None:
        """Bytes of a client."""
        try:
            self._queue.extend(self._lines.feed(data))
        except LineTooLong as long:
            why = f"a request is longer than {long.max_bytes} bytes"
            self._queue.clear()
            self._refuse(Refusal(ExitCode.USAGE, why))
        self._go_on()

    def eof_received(self) -> bool:
        """The client sends nothing more; it may still read."""
        self._ended = True
        self._go_on()
        return True

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        self._set_alarm(self._limits.write_s, self._lose)

    def resume_writing(self) -> None:
        """It has read all."""
        self._clear_alarm()
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone; what it asked for goes on."""
        if exc is not None:
            _log.info("a control client was lost: %r", exc)
        self._clear_alarm()
        self._server.connections.discard(self)

    # For whoever takes over

    @property
    def descriptor(self) -> int:
        """Of the socket."""
        number: int = self._transport.get_extra_info("socket").fileno()
        return number

    def conversation(self) -> Conversation:
        """What another process needs to go on from here."""
        unread = b"".join(line + b"\n" for line in self._queue) + self._lines.rest
        return Conversation(unread, self._ended, self._unsent.bytes(), self._number, self._task)

    def hold(self, *, on: bool) -> None:
        """Read nothing and begin nothing for now, or go on."""
        self._held = on
        self._go_on()

    @property
    def closing(self) -> bool:
        """Whether it ends as soon as all is sent."""
        return self._closing or self._transport.is_closing()

    # Its turns

    def _take_up(self, known: Conversation) -> None:
        self._ended = known.ended
        if known.unsent:
            self._unsent.write(known.unsent)
        if known.waiting is not None:
            self._begin(known.number, known.waiting)
        if known.unread:
            self._queue.extend(self._lines.feed(known.unread))
        self._go_on()

    def _admit(self) -> None:
        user = peer_user(self._transport.get_extra_info("socket"))
        if user not in {0, os.geteuid()}:
            raise Refusal(ExitCode.NOT_PERMITTED, f"user {user} may not control this anchor")
        if len(self._server.connections) > self._limits.max_clients:
            limit = self._limits.max_clients
            raise Refusal(ExitCode.TRY_AGAIN, f"{limit} clients are connected, the most allowed")

    def _go_on(self) -> None:
        """Do what is next: one request at a time, and none while an answer is not taken."""
        busy = self._task is not None or self._transport.get_write_buffer_size()
        if busy or self._held or self.closing:
            self._transport.pause_reading()
            return
        if self._queue:
            self._request(self._queue.popleft())
        elif self._ended:
            self._end()
        else:
            self._transport.resume_reading()
            if self._alarm is None:  # a request that comes in pieces has no more time than another
                self._set_alarm(self._limits.idle_s, self._idle)

    def _request(self, line: bytes) -> None:
        self._clear_alarm()
        self._transport.pause_reading()
        try:
            number = None
            message = decode(line)
            number = message.get("id")
            op, args = operation(message)
        except Refusal as refusal:
            self._answer(failure(number, refusal))
        else:
            task = asyncio.get_running_loop().create_task(self._server.dispatch(op, args))
            self._begin(number, task)

    def _begin(self, number: object, task: asyncio.Task[Any]) -> None:
        self._number, self._task = number, task
        self._server.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._server.tasks.discard(task)
        number, self._number, self._task = self._number, None, None
        if task.cancelled():  # all is ending
            return
        error = task.exception()
        if error is None:
            self._answer(success(number, task.result()))
        elif isinstance(error, Refusal):
            self._answer(failure(number, error))
        else:
            self._transport.abort()
            raise error

    def _answer(self, message: Message) -> None:
        if not self._transport.is_closing():
            self._unsent.write(encode(message))
            self._go_on()

    def _end(self) -> None:
        if self._lines.rest:
            self._refuse(Refusal(ExitCode.USAGE, "a request ends with a line end"))
        else:
            self._close()

    def _idle(self) -> None:
        limit_s = self._limits.idle_s
        self._refuse(Refusal(ExitCode.TRY_AGAIN, f"no request within {limit_s:g} s"))

    def _refuse(self, refusal: Refusal) -> None:
        """Say why, and end the connection."""
        self._unsent.write(encode(failure(None, refusal)))
        self._close()

    def _close(self) -> None:
        self._closing = True
        if not self._transport.get_write_buffer_size():
            self._clear_alarm()
        self._transport.close()

    def _lose(self) -> None:
        _log.info("a control client was lost: it did not read within %g s", self._limits.write_s)
        self._transport.abort()

    def _set_alarm(self, seconds: float, then: Callable[[], None]) -> None:
        self._clear_alarm()
        self._alarm = asyncio.get_running_loop().call_later(seconds, then)

    def _clear_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

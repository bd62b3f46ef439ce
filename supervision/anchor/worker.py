"""What a guarded asyncio program uses: its listening sockets and its channel to the anchor.

    inherited = worker.inherited(os.environ)
    channel = await worker.open_channel(inherited, handle)
    ... serve on inherited.listeners["http"] ...
    channel.ready({"version": "1.2.3"})
    await channel.closed()        # the anchor died: stop cleanly

`handle(op, args)` answers what clients of the control socket ask. Pings are answered here, by the
program's own loop, as that is what they are to prove.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from supervision.anchor.channel import MAX_LINE_BYTES, MAX_PENDING
from supervision.anchor.messages import (
    ExitCode,
    LineSplitter,
    Message,
    Refusal,
    decode,
    encode,
    failure,
    operation,
    success,
)
from supervision.anchor.process import CONTROL_FD, LISTEN_FDS, STOP_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Handler = Callable[[str, Message], Awaitable[Any]]

_log = logging.getLogger(__name__)


class NotGuarded(Exception):  # noqa: N818 - a state of affairs
    """This process was not started by an anchor; the message names the missing variable."""


@dataclass(frozen=True, slots=True)
class Inherited:
    """What the anchor gave this program.

    Attributes:
        listeners: Listening sockets by name, non-blocking.
        control: The channel, connected, not yet in use.
        stop_timeout_s: How long the program may take to stop, in seconds, before it is killed.
    """

    listeners: Mapping[str, socket.socket]
    control: socket.socket
    stop_timeout_s: float


def inherited(environ: Mapping[str, str]) -> Inherited:
    """Take over what the anchor passed to this process; to be called once.

    Args:
        environ: The environment, as ``os.environ``.

    Returns:
        The sockets. Processes that this one starts do not inherit them.

    Raises:
        NotGuarded: This process was not started by an anchor.
    """
    for name in (LISTEN_FDS, CONTROL_FD, STOP_TIMEOUT_S):
        if name not in environ:
            raise NotGuarded(f"{name} is not set: this program is started by an anchor")
    pairs = [item.rpartition(":") for item in environ[LISTEN_FDS].split(",") if item]
    listeners = {name: _socket(int(number)) for name, _, number in pairs}
    control = _socket(int(environ[CONTROL_FD]))
    return Inherited(listeners, control, float(environ[STOP_TIMEOUT_S]))


async def open_channel(inherited: Inherited, handle: Handler) -> Channel:
    """Begin the conversation with the anchor.

    Args:
        inherited: What `inherited` returned.
        handle: Does an operation: (op, args) -> result as plain data. It raises Refusal for what
            it does not do; any other exception is reported to the loop's exception handler and to
            the client as a failure, and is nobody's end.

    Returns:
        The channel.
    """
    loop = asyncio.get_running_loop()
    kill_when_orphaned(inherited.control, inherited.stop_timeout_s)
    _, channel = await loop.create_connection(lambda: Channel(handle), sock=inherited.control)
    return channel


class Channel(asyncio.Protocol):
    """The program's end of its channel to the anchor.

    Args:
        handle: Does an operation.
    """

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._lines = LineSplitter(MAX_LINE_BYTES)
        self._transport: asyncio.Transport | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = asyncio.Event()

    def ready(self, info: Mapping[str, Any]) -> None:
        """Tell the anchor that this program serves.

        Args:
            info: Plain data for ``info`` of the control socket: versions, addresses.
        """
        self._send({"event": "ready", "info": dict(info)})

    async def closed(self) -> None:
        """Return when the anchor is dead."""
        await self._closed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The channel is usable."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Requests of the anchor."""
        for line in self._lines.feed(data):
            self._requested(decode(line))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The anchor is dead."""
        self._transport = None
        self._closed.set()

    def _requested(self, message: Message) -> None:
        number = message.get("id")
        try:
            op, args = operation(message)
            if op == "ping":
                self._send(success(number, {}))
            else:
                self._begin(number, op, args)
        except Refusal as refusal:
            self._send(failure(number, refusal))

    def _begin(self, number: object, op: str, args: Message) -> None:
        if len(self._tasks) >= MAX_PENDING:
            raise Refusal(ExitCode.TRY_AGAIN, f"{MAX_PENDING} requests are under way")

        async def answer() -> Any:
            return await self._handle(op, args)

        task = asyncio.get_running_loop().create_task(answer(), name=f"control {op}")
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._done(number, op, done))

    def _done(self, number: object, op: str, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            gone = Refusal(ExitCode.UNREACHABLE, "the program is stopping")
            self._send(failure(number, gone))
            return
        error = task.exception()
        if error is None:
            self._send(success(number, task.result()), number)
        elif isinstance(error, Refusal):
            self._send(failure(number, error))
        else:
            self._report(op, error)
            crashed = Refusal(ExitCode.FAILED, f"{op} failed: {type(error).__name__}: {error}")
            self._send(failure(number, crashed))

    def _report(self, op: str, error: BaseException) -> None:
        context = {"message": f"control operation {op!r} failed", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)

    def _send(self, message: Message, number: object = None) -> None:
        """Sends a message; an answer that is longer than a line may be becomes a refusal."""
        if self._transport is None:
            return
        line = encode(message)
        if len(line) > MAX_LINE_BYTES:
            why = f"the answer is longer than {MAX_LINE_BYTES} bytes: ask for less at a time"
            line = encode(failure(number, Refusal(ExitCode.FAILED, why)))
        self._transport.write(line)


def kill_when_orphaned(control: socket.socket, grace_s: float) -> None:
    """Kill this process when the anchor is dead and the process does not stop by itself.

    A program whose loop hangs would never notice the end of its channel. A thread does.

    Args:
        control: The channel.
        grace_s: How long the program has to stop, in seconds.
    """
    watched = os.dup(control.fileno())

    def watch() -> None:
        poller = select.poll()
        poller.register(watched, select.POLLRDHUP)
        poller.poll()
        threading.Event().wait(grace_s)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="orphan guard", daemon=True).start()


def _socket(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)
    taken = socket.socket(fileno=descriptor)
    taken.setblocking(False)
    return taken

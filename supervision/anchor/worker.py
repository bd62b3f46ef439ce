"""What a guarded asyncio program uses: its listening sockets and its channel to the anchor.

    inherited = worker.inherited(os.environ)
    channel = await worker.open_channel(inherited, handle)
    ... serve on inherited.listeners["http"] ...
    channel.ready({"version": "1.2.3"})
    await channel.closed()        # the anchor died: stop cleanly
    releases = await channel.request("release.list", {})

`handle(op, args)` answers what clients of the control socket ask. Pings are answered here, by the
program's own loop, as that is what they are to prove.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import threading
from typing import TYPE_CHECKING, Any, cast

from supervision.anchor.channel import MAX_LINE_BYTES, MAX_PENDING
from supervision.anchor.inheritance import (
    Inherited,
    NotGuarded,
    Release,
    TakeoverOrder,
    inherited,
)
from supervision.anchor.messages import (
    ExitCode,
    LineSplitter,
    Message,
    Refusal,
    decode,
    encode,
    failure,
    operation,
    outcome,
    request,
    success,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Mapping

    Handler = Callable[[str, Message], Awaitable[Any]]

__all__ = [
    "Channel",
    "Inherited",
    "NotGuarded",
    "Release",
    "TakeoverOrder",
    "inherited",
    "open_channel",
]


async def open_channel(given: Inherited, handle: Handler) -> Channel:
    """Begin the conversation with the anchor.

    Args:
        given: What `inherited` returned.
        handle: Does an operation: (op, args) -> result as plain data. It raises Refusal for what
            it does not do; any other exception is reported to the loop's exception handler and to
            the client as a failure, and is nobody's end.

    Returns:
        The channel.
    """
    loop = asyncio.get_running_loop()
    kill_when_orphaned(given.control, given.stop_timeout_s)
    _, channel = await loop.create_connection(lambda: Channel(handle), sock=given.control)
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
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._last_id = 0

    def ready(self, info: Mapping[str, Any]) -> None:
        """Tell the anchor that this program serves.

        Args:
            info: Plain data for ``info`` of the control socket: versions, addresses.
        """
        self.tell("ready", info)

    def ending(self, reason: str) -> None:
        """Tell the anchor why this program is about to end by itself.

        Args:
            reason: For whoever asks the anchor how the program is; one line.
        """
        self.tell("ending", {"reason": reason})

    def tell(self, event: str, info: Mapping[str, Any]) -> None:
        """Tell the anchor of an event.

        Args:
            event: Its name; one that the anchor does not know is logged there.
            info: Plain data.
        """
        self._send({"event": event, "info": dict(info)})

    def request(self, op: str, args: Mapping[str, Any]) -> asyncio.Future[Any]:
        """Ask the anchor.

        Args:
            op: An operation of the anchor.
            args: Its arguments.

        Returns:
            The result to come, or the Refusal to come.

        Raises:
            Refusal: The anchor is dead, or too much is under way.
        """
        if self._transport is None:
            raise _anchor_gone()
        if len(self._asked) >= MAX_PENDING:
            raise Refusal(ExitCode.TRY_AGAIN, f"{MAX_PENDING} requests to the anchor are under way")
        self._last_id += 1
        number, future = self._last_id, asyncio.get_running_loop().create_future()
        self._asked[number] = future
        future.add_done_callback(lambda _: self._asked.pop(number, None))
        self._send(request(number, op, args))
        return future

    async def closed(self) -> None:
        """Return when the anchor is dead."""
        await self._closed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The channel is usable."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Requests of the anchor, and its answers."""
        for line in self._lines.feed(data):
            message = decode(line)
            if "ok" in message:
                self._answered(message)
            else:
                self._requested(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """The anchor is dead."""
        self._transport = None
        self._closed.set()
        for future in list(self._asked.values()):
            if not future.done():
                future.set_exception(_anchor_gone())

    def _answered(self, message: Message) -> None:
        future = self._asked.get(message.get("id", 0))
        if future is None or future.done():  # whoever asked has gone away
            return
        try:
            future.set_result(outcome(message))
        except Refusal as refusal:
            future.set_exception(refusal)

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


def _anchor_gone() -> Refusal:
    return Refusal(ExitCode.UNREACHABLE, "the anchor is dead")


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

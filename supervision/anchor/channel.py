"""The anchor's end of the channel to one program.

Requests go down and are answered in any order, events come up, and so do requests of the program.
What a program may make the anchor hold is bounded: requests under way either way, bytes not yet
taken, the length of a line.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

from supervision.anchor.handing_on import octets
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
    outcome,
    request,
    success,
)
from supervision.anchor.unsent import Unsent

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Mapping

    from supervision.anchor.handing_on import HandedChild

    Serve = Callable[[str, Message], Awaitable[Any]]

MAX_LINE_BYTES = 16 * 1024 * 1024
MAX_PENDING = 64
MAX_UNSENT_BYTES = 1024 * 1024
READ_BYTES = 65_536
MAX_LAST_READS = 16
"""More than a socket's buffer holds; a process that has inherited the other end could go on."""

_log = logging.getLogger(__name__)


async def refuse(op: str, args: Message) -> Any:
    """Refuse what a program asks for, where it may ask for nothing."""
    del args
    raise Refusal(ExitCode.USAGE, f"op: {op!r} may not be asked for", "op")


class ProgramChannel(asyncio.Protocol):
    """Speaks with a program over a connected stream socket.

    Args:
        name: The program, for messages.
        on_event: Called with the name and the info of every event of the program.
        on_broken: Called when the program breaks the protocol; the channel is closed then.
        serve: Does what the program asks for.
    """

    def __init__(
        self,
        name: str,
        on_event: Callable[[str, Mapping[str, Any]], None],
        on_broken: Callable[[], None],
        serve: Serve = refuse,
    ) -> None:
        self._name = name
        self._serve = serve
        self._serving: set[asyncio.Task[None]] = set()
        self._on_event = on_event
        self._on_broken = on_broken
        self._lines = LineSplitter(MAX_LINE_BYTES)
        self._transport: asyncio.Transport | None = None
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._last_id = 0
        self._unsent: Unsent
        self._left = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._unsent = Unsent(self._transport)
        if self._left:
            self._unsent.write(self._left)
            self._left = b""

    def data_received(self, data: bytes) -> None:
        """Bytes of the program."""
        try:
            for line in self._lines.feed(data):
                self._received(decode(line))
        except (LineTooLong, Refusal) as error:
            _log.error("%s broke the channel's protocol: %s", self._name, error)
            self.close()
            self._on_broken()

    def connection_lost(self, exc: Exception | None) -> None:
        """The program closed its end or is gone."""
        self._transport = None
        pending, self._pending = self._pending, {}
        for future in pending.values():
            if not future.done():
                future.set_exception(self._unreachable())

    def request(self, op: str, args: Mapping[str, Any]) -> asyncio.Future[Any]:
        """Ask the program.

        Args:
            op: The operation.
            args: Its arguments.

        Returns:
            The result to come, or the Refusal to come.

        Raises:
            Refusal: The program is gone, or too much is under way.
        """
        if self._transport is None:
            raise self._unreachable()
        unsent = self._transport.get_write_buffer_size()
        if len(self._pending) >= MAX_PENDING or unsent > MAX_UNSENT_BYTES:
            raise Refusal(ExitCode.TRY_AGAIN, f"{self._name} has too many requests under way")
        self._last_id += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[self._last_id] = future
        self._unsent.write(encode(request(self._last_id, op, args)))
        return future

    @property
    def last_id(self) -> int:
        """The number of the last request."""
        return self._last_id

    def pending(self) -> dict[int, asyncio.Future[Any]]:
        """The requests that the program has not answered, by number."""
        return dict(self._pending)

    @property
    def serving(self) -> int:
        """How many requests of the program are under way."""
        return len(self._serving)

    def parts(self) -> tuple[bytes, bytes]:
        """The beginning of a message of the program, and what is left of messages to it."""
        return self._lines.rest, b"" if self._transport is None else self._unsent.bytes()

    def take_up(self, known: HandedChild) -> None:
        """Go on where another process left a conversation; before the socket is connected."""
        self._lines.feed(octets(known.unread))
        self._left = octets(known.unsent)
        self._last_id = known.last_id
        loop = asyncio.get_running_loop()
        self._pending = {number: loop.create_future() for number in known.pending}

    def hold(self, *, on: bool) -> None:
        """Read nothing for now, or read again."""
        if self._transport is not None and not self._transport.is_closing():
            (self._transport.pause_reading if on else self._transport.resume_reading)()

    def read_out(self, ended: socket.socket) -> None:
        """Take what a program that has ended has left unread: its last words may be there.

        Args:
            ended: The socket that this channel was made of.
        """
        if self._transport is None:
            return
        for _ in range(MAX_LAST_READS):
            try:
                data = ended.recv(READ_BYTES)
            except (BlockingIOError, ConnectionError):
                return
            if not data:
                return
            self.data_received(data)

    def close(self) -> None:
        """End the conversation; what is under way is refused."""
        if self._transport is not None:
            self._transport.abort()

    def _received(self, message: Message) -> None:
        if "event" in message:
            self._on_event(str(message["event"]), message.get("info") or {})
            return
        if "op" in message:
            self._requested(message)
            return
        future = self._pending.pop(message.get("id", 0), None)
        if future is None or future.done():  # whoever asked has gone away
            return
        try:
            future.set_result(outcome(message))
        except Refusal as refusal:
            future.set_exception(refusal)

    def _requested(self, message: Message) -> None:
        """Have a request of the program answered, in a task of its own."""
        number = message.get("id")
        if len(self._serving) >= MAX_PENDING:
            why = f"{MAX_PENDING} requests of {self._name} are under way"
            self._answer(failure(number, Refusal(ExitCode.TRY_AGAIN, why)))
            return
        task = asyncio.get_running_loop().create_task(self._answered(number, message))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _answered(self, number: object, message: Message) -> None:
        try:
            op, args = operation(message)
            self._answer(success(number, await self._serve(op, args)))
        except Refusal as refusal:
            self._answer(failure(number, refusal))

    def _answer(self, message: Message) -> None:
        if self._transport is not None:
            self._unsent.write(encode(message))

    def _unreachable(self) -> Refusal:
        return Refusal(ExitCode.UNREACHABLE, f"{self._name} is not running")

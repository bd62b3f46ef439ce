"""The thin asyncio shell of a feed: one connection to vigie's CTI port, kept up, fed on time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from protocols.cti.client import Answered, Client, ClientEvent, Opened
from protocols.cti.events import Closed, Received, Transmit
from protocols.cti.messages import Error, Hello, RouteEnd, RouteSelect
from protocols.feed import ledger as books

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from protocols.feed.ledger import Ledger

MAX_UNWRITTEN_BYTES = 8 * 1024 * 1024
"""Output that vigie has not read; over it frames are skipped, as a switch would."""

OPEN_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 1.0


class FeedRefusedError(Exception):
    """vigie answered the hello with `error`, or not at all.

    Args:
        code: that of the `error`; 503 when the connection ended or no answer came.
        msg: its text.
    """

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(f"{code}: {msg}")
        self.code = code
        self.msg = msg


class FeedConnection(asyncio.Protocol):
    """One connection of a feed.

    Args:
        hello: how it presents itself.
        ledger: where answers are written down.
        wall: seconds since the epoch now.
        on_answer: called after each read that brought answers.

    Attributes:
        opened: done when vigie has let the feed in, failed when it has not.
        closed: set when the connection has ended.
    """

    def __init__(
        self, hello: Hello, ledger: Ledger, *, wall: float, on_answer: Callable[[], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.closed = asyncio.Event()
        self._client = Client(hello, now=self._loop.time(), wall=wall)
        self._ledger = ledger
        self._on_answer = on_answer
        self._transport: asyncio.Transport | None = None
        self._unwritten: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._client.hello())

    def data_received(self, data: bytes) -> None:
        """Write down what came."""
        now = self._loop.time()
        for event in self._client.receive(data, now):
            self._do(event, now)
        self._on_answer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end; what waits for an answer is lost."""
        if self._timer is not None:
            self._timer.cancel()
        self._client.close("peer", "the connection ended" if exc is None else str(exc))
        self._fail_opening(FeedRefusedError(503, "the connection ended before hello was answered"))
        books.note_disconnected(self._ledger)
        self.closed.set()

    def queue(self, frame: Mapping[str, Any], due: float) -> bool:
        """Take a frame for the next `flush`.

        Args:
            frame: section 3 of the contract, without `i`.
            due: when it was scheduled, the loop's seconds.

        Returns:
            False when the frame is skipped: the link is not open or vigie does not read.
        """
        if not self.is_open or self._transport is None:
            return False
        if self._transport.get_write_buffer_size() > MAX_UNWRITTEN_BYTES:
            return False
        now = self._loop.time()
        self._unwritten.append(self._client.send_frame(frame, now))
        books.note_sent(self._ledger, frame, due, now)
        return True

    def flush(self) -> None:
        """Write what was queued, at once."""
        if self._unwritten and self._transport is not None:
            self._transport.write(b"".join(self._unwritten))
            self._unwritten.clear()

    def close(self) -> None:
        """Write what is left and end the connection."""
        if self._transport is not None:
            self.flush()
            self._transport.close()

    async def wait_closed(self) -> None:
        """Wait until a closed connection has ended; a peer that does not read is cut off."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.closed.wait()
        except TimeoutError:
            if self._transport is not None:
                self._transport.abort()

    @property
    def is_open(self) -> bool:
        """Whether frames can be sent."""
        return self._client.answer is not None and self._client.closed is None

    def _do(self, event: ClientEvent, now: float) -> None:
        match event:
            case Transmit(data):
                self._unwritten.append(data)
                self.flush()
            case Opened():
                self.opened.set_result(None)
                self._set_timer()
            case Answered(answer, asked, at):
                self._note_answer(answer, asked.xref if asked else None, at)
            case Received(RouteEnd() as end):
                books.note_end(self._ledger, end, now)
            case Closed():
                self.close()

    def _note_answer(self, answer: RouteSelect | Error, xref: str | None, now: float) -> None:
        if isinstance(answer, RouteSelect):
            books.note_select(self._ledger, answer, now)
        elif self.opened.done():
            books.note_error(self._ledger, answer, xref, now)
        else:
            self._fail_opening(FeedRefusedError(answer.code, answer.msg))

    def _fail_opening(self, error: FeedRefusedError) -> None:
        if not self.opened.done():
            self.opened.set_exception(error)

    def _set_timer(self) -> None:
        at = self._client.next_timeout
        self._timer = self._loop.call_at(at, self._time_out) if at is not None else None

    def _time_out(self) -> None:
        now = self._loop.time()
        for event in self._client.timeout(now):
            self._do(event, now)
        self._set_timer()


async def open_connection(
    host: str, port: int, make: Callable[[], FeedConnection]
) -> FeedConnection:
    """Connect and wait until vigie has answered the hello.

    Raises:
        OSError: nothing accepts connections there; `TimeoutError` when there is no answer.
        FeedRefusedError: vigie did not let the feed in.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(OPEN_TIMEOUT_S):
        transport, connection = await loop.create_connection(make, host, port)
        try:
            await connection.opened
        except BaseException:
            transport.abort()
            raise
    return connection

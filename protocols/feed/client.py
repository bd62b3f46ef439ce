"""The thin asyncio shell of a feed: one connection to vigie's CTI port, fed on time.

What is sent belongs to the link session, which outlives the connection: the next connection goes on
with it, sends again what vigie has not said to be durable and gets what it has not received.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from protocols.cti.client import (
    Acknowledged,
    Answered,
    Client,
    ClientEvent,
    ClientFullError,
    Opened,
    ResumeLost,
)
from protocols.cti.events import Closed, Received, Transmit
from protocols.cti.messages import Error, Hello, RouteEnd, RouteSelect
from protocols.feed import ledger as books
from protocols.feed.records import Sent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from protocols.cti.client_session import ClientSession
    from protocols.feed.records import Ledger

MAX_UNWRITTEN_BYTES = 8 * 1024 * 1024
"""Output that vigie has not read; over it frames are skipped, as a switch would."""

FAULTS = frozenset({"malformed", "gap"})
"""Why a link ends that only vigie can be blamed for."""

OPEN_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 1.0
ASK_AGAIN_S = 0.3
"""How long answers may take to come after a resume before their requests are sent again."""


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
        session: the link session to go on with; None begins one.
        wall: seconds since the epoch now.
        on_answer: called after each read that brought answers.

    Attributes:
        opened: done when vigie has let the feed in, failed when it has not.
        closed: set when the connection has ended.
    """

    def __init__(
        self,
        hello: Hello,
        ledger: Ledger,
        *,
        session: ClientSession | None,
        wall: float,
        on_answer: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.closed = asyncio.Event()
        self._client = Client(hello, now=self._loop.time(), wall=wall, session=session)
        self._ledger = ledger
        self._on_answer = on_answer
        self._transport: asyncio.Transport | None = None
        self._unwritten: list[bytes] = []
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._client.hello())

    def data_received(self, data: bytes) -> None:
        """Write down what came."""
        now = self._loop.time()
        events = self._client.receive(data, now)
        self._note_numbers()
        for event in events:
            self._do(event, now)
        self._note_numbers()
        self._on_answer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end; what waits for an answer may get it on the next connection."""
        for timer in self._timers.values():
            timer.cancel()
        self._client.close("peer", "the connection ended" if exc is None else str(exc))
        self._fail_opening(FeedRefusedError(503, "the connection ended before hello was answered"))
        books.note_disconnected(self._ledger)
        self.closed.set()

    def queue(self, frame: Mapping[str, Any], due: float) -> bool:
        """Take a frame for the next `flush`; without a link it is kept and sent after the resume.

        Args:
            frame: section 3 of the contract, without `i`.
            due: when it was scheduled, the loop's seconds.

        Returns:
            False when the frame is skipped: too many wait already, or vigie does not read.
        """
        if self._unread_bytes() > MAX_UNWRITTEN_BYTES:
            return False
        now = self._loop.time()
        try:
            data = self._client.send_frame(frame, now)
        except ClientFullError:
            return False
        self._unwritten.append(data)
        books.note_sent(self._ledger, frame, due, now, held=not self.is_open)
        self._note_numbers()
        return True

    def flush(self) -> None:
        """Write what was queued, at once."""
        if self._unwritten and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._unwritten))
        self._unwritten.clear()

    def give_up(self, xref: str) -> None:
        """Wait no more for the answer to this dialogue."""
        self._client.forget(xref)

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
            self.abort()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def session(self) -> ClientSession:
        """The link session, for the next connection to go on with."""
        return self._client.session

    @property
    def is_open(self) -> bool:
        """Whether frames can be sent."""
        return self._client.answer is not None and self._client.closed is None

    def _unread_bytes(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def _do(self, event: ClientEvent, now: float) -> None:
        match event:
            case Transmit(data):
                self._unwritten.append(data)
                self.flush()
            case Opened(hello, resumed):
                self._open(hello.last_i, resumed=resumed)
            case Acknowledged(last_i):
                books.note_acked(self._ledger, last_i)
            case Answered(answer, asked, at):
                self._note_answer(answer, asked.xref if asked else None, at)
            case ResumeLost():
                self._begin_anew(event, now)
            case Received(RouteEnd() as end):
                books.note_end(self._ledger, end, now)
            case Closed(reason, msg):
                if reason in FAULTS:
                    self._ledger.faults.append(f"{reason}: {msg}")
                # What the peer does not read by now it never will.
                self.abort()

    def _open(self, last_i: int, *, resumed: bool) -> None:
        if resumed:
            books.note_resumed(self._ledger, last_i)
            self._timers["ask"] = self._loop.call_later(ASK_AGAIN_S, self._ask_again)
        self.opened.set_result(None)
        self._set_timer()

    def _begin_anew(self, lost: ResumeLost, now: float) -> None:
        """Send everything that is not durable, and ask what was not answered, in a new session."""
        unacked = books.note_resume_lost(self._ledger)
        sent = {frame.get("xref") for one in unacked if (frame := one.frame)["t"] in books.REQUESTS}
        asked = [Sent(one.frame) for one in lost.unanswered if one.xref not in sent]
        self._ledger.asked_again += len(asked)
        for one in (*asked, *unacked):
            self._unwritten.append(self._client.send_frame(one.frame, now))
            books.note_sent_again(self._ledger, one)

    def _ask_again(self) -> None:
        """Send requests again that vigie has and whose answers did not come after the resume."""
        now = self._loop.time()
        for asked in self._client.acked_unanswered():
            self._unwritten.append(self._client.ask_again(asked.xref, now))
            self._ledger.asked_again += 1
            books.note_sent_again(self._ledger, Sent(asked.frame))
        self._note_numbers()
        self.flush()

    def _note_numbers(self) -> None:
        """Tell the books the numbers that frames have got since."""
        session, ledger = self.session, self._ledger
        for i in range(ledger.next_i, session.next_out):
            # Heartbeats have a number too, and are kept by nobody.
            if i in session.kept:
                books.note_numbered(ledger, i)
        ledger.next_i = session.next_out

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
        if at is not None:
            self._timers["heartbeat"] = self._loop.call_at(at, self._time_out)

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

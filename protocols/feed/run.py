"""A feed from its start to its report: what `vigie feed`, the demo and the bench call."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeAlias

from msgspec import Struct

from protocols.cti.client_session import ClientSession
from protocols.cti.messages import Hello, Side
from protocols.feed import ledger as books
from protocols.feed.calls import Step
from protocols.feed.client import FeedConnection, FeedRefusedError, open_connection
from protocols.feed.comparison import Difference, compare
from protocols.feed.records import CallEntry, Ledger
from protocols.feed.report import Comparison, FeedReport, make_comparison, make_report
from protocols.feed.schedule import Load, generate

FetchSessions: TypeAlias = Callable[[list[str]], Awaitable[Mapping[str, Mapping[str, Any]] | None]]
"""Given calls, vigie's sessions by call, without those it does not know; None: it cannot tell."""

RECONNECT_S = 0.2
EXPIRE_EVERY_S = 0.5
COMPARE_AGAIN_S = 0.2
MAX_BATCH = 256
"""Steps sent without letting answers in, when the feed is behind its schedule."""


class FeedOptions(Struct, frozen=True, kw_only=True):
    """What to feed, where.

    Attributes:
        host: of vigie's CTI port.
        port: the port.
        token: of scope cti.
        load: what to generate, or the steps of a file.
        name: how the feed presents itself.
        side: as which of a pair.
        run: begins the ids of generated calls; empty: the time of day makes one.
        wait_s: how long an answer is waited for before it counts as lost.
        late_ms: an answer after this is late.
        compare: how many calls, the latest, are compared with vigie's sessions at the end.
        region: by whose plan vigie reads national numbers, ISO 3166-1; "" reads none.
        settle_s: how long vigie may take to know the last events, and to acknowledge them.
        keep: calls remembered for the comparison, the latest.
        answer_report: whether the report counts the kinds of answers.
    """

    host: str
    port: int
    token: str
    load: Load | tuple[Step, ...]
    name: str = "feed"
    side: Side = "primary"
    run: str = ""
    wait_s: float = 2.0
    late_ms: float = 200.0
    compare: int = 1_000
    region: str = ""
    settle_s: float = 2.0
    keep: int = 100_000
    answer_report: bool = False


async def run(
    options: FeedOptions,
    *,
    sessions: FetchSessions | None = None,
    stop: asyncio.Event | None = None,
    books: Ledger | None = None,
) -> FeedReport:
    """Feed vigie until the load ends or `stop` is set, then report.

    A link that ends is made again and its session resumed: what was due meanwhile is sent late,
    what vigie had not said to be durable is sent again.

    Args:
        options: what to feed, where.
        sessions: fetches what vigie knows, for the comparison; None compares nothing.
        stop: ends the feed early; a load without end needs it.
        books: of `open_books`, for who reads them while the feed runs or afterwards.

    Raises:
        OSError: nothing accepts connections there, at the start.
        FeedRefusedError: vigie did not let the feed in, at the start.
    """
    feed = _Feed(options, open_books(options) if books is None else books)
    await feed.connect()
    async with asyncio.TaskGroup() as tasks:
        helpers = [tasks.create_task(feed.keep_connected()), tasks.create_task(feed.expire())]
        await _until_done_or(stop, tasks.create_task(feed.pump()))
        await feed.drain()
        for helper in helpers:
            helper.cancel()
    seconds = feed.elapsed()
    comparison = await _compare(feed.ledger, options, sessions)
    feed.connection.close()
    await feed.connection.wait_closed()
    return make_report(
        feed.ledger,
        seconds=seconds,
        reconnects=feed.reconnects,
        comparison=comparison,
        with_answers=options.answer_report,
    )


def open_books(options: FeedOptions) -> Ledger:
    """Make the books of a feed, empty."""
    return Ledger(late_s=options.late_ms / 1000, wait_s=options.wait_s, keep=options.keep)


def _steps(options: FeedOptions) -> Iterable[Step]:
    if isinstance(options.load, tuple):
        return options.load
    return generate(options.load, run=options.run or f"{time.time_ns() // 1_000_000:x}")


async def _until_done_or(stop: asyncio.Event | None, pump: asyncio.Task[None]) -> None:
    if stop is None:
        await pump
        return
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({pump, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    pump.cancel()


async def _compare(
    ledger: Ledger, options: FeedOptions, sessions: FetchSessions | None
) -> Comparison | None:
    """Compare the latest calls, and those that differ again until the last events have arrived."""
    if sessions is None:
        return None
    calls = list(ledger.calls.values())[-options.compare :] if options.compare else []
    deadline = time.monotonic() + options.settle_s
    differences = await _differences(calls, sessions, options.region)
    while differences and time.monotonic() < deadline:
        await asyncio.sleep(COMPARE_AGAIN_S)
        different = {difference.call for difference in differences}
        doubtful = [entry for entry in calls if entry.call in different]
        differences = await _differences(doubtful, sessions, options.region)
    return None if differences is None else make_comparison(len(calls), differences)


async def _differences(
    calls: list[CallEntry], sessions: FetchSessions, region: str
) -> list[Difference] | None:
    known = await sessions([entry.call for entry in calls])
    return None if known is None else compare(calls, known, region)


class _Feed:
    """What the tasks of a run share."""

    connection: FeedConnection

    def __init__(self, options: FeedOptions, books: Ledger) -> None:
        self.ledger = books
        self._session: ClientSession | None = None
        self.reconnects = 0
        self._options = options
        self._steps = _steps(options)
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()
        self._progress = asyncio.Event()

    async def connect(self) -> None:
        """Make the link; its errors are those of `open_connection`."""
        options = self._options
        hello = Hello(proto=1, name=options.name, side=options.side, token=options.token)

        def make() -> FeedConnection:
            # From now on it takes the frames, whatever becomes of it: they are the session's.
            self.connection = FeedConnection(
                hello,
                self.ledger,
                session=self._session,
                wall=time.time(),
                on_answer=self._progress.set,
            )
            self._session = self.connection.session
            return self.connection

        await open_connection(options.host, options.port, make)

    async def keep_connected(self) -> None:
        """Make the link again whenever it ends; its session goes on."""
        while True:
            await self.connection.closed.wait()
            self.reconnects += 1
            while not self.connection.is_open:
                with contextlib.suppress(OSError, FeedRefusedError):
                    await self.connect()
                    break
                await asyncio.sleep(RECONNECT_S)

    async def expire(self) -> None:
        """Give up what waits too long, while the feed runs."""
        while True:
            await asyncio.sleep(EXPIRE_EVERY_S)
            for xref in books.expire(self.ledger, self._loop.time()):
                self.connection.give_up(xref)
            self._progress.set()

    async def pump(self) -> None:
        """Send each step when it is due, those due together in one write."""
        self._start = self._loop.time()
        for number, step in enumerate(self._steps, 1):
            due = self._start + step.at
            delay = due - self._loop.time()
            if delay > 0 or number % MAX_BATCH == 0:
                self.connection.flush()
                await asyncio.sleep(max(delay, 0))
            self._send(step, due)
        self.connection.flush()

    async def drain(self) -> None:
        """Wait until every request is answered or given up, and every frame acknowledged."""
        while self.ledger.open:
            self._progress.clear()
            await self._progress.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.settle_s):
                while self.ledger.unacked or self.ledger.unnumbered:
                    self._progress.clear()
                    await self._progress.wait()

    def elapsed(self) -> float:
        """Seconds since the first step could be sent."""
        return self._loop.time() - self._start

    def _send(self, step: Step, due: float) -> None:
        frame = step.frame
        if step.fill is not None:
            dialogue = self.ledger.dialogues.get(frame["xref"])
            if dialogue is None or dialogue.target is None:
                self.ledger.skipped += 1
                return
            frame = {**frame, step.fill: dialogue.target}
        if "ts" not in frame:
            frame = {**frame, "ts": round(time.time(), 3)}
        if not self.connection.queue(frame, due):
            self.ledger.skipped += 1

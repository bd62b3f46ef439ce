"""The journal as the node's actors use it; everything here is on the loop.

What is put is gathered into a batch, which is committed at the end of the loop's turn, or as soon
as the commit before it is done and ``gather_ms`` have passed since that began. What others may be
told only when it is durable is left here as an effect: effects run in order, after the commit of
all that was put before them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from actors.journal.batch import Batch, Commit, Encoding
from actors.journal.gathering import Gathered
from actors.journal.health import Health, Listener
from actors.journal.records import (
    Codec,
    JournalError,
    JournalStatistics,
    Recovered,
)
from actors.journal.writer import Answered, Question, Standing, Writer

if TYPE_CHECKING:
    from actors.config import JournalConfig
    from supervision.eventloop.kernel import Kernel

T = TypeVar("T")

MEBIBYTE = 1_048_576

STEP_ROWS = 500
"""Rows encoded before the loop goes round once: a few milliseconds."""

CATCHING_UP = 5_000
"""Records that have gathered while commits failed, above which they are still said to fail."""


CLOSING_S = 1.0
"""Seconds that letting go of the files may take at least."""


class Journal(Gathered):
    """The journal of a node; made before it is opened, adopted by each next contextStore.

    Args:
        kernel: the node.
        writer: what writes.
        codecs: of every kind that is put, ``outbox`` included.
        config: its bounds.

    Attributes:
        refused: why it could not be opened; None where it was.
    """

    def __init__(
        self,
        kernel: Kernel,
        writer: Writer,
        codecs: Mapping[str, Codec],
        config: JournalConfig,
    ) -> None:
        super().__init__(kernel)
        self.config = config
        self._writer = writer
        self._codecs = codecs
        self._outbox_listener: Callable[[int], None] = lambda _: None
        self._encoding: Encoding | None = None
        self._commit: Commit | None = None
        self._health = Health(kernel, self._released)
        self._crashed = False
        self._working = False  # open, and its writer lives
        self._opening: asyncio.Task[Recovered | None] | None = None
        self._closing: asyncio.Task[bool] | None = None
        self._retrying: asyncio.TimerHandle | None = None
        self._number = self._items = 0
        self._flown_at = self._flush_after = 0.0
        self._idle: list[asyncio.Future[None]] = []
        self.refused: JournalError | None = None
        writer.attach(self)

    # What actors ask

    def read(self, question: Question[T], then: Answered[T]) -> None:
        """Have a question answered by the reader's thread.

        Args:
            question: run there with a connection that only reads what is committed.
            then: run on the loop, with the answer or a ``JournalError``.
        """
        self._writer.ask(question, then)

    @property
    def failing(self) -> str:
        """Why commits do not succeed now; empty while they do."""
        return self._health.failing

    @property
    def outbox_rows(self) -> int:
        """Rows of the outbox that are committed."""
        return self._items

    @property
    def load(self) -> float:
        """The share of ``journal.queue_limit`` that is in use; above 1 it is exceeded."""
        return (self.waiting + self.effects) / self.config.queue_limit

    def stalled(self, now: float) -> bool:
        """Whether a commit fails, or takes longer than ``journal.stall_ms``.

        Args:
            now: monotonic seconds.
        """
        return bool(self.trouble(now))

    def trouble(self, now: float) -> str:
        """Why the journal is stalled; empty where it is not."""
        lasts = 0.0 if self._flying is None else now - self._flown_at
        if self.failing or lasts <= self.config.stall_ms / 1000:
            return self.failing
        return f"a commit has been under way for {lasts:.1f} s"

    def statistics(self) -> JournalStatistics:
        """What it has done and how it stands."""
        return self.measures.statistics(
            self._writer.sizes(),
            waiting=self.waiting,
            effects=self.effects,
            failing=self.failing,
            number=self._number,
            outbox=self._items,
        )

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have ``listener`` told when commits fail, succeed again, or the writer crashes.

        Returns:
            What ends that.
        """
        return self._health.subscribe(listener)

    def subscribe_outbox(self, listener: Callable[[int], None]) -> None:
        """Have ``listener``, and nobody else, told the outbox's rows after each commit to it."""
        self._outbox_listener = listener

    # Opening and closing

    async def open(self) -> Recovered | None:
        """Open the journal, or adopt the one that is open.

        Whoever waits for it may be killed meanwhile: what was recovered is for the next.

        Returns:
            What was recovered; None where it was open already.

        Raises:
            JournalError: one of its kinds; it is not open then.
        """
        if self._opening is None:
            if self._working:
                return None
            self._opening = self._kernel.loop.create_task(self._open())
        opening = self._opening
        try:
            recovered = await asyncio.shield(opening)
        except Exception:
            self._opening = None
            raise
        self._opening = None  # not where this was cut short, though it may be done by then
        return recovered

    async def close(self, patience_s: float = 5.0) -> None:
        """Commit all that waits, for a bounded time, and let go of the disk.

        Args:
            patience_s: seconds after which what cannot be committed is left, and, a second
                later at the latest, a disk that does not answer.
        """
        if not self._working:
            return
        until = self._kernel.clock.monotonic() + patience_s
        idle = self._kernel.loop.create_future()
        self._idle.append(idle)
        self._tell_idle()
        try:
            await asyncio.wait_for(idle, patience_s)
        except TimeoutError:
            waiting = {"records": self.waiting, "effects": self.effects, "why": self.failing}
            self._kernel.report("unsaved", "journal", **waiting)
        told = self._kernel.loop.create_future()
        self._released.add(partial(told.set_result, None))
        await told  # whoever waited for the last commit
        self._working = False
        left = max(CLOSING_S, until - self._kernel.clock.monotonic())
        self._closing = self._kernel.loop.create_task(self._writer.close(left))
        if not await asyncio.shield(self._closing):
            self._kernel.report("unclosed", "journal", seconds=patience_s)

    async def _open(self) -> Recovered | None:
        if self._closing is not None:  # whoever began that may have been killed
            await asyncio.wait([self._closing])
            self._closing = None
        if self._crashed:
            self._begin(await self._writer.revive())
            return None
        try:
            found = await self._writer.open(self._codecs)
        except JournalError as refused:
            self.refused = refused
            raise
        self.refused = None
        self._seq = self._gathering.renumber(found.seq, self._seq)
        self._begin(Standing(found.number, found.items))
        return found.recovered

    def _begin(self, standing: Standing) -> None:
        """Commit, with what is left of a former life of the writer.

        Args:
            standing: what the last commit left, which may be the one that was in flight.
        """
        self._working, self._crashed = True, False
        self._flush_after = 0.0
        if self._retrying is not None:
            self._retrying.cancel()
        if self._commit is not None and standing.number >= self._commit.number:
            self.committed(Standing(self._commit.number, standing.items), 0.0)
        self._number, self._items = standing.number, standing.items
        if self._flying is not None:
            self._encode(self._flying)
        elif self._gathering and not self._scheduled:
            self._schedule()

    # Committing

    def _schedule(self) -> None:
        """Have the batch committed, unless the end of the one in flight will."""
        if not self._working or self._flying is not None:
            return
        self._scheduled = True
        wait_s = self._flush_after - self._kernel.clock.monotonic()
        if wait_s > 0:
            self._kernel.loop.call_later(wait_s, self._flush)
        else:
            self._kernel.after_turn(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        if not self._working or self._flying is not None or not self._gathering:
            return
        self._flying, self._gathering = self._gathering, Batch()
        self._flown_at = self._kernel.clock.monotonic()
        self._flush_after = self._flown_at + self.config.gather_ms / 1000
        self._encode(self._flying)

    def _encode(self, batch: Batch) -> None:
        """Encode a batch, in steps where it is great, and have it committed."""
        rows, size = self.config.commit_rows, self.config.commit_mb * MEBIBYTE
        encoding = Encoding(batch, self._number + 1, self._codecs, rows, size)
        self._encoding, self._commit = encoding, None
        self._step(encoding)

    def _step(self, encoding: Encoding) -> None:
        if encoding is not self._encoding:
            return
        if not encoding.step(STEP_ROWS):
            self._kernel.loop.call_soon(self._step, encoding)
            return
        self._encoding = None
        self._put_back(encoding.batch)
        if encoding.unwritable or self._unwritable:
            self._withhold(encoding)
        self._commit = encoding.commit()
        if self._working:
            self._writer.commit(self._commit)

    def _put_back(self, piece: Batch) -> None:
        """Of a batch too great for one commit the rest comes before what has gathered since."""
        rest = self._flying
        if rest is None or rest is piece:
            return
        rest.extend(self._gathering)
        self._flying, self._gathering = piece, rest

    def committed(self, standing: Standing, seconds: float) -> None:
        """Let go of what waited for this commit, and begin the next one."""
        batch, commit = self._flying, self._commit
        if batch is None or commit is None or commit.number != standing.number:
            return  # told before, by a writer that has crashed since
        self._flying = self._commit = None
        self._number, self._items = standing.number, standing.items
        self.measures.committed(commit.rows, seconds)
        if self.failing:
            self._works_again()
        self._released.extend(batch.effects)
        if batch.appended:
            self._released.add(partial(self._outbox_listener, self._items))
        if self._gathering and not self._scheduled:
            self._schedule()
        self._tell_idle()

    def failed(self, number: int, why: str) -> None:
        """Try the same commit again later; what is put meanwhile gathers."""
        self.measures.failures += 1
        self.lost(why)
        self._retrying = self._kernel.loop.call_later(self.config.retry_s, self._retry)

    def lost(self, why: str) -> None:
        """Say why commits fail, before one has tried."""
        self._health.fails(why)

    def renewed(self, gone: str) -> None:
        """Go on in files that were written anew."""
        self._kernel.report("renewed", "journal", why=gone, number=self._number)
        if self.failing:
            self._works_again()

    def _retry(self) -> None:
        self._retrying = None
        if self._working and self._commit is not None:
            self._writer.commit(self._commit)

    def crashed(self, exception: BaseException) -> None:
        """Say that somebody has to open the journal again."""
        self._working, self._crashed = False, True
        self._health.crashed(exception)

    def _works_again(self) -> None:
        if len(self._gathering) > CATCHING_UP:
            self._health.failing = f"{len(self._gathering)} records are caught up with"
        else:
            self._health.works()

    def _tell_idle(self) -> None:
        if self._flying is None and not self._gathering:
            for future in self._idle:
                if not future.done():
                    future.set_result(None)
            self._idle.clear()

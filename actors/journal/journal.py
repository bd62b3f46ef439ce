"""The journal as the node's actors use it; everything here is on the loop.

What is put is gathered into a batch, which is committed at the end of the loop's turn, or as soon
as the commit before it is done and ``gather_ms`` have passed since that began. What others may be
told only when it is durable is left here as an effect: effects run in order, after the commit of
all that was put before them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from actors.journal import effects
from actors.journal.batch import DELETED, Batch, Commit, Effect, Encoding
from actors.journal.measures import Measures
from actors.journal.records import (
    Codec,
    Crashed,
    Failing,
    JournalError,
    JournalStatistics,
    OutboxItem,
    Recovered,
    Working,
)
from actors.journal.writer import Answered, Question, Standing, Writer

if TYPE_CHECKING:
    from actors.config import JournalConfig
    from supervision.eventloop.kernel import Kernel

T = TypeVar("T")
Listener = Callable[[Failing | Working | Crashed], None]

STEP_ROWS = 500
"""Rows encoded before the loop goes round once: a few milliseconds."""

CATCHING_UP = 5_000
"""Records that have gathered while commits failed, above which they are still said to fail."""


class Journal:
    """The journal of a node; made before it is opened, adopted by each next contextStore.

    Args:
        kernel: the node.
        writer: what writes.
        codecs: of every kind that is put, ``outbox`` included.
        config: its bounds.

    Attributes:
        failing: why commits do not succeed now; empty while they do.
        refused: why it could not be opened; None where it was.
    """

    def __init__(
        self,
        kernel: Kernel,
        writer: Writer,
        codecs: Mapping[str, Codec],
        config: JournalConfig,
    ) -> None:
        self.config = config
        self.measures = Measures()
        self._kernel = kernel
        self._writer = writer
        self._codecs = codecs
        self._listeners: list[Listener] = []
        self._outbox_listener: Callable[[int], None] = lambda _: None
        self._gathering = Batch()
        self._encoding: Encoding | None = None
        self._flying: Batch | None = None
        self._commit: Commit | None = None
        self._released = effects.Queue(kernel)
        self._scheduled = self._crashed = False
        self._working = False  # open, and its writer lives
        self._opening: asyncio.Task[Recovered | None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._retrying: asyncio.TimerHandle | None = None
        self._number = self._seq = self._items = 0
        self._flown_at = self._flush_after = self._failing_since = 0.0
        self._idle: list[asyncio.Future[None]] = []
        self.failing = ""
        self.refused: JournalError | None = None
        writer.attach(self)

    # What actors put

    def put(self, kind: str, key: str, value: Any) -> None:
        """Keep a value; the latest of its key in a commit wins.

        Args:
            kind: one that has a codec.
            key: of the value within its kind.
            value: must not be changed any more: it is encoded later.
        """
        self._gathering.entries[kind, key] = value
        if not self._scheduled:
            self._schedule()

    def delete(self, kind: str, key: str) -> None:
        """Forget a value; one that is not there may be deleted."""
        self.put(kind, key, DELETED)

    def append(self, item: OutboxItem) -> None:
        """Put an item into the outbox."""
        self._seq += 1
        self._gathering.appended[self._seq] = item
        if not self._scheduled:
            self._schedule()

    def trim(self, seqs: Sequence[int]) -> None:
        """Take items out of the outbox by their numbers; those that are gone change nothing."""
        self._gathering.trim(seqs)
        if not self._scheduled:
            self._schedule()

    def after(self, effect: Effect) -> None:
        """Run something when everything put so far is durable: at once where it is already."""
        if len(self._gathering):
            self._gathering.effects.append(effect)
        elif self._flying is not None:
            self._flying.effects.append(effect)
        else:
            self._released.add(effect)

    def clean(self, kind: str, key: str) -> bool:
        """Whether nothing of a key waits for a commit."""
        place = (kind, key)
        if place in self._gathering.entries:
            return False
        return self._flying is None or place not in self._flying.entries

    # What actors ask

    def read(self, question: Question[T], then: Answered[T]) -> None:
        """Have a question answered by the reader's thread.

        Args:
            question: run there with a connection that only reads what is committed.
            then: run on the loop, with the answer or a ``JournalError``.
        """
        self._writer.ask(question, then)

    def unwritten(self) -> Iterator[OutboxItem]:
        """Items of the outbox whose commit is not done yet, the oldest first."""
        if self._flying is not None:
            yield from self._flying.appended.values()
        yield from self._gathering.appended.values()

    @property
    def outbox_rows(self) -> int:
        """Rows of the outbox that are committed."""
        return self._items

    @property
    def waiting(self) -> int:
        """Records that wait for a commit."""
        return len(self._gathering) + (0 if self._flying is None else len(self._flying))

    @property
    def effects(self) -> int:
        """Effects that wait."""
        flying = 0 if self._flying is None else len(self._flying.effects)
        return len(self._gathering.effects) + flying + len(self._released)

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
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

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
            patience_s: seconds after which what cannot be committed is left.
        """
        if not self._working:
            return
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
        self._closing = self._kernel.loop.create_task(self._writer.close())
        await asyncio.shield(self._closing)

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
            self._encode(Encoding(self._flying, self._number + 1, self._codecs))
        elif len(self._gathering) and not self._scheduled:
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
            self._kernel.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        if not self._working or self._flying is not None or not len(self._gathering):
            return
        self._flying, self._gathering = self._gathering, Batch()
        self._flown_at = self._kernel.clock.monotonic()
        self._flush_after = self._flown_at + self.config.gather_ms / 1000
        self._encode(Encoding(self._flying, self._number + 1, self._codecs))

    def _encode(self, encoding: Encoding) -> None:
        """Encode a batch, in steps where it is great, and have it committed."""
        self._encoding, self._commit = encoding, None
        self._step(encoding)

    def _step(self, encoding: Encoding) -> None:
        if encoding is not self._encoding:
            return
        if not encoding.step(STEP_ROWS):
            self._kernel.loop.call_soon(self._step, encoding)
            return
        self._encoding = None
        for one in encoding.unwritable:
            self.measures.unwritable += 1
            effects.report(self._kernel, one.exception, f"the {one.kind} {one.key}")
        self._commit = encoding.commit()
        if self._working:
            self._writer.commit(self._commit)

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
        if len(self._gathering) and not self._scheduled:
            self._schedule()
        self._tell_idle()

    def failed(self, number: int, why: str) -> None:
        """Try the same commit again later; what is put meanwhile gathers."""
        self.measures.failures += 1
        if self.failing != why:
            self._failing_since = self._failing_since or self._kernel.clock.monotonic()
            self.failing = why
            self._tell(Failing(why))
        self._retrying = self._kernel.loop.call_later(self.config.retry_s, self._retry)

    def _retry(self) -> None:
        self._retrying = None
        if self._working and self._commit is not None:
            self._writer.commit(self._commit)

    def crashed(self, exception: BaseException) -> None:
        """Say that somebody has to open the journal again."""
        self._working, self._crashed = False, True
        self.failing = f"the writer crashed: {exception!r}"
        self._failing_since = self._failing_since or self._kernel.clock.monotonic()
        self._tell(effects.crash(exception))

    def _works_again(self) -> None:
        if len(self._gathering) > CATCHING_UP:
            self.failing = f"{len(self._gathering)} records are caught up with"
            return
        seconds = self._kernel.clock.monotonic() - self._failing_since
        self.failing, self._failing_since = "", 0.0
        self._tell(Working(seconds))

    def _tell(self, event: Failing | Working | Crashed) -> None:
        for listener in tuple(self._listeners):
            self._released.add(partial(listener, event))

    def _tell_idle(self) -> None:
        if self._flying is None and not len(self._gathering):
            for future in self._idle:
                if not future.done():
                    future.set_result(None)
            self._idle.clear()

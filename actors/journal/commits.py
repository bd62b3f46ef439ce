"""How what was put becomes durable: one commit after the other, tried until it is done.

``Journal`` is the whole of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from actors.journal.batch import Batch, Commit, Encoding, Place
from actors.journal.distance import distance_s
from actors.journal.gathering import Gathered
from actors.journal.health import Health
from actors.journal.records import Codec
from actors.journal.versions import Writing, writing_for
from actors.journal.writer import Standing, Writer

if TYPE_CHECKING:
    import asyncio

    from actors.config import JournalConfig
    from supervision.eventloop.kernel import Kernel

MEBIBYTE = 1_048_576

STEP_ROWS = 500
"""Rows encoded before the loop goes round once: a few milliseconds."""

SPARING_S = 0.02
"""The least distance of commits while something else needs the processor."""

CATCHING_UP = 5_000
"""Records that have gathered while commits failed, above which they are still said to fail."""


class Commits(Gathered):
    """The commits of a journal.

    Args:
        kernel: the node.
        writer: what writes.
        codecs: of every kind that is put, ``outbox`` included.
        config: its bounds.

    Attributes:
        failing: why commits do not succeed now; empty while they do.
        outbox_rows: rows of the outbox that are committed.
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
        self._writing: Writing = codecs
        self._kept_back: dict[Place, Any] = {}
        self._touched: set[Place] | None = None  # noted while rows are written again
        self._outbox_listener: Callable[[int], None] = lambda _: None
        self._encoding: Encoding | None = None
        self._commit: Commit | None = None
        self.failing = ""
        self._health = Health(kernel, self._released, self._note_failing)
        self._crashed = False
        self._working = False  # open, and its writer lives
        self._pausing = False
        self._retrying: asyncio.TimerHandle | None = None
        self._number = self.outbox_rows = 0
        self._flown_at = self._flush_after = 0.0
        self._gather_s = config.gather_ms / 1000
        self._busy_s = config.gather_busy_ms / 1000
        self._idle: list[asyncio.Future[None]] = []
        writer.attach(self)

    def _note_failing(self, why: str) -> None:
        self.failing = why

    def write_for(self, theirs: Mapping[str, int] | None) -> None:
        """Write rows in the schema of another release, which may go on with them.

        Args:
            theirs: versions of the rows that it knows, by kind; what it does not know is kept back.
                None: no other one does; what was kept back is written.

        Raises:
            NoConversion: rows of a kind cannot be written so; nothing has changed.
        """
        self._writing = self._codecs if theirs is None else writing_for(self._codecs, theirs)
        kept_back, self._kept_back = self._kept_back, {}
        for (kind, key), value in kept_back.items():
            if (kind, key) not in self._gathering.entries:
                self.put(kind, key, value)

    def spare(self, *, sparing: bool) -> None:
        """Commit more rarely, or as configured again: each commit costs, whatever it writes.

        For the minute in which a node copies all that it is while it serves. Answers wait a few
        milliseconds longer for it.
        """
        gather_s = self.config.gather_ms / 1000
        self._gather_s = max(gather_s, SPARING_S) if sparing else gather_s

    def flying(self) -> Iterable[Place]:
        """What is on its way to the disk, which those who read there may not see yet."""
        return () if self._flying is None else self._flying.entries

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
        self._number, self.outbox_rows = standing.number, standing.items
        if self._flying is not None:
            self._encode(self._flying)
        elif self._gathering and not self._scheduled:
            self._schedule()

    def _schedule(self) -> None:
        """Have the batch committed, unless the end of the one in flight will."""
        if not self._working or self._flying is not None:
            return
        self._scheduled = True
        wait_s = self._flush_after - self._kernel.clock.monotonic()
        if self._pausing:
            self._kernel.loop.call_soon(self._flush)
        elif wait_s > 0:
            self._kernel.loop.call_later(wait_s, self._flush)
        else:
            self._kernel.after_turn(self._flush)

    def _flush(self) -> None:
        if self._flying is not None:
            return  # its end is waited for
        self._scheduled = self._working and bool(self._gathering)
        if not self._scheduled:
            return
        self._flying, self._gathering = self._gathering, Batch()
        now = self._kernel.clock.monotonic()
        since_s, self._flown_at = now - self._flown_at, now
        count = len(self._flying)
        self._flush_after = now + distance_s(count, since_s, self._gather_s, self._busy_s)
        self._encode(self._flying)

    def _encode(self, batch: Batch) -> None:
        """Encode a batch, in steps where it is great, and have it committed."""
        rows, size = self.config.commit_rows, self.config.commit_mb * MEBIBYTE
        encoding = Encoding(batch, self._number + 1, self._writing, rows, size)
        self._encoding, self._commit = encoding, None
        if self._touched is not None:
            self._touched.update(batch.entries)
        self._step(encoding)

    def _step(self, encoding: Encoding) -> None:
        if encoding is not self._encoding:
            return
        if not encoding.step(STEP_ROWS):
            self._kernel.loop.call_soon(self._step, encoding)
            return
        self._encoding = None
        self._put_back(encoding.batch)
        if encoding.kept_back:
            self._kept_back.update(encoding.kept_back)
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
        self._scheduled = False
        self._number, self.outbox_rows = standing.number, standing.items
        self.measures.committed(commit.rows, seconds)
        if self.failing:
            self._works_again()
        self._released.extend(batch.effects)
        if batch.appended:
            self._released.add(partial(self._outbox_listener, self.outbox_rows))
        if self._gathering and not self._scheduled:
            self._schedule()
        if self._idle:
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
            self._health.say(f"{len(self._gathering)} records are caught up with")
        else:
            self._health.works()

    def _tell_idle(self) -> None:
        if self._flying is None and not self._gathering:
            for future in self._idle:
                if not future.done():
                    future.set_result(None)
            self._idle.clear()

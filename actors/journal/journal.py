"""The journal as the node's actors use it; everything here is on the loop.

What is put is gathered into a batch, which is committed at the end of the loop's turn, or as soon
as the commit before it is done and ``gather_ms`` have passed since that began. What others may be
told only when it is durable is left here as an effect: effects run in order, after the commit of
all that was put before them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from actors.journal import versions
from actors.journal.commits import Commits
from actors.journal.health import Listener
from actors.journal.passing import refuse_other
from actors.journal.records import (
    Codec,
    JournalError,
    JournalStatistics,
    JournalUnusable,
    Recovered,
)
from actors.journal.rewriting import Rewriting, targets
from actors.journal.schema import FORMAT
from actors.journal.writer import Answered, Passed, Question, Standing, Writer

if TYPE_CHECKING:
    from actors.config import JournalConfig
    from supervision.eventloop.kernel import Kernel

T = TypeVar("T")

CLOSING_S = 1.0
"""Seconds that letting go of the files may take at least."""


class Journal(Commits):
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
        super().__init__(kernel, writer, codecs, config)
        self._opening: asyncio.Task[Recovered | None] | None = None
        self._closing: asyncio.Task[Any] | None = None
        self.refused: JournalError | None = None

    # What actors ask

    def read(self, question: Question[T], then: Answered[T]) -> None:
        """Have a question answered by the reader's thread.

        Args:
            question: run there with a connection that only reads what is committed.
            then: run on the loop, with the answer or a ``JournalError``.
        """
        self._writer.ask(question, then)

    @property
    def load(self) -> float:
        """The share of ``journal.queue_limit`` that is in use; above 1 it is exceeded."""
        held = self._gathering.held() + len(self._released.ready)
        if self._flying is not None:
            held += self._flying.held()
        return held / self.config.queue_limit

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
            outbox=self.outbox_rows,
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

    # From one process to another

    @property
    def versions(self) -> dict[str, int]:
        """The versions of rows of this release, by kind."""
        return versions.of(self._codecs)

    def refuse(self, theirs: Mapping[str, int]) -> None:
        """Refuse a release whose rows cannot be read, or that cannot read what is written.

        Args:
            theirs: versions of the rows that it knows, by kind.

        Raises:
            NoConversion: naming the kind and both versions.
        """
        versions.refuse_unreadable(self._codecs, theirs)
        versions.writing_for(self._codecs, theirs)

    async def rewrite_for(self, theirs: Mapping[str, int]) -> int:
        """Write in the schema of another release from now on, and again what is not; for a while.

        Args:
            theirs: versions of the rows that it knows, by kind.

        Returns:
            How many rows were written again.

        Raises:
            NoConversion: rows of a kind cannot be written so; nothing has changed.
            JournalError: they cannot be read.
        """
        self.write_for(theirs)
        wanted = targets(self._codecs, self._writing)
        if not wanted:
            return 0
        rewriting = Rewriting(self, self.read, wanted)
        self._touched = rewriting.touched
        try:
            await rewriting.run()
        finally:
            self._touched = None
            self._kept_back = rewriting.kept_back | self._kept_back
        return rewriting.rows

    @property
    def idle(self) -> bool:
        """Whether all that was put is durable, and all that waited for it has been told."""
        return not (self.waiting or self.effects)

    def rest(self, *, resting: bool = True) -> None:
        """Begin nothing that takes long, for it will be paused soon; or go on as usual."""
        self._writer.rest(resting=resting)

    async def pause(self, patience_s: float = 5.0) -> Passed:
        """Commit all that waits, tell all that waited for it, and write no more until ``go_on``.

        Args:
            patience_s: seconds after which a disk that does not answer is not waited for.

        Returns:
            What another process needs to go on, beside ``descriptors``.

        Raises:
            JournalError: it cannot; ``go_on`` goes on all the same.
        """
        if not self._working:
            raise JournalUnusable("the journal is not open")
        self._pausing = True
        try:
            async with asyncio.timeout(patience_s):
                await self._settled()
        except TimeoutError:
            why = self.failing or f"no commit was done within {patience_s:g} s"
            raise JournalUnusable(f"{self.waiting} records wait: {why}") from None
        self._working = False
        self._closing = self._kernel.loop.create_task(self._writer.pause(patience_s))
        left = await asyncio.shield(self._closing)
        mode, unwritable = self.config.mode, tuple(sorted(self._unwritable))
        return Passed(FORMAT, mode, self._number, left.number, self._seq, left.items, unwritable)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The open files of the lock, for another process to have too."""
        return self._writer.descriptors

    async def go_on(self) -> None:
        """Go on after ``pause``, however far that came; what was put meanwhile is committed."""
        self.rest(resting=False)
        if not self._pausing:
            return
        self._pausing = False
        if self._working:
            self._schedule()
            return
        await self._closed()
        try:
            self._begin(await self._writer.revive())
        except JournalError as error:
            self.crashed(error)

    async def take_over(self, passed: Passed, descriptors: Sequence[int]) -> None:
        """Go on with what another process has paused; nothing of it is read again.

        Args:
            passed: as ``pause`` returned it there.
            descriptors: as they were there; this process's own from now on.

        Raises:
            JournalError: it is not as it was left; it is not open then.
        """
        try:
            refuse_other(passed, self.config.mode)
            await self._writer.take_over(passed, descriptors)
        except JournalError as refused:
            self.refused = refused
            raise
        self._unwritable.update(passed.unwritable)
        self._seq = self._gathering.renumber(passed.seq, self._seq)
        self._begin(Standing(passed.number, passed.items))

    async def _settled(self) -> None:
        """Wait until it is idle; the kernel's turns may have ended, so nothing waits for them."""
        while not self.idle:
            self._flush()
            settled = self._kernel.loop.create_future()
            self._idle.append(settled)
            self._tell_idle()
            await settled
            told = self._kernel.loop.create_future()
            self._released.add(partial(told.set_result, None))
            await told

    async def _closed(self) -> None:
        """Wait for an end that was begun: whoever began it may have been killed."""
        if self._closing is not None:
            await asyncio.wait([self._closing])
            self._closing = None

    async def _open(self) -> Recovered | None:
        await self._closed()
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

"""The writer of a node: three threads around one SQLite database."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.journal import effects, evidence, recovery, reserve
from actors.journal.background import in_thread
from actors.journal.committing import Committing, standing_of
from actors.journal.file import (
    REFUSED,
    Files,
    Lock,
    connect,
    open_database,
    opened,
)
from actors.journal.holding import Holding
from actors.journal.keeping import Keeping
from actors.journal.passing import refuse_changed, refuse_missing
from actors.journal.reading import Reading
from actors.journal.records import Codec, JournalError, JournalUnusable
from actors.journal.writer import Answered, Found, Heard, Passed, Question, Sizes, Standing

if TYPE_CHECKING:
    from actors.config import JournalConfig
    from actors.journal.batch import Commit
    from supervision.eventloop.kernel import Kernel

MEBIBYTE = 1_048_576


class ThreadWriter:
    """Commits in a thread, reads in another, keeps the files small in a third.

    Args:
        kernel: the node.
        directory: where the files are, ``DATA/journal``.
        config: its bounds.
    """

    def __init__(self, kernel: Kernel, directory: Path, config: JournalConfig) -> None:
        self._kernel = kernel
        self._files = Files(directory)
        self._config = config
        self._heard: Heard | None = None
        self._lock: Lock | None = None
        self._holding: Holding | None = None
        self._committing: Committing | None = None
        self._reading: Reading | None = None
        self._keeping: Keeping | None = None

    def attach(self, heard: Heard) -> None:
        """Know who is told what becomes of commits."""
        self._heard = heard

    # Opening and closing

    async def open(self, codecs: Mapping[str, Codec]) -> Found:
        """Lock the files, verify and read them, begin the threads."""
        return await asyncio.wrap_future(in_thread(self._open, codecs))

    async def revive(self) -> Standing:
        """End what is left of the threads and begin others."""
        return await asyncio.wrap_future(in_thread(self._revive))

    async def close(self, patience_s: float = 5.0) -> bool:
        """End the threads after what was given to them, empty the log, let go of the files."""
        closing = asyncio.wrap_future(in_thread(self._close, patience_s))
        done, _ = await asyncio.wait([closing], timeout=patience_s)
        return bool(done) and closing.result()

    # From one process to another

    def rest(self, *, resting: bool) -> None:
        """Have the keeper begin no checkpoint that a pause would wait for, or go on as usual."""
        if self._keeping is not None:
            self._keeping.resting = resting

    async def pause(self, patience_s: float) -> Standing:
        """End the threads and close the connections that write; the lock is kept."""
        return await asyncio.wrap_future(in_thread(self._pause, patience_s))

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The open files of the lock, for another process to have too."""
        return () if self._holding is None else self._holding.descriptors

    async def take_over(self, passed: Passed, descriptors: Sequence[int]) -> None:
        """Begin the threads on files that another process has paused, and has the lock of too."""
        await asyncio.wrap_future(in_thread(self._take_over, passed, descriptors))

    def _pause(self, patience_s: float) -> Standing:
        assert self._committing is not None
        assert self._holding is not None
        if not self._end(time.monotonic() + patience_s):
            raise JournalUnusable(f"the disk has not answered within {patience_s:g} s")
        connection = self._committing.take()
        if connection is None or (gone := self._holding.gone()):
            raise JournalUnusable(gone if connection else "its last commit failed")
        # One that only reads stays open: else SQLite would bring the log into the database now.
        try:
            return standing_of(connection)
        except REFUSED as error:
            raise opened(error) from error
        finally:
            connection.close()

    def _take_over(self, passed: Passed, descriptors: Sequence[int]) -> None:
        lock, marker = descriptors
        self._lock = Lock(self._files, (lock, marker))
        connection = None
        try:
            refuse_missing(self._files)
            connection = connect(self._files.database)
            refuse_changed(connection, passed)
            self._holding = Holding(self._files, self._lock, passed.number, forced=False)
        except BaseException as error:
            self._abandon(connection)
            if isinstance(error, (*REFUSED, OSError)):
                raise _unusable(error) from error
            raise
        self._begin(connection, Standing(passed.written, passed.items))

    def _open(self, codecs: Mapping[str, Codec]) -> Found:
        try:
            found = self._open_files(codecs)
        except JournalUnusable:
            if not reserve.give_up(self._files):
                raise
            found = self._open_files(codecs)
        else:
            reserve.keep(self._files)
        return found

    def _open_files(self, codecs: Mapping[str, Codec]) -> Found:
        self._lock = Lock(self._files)
        connection = None
        try:
            evidence.secure(self._files)
            connection = open_database(self._files)
            found = recovery.load(connection, codecs, self._files)
            self._holding = Holding(self._files, self._lock, found.number)
        except BaseException as error:
            self._abandon(connection)
            if isinstance(error, (*REFUSED, OSError)):
                raise _unusable(error) from error
            raise
        self._begin(connection, Standing(found.number, found.items))
        return found

    def _abandon(self, connection: sqlite3.Connection | None) -> None:
        if connection is not None:
            connection.close()
        assert self._lock is not None
        self._lock.release()

    def _begin(self, connection: sqlite3.Connection, standing: Standing) -> None:
        heard, holding = self._heard, self._holding
        assert heard is not None
        assert holding is not None
        wal_max_bytes = self._config.wal_max_mb * MEBIBYTE
        self._committing = Committing(
            holding, connection, standing, wal_max_bytes, post=self._post, heard=heard
        )
        self._reading = Reading(holding, self._post, self._question_failed)
        self._keeping = Keeping(holding, wal_max_bytes, self._keeper_failed)
        self._keeping.begin(self._committing, self._reading)

    def _end(self, until: float | None = None) -> bool:
        """End the threads, or leave them at a monotonic time: a disk may not answer."""
        assert self._keeping is not None
        assert self._reading is not None
        assert self._committing is not None
        ended = True
        for thread in (self._keeping, self._reading, self._committing):
            left = None if until is None else max(0.0, until - time.monotonic())
            ended &= thread.end(left)
        return ended

    def _revive(self) -> Standing:
        assert self._committing is not None
        assert self._holding is not None
        self._end()
        connection = self._committing.take()
        if connection is not None:
            connection.close()
        try:
            if self._holding.gone():
                connection = self._holding.renew()
            else:
                connection = connect(self._files.database)
            standing = standing_of(connection)
            self._holding.tell(standing.number)  # others are told of it next
        except (*REFUSED, OSError) as error:
            raise _unusable(error) from error
        self._begin(connection, standing)
        return standing

    def _close(self, patience_s: float) -> bool:
        assert self._committing is not None
        assert self._holding is not None
        if not self._end(time.monotonic() + patience_s):
            return False  # the end of the process lets go of everything
        connection = self._committing.take()
        self._reading = None
        self._holding.close()
        try:
            if connection is None:
                connection = connect(self._files.database)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except REFUSED:  # the log is kept: the next start reads it
            pass
        finally:
            if connection is not None:
                connection.close()
            self._holding.release()
        return True

    # While it is open

    def commit(self, commit: Commit) -> None:
        """Have a commit done by the thread."""
        assert self._committing is not None
        self._committing.commit(commit)

    def ask(self, question: Question[Any], then: Answered[Any]) -> None:
        """Have a question answered by the reader; at once with an error where it is not open."""
        if self._reading is None:
            self._kernel.loop.call_soon(then, JournalError("the journal is not open"))
        else:
            self._reading.ask(question, then)

    def sizes(self) -> Sizes:
        """What the keeper has seen last."""
        return Sizes() if self._keeping is None else self._keeping.sizes

    # From the threads

    def _post(self, function: Any, *args: Any) -> None:
        try:
            self._kernel.post_call(function, *args)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            return

    def _question_failed(self, exception: BaseException) -> None:
        effects.report(self._kernel, exception, "a question")

    def _keeper_failed(self, exception: BaseException) -> None:
        assert self._heard is not None
        self._post(self._heard.crashed, exception)


def _unusable(error: sqlite3.Error | UnicodeDecodeError | OSError) -> JournalError:
    if isinstance(error, OSError):
        return JournalUnusable(f"the journal cannot be opened: {error.strerror}")
    return opened(error)

"""The thread that answers questions, over a connection of its own that only reads."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from actors.journal.file import REFUSED, connect
from actors.journal.records import JournalError

if TYPE_CHECKING:
    from actors.journal.holding import Holding
    from actors.journal.writer import Answered, Question

MOST_QUESTIONS = 1_000
"""Questions that may wait; one more is answered with an error at once."""

LONGEST_S = 5.0
"""Seconds after which a question is broken off: while it reads, the log cannot begin anew."""


class Reading:
    """The reader's thread.

    Args:
        holding: the open files.
        post: has something run on the loop.
        failed: told on the loop of what a question raised that is no error of SQLite.
    """

    def __init__(
        self, holding: Holding, post: Callable[..., None], failed: Callable[[BaseException], None]
    ) -> None:
        self._holding = holding
        self._generation = holding.generation
        self._post = post
        self._failed = failed
        self._connection: sqlite3.Connection | None = None
        self._since: float | None = None
        self._ended = False
        self._guard = threading.Lock()
        self._queue: SimpleQueue[tuple[Question[Any], Answered[Any]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="vigie-journal-read", daemon=True)
        self._thread.start()

    # For other threads

    def ask(self, question: Question[Any], then: Answered[Any]) -> None:
        """Have a question answered; where it cannot be taken, with an error."""
        with self._guard:  # what comes after the end would never be answered
            why = self._refusal()
            if not why:
                self._queue.put((question, then))
        if why:
            self._post(then, JournalError(why))

    def _refusal(self) -> str:
        if self._ended:
            return "the journal is not open"
        if self._queue.qsize() >= MOST_QUESTIONS:
            return f"{MOST_QUESTIONS} questions wait for the journal"
        return ""

    def look(self) -> None:
        """Break off a question that takes too long."""
        since, connection = self._since, self._connection
        if since is not None and connection is not None and time.monotonic() - since > LONGEST_S:
            connection.interrupt()

    def end(self, patience_s: float | None = None) -> bool:
        """End the thread after the questions that wait, or leave it after so many seconds."""
        with self._guard:
            self._ended = True
            self._queue.put(None)
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    # The thread

    def _run(self) -> None:
        while (asked := self._queue.get()) is not None:
            question, then = asked
            self._post(then, self._answer(question))
        if self._connection is not None:
            self._connection.close()

    def _answer(self, question: Question[Any]) -> Any:
        try:
            connection = self._connected()
            self._since = time.monotonic()
            return question(connection)
        except REFUSED as error:
            return JournalError(f"SQLite says {error}")
        except JournalError as error:
            return error
        except Exception as exception:  # noqa: BLE001 - of whoever asks; the others must not wait for it
            self._post(self._failed, exception)
            return JournalError(f"the question failed: {exception!r}")
        finally:
            self._since = None

    def _connected(self) -> sqlite3.Connection:
        """A connection to the database that is in the place now."""
        if self._connection is not None and self._generation != self._holding.generation:
            self._connection.close()
            self._connection = None
        if self._connection is None:
            self._generation = self._holding.generation
            self._connection = connect(self._holding.files.database, read_only=True)
        return self._connection

"""What the journal needs of whoever writes for it: a thread in a node, a stepped one in tests."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from msgspec import Struct

from actors.journal.batch import Commit
from actors.journal.records import Codec, JournalError, Recovered

T = TypeVar("T")
Question: TypeAlias = Callable[[sqlite3.Connection], T]
Answered: TypeAlias = Callable[[T | JournalError], None]


class Found(Struct, frozen=True):
    """What a writer has found when it opened the journal.

    Attributes:
        recovered: for whoever opened it.
        number: of the last commit, or of the last that was acknowledged where that is greater.
        seq: the greatest number that a row of the outbox has had.
        items: rows of the outbox.
        kinds: how many entries there are of each kind.
    """

    recovered: Recovered
    number: int
    seq: int
    items: int
    kinds: dict[str, int]


class Standing(Struct, frozen=True):
    """How the journal stands after a commit.

    Attributes:
        number: of the commit.
        items: rows of the outbox.
    """

    number: int
    items: int


class Passed(Struct, frozen=True):
    """An open journal on its way from one process to another, which goes on with it.

    Attributes:
        format: of the database.
        mode: ``journal.mode`` of the process that had it.
        number: of the last commit, or of the last that was acknowledged where that is greater.
        written: of the last commit.
        seq: the greatest number that a row of the outbox has had.
        items: rows of the outbox.
        unwritable: keys whose latest value could not be encoded.
    """

    format: int
    mode: str
    number: int
    written: int
    seq: int
    items: int
    unwritable: tuple[str, ...] = ()


class Sizes(Struct, frozen=True):
    """What the journal takes on the disk, bytes; -1 where nobody has looked yet."""

    database: int = 0
    wal: int = 0
    free: int = -1


class Heard(Protocol):
    """What a writer tells the journal, on the loop."""

    def committed(self, standing: Standing, seconds: float) -> None:
        """A commit is durable, and acknowledged in the second file."""

    def failed(self, number: int, why: str) -> None:
        """A commit failed and left nothing behind."""

    def lost(self, why: str) -> None:
        """The files are not in their place; commits fail until they are written anew."""

    def renewed(self, gone: str) -> None:
        """They are, with all that was committed.

        Args:
            gone: what was not in its place.
        """

    def crashed(self, exception: BaseException) -> None:
        """The writer has ended by a fault of its own; nothing is known of the commit in flight."""


class Writer(Protocol):
    """Writes one commit after the other; every method belongs to the loop's thread."""

    def attach(self, heard: Heard) -> None:
        """Know who is told what becomes of commits."""

    async def open(self, codecs: Mapping[str, Codec]) -> Found:
        """Open the journal, verify and read it.

        Raises:
            JournalError: one of its kinds; nothing is open then.
        """

    async def revive(self) -> Standing:
        """Begin anew after a crash; return what the last commit left.

        Raises:
            JournalError: it cannot.
        """

    def rest(self, *, resting: bool) -> None:
        """Begin nothing that takes long, for it will be paused soon; or go on as usual."""

    async def pause(self, patience_s: float) -> Standing:
        """Write no more, until ``revive``; there is no commit in flight.

        The lock is kept; another process that has it too may go on with the files.

        Args:
            patience_s: seconds after which a disk that does not answer is not waited for.

        Returns:
            What the last commit left.

        Raises:
            JournalError: it is not as it should be; ``revive`` goes on all the same.
        """

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The open files of the lock, for another process to have too."""

    async def take_over(self, passed: Passed, descriptors: Sequence[int]) -> None:
        """Go on with what another process has paused; what it has read is not read again.

        Args:
            passed: how it was left.
            descriptors: of its lock, this process's own from now on.

        Raises:
            JournalError: it is not as it was left.
        """

    def commit(self, commit: Commit) -> None:
        """Write; there is no other commit in flight."""

    def ask(self, question: Question[Any], then: Answered[Any]) -> None:
        """Have a question answered by a connection that only reads; ``then`` runs on the loop."""

    async def close(self, patience_s: float = 5.0) -> bool:
        """Bring all into the database and the disk, and let go of it.

        Args:
            patience_s: seconds after which a disk that does not answer is left.

        Returns:
            Whether that was done.
        """

    def sizes(self) -> Sizes:
        """What it takes on the disk."""

"""What goes into the journal and comes out of it, what it tells of itself, how it fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

OUTBOX = "outbox"
"""The kind of the outbox's rows; its codec is for the values of ``OutboxItem``."""


class Codec(Struct, frozen=True):
    """How the values of one kind are written and read back.

    Attributes:
        version: of the values' schema, kept with each row.
        encode: makes the text of a value, JSON by convention.
        decode: makes the value of a text and the version that it was written with; raises
            ``ValueError`` (as ``msgspec.ValidationError`` is one) where that cannot be.
        older: what makes of the text of an older version the text of the version after it; a
            version from which no way leads here is not damaged, it needs another release.
        down: what makes of the text of a version the text of the version before it, for a release
            that comes back.
    """

    version: int
    encode: Callable[[Any], bytes | str]
    decode: Callable[[bytes, int], Any]
    older: Mapping[int, Callable[[bytes], bytes]] = {}
    down: Mapping[int, Callable[[bytes], bytes]] = {}

    def knows(self, version: int) -> bool:
        """Whether values of a version are read, as they are or converted."""
        return version <= self.version and all(
            one in self.older for one in range(version, self.version)
        )

    def writes(self, version: int) -> bool:
        """Whether values can be written in the schema of a version."""
        return version <= self.version and all(
            one in self.down for one in range(version + 1, self.version + 1)
        )

    def read(self, body: bytes, version: int) -> Any:
        """Make the value of a text, converted version by version.

        Args:
            body: the text.
            version: that it was written with, one that is known.

        Raises:
            ValueError: it is none of this version, or one that needs too much to be read.
        """
        try:
            return self.decode(self.raised(body, version), self.version)
        except MemoryError:
            raise
        except ValueError:
            raise
        except (
            Exception
        ) as error:  # of any codec: it says no more than that the row is not readable
            raise ValueError(f"{type(error).__name__}: {error}") from error

    def raised(self, body: bytes, have: int) -> bytes:
        """Make of the text of an older version, one that is known, that of this one."""
        for one in range(have, self.version):
            body = self.older[one](body)
        return body

    def lowered(self, body: bytes, have: int, want: int) -> bytes:
        """Make of the text of a version that of an older one.

        Args:
            body: the text.
            have: its version.
            want: the version to make, which is written.
        """
        for one in range(have, want, -1):
            body = self.down[one](body)
        return body

    def writing(self, version: int) -> Codec:
        """What writes values in the schema of a version, and reads them as this one does.

        Args:
            version: one that is written.
        """
        if version == self.version:
            return self

        def encode(value: Any) -> bytes:
            text = self.encode(value)
            body = text if isinstance(text, bytes) else text.encode()
            return self.lowered(body, self.version, version)

        return Codec(version, encode, self.decode, self.older, self.down)


class OutboxItem(Struct, frozen=True):
    """A closed session on its way to the store of record.

    Attributes:
        session: its id.
        call: the call's id.
        ani: the caller's number, where known.
        value: what is stored, for the codec of kind ``outbox``.
    """

    session: str
    call: str
    ani: str | None
    value: Any


class OutboxRow(Struct, frozen=True):
    """An item of the outbox with its number there; later items have greater ones."""

    seq: int
    item: OutboxItem


class Recovered(Struct, frozen=True):
    """What was found when the journal was opened.

    Attributes:
        values: decoded values, by kind, by key.
        missing_commits: commits that were acknowledged and are not there.
        seconds: what reading and verifying took.
        rows: entries and rows of the outbox.
        notes: what operators should read: why the number of acknowledged commits is not known.
    """

    values: dict[str, dict[str, Any]]
    missing_commits: int
    seconds: float
    rows: int
    notes: tuple[str, ...] = ()


class JournalStatistics(Struct, frozen=True):
    """What the journal has done since it was made, and how it stands.

    Attributes:
        commits: commits that are durable.
        rows: records written by them.
        failures: attempts to commit that failed.
        unwritable: values that their codec could not encode; they were left out and reported.
        p50_ms: of the last commits, from handing over to being durable, milliseconds.
        p99_ms: the same, of the slowest of a hundred.
        waiting: records that are not durable yet.
        effects: effects that wait for them.
        failing: why commits do not succeed now; empty while they do.
        number: of the last commit.
        outbox: rows of the outbox, those that wait for their commit included.
        size_bytes: of the database file.
        wal_bytes: in use of its write-ahead log, when last looked at.
        free_bytes: of the file system; -1 where nobody has looked yet.
    """

    commits: int
    rows: int
    failures: int
    unwritable: int
    p50_ms: float
    p99_ms: float
    waiting: int
    effects: int
    failing: str
    number: int
    outbox: int
    size_bytes: int
    wal_bytes: int
    free_bytes: int


# What the journal tells its listeners


class Failing(Struct, frozen=True):
    """A commit failed; everything is kept and it is tried again.

    Attributes:
        why: what the disk or SQLite says.
    """

    why: str


class Working(Struct, frozen=True):
    """Commits succeed again.

    Attributes:
        seconds: for how long they did not.
    """

    seconds: float


class Crashed(Struct, frozen=True):
    """The writer's thread has ended by a fault of its own; ``Journal.open`` begins another.

    Attributes:
        why: the exception, in a line.
        traceback: where it was raised.
    """

    why: str
    traceback: str


# How it fails


class JournalError(Exception):
    """The journal cannot do what it was asked for; the text says why."""


class JournalDamaged(JournalError):  # noqa: N818 - what it is, not whose error
    """What is on the disk is not what was written.

    Attributes:
        findings: each a line: what is damaged and where; never empty.
    """

    def __init__(self, findings: tuple[str, ...]) -> None:
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        super().__init__(f"the journal is damaged: {findings[0]}{more}")
        self.findings = findings


class JournalLocked(JournalError):  # noqa: N818
    """Another process has the journal open."""


class JournalTooNew(JournalError):  # noqa: N818
    """The journal was written by a newer release."""


class JournalTooOld(JournalError):  # noqa: N818
    """The journal was written by a release too old for this one; it is not damaged."""


class JournalUnusable(JournalError):  # noqa: N818
    """The journal cannot be opened: no permission, no room, no such SQLite."""

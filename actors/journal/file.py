"""The journal's files: where they are, who may have them open, how the database is opened."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path

from msgspec import Struct

from actors.journal import acknowledged, schema
from actors.journal.records import (
    JournalDamaged,
    JournalError,
    JournalLocked,
    JournalTooNew,
    JournalTooOld,
    JournalUnusable,
)

BUSY_S = 0.2
"""Seconds that a connection waits for another of the same process."""

DAMAGED = {"SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR"}
"""The last: our statements are always the same; what they cannot be done on is no journal."""

HEADER = b"SQLite format 3\0" + schema.PAGE_BYTES.to_bytes(2, "big") + b"\2\2\0\100\40\40"
"""How every journal begins: the size of a page, WAL mode, what SQLite wants (file format, 1.3)."""

REFUSED = (sqlite3.Error, UnicodeDecodeError)
"""What comes of a database that is damaged: SQLite quotes from it, and Python decodes that."""


class Files(Struct, frozen=True):
    """The files of a journal.

    Attributes:
        directory: where they are, ``DATA/journal``.
    """

    directory: Path

    @property
    def database(self) -> Path:
        """The database."""
        return self.directory / "journal.db"

    @property
    def wal(self) -> Path:
        """Its write-ahead log, while it is open and after a crash."""
        return self.directory / "journal.db-wal"

    @property
    def acknowledged(self) -> Path:
        """The number of the last commit acknowledged."""
        return self.directory / "acknowledged"

    @property
    def lock(self) -> Path:
        """Locked by whoever has the journal open; holds its process id."""
        return self.directory / "lock"

    @property
    def reserve(self) -> Path:
        """Room for a start on a full disk."""
        return self.directory / "reserve"

    @property
    def marker(self) -> Path:
        """Beside the directory: the number of a late commit, for when the directory is gone."""
        return self.directory.with_name(f"{self.directory.name}.number")


class Lock:
    """Keeps two nodes, or a node and a repair, apart; let go of by the end of the process too.

    Two files are locked, one of them outside of the journal's directory: whoever removes the one,
    or the directory, lets nobody in.

    Args:
        files: of the journal; its directory is made where it is missing.
        passed_on: ``descriptors`` of a process that lets this one have the journal, this one's own
            from now on. Both have the same open files then, whose lock ends when neither has them
            any more (flock(2)): nobody else gets in between. None locks them.

    Raises:
        JournalLocked: somebody has it.
        JournalUnusable: the directory or a file cannot be made.
    """

    def __init__(self, files: Files, passed_on: tuple[int, int] | None = None) -> None:
        self._files = files
        if passed_on is not None:
            self._adopt(passed_on)
        else:
            self._descriptor = _locked(files, files.lock)
            try:
                self._marker = _locked(files, files.marker)
            except JournalError:
                os.close(self._descriptor)
                raise
        self._sign()

    def _adopt(self, passed_on: tuple[int, int]) -> None:
        self._descriptor, self._marker = passed_on
        if not self.is_in_place:
            raise JournalUnusable(f"what was passed on is not the lock of {self._files.directory}")
        for descriptor in passed_on:
            _hold(self._files, descriptor)

    @property
    def descriptors(self) -> tuple[int, int]:
        """Its open files, for another process to have too."""
        return self._descriptor, self._marker

    @property
    def is_in_place(self) -> bool:
        """Whether both files are still the ones that their names lead to."""
        pairs = ((self._descriptor, self._files.lock), (self._marker, self._files.marker))
        return all(_leads_to(path, descriptor) for descriptor, path in pairs)

    def renew(self) -> None:
        """Lock what the names lead to now; the locks before are kept until that is done.

        Raises:
            JournalLocked: somebody else has.
            JournalUnusable: a file cannot be made.
        """
        if not _leads_to(self._files.lock, self._descriptor):
            before, self._descriptor = self._descriptor, _locked(self._files, self._files.lock)
            os.close(before)
            self._sign()
        if not _leads_to(self._files.marker, self._marker):
            before, self._marker = self._marker, _locked(self._files, self._files.marker)
            os.close(before)

    def note(self, number: int, at: float) -> None:
        """Keep the number of a late commit outside of the directory.

        Args:
            number: of a commit that is durable.
            at: seconds since the epoch.

        Raises:
            OSError: as of any file.
        """
        os.pwrite(self._marker, acknowledged.record(number, at), 0)
        os.fsync(self._marker)

    def _sign(self) -> None:
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)
        except OSError:  # a full disk: the lock holds without a name
            return

    def release(self) -> None:
        """Let others have the journal; twice changes nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            os.close(self._marker)
            self._descriptor = self._marker = -1


def _locked(files: Files, path: Path) -> int:
    """Open and lock a file, made where it is missing."""
    try:
        files.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalUnusable(f"{path}: {error.strerror}") from error
    try:
        _hold(files, descriptor)
    except JournalLocked:
        os.close(descriptor)
        raise
    return descriptor


def _hold(files: Files, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise JournalLocked(f"{files.directory} is in use by process {_owner(files)}") from None


def _owner(files: Files) -> str:
    try:
        return files.lock.read_text("ascii", "replace").strip() or "?"
    except OSError:
        return "?"


def _leads_to(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def check_sqlite(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> None:
    """Refuse an SQLite that is too old.

    Raises:
        JournalUnusable: naming both versions.
    """
    if version < schema.OLDEST_SQLITE:
        has, needs = (".".join(map(str, one)) for one in (version, schema.OLDEST_SQLITE))
        raise JournalUnusable(f"this Python has SQLite {has}; the journal needs {needs} or newer")


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a connection, for one thread at a time, whichever it is.

    Args:
        path: of the database; made where it is missing and may be written.
        read_only: whether it is only read.

    Raises:
        sqlite3.Error: as SQLite says.
    """
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    connection = sqlite3.connect(
        uri, timeout=BUSY_S, isolation_level=None, check_same_thread=False, uri=True
    )
    try:
        settle(connection, read_only=read_only)
    except REFUSED:
        connection.close()
        raise
    return connection


def settle(connection: sqlite3.Connection, *, read_only: bool) -> None:
    """Set what holds for a connection; of a new database also what holds for the file."""
    pragmas = ["synchronous=FULL", "wal_autocheckpoint=0", "cell_size_check=ON"]
    if read_only:
        pragmas = ["query_only=ON", "cell_size_check=ON"]
    else:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        if not pages:  # the second would write to any other, which a full disk does not take
            connection.execute(f"PRAGMA page_size={schema.PAGE_BYTES}")
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")


def prepare(connection: sqlite3.Connection, lost: str = "") -> None:
    """Make the tables in a new database; in any other check that it is of this format.

    Args:
        connection: to the database.
        lost: what shows that one without tables is not new; empty where nothing does.

    Raises:
        JournalTooNew: it was written by a newer release.
        JournalTooOld: it was written by a release too old for this one.
        JournalDamaged: it is no journal.
        sqlite3.Error: as SQLite says.
    """
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    refuse_format(found)
    if found:
        convert(connection, found)
        return
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables:
        raise JournalDamaged(("journal.db has tables but no format version",))
    if lost:
        raise JournalDamaged((f"journal.db holds nothing, {lost}",))
    version = f"PRAGMA user_version={schema.FORMAT};"
    connection.executescript(f"BEGIN IMMEDIATE;{schema.TABLES}{version}COMMIT;")


def refuse_format(found: int) -> None:
    """Refuse a database whose format this release does not know, nor how to convert it.

    Args:
        found: its ``PRAGMA user_version``.

    Raises:
        JournalTooNew: it was written by a newer release.
        JournalTooOld: it was written by a release too old for this one.
    """
    if found > schema.FORMAT:
        raise JournalTooNew(
            f"the journal has format {found}; this release knows formats up to {schema.FORMAT}"
        )
    if found and any(one not in schema.CONVERSIONS for one in range(found, schema.FORMAT)):
        raise JournalTooOld(
            f"the journal has format {found}, older than what this release reads;"
            " start a release between the two first"
        )


def convert(connection: sqlite3.Connection, found: int) -> None:
    """Bring a database to this release's format, one format after the other.

    Args:
        connection: to the database.
        found: the format that it has.
    """
    for one in range(found, schema.FORMAT):
        script = schema.CONVERSIONS[one]
        connection.executescript(f"BEGIN IMMEDIATE;{script}PRAGMA user_version={one + 1};COMMIT;")


def open_database(files: Files) -> sqlite3.Connection:
    """Open the journal's database to write, made where there never was one.

    Raises:
        JournalError: one of its kinds.
    """
    check_sqlite()
    lost = refuse_lost(files)
    try:
        connection = connect(files.database)
    except REFUSED as error:
        raise opened(error) from error
    try:
        prepare(connection, lost)
    except REFUSED as error:
        connection.close()
        raise opened(error) from error
    except JournalError:
        connection.close()
        raise
    return connection


def refuse_lost(files: Files) -> str:
    """Refuse a database that lost its beginning: SQLite would begin anew and delete the log.

    Returns:
        What shows that something was committed; empty where nothing does.

    Raises:
        JournalDamaged: naming what is missing.
        JournalUnusable: the file cannot be looked at.
    """
    try:
        size = files.database.stat().st_size
    except FileNotFoundError:
        size = -1
    except OSError as error:
        raise JournalUnusable(f"{files.database}: {error.strerror}") from error
    told = acknowledged.read(files.acknowledged)
    lost = f"with {told.number} commits acknowledged" if told.number or told.why else ""
    if size < schema.PAGE_BYTES and (lost or files.wal.exists()):
        what = f"has {size} bytes" if size >= 0 else "is missing"
        raise JournalDamaged((f"journal.db {what}, {lost or 'beside its log'}",))
    if lost:
        _check_header(files.database)
    return lost


def _check_header(database: Path) -> None:
    """SQLite takes some damage here for another kind of database, and is silent or says so."""
    try:
        with database.open("rb") as file:
            header = file.read(len(HEADER))
    except OSError as error:
        raise JournalUnusable(f"{database}: {error.strerror}") from error
    if header != HEADER:
        raise JournalDamaged(("journal.db does not begin as a journal does",))


def opened(error: sqlite3.Error | UnicodeDecodeError) -> JournalError:
    """What an error of SQLite means for who opens the journal."""
    if isinstance(error, UnicodeDecodeError):
        return JournalDamaged(("SQLite says what is no text",))
    name = getattr(error, "sqlite_errorname", "")
    if any(name.startswith(kind) for kind in DAMAGED):
        return JournalDamaged((f"SQLite says {error} ({name})",))
    return JournalUnusable(f"SQLite says {error} ({name})")

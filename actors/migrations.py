"""Migrations of the schema: what is to be done, decided from what ships and what was done.

A migration is a file of SQL, `NNN_name.sql`. They are applied in the order of their numbers, each
once, all that are pending in one transaction, and recorded with their checksum. What has been
applied must never change: a file whose checksum differs is refused, and so is one that comes
in between. A later migration than this release knows is refused, too, unless it was recorded as one
that serves this release: a migration that only adds says so in a line of its own,
`-- serves: NNN`, the last migration that a release must know to live with it.

While a release is provisional the one before may come back: only what serves that one is applied.
A migration that takes away what older releases need has a line `-- contract`; it waits until the
release is permanent, and so does one that is not said to serve them. Nothing may come behind it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from actors.database import Execute, Query, Transaction

LOCK = 0x7669676965
"""Key of the advisory lock that one node at a time migrates under: `vigie` in ASCII."""

_NAME = re.compile(r"(\d{3})_[a-z0-9_]+\.sql")
_CONTRACT = re.compile(r"^-- contract$", re.MULTILINE)
_SERVES = re.compile(r"^-- serves: (\d{3})$", re.MULTILINE)

_LOCKED = Execute(sql="SELECT pg_advisory_xact_lock($1)", args=(LOCK,))
_TABLE = Execute(
    sql="CREATE TABLE IF NOT EXISTS vigie_schema (number integer PRIMARY KEY, name text NOT NULL,"
    " checksum text NOT NULL, applied timestamptz NOT NULL DEFAULT now())"
)
_COLUMN = Execute(sql="ALTER TABLE vigie_schema ADD COLUMN IF NOT EXISTS serves integer")
_RECORD = "INSERT INTO vigie_schema (number, name, checksum, serves) VALUES ($1, $2, $3, $4)"


class Migration(Struct, frozen=True):
    """One migration.

    Attributes:
        number: Its place in the order.
        name: Of its file.
        sql: What it does; statements that may stand in a transaction.
        checksum: SHA-256 of the file, hexadecimal.
        serves: The least number that a release must know to live with it; None is its own.
        contract: Whether it takes away what older releases need.
    """

    number: int
    name: str
    sql: str
    checksum: str
    serves: int | None = None
    contract: bool = False


class Applied(Struct, frozen=True):
    """A migration that was applied, as it is recorded; attributes as in `Migration`."""

    number: int
    name: str
    checksum: str
    serves: int | None = None


class SchemaRefused(Exception):  # noqa: N818 - named for what it says of the schema
    """The schema of the database and the migrations do not go together."""


def load(directory: Path) -> list[Migration]:
    """Read the migrations of a directory, in order.

    Args:
        directory: Its files that end in `.sql` are migrations.

    Raises:
        SchemaRefused: Two have the same number, or one has a name of another form.
    """
    found: dict[int, Migration] = {}
    for path in sorted(directory.glob("*.sql")):
        name = _NAME.fullmatch(path.name)
        if name is None:
            raise SchemaRefused(f"{path.name} must be named NNN_name.sql")
        number, data = int(name[1]), path.read_bytes()
        if number in found:
            raise SchemaRefused(f"{path.name} has the number of {found[number].name}")
        found[number] = _migration(number, path.name, data)
    return list(found.values())


def last(directory: Path) -> int:
    """Return the number of the last migration of a directory; 0 where there is none.

    Raises:
        SchemaRefused: As `load`.
    """
    return max((one.number for one in load(directory)), default=0)


def _migration(number: int, name: str, data: bytes) -> Migration:
    sql = data.decode()
    serves = _SERVES.search(sql)
    checksum = hashlib.sha256(data).hexdigest()
    contract = _CONTRACT.search(sql) is not None
    return Migration(number, name, sql, checksum, int(serves[1]) if serves else None, contract)


def pending(migrations: Sequence[Migration], applied: Iterable[Applied]) -> list[Migration]:
    """Return what is to be applied.

    Args:
        migrations: Those that ship, in order.
        applied: Those that were applied.

    Raises:
        SchemaRefused: Naming the file and the rule that it breaks.
    """
    recorded_checksums = {one.number: one.checksum for one in applied}
    last = max(recorded_checksums, default=0)
    left = []
    for migration in migrations:
        recorded = recorded_checksums.get(migration.number)
        if recorded == migration.checksum:
            continue
        if recorded is not None:
            raise SchemaRefused(
                f"{migration.name} has changed since it was applied: its checksum is"
                f" {migration.checksum[:12]}, recorded is {recorded[:12]}"
            )
        if migration.number < last:
            raise SchemaRefused(f"{migration.name} comes before {last:03}, which is applied")
        left.append(migration)
    _check_later(max((one.number for one in migrations), default=0), applied)
    return left


def expanding(left: Sequence[Migration], known: int) -> tuple[list[Migration], list[Migration]]:
    """Tell what may be applied while the release before may come back, from what has to wait.

    Args:
        left: What is to be applied, in order.
        known: The last migration that the release before knows; 0 where that is not known.

    Returns:
        What may be applied now, and what waits until the release is permanent.

    Raises:
        SchemaRefused: Naming one that cannot be applied before another that has to wait.
    """
    now: list[Migration] = []
    held: list[Migration] = []
    for one in left:
        serves = not one.contract and one.serves is not None and one.serves <= known
        if held and serves:
            raise SchemaRefused(
                f"{one.name} comes behind {held[0].name}, which waits until the release is"
                " permanent: what is taken away comes last"
            )
        (now if serves else held).append(one)
    return now, held


def _check_later(known: int, applied: Iterable[Applied]) -> None:
    for one in applied:
        if one.number > known and (one.serves is None or one.serves > known):
            raise SchemaRefused(
                f"{one.name} was applied by a newer release; this one knows the schema up to"
                f" {known:03} and is not said to be served by it"
            )


def prepare(timeout_ms: int) -> Transaction:
    """Return what makes the table of applied migrations where there is none."""
    steps = (_LOCKED, _TABLE, _COLUMN)
    return Transaction(statements=steps, repeatable=True, timeout_ms=timeout_ms)


def applied(timeout_ms: int) -> Query:
    """Return the query for what is applied; its rows have the fields of `Applied`."""
    sql = "SELECT number, name, checksum, serves FROM vigie_schema ORDER BY number"
    return Query(sql=sql, repeatable=True, timeout_ms=timeout_ms)


def apply(migrations: Iterable[Migration], timeout_ms: int) -> Transaction:
    """Return the transaction that applies migrations, all or none.

    Each is recorded first: where another node was quicker, that fails and nothing is done twice.
    """
    steps = [_LOCKED]
    for migration in migrations:
        record = (migration.number, migration.name, migration.checksum, migration.serves)
        steps += [Execute(sql=_RECORD, args=record), Execute(sql=migration.sql)]
    return Transaction(statements=tuple(steps), timeout_ms=timeout_ms)

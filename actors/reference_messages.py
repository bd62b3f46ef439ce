"""What refServer is asked, and what it answers."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct

from actors.reference.csv_file import CsvMistake

NAME = "refServer"

RefusedFor: TypeAlias = Literal[
    "unknown-table",
    "not-loaded",
    "busy",
    "standby",
    "invalid-file",
    "too-few-rows",
    "no-previous",
    "failed",
    "unknown-key",
]
"""Why something was not done: the table is unknown, or is not loaded from files; something is being
done with it; this node does not serve yet; the file has mistakes; too many rows would go; there is
no version to go back to; reading or the disk failed; the table has no such key."""

Doing: TypeAlias = Literal["", "restore", "load", "rollback"]


class ShowTables(Struct, frozen=True):
    """Call: what there is; answered with a tuple of `TableInfo`."""


class GetRow(Struct, frozen=True):
    """Call: one row, as it is read now; answered with `Row` or `Refused`. Not counted as a read.

    Attributes:
        table: its name.
        key: a number in any notation, or a name.
    """

    table: str
    key: str


class LoadTable(Struct, frozen=True):
    """Call: read a CSV file and switch to it; answered with `Switched` or `Refused` when it is.

    Attributes:
        table: its name.
        path: of the file, absolute; empty where it comes along.
        contents: of the file, where it comes along.
        force: whether it may have far fewer rows than the table has now.
        by: who asks.
        reason: why.
    """

    table: str
    path: str = ""
    contents: bytes | None = None
    force: bool = False
    by: str = ""
    reason: str = ""


class RollBack(Struct, frozen=True):
    """Call: switch to the previous version; answered with `Switched` or `Refused` when it is.

    Once more leads back to where it was.

    Attributes:
        table: its name.
        by: who asks.
        reason: why.
    """

    table: str
    by: str = ""
    reason: str = ""


class TableInfo(Struct, frozen=True, kw_only=True):
    """What is shown of a table.

    Attributes:
        table: its name.
        version: number of the load that it is from; 0 before the first one.
        rows: how many it has.
        bytes: that they take in memory; of ``context`` an estimate.
        sha256: of the CSV file, hexadecimal; empty before the first load.
        source: the file that it was read from.
        built_at: when that was, seconds since the epoch; None before the first load.
        loaded_at: when this node switched to it; None before that.
        age_s: seconds since the file was read; None before the first load. Of ``context`` since the
            first of its sessions was opened.
        hits: keys that were asked for and there.
        misses: keys that were asked for and not there.
        previous: number of the version that a rollback leads to; None where there is none.
        doing: what is being done with it now; empty for nothing.
        error: why the last thing that was asked was not done; empty where it was.
        error_at: when that was, seconds since the epoch.
    """

    table: str
    version: int
    rows: int
    bytes: int
    sha256: str = ""
    source: str = ""
    built_at: float | None = None
    loaded_at: float | None = None
    age_s: float | None = None
    hits: int = 0
    misses: int = 0
    previous: int | None = None
    doing: Doing = ""
    error: str = ""
    error_at: float | None = None


class Row(Struct, frozen=True):
    """One row of a table.

    Attributes:
        table: its name.
        version: of the table.
        row: by the names of the columns.
    """

    table: str
    version: int
    row: dict[str, Any]


class Switched(Struct, frozen=True):
    """Another version is read from now on, also after a restart."""

    info: TableInfo


class Refused(Struct, frozen=True):
    """Nothing has changed.

    Attributes:
        why: in one word.
        rule: what should hold, for people.
        field: of what was asked.
        mistakes: of a file that has some.
    """

    why: RefusedFor
    rule: str
    field: str = "table"
    mistakes: tuple[CsvMistake, ...] = ()

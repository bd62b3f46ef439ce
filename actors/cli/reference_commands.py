"""The commands below `vigie reference`."""

from __future__ import annotations

from pathlib import Path

from actors.cli.arguments import Commands, argument, verb

_TABLE = argument("table", metavar="TABLE", help="as reference list names it")
_REASON = argument("--reason", default="", help="why, for the log and the events")

REFERENCE: Commands = {
    "list": ("List the tables: versions, rows, ages, reads.", verb("reference:list_tables")),
    "get": (
        "Show one row, as it is read now.",
        verb(
            "reference:get",
            _TABLE,
            argument("key", metavar="KEY", help="a number in any notation, or a name"),
        ),
    ),
    "load": (
        "Load a CSV file and switch to it; return when it is read, or why it is not.",
        verb(
            "reference:load",
            argument("file", type=Path, metavar="FILE", help="TABLE.csv, or RF_TABLE.csv"),
            argument("--table", metavar="TABLE", help="where the file has another name"),
            argument(
                "--force", action="store_true", help="though it has far fewer rows than the table"
            ),
            _REASON,
        ),
    ),
    "rollback": (
        "Switch back to the version before; once more leads forward again.",
        verb("reference:rollback", _TABLE, _REASON),
    ),
}

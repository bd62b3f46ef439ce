"""A release of the upgrade bench in which the state of sessions is another one.

The tree that it is made of is a copy; what is changed there is what a developer would change: a
field more, another version, the two conversions. Where the source does not look as expected the
bench fails, and has to be mended with it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

VERSION = re.compile(r"^VERSION = (\d+)$", re.MULTILINE)
FIELD = "    once: tuple[Once, ...] = ()\n"
AFTER_WAYS = "SHARED = 10_000\n"
"""What stands in the source after the ways between versions, and before they are used."""

CONVERSIONS = '''
def _with_priority(plain: list[Any]) -> list[Any]:
    """Business calls go before the others."""
    state, session = plain
    session["priority"] = 1 if session.get("rp") == "business" else 3
    return [state, session]


def _without_priority(plain: list[Any]) -> list[Any]:
    """The version before finds it out again."""
    state, session = plain
    session.pop("priority", None)
    return [state, session]


WAYS = Conversions(
    up={**WAYS.up, VERSION - 1: _with_priority}, down={**WAYS.down, VERSION: _without_priority}
)


'''


class Unexpected(Exception):  # noqa: N818 - a state of affairs
    """The source does not look as this module expects; the message names file and text."""


def replace(file: Path, old: str, new: str) -> None:
    """Replace what stands once in a file.

    Raises:
        Unexpected: it does not stand there once.
    """
    text = file.read_text(encoding="utf-8")
    if text.count(old) != 1:
        raise Unexpected(f"{file}: {old!r} stands there {text.count(old)} times")
    file.write_text(text.replace(old, new), encoding="utf-8")


def with_priority(tree: Path) -> Path:
    """Give every session a priority, which the release before knows nothing of."""
    replace(tree / "actors" / "session_data.py", FIELD, f"{FIELD}    priority: int = 3\n")
    record = tree / "actors" / "session_record.py"
    version = int(VERSION.findall(record.read_text(encoding="utf-8"))[0])
    replace(record, f"\nVERSION = {version}\n", f"\nVERSION = {version + 1}\n")
    replace(record, AFTER_WAYS, CONVERSIONS + AFTER_WAYS)
    return tree

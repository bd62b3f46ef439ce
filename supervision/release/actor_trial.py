"""A conversion tried on a copy of a living state: there, and back again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision.release.carrier import NoConversion, NotCarried
from supervision.release.values import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision.release.actor_taking import Adoption


def trial(before: Any, make: Callable[[], Adoption]) -> tuple[str, str]:
    """Convert a state, make it of its type, and convert it back.

    Args:
        before: the state as it was written, plain data.
        make: takes it in.

    Returns:
        ``equal``, ``lossy`` or ``failed``; and in words what and where.
    """
    try:
        after = make().again()
    except (NoConversion, NotCarried, ValueError) as why:
        return "failed", str(why)
    lost = first_difference(before, after, "state")
    return ("equal", "") if not lost else ("lossy", lost)


def first_difference(before: Any, after: Any, at: str) -> str:
    """Where two plain values differ first; empty where they do not.

    No value is told: it may be secret. Lists and tuples are alike. The order of plain items counts
    for nothing: they may be those of a set.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        return _in_keys(before, after, at)
    if isinstance(before, list | tuple) and isinstance(after, list | tuple):
        return _in_items(before, after, at)
    if type(before) is type(after):
        return "" if before == after else f"{at} has another value"
    numbers = isinstance(before, int | float) and isinstance(after, int | float)
    if numbers and before == after and bool not in {type(before), type(after)}:
        return ""
    return f"{at}: of type {type(after).__name__}, not {type(before).__name__}"


def _in_keys(before: dict[Any, Any], after: dict[Any, Any], at: str) -> str:
    for key, value in before.items():
        if key not in after:
            return f"{at}[{key!r}] is lost"
        if found := first_difference(value, after[key], f"{at}[{key!r}]"):
            return found
    return next((f"{at}[{key!r}] comes from nowhere" for key in after if key not in before), "")


def _in_items(before: Any, after: Any, at: str) -> str:
    if len(before) != len(after):
        return f"{at}: {len(after)} items, not {len(before)}"
    if all(isinstance(one, PLAIN) for one in (*before, *after)):
        before, after = (sorted(some, key=repr) for some in (before, after))
    pairs = enumerate(zip(before, after, strict=True))
    found = (first_difference(one, other, f"{at}[{number}]") for number, (one, other) in pairs)
    return next(filter(None, found), "")

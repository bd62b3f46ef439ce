"""The file of rules that `routing.rules` names, as a part of the configuration."""

from __future__ import annotations

from pathlib import Path

from actors.routing_core.rules_file import RulesInvalid, load
from actors.settings import Mistake


def rules_path(named: str) -> Path | None:
    """The file of rules; None where there is none.

    Args:
        named: `routing.rules`.
    """
    return Path(named) if named else None


def rules_mistakes(named: str) -> list[Mistake]:
    """What is wrong with the rules; the rule of each begins with file and line.

    Args:
        named: `routing.rules`.
    """
    path = rules_path(named)
    if path is None:
        return []
    try:
        load(path)
    except RulesInvalid as invalid:
        return [Mistake("routing.rules", str(mistake)) for mistake in invalid.mistakes]
    return []

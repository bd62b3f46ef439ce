"""The command line: `vigie`, also `python -m actors.cli`.

Modules are imported when a command needs them: a command starts in tens of milliseconds, and those
that only talk to the anchor run with the standard library alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        words: The arguments; None takes those of the process.

    Returns:
        The exit code, as the contract lists them.
    """
    from actors.cli.command import run

    return run(words)

"""The rules of routing on the disk: the file that the configuration names, and the one applied.

Rules that are applied to a running node are kept in the data directory. Of both files the one
with the higher version holds: so what was applied outlives a restart and an upgrade, until the
configured file goes beyond it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from actors import atomic_file
from actors.routing_core.rules_file import MAX_BYTES, NO_RULES, RulesInvalid, load

if TYPE_CHECKING:
    from pathlib import Path

    from actors.routing_core.rules_file import RuleSet

logger = logging.getLogger(__name__)

FILE = "routing.toml"


class RulesShelf:
    """Where rules come from and are kept.

    Args:
        directory: where those that are applied are kept; made when the first are.
        configured: the file of the configuration; None where it names none.
    """

    def __init__(self, directory: Path, configured: Path | None = None) -> None:
        self._directory = directory
        self._configured = configured
        self._kept = directory / FILE

    def read(self) -> tuple[RuleSet, str]:
        """The rules that hold after a start, and the file that they are from; empty: none.

        A kept file that this release cannot use is left where it is, and passed over.

        Raises:
            RulesInvalid: the configured file has mistakes.
        """
        found, source = NO_RULES, ""
        if self._configured is not None:
            found, source = load(self._configured), str(self._configured)
        if self._kept.is_file():
            try:
                kept = load(self._kept)
            except RulesInvalid as invalid:
                logger.warning("the rules that were applied cannot be used: %s", invalid)
                return found, source
            if not source or kept.version.number >= found.version.number:
                return kept, str(self._kept)
        return found, source

    def keep(self, content: bytes) -> str:
        """Keep rules that were checked; they are on the disk when this returns.

        Args:
            content: of the file, at most `MAX_BYTES`.

        Returns:
            The file.

        Raises:
            OSError: the disk does not take them; what was kept before is kept.
        """
        assert len(content) <= MAX_BYTES
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic_file.replace(self._kept, content)
        return str(self._kept)

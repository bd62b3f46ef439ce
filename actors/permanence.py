"""Whether a release is permanent yet: until then another one may be started from what this leaves.

A provisional release leaves nothing behind that the permanent one cannot live with: it writes rows
of the journal in that one's schema, and what takes something away from the database waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Mapping


class Permanence(Gate):
    """How the release of a node stands: a gate that opens when it is permanent.

    Args:
        provisional: whether a crash brings another one back.

    Attributes:
        rows: versions of the journal's rows that that one knows, by kind; None where no other one
            comes back.
        known: the last migration of the database that that one knows; 0 where that is not known.
    """

    def __init__(self, *, provisional: bool = False) -> None:
        super().__init__(shut=provisional)
        self.rows: dict[str, int] | None = None
        self.known = 0

    @property
    def provisional(self) -> bool:
        """Whether a crash still brings another one back."""
        return self.shut

    def narrowest(self, theirs: Mapping[str, int]) -> dict[str, int]:
        """The versions of rows that another release knows, and the one that may come back too.

        Args:
            theirs: those of the other one, by kind.
        """
        if self.rows is None:
            return dict(theirs)
        both = theirs.keys() & self.rows.keys()
        return {kind: min(theirs[kind], self.rows[kind]) for kind in both}

    def become(self) -> None:
        """It is permanent from now on; twice changes nothing."""
        self.rows = None
        self.open()

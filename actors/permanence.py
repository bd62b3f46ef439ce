"""Whether a release is permanent yet: until then another one may be started from what this leaves.

A provisional release leaves nothing behind that the permanent one cannot live with: it writes rows
of the journal in that one's schema, and what takes something away from the database waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Permanence:
    """How the release of a node stands.

    Args:
        provisional: whether a crash brings another one back.

    Attributes:
        provisional: whether it does so still.
        rows: versions of the journal's rows that that one knows, by kind; None where no other one
            comes back.
        known: the last migration of the database that that one knows; 0 where that is not known.
    """

    def __init__(self, *, provisional: bool = False) -> None:
        self.provisional = provisional
        self.rows: dict[str, int] | None = None
        self.known = 0
        self._then: list[Callable[[], object]] = []

    def narrowest(self, theirs: Mapping[str, int]) -> dict[str, int]:
        """The versions of rows that another release knows, and the one that may come back too.

        Args:
            theirs: those of the other one, by kind.
        """
        if self.rows is None:
            return dict(theirs)
        both = theirs.keys() & self.rows.keys()
        return {kind: min(theirs[kind], self.rows[kind]) for kind in both}

    def when_permanent(self, then: Callable[[], object]) -> Callable[[], None]:
        """Have `then` called when it is permanent, in the order of asking; at once where it is.

        Returns:
            What takes that back: for an actor that ends before.
        """
        if not self.provisional:
            then()
            return lambda: None
        self._then.append(then)

        def forget() -> None:
            if then in self._then:
                self._then.remove(then)

        return forget

    def become(self) -> None:
        """It is permanent from now on; twice changes nothing."""
        self.provisional, self.rows = False, None
        waiting, self._then = self._then, []
        for then in waiting:
            then()

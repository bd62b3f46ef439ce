"""Whether a release is permanent yet: until then another one may be started from what this leaves.

A provisional release leaves nothing behind that the permanent one cannot live with: it writes rows
of the journal in that one's schema, and what takes something away from the database waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Permanence:
    """How the release of a node stands.

    Args:
        provisional: whether a crash brings another one back.

    Attributes:
        provisional: whether it does so still.
        known: the last migration of the database that that one knows; 0 where that is not known.
    """

    def __init__(self, *, provisional: bool = False) -> None:
        self.provisional = provisional
        self.known = 0
        self._then: list[Callable[[], object]] = []

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
        self.provisional = False
        waiting, self._then = self._then, []
        for then in waiting:
            then()

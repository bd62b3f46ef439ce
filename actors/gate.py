"""A gate that opens once: who may only go on beyond it waits here, and is called in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Gate:
    """Something of a node that is not so yet, and will be.

    Args:
        shut: whether it begins shut.

    Attributes:
        shut: whether it is.
    """

    def __init__(self, *, shut: bool) -> None:
        self.shut = shut
        self._then: list[Callable[[], object]] = []

    def when_open(self, then: Callable[[], object]) -> Callable[[], None]:
        """Have `then` called when it opens, in the order of asking; at once where it is open.

        Returns:
            What takes that back: for an actor that ends before.
        """
        if not self.shut:
            then()
            return lambda: None
        self._then.append(then)

        def forget() -> None:
            if then in self._then:
                self._then.remove(then)

        return forget

    def open(self) -> None:
        """Open it, and call who waits; twice changes nothing."""
        self.shut = False
        waiting, self._then = self._then, []
        for then in waiting:
            then()

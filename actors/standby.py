"""Whether a node serves yet: one that takes over from another is whole before it may do anything.

A node that is started by its anchor alone serves at once. One that takes over starts its whole
tree beside the node that serves, and touches nothing that only one of them may have: listening
sockets, the journal, log files. It opens at the switch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Standby:
    """The gate of a node.

    Args:
        waiting: whether it begins shut, for a takeover.

    Attributes:
        waiting: whether it is shut.
    """

    def __init__(self, *, waiting: bool = False) -> None:
        self.waiting = waiting
        self._then: list[Callable[[], object]] = []

    def when_open(self, then: Callable[[], object]) -> Callable[[], None]:
        """Have `then` called at the switch, in the order of asking; at once where it is open.

        Returns:
            What takes that back: for an actor that ends before.
        """
        if not self.waiting:
            then()
            return lambda: None
        self._then.append(then)

        def forget() -> None:
            if then in self._then:
                self._then.remove(then)

        return forget

    def open(self) -> None:
        """The node serves from now on."""
        self.waiting = False
        waiting, self._then = self._then, []
        for then in waiting:
            then()

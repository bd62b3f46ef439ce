"""Whether a node serves yet: one that takes over from another is whole before it may do anything.

A node that is started by its anchor alone serves at once. One that takes over starts its whole
tree beside the node that serves, and touches nothing that only one of them may have: listening
sockets, the journal, log files. It opens at the switch.
"""

from __future__ import annotations

from actors.gate import Gate


class Standby(Gate):
    """The gate of a node, which opens at the switch.

    Args:
        waiting: whether it begins shut, for a takeover.
    """

    def __init__(self, *, waiting: bool = False) -> None:
        super().__init__(shut=waiting)

    @property
    def waiting(self) -> bool:
        """Whether the node does not serve yet."""
        return self.shut

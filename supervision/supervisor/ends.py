"""What a supervisor that handles something else can know of the ends of its children."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from supervision.eventloop.lifecycle import ChildExited

if TYPE_CHECKING:
    from supervision.child import Child
    from supervision.eventloop.cell import Cell, LocalAddress
    from supervision.reasons import Reason


class Ends:
    """The ends of children that wait in a supervisor's mailbox (OTP's selective receive).

    For a run of children: what has been looked through for one is not looked through again for
    the next, so that any number of them that died in one moment cost each its share.

    Args:
        cell: the supervisor's.
    """

    __slots__ = ("_cell", "_known", "_read", "_searched")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._known: dict[LocalAddress, ChildExited] = {}
        self._read = 0
        self._searched = -1

    def of(self, child: Child) -> Reason | None:
        """Why a child has ended whose actor is gone; None where nothing has come of it."""
        self._look(self._cell.depth - self._read)
        found = self._found(child)
        if found is None and self._searched != self._cell.depth:
            # Messages may have left the mailbox, so that it has more new ones than it has grown by.
            self._searched = self._cell.depth
            self._look(self._searched)
            found = self._found(child)
        return found

    def _found(self, child: Child) -> Reason | None:
        end = self._known.get(child.address)
        if end is None or end.incarnation != child.address.incarnation:
            return None
        reason: Reason = end.reason
        return reason

    def _look(self, count: int) -> None:
        """Read the last ``count`` messages; of one child only the last end counts."""
        self._read = self._cell.depth
        if count <= 0:
            return
        known = self._known
        for message, _, _ in islice(reversed(self._cell.mailbox or ()), count):
            if type(message) is ChildExited:
                before = known.get(message.address)
                if before is None or before.incarnation < message.incarnation:
                    known[message.address] = message

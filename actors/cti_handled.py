"""How a link session knows that a frame is done with: without a message to its actor.

What is confirmed is in the link's row, which outlives its actors, and when that is recorded and
acknowledged is seen to for all links at once. Most frames need no more than that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors import cti_row
from actors.call_messages import FrameHandled
from actors.call_names import link_name
from protocols.cti.messages import RerouteRequest, RouteRequest

if TYPE_CHECKING:
    from actors.cti_table import LinkTable
    from supervision.eventloop.kernel import Kernel

_REQUESTS = (RouteRequest, RerouteRequest)


class FramesHandled:
    """Confirms frames in the rows of their links.

    Args:
        kernel: the node.
        table: of its links.
    """

    def __init__(self, kernel: Kernel, table: LinkTable) -> None:
        self._kernel = kernel
        self._table = table

    def confirm(self, link: str, i: int) -> None:
        """What a frame has changed is durable: it need not be handed over again.

        Of a request the link's actor is told: it comes after the answer, which that has to send.

        Args:
            link: the id of the link session; nothing happens where that is over.
            i: the number of the frame.
        """
        row = self._table.find(link)
        if row is None:
            return
        pending = row.pending.get(i)
        if pending is not None and isinstance(pending.message, _REQUESTS):
            self._tell(link, i)
            return
        now = self._kernel.clock.monotonic()
        cti_row.confirm(row, i, now)
        self._table.due.note(row, now)

    def _tell(self, link: str, i: int) -> None:
        kernel, name, told = self._kernel, link_name(link), FrameHandled(i)
        address = kernel.registry.whereis(name)
        if address is None:  # who is between two lives hears it in the next
            kernel.dead_letter(name, told, None, "dead")
        else:
            kernel.send(address, told, None)

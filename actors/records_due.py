"""When the records of link sessions are due: one timer for all links.

A record is due a fixed time after the first frame that it confirms, so whoever comes first is due
first. It does not need the link's actor, and costs it no message.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from protocols.cti import link_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.cti_row import LinkRow
    from supervision.eventloop.kernel import Kernel
    from supervision.eventloop.timers import Timer

SPREAD_S = 0.005
"""Records that are due within so many seconds are put together: fewer turns, earlier acks."""


class RecordsDue:
    """The link sessions of a node whose record is due soon, the first one first.

    Args:
        kernel: the node.
        record: puts a link session into the journal, covering its peer's frames up to a number.
    """

    def __init__(self, kernel: Kernel, record: Callable[[LinkRow, int], None]) -> None:
        self._kernel = kernel
        self._record = record
        self._waiting: deque[tuple[float, LinkRow]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def note(self, row: LinkRow, now: float) -> None:
        """Frames of a link session may have been confirmed: record them now, or when that is due.

        Args:
            row: the link session.
            now: monotonic seconds.
        """
        session = row.session
        if session is None or session.ack_at is None:
            return
        urgent = bool(row.ways.waiting or session.withheld)
        many = session.confirmed_in - session.recording >= link_session.ACK_FRAMES
        if urgent or many or now >= session.ack_at:
            last_in = link_session.ackable(session, now, urgent=urgent)
            if last_in is not None:
                self._record(row, last_in)
                return
        if not row.to_record:
            row.to_record = True
            self._waiting.append((session.ack_at, row))
            if len(self._waiting) == 1:
                self._look_at(session.ack_at)

    def _look_at(self, when: float) -> None:
        self._kernel.set_timer_at(when, self._look, None, None)

    def _look(self, timer: Timer) -> None:
        del timer
        waiting, until = self._waiting, self._kernel.now + SPREAD_S
        while waiting and waiting[0][0] <= until:
            self._take(waiting.popleft()[1])
        if waiting:
            self._look_at(waiting[0][0])

    def _take(self, row: LinkRow) -> None:
        row.to_record = False
        session = row.session
        if session is None or session.ack_at is None:
            return  # a record was due earlier, for as many frames or for who waits
        last_in = link_session.ackable(session, session.ack_at)
        if last_in is not None:
            self._record(row, last_in)

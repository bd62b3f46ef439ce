"""What a link's actor says to its peer, and how it knows that a frame is done with.

A frame of the peer is confirmed when its effect is durable, or when it was refused. Up to where all
of them are is recorded in the journal and acknowledged after that. What is not confirmed in a
second is handed over again, for somebody may have died with it: who gets it knows by its number
whether it has been applied.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from actors import cti_row, metrics
from protocols.cti import link_session, refusals
from protocols.cti.messages import Error, RerouteRequest, RouteRequest
from supervision import GenServer

if TYPE_CHECKING:
    from actors.cti_row import LinkRow
    from actors.cti_table import LinkTable
    from actors.cti_ways import Pending
    from protocols.cti.link_session import LinkSession
    from protocols.cti.messages import ErrorCode, Message
    from supervision.eventloop.timers import Timer

LOOK_S = 0.1
"""How often is looked whether sessions were restarted that have not confirmed all frames."""

AGAIN_S = 1.0
"""Seconds after which a frame that is not confirmed is handed over again."""

MAX_TRIES = 3


class ConfirmingLink(GenServer):
    """The confirmations of one link; ``CtiLink`` is the whole actor."""

    _row: LinkRow
    _table: LinkTable
    _now: float  # monotonic seconds at which the message that is handled now was taken up
    _again: Timer | None = None
    _telling: Timer | None = None

    @abstractmethod
    def _write(self, data: bytes) -> None:
        """Write to the peer; closes the link of one that does not read."""

    @abstractmethod
    def _give(self, pending: Pending) -> None:
        """Hand a frame to its session, or have it wait for it."""

    @abstractmethod
    def _log(self, what: str, **particulars: Any) -> None:
        """Tell operators."""

    # To the peer

    def _send(self, message: Message) -> bool:
        """Send a message, now or when the peer resumes; False where there is no link session."""
        row = self._row
        connection = row.connection
        if connection is not None and connection.link.state.phase == "open":
            self._write(connection.link.send(message, self._now))
            return True
        if row.session is None or row.session.next_out == 0 or not row.lasting:
            return False
        link_session.send(row.session, message, self._now)
        return True

    def _error(
        self,
        message: Message,
        code: ErrorCode,
        msg: str,
        field: str | None,
        rev: int | None = None,
    ) -> None:
        """Refuse a frame of the peer, which confirms it; the peer is told when that holds.

        Where nothing is repeated it holds at once.
        """
        row, now = self._row, self._now
        pending = row.pending.pop(message.i, None)
        session = row.session
        if session is None:
            return
        error = Error(code=code, ref=message.i, msg=msg, field=field, rev=rev)
        if not row.lasting:
            self._send(error)
            return
        until = link_session.FOR_EVER
        if isinstance(message, RouteRequest | RerouteRequest):
            at = now if pending is None else pending.at
            until = refusals.answer_by(session, message.reply_ms, at)
        refusals.refuse(session, error, now, until)

    # Confirming

    def _confirm(self, i: int) -> None:
        cti_row.confirm(self._row, i, self._now)

    def _note(self) -> None:
        """After each message: see to what has come of it."""
        row, session = self._row, self._row.session
        if session is None or row.over:
            return
        if session.ack_at is not None:
            self._table.due.note(row, self._now)
        if session.withheld:
            self._table.tell(row, self._now)
            self._tell_later(session)
        if self._again is None and row.pending:
            self._again = self.start_timer(LOOK_S, "again")

    def _tell_later(self, session: LinkSession) -> None:
        """Look again when a request cannot wait any more, or whether commits fail."""
        if self._telling is None and session.withheld:
            until = min(refusals.due(session), self._now + LOOK_S)
            self._telling = self.start_timer(max(0.0, until - self._now), "tell")
        elif self._telling is not None and refusals.due(session) < self._telling.when:
            self.cancel_timer(self._telling)
            self._telling = None
            self._tell_later(session)

    def _tell_due(self) -> None:
        self._telling = None  # `_note` follows

    # Handing over again

    @abstractmethod
    def _look_after_sessions(self) -> None:
        """Hand sessions that were restarted what they may have died with."""

    def _again_due(self) -> None:
        self._again = None
        self._look_after_sessions()
        if self._table.journal.stalled(self._now):
            return  # what was handed over is done, and only waits to be durable
        late = self._now - AGAIN_S
        for pending in tuple(self._row.pending.values()):
            if not pending.handed or pending.handed > late:
                continue
            if pending.tries >= MAX_TRIES:
                self._failed(pending)
                continue
            pending.tries += 1
            metrics.LINK_FRAMES_HANDED_AGAIN.inc()
            self._give(pending)

    def _failed(self, pending: Pending) -> None:
        """Nobody has handled a frame, however often it was handed over."""
        metrics.LINK_FRAMES_FAILED.inc()
        message = pending.message
        self._log("failed", i=message.i, frame=type(message).__name__)
        request = isinstance(message, RouteRequest | RerouteRequest)
        if request and self._row.questions.refuse(message) is None:
            self._confirm(message.i)  # it was answered, or its peer waits no more
            return
        self._error(message, 500, "vigie could not handle this frame", None)

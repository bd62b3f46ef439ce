"""What a link's actor does for a peer in framing B besides: CSTA Phase III XML (docs/csta.md).

Such a link ends with its connection: nothing of it is in the journal, nobody resumes it, and its
peer is told at once what is refused. What both framings have is handled by the same code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from actors.cti_greeting import GreetingLink
from protocols.csta.events import MonitorStarted, MonitorStopped, StatusTold
from protocols.csta.link import Link as CstaLink
from protocols.cti.events import FramingB
from protocols.cti.link import Link

if TYPE_CHECKING:
    from supervision.eventloop.timers import Timer

RELIEF_S = 1.0
"""How often is looked whether what the peer was told of overload still holds."""


class FramingBLink(GreetingLink):
    """Framing B of one link; ``CtiLink`` is the whole actor."""

    _relief: Timer | None = None

    # How it begins

    def _framing_b(self, event: FramingB) -> None:
        """The first bytes are those of framing B: its link goes on with what has come."""
        del event
        connection = self._row.connection
        before = None if connection is None else connection.link
        if connection is None or not isinstance(before, Link) or before.state.phase != "greeting":
            return
        connection.link = link = self._table.link_in_framing_b(before.state)
        self._row.lasting = False
        self._set_timer_anew()
        self._row.reading = True
        events = link.receive(before.arrived, self._now)
        self._row.reading = False
        self._take(events)

    def _csta(self) -> CstaLink | None:
        """The link, where it is open and in framing B."""
        connection = self._row.connection
        link = None if connection is None else connection.link
        return link if isinstance(link, CstaLink) and link.state.phase == "open" else None

    # What it tells besides

    def _monitor_started(self, event: MonitorStarted) -> None:
        self._log("monitor started", device=event.device, monitor=event.monitor)

    def _monitor_stopped(self, event: MonitorStopped) -> None:
        particulars = {"device": event.device, "monitor": event.monitor, "why": event.why}
        self._log("monitor stopped", **particulars)

    def _status_told(self, event: StatusTold) -> None:
        self._log("peer's status", status=event.status)

    def _shown(self) -> dict[str, Any]:
        """What operators see of the framing."""
        connection = self._row.connection
        link = None if connection is None else connection.link
        if not isinstance(link, CstaLink):
            return {"framing": "A"}
        state = link.state
        return {
            "framing": "B",
            "edition": state.edition,
            "monitors": dict(state.monitors),
            "told_status": state.status,
            "peer_status": state.peer_status,
            "dialogues": len(state.dialogues),
            "ignored": state.ignored,
        }

    # Overload

    def _refused_by_load(self) -> None:
        link = self._csta()
        if link is None:
            return
        data = link.overload("overloadReached", self._now)
        if data:
            self._write(data)
        self._relieve_later()

    def _relieve_later(self) -> None:
        link = self._csta()
        told = link is not None and link.state.status == "overloadReached"
        if told and self._relief is None:
            self._relief = self.start_timer(RELIEF_S, "relief")

    def _relieve(self) -> None:
        """Tell the peer that the node takes its calls again, where it does."""
        self._relief = None
        link = self._csta()
        if link is None or link.state.full:
            return  # of a full window the link itself tells
        if self._loaded():
            self._relieve_later()
            return
        data = link.overload("overloadRelieved", self._now)
        if data:
            self._write(data)

    FRAMING_B_EVENTS: ClassVar[dict[type, Any]] = {
        FramingB: _framing_b,
        MonitorStarted: _monitor_started,
        MonitorStopped: _monitor_stopped,
        StatusTold: _status_told,
    }

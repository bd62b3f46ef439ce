"""What a link's actor refuses, or does not even read, while the node has more to do than it can.

Where the journal has more to write than it may, frames get 429, and beyond that the connection is
not read. What ends a call or a dialogue always passes: it makes room.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from actors.call_names import call_name, xref_name
from actors.cti_snapshot import SnapshotLink
from protocols.cti.link import ends
from protocols.cti.messages import RerouteRequest, RouteRequest

if TYPE_CHECKING:
    from actors.cti_args import LinkArgs
    from actors.cti_ways import Pending
    from actors.overload import Priority
    from protocols.cti.messages import Message

STOP_READING = 1.5
READ_AGAIN = 0.8
"""Shares of ``journal.queue_limit`` in use."""

PRESS_S = 0.01
"""Wait before the journal's load is looked at again."""


class PressedLink(SnapshotLink):
    """The back-pressure of one link; ``CtiLink`` is the whole actor."""

    _args: LinkArgs
    _pressing = False
    _full = False

    def _pressed(self) -> bool:
        """Whether nothing may be read now; whoever has not said hello yet is heard."""
        journal, row = self._table.journal, self._row
        load = journal.load
        self._full = load > 1
        if row.session is not None:
            row.session.patient = bool(journal.failing)
        if load <= STOP_READING and not self._pressing:
            return False
        connection = row.connection
        if connection is None or not row.open:
            return False
        if not self._pressing:
            self._pressing = True
            self.start_timer(PRESS_S, "press")
        connection.hold()
        return True

    def _press_again(self) -> None:
        if self._table.journal.load >= READ_AGAIN:
            self.start_timer(PRESS_S, "press")
            return
        self._pressing = False
        connection = self._row.connection
        if connection is not None:
            connection.link.held(self._now)  # it could not be heard until now
            connection.release()

    def _shed(self, pending: Pending) -> bool:
        """Refuse a frame of a call where there is too much; True where it was."""
        held = len(self._row.pending) > self._table.config.held_frames
        if self._args.overload.calm and not self._full and not held:
            return False  # nearly always
        message = pending.message
        if ends(message):
            return False
        rule = self._rule(message, pending.at)
        if rule:
            self._error(message, 429, rule, None)
            self._refused_by_load()
        return bool(rule)

    @abstractmethod
    def _refused_by_load(self) -> None:
        """A frame has been refused, for there is too much."""

    def _loaded(self) -> bool:
        """Whether frames are refused now, or not even read."""
        busy = self._pressing or not self._args.overload.calm
        return busy or self._table.journal.load >= READ_AGAIN

    def _rule(self, message: Message, at: float) -> str:
        if self._full:
            return "the journal is full: journal.queue_limit"
        most = self._table.config.held_frames
        if len(self._row.pending) > most:
            return f"{most} frames wait to be durable: cti.held_frames"
        overload = self._args.overload
        if overload.calm:
            return ""
        if type(message) is RouteRequest:
            who: Priority = "established" if self._knows(message) else "new"
            return overload.refuses(who, self.now() - at)
        return overload.refuses("established") if type(message) is RerouteRequest else ""

    def _knows(self, message: Any) -> bool:
        return (
            self.whereis(call_name(message.call)) is not None
            or self.whereis(xref_name(message.xref)) is not None
        )

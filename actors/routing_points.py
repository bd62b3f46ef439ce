"""Routing points: those of the configuration, then those of ``infoRP``, whatever it has then.

A point of the configuration is known from the start and wins as a whole over the row of its name. A
point that only ``infoRP`` has is there from the moment at which its row is, and can be changed or
taken away while calls come; its opening hours are those of the calendar that the row names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from actors.calendars import hours
from actors.calendars.wall_clock import LATEST
from actors.config import RoutingPoint
from actors.routing_core.rules import Point, Treatment
from actors.routing_core.steps import REJECT

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from actors.calendars.hours import Calendar, Status
    from actors.reference.live import Reference as LiveTables
    from actors.reference.records import PointInfo


class RoutingPoints(Mapping[str, RoutingPoint]):
    """The targets of routing points.

    Whoever goes through it meets those of the configuration alone: the others may be any number,
    and are others in a moment.

    Args:
        configured: ``[rp.*]`` of the configuration.
        tables: of the node.
    """

    def __init__(self, configured: Mapping[str, RoutingPoint], tables: LiveTables) -> None:
        self._configured, self._tables = configured, tables

    def __getitem__(self, rp: str) -> RoutingPoint:
        """A point; KeyError where neither knows it."""
        known = self._configured.get(rp)
        if known is not None:
            return known
        row = self._tables.tables.points.get(rp)
        if row is None:
            raise KeyError(rp)
        return RoutingPoint(target=row.target, label=row.label, alternates=row.alternates)

    def __contains__(self, rp: object) -> bool:
        """Whether a point is known."""
        return rp in self._configured or (
            isinstance(rp, str) and self._tables.tables.points.get(rp) is not None
        )

    def __iter__(self) -> Iterator[str]:
        """The names of those that are configured."""
        return iter(self._configured)

    def __len__(self) -> int:
        """How many are configured."""
        return len(self._configured)


class PointHours(Mapping[str, Point]):
    """When the points are open that only ``infoRP`` has; of the others it knows nothing.

    Args:
        configured: ``[rp.*]`` of the configuration.
        tables: of the node.
    """

    def __init__(self, configured: Mapping[str, RoutingPoint], tables: LiveTables) -> None:
        self._configured, self._tables = configured, tables

    def __getitem__(self, rp: str) -> Point:
        """When a point is open; KeyError where it always is."""
        row = None if rp in self._configured else self._tables.tables.points.get(rp)
        if row is None or not row.opening:
            raise KeyError(rp)
        return _point(row)

    def __iter__(self) -> Iterator[str]:
        """The names of those that are not always open."""
        return (rp for rp, row in self._tables.tables.points.items() if row.opening)

    def __len__(self) -> int:
        """How many these are."""
        return sum(1 for _ in self)


class NodeHours:
    """The opening hours of a calendar of the node, worked out once for as long as they hold.

    Args:
        calendar: one of ``reference.calendars``.
    """

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._status: Status | None = None

    @property
    def zone(self) -> ZoneInfo:
        """Whose wall clock counts."""
        return self._calendar.zone

    def is_open(self, at: float) -> bool:
        """Whether it is open.

        Args:
            at: seconds since the epoch.
        """
        at = min(at, LATEST)
        if self._status is None or not self._status.holds(at):
            self._status = hours.status(self._calendar, at)
        return self._status.open


def _point(row: PointInfo) -> Point:
    closed = Treatment(target=REJECT, rtype="reject")
    if row.closed_msg:
        closed = Treatment(target=row.closed_msg, message=row.closed_msg)
    return Point(label=row.label, calendar=row.opening, closed=closed)

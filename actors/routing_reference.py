"""The reference tables as the routing core reads them: whatever version holds at that moment.

Nothing is copied: a switch of a table holds for the next decision, and nobody has to be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from actors.reference.table import Table
from actors.routing_core.facts import (
    LAST_EPOCH_S,
    NO_OPENINGS,
    NO_POINTS,
    Customer,
    Reference,
)
from actors.routing_core.interception import Hit
from actors.routing_core.rules import FOREVER, Interception, Service

if TYPE_CHECKING:
    from actors.reference import records
    from actors.reference.live import Reference as LiveTables
    from actors.reference.live import Tables
    from actors.routing_core.opening import Hours
    from actors.routing_core.rules import Point

T = TypeVar("T")


class LiveColumn(Mapping[str, T]):
    """What the rows of a table come to, by their keys.

    Args:
        tables: of the node.
        name: of the table.
        value: makes the value of a row.
    """

    def __init__(self, tables: LiveTables, name: str, value: Callable[[Any], T]) -> None:
        self._tables, self._name, self._value = tables, name, value

    def __getitem__(self, key: str) -> T:
        """The value of a key; KeyError where the table has no such row."""
        row = self._table().get(key)
        if row is None:
            raise KeyError(key)
        return self._value(row)

    def __iter__(self) -> Iterator[str]:
        """The keys."""
        return (key for key, _ in self._table().items())

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._table())

    def _table(self) -> Table[Any]:
        return self._tables.tables[self._name]


class LiveNumbers:
    """``msisdnInter2020`` and ``msisdnInter``, one after the other; true while they have rows.

    Args:
        tables: of the node.
    """

    def __init__(self, tables: LiveTables) -> None:
        self._tables = tables
        self._seen: Tables | None = None
        self._any = False

    def __bool__(self) -> bool:
        """Whether there is a row at all; worked out once for each switch."""
        tables = self._tables.tables
        if tables is not self._seen:
            self._any = bool(len(tables.interceptions) or len(tables.interceptions_2020))
            self._seen = tables
        return self._any

    def find(self, number: str, dnis: str, at: float) -> Hit | None:
        """The first rule that a call falls under; None where it goes its way.

        Args:
            number: the caller's, normalised.
            dnis: the number dialled.
            at: seconds since the epoch.
        """
        found = self._tables.tables.intercepted(number, dnis, at)
        if found is None:
            return None
        name, key, rule = found
        return Hit(name, key, _entry(rule))


def reference(
    tables: LiveTables,
    points: Mapping[str, Point] = NO_POINTS,
    openings: Mapping[str, Hours] = NO_OPENINGS,
) -> Reference:
    """The tables that the routing core looks into beside those of its rules.

    Args:
        tables: of the node.
        points: what is to be known of routing points, beside their targets.
        openings: the node's calendars, by name.
    """
    return Reference(
        interceptions=(LiveNumbers(tables),),
        platforms=LiveColumn(tables, "PRDPTF", _platform),
        number_platforms=LiveColumn(tables, "msisdnPTF", _platform),
        services=LiveColumn(tables, "allSerTech", _service),
        points=points,
        openings=openings,
    )


def customer(tables: LiveTables, number: str, at: float) -> Customer | None:
    """What ``msisdnInfos`` knows of a caller; None where that is nothing.

    Args:
        tables: of the node.
        number: the caller's, normalised; empty where it is withheld.
        at: now, seconds since the epoch.
    """
    known = tables.tables.infos.get(number) if number else None
    if known is None:
        return None
    return Customer(
        id=known.customer_id,
        segment=known.segment,
        products=(known.product,) if known.product else (),
        services=known.services,
        lang=known.lang,
        vip=known.vip,
        age_s=0.0 if known.updated is None else max(0.0, at - known.updated),
    )


def _platform(row: records.Platform) -> str:
    return row.platform


def _service(row: records.TechnicalService) -> Service:
    return Service(label=row.label, rp=row.rp, skill=row.skill, calendar=row.opening)


def _entry(rule: records.Interception) -> Interception:
    until = FOREVER
    if rule.until is not None and rule.until < LAST_EPOCH_S:
        until = datetime.fromtimestamp(rule.until, UTC)
    if rule.action == "message":
        return Interception(
            action="message", target=rule.argument, message=rule.argument, until=until
        )
    return Interception(action=rule.action, target=rule.argument, until=until)

"""The tables that a node reads now: all of them behind one attribute, which a switch assigns."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

from actors.reference.catalogue import KINDS
from actors.reference.records import (
    CustomerFacts,
    Interception,
    Platform,
    PointInfo,
    SendList,
    TechnicalService,
)
from actors.reference.table import Reads, Rows, Table, Version, empty


class Tables:
    """One version of every table; never changed.

    Who takes hold of it once sees one version of each table as long as the decision lasts.

    Args:
        tables: by name.
    """

    __slots__ = ("_tables",)

    def __init__(self, tables: Mapping[str, Table[Any]]) -> None:
        self._tables = tables

    def __getitem__(self, name: str) -> Table[Any]:
        """The table of a name; KeyError where there is none."""
        return self._tables[name]

    def with_table(self, table: Table[Any]) -> Tables:
        """The same tables but for one."""
        return Tables({**self._tables, table.kind.name: table})

    @property
    def infos(self) -> Table[CustomerFacts]:
        """``msisdnInfos``: what is known of the customer who has a number."""
        return cast("Table[CustomerFacts]", self._tables["msisdnInfos"])

    @property
    def interceptions(self) -> Table[Interception]:
        """``msisdnInter``: calls that do not go their way."""
        return cast("Table[Interception]", self._tables["msisdnInter"])

    @property
    def interceptions_2020(self) -> Table[Interception]:
        """``msisdnInter2020``: the same for the service 2020, unless a rule names others."""
        return cast("Table[Interception]", self._tables["msisdnInter2020"])

    @property
    def send_lists(self) -> Table[SendList]:
        """``sendIVRList``: what IVR applications are sent."""
        return cast("Table[SendList]", self._tables["sendIVRList"])

    @property
    def services(self) -> Table[TechnicalService]:
        """``allSerTech``: the technical services."""
        return cast("Table[TechnicalService]", self._tables["allSerTech"])

    @property
    def points(self) -> Table[PointInfo]:
        """``infoRP``: the routing points."""
        return cast("Table[PointInfo]", self._tables["infoRP"])

    def platform(self, msisdn: str, product: str) -> str | None:
        """The platform of a call: that of its number, else that of its customer's product.

        Args:
            msisdn: the caller, E.164.
            product: that the customer has; empty where it is not known.

        Returns:
            Its code, None where neither ``msisdnPTF`` nor ``PRDPTF`` knows one.
        """
        number: Platform | None = self._tables["msisdnPTF"].get(msisdn)
        if number is not None:
            return number.platform
        found: Platform | None = self._tables["PRDPTF"].get(product) if product else None
        return None if found is None else found.platform

    def intercepted(
        self, caller: str, dnis: str, at: float
    ) -> tuple[str, str, Interception] | None:
        """The first rule that a call falls under; ``msisdnInter2020`` is looked into first.

        Args:
            caller: the normalised number.
            dnis: the number that was dialled.
            at: when, seconds since the epoch.

        Returns:
            The list, the key of the rule in it, and the rule; None where the call goes its way.
        """
        for table in (self.interceptions_2020, self.interceptions):
            for key, rule in table.matching(caller):
                if rule.holds(at, dnis):
                    return table.kind.name, key, rule
        return None


class Reference:
    """What is read now. One object a node, which outlives restarts of the actor that switches.

    Attributes:
        tables: all of them; a switch is one assignment of this attribute.
        loaded_at: when each table was switched to what it is, seconds since the epoch.
    """

    def __init__(self) -> None:
        self._reads = {name: Reads() for name in KINDS}
        empties = {name: empty(kind, self._reads[name]) for name, kind in KINDS.items()}
        self.tables = Tables(MappingProxyType(empties))
        self.loaded_at: dict[str, float] = {}

    def switch(self, name: str, rows: Rows, version: Version, at: float) -> None:
        """Have a version of a table read from now on.

        Args:
            name: of the table.
            rows: its rows.
            version: which one it is.
            at: now, seconds since the epoch.
        """
        table: Table[Any] = Table(KINDS[name], rows, version, self._reads[name])
        self.tables = self.tables.with_table(table)
        self.loaded_at[name] = at

    def count_on(self, reads: Mapping[str, Reads]) -> None:
        """Count on from what another process has counted.

        Args:
            reads: of each table; of one that is unknown here they are left out.
        """
        for name, before in reads.items():
            if name in self._reads:
                self._reads[name].hits += before.hits
                self._reads[name].misses += before.misses

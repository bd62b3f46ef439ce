"""The reference tables that there are: their columns, their keys and their records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

from msgspec import Struct

from actors.reference import cells, records
from actors.reference.cells import Numbers, Reader

TableName: TypeAlias = Literal[
    "msisdnInfos",
    "msisdnInter",
    "msisdnInter2020",
    "sendIVRList",
    "allSerTech",
    "msisdnPTF",
    "PRDPTF",
    "infoRP",
]
"""The tables that are loaded. The ninth, ``context``, is the sessions: contextStore keeps it."""

CONTEXT = "context"

KeyKind: TypeAlias = Literal["number", "prefix", "text"]
"""Keys are E.164 numbers, numbers and beginnings of numbers, or names."""


class Column(NamedTuple):
    """A column of the CSV file.

    Attributes:
        name: in the header.
        read: what its cells are read by; None for a telephone number of the region.
        required: whether a cell may not be empty; the record's default holds for an empty one.
    """

    name: str
    read: Reader | None
    required: bool = False


class TableKind(NamedTuple):
    """What a table is.

    Attributes:
        name: of the table, and of its file.
        keys: what its keys are.
        key: the first column.
        columns: the others, named as the fields of the record.
        record: of a row, apart from its key.
        schema: version of the record; a new one where an older release could not read it.
        check: what holds between the cells of one row; returns the column and the rule that is
            broken, or None.
        defaults: what an empty cell is, where it is not the record's default.
    """

    name: TableName
    keys: KeyKind
    key: Column
    columns: tuple[Column, ...]
    record: type[Struct]
    schema: int = 1
    check: Callable[[Any], tuple[str, str] | None] = lambda _: None
    defaults: Mapping[str, Any] = MappingProxyType({})

    @property
    def header(self) -> tuple[str, ...]:
        """The names of the columns, in the order in which they are written."""
        return (self.key.name, *(column.name for column in self.columns))

    def readers(self, region: str) -> dict[str, Reader]:
        """What the cells of each column are read by.

        Args:
            region: whose plan national numbers are read by, ISO 3166-1.
        """
        numbers = Numbers(region)
        return {column.name: column.read or numbers for column in (self.key, *self.columns)}


def _argument(rule: records.Interception) -> tuple[str, str] | None:
    if rule.action == "reject" and rule.argument:
        return "argument", "empty where the action is reject"
    if rule.action != "reject" and not rule.argument:
        return "argument", f"given where the action is {rule.action}"
    return None


def _apart(point: records.PointInfo) -> tuple[str, str] | None:
    if point.target in point.alternates:
        return "alternates", "targets other than the first one"
    return None


_MSISDN = Column("msisdn", None, required=True)
_CODES = cells.words(cells.code)

_INTERCEPTION = (
    Column("match", cells.choice(records.Match), required=True),
    Column("action", cells.choice(records.Action), required=True),
    Column("argument", cells.code),
    Column("scope", _CODES),
    Column("until", cells.moment),
    Column("label", cells.text),
)


def _interception(name: TableName, **defaults: Any) -> TableKind:
    key = Column("number", cells.prefix, required=True)
    return TableKind(
        name,
        "prefix",
        key,
        _INTERCEPTION,
        records.Interception,
        check=_argument,
        defaults=MappingProxyType(defaults),
    )


_KINDS = (
    TableKind(
        "msisdnInfos",
        "number",
        _MSISDN,
        (
            Column("customer_id", cells.code, required=True),
            Column("segment", cells.text),
            Column("offer", cells.text),
            Column("product", cells.code),
            Column("status", cells.choice(records.Status)),
            Column("lang", cells.lang),
            Column("vip", cells.flag),
            Column("services", _CODES),
            Column("updated", cells.moment),
        ),
        records.CustomerFacts,
    ),
    _interception("msisdnInter"),
    _interception("msisdnInter2020", scope=("2020",)),
    TableKind(
        "sendIVRList",
        "text",
        Column("app", cells.code, required=True),
        (
            Column("keys", cells.words(cells.send_field), required=True),
            Column("format", cells.choice(records.NumberFormat)),
        ),
        records.SendList,
    ),
    TableKind(
        "allSerTech",
        "text",
        Column("code", cells.code, required=True),
        (
            Column("label", cells.text),
            Column("rp", cells.code),
            Column("skill", cells.code),
            Column("opening", cells.code),
        ),
        records.TechnicalService,
    ),
    TableKind(
        "msisdnPTF",
        "number",
        _MSISDN,
        (Column("platform", cells.code, required=True),),
        records.Platform,
    ),
    TableKind(
        "PRDPTF",
        "text",
        Column("product", cells.code, required=True),
        (Column("platform", cells.code, required=True),),
        records.Platform,
    ),
    TableKind(
        "infoRP",
        "text",
        Column("rp", cells.code, required=True),
        (
            Column("label", cells.text, required=True),
            Column("target", cells.code, required=True),
            Column("alternates", _CODES),
            Column("opening", cells.code),
            Column("closed_msg", cells.code),
            Column("send_list", cells.code),
            Column("late_ms", cells.whole(20, 300)),
        ),
        records.PointInfo,
        check=_apart,
    ),
)

KINDS: Mapping[str, TableKind] = {kind.name: kind for kind in _KINDS}
"""The tables that are loaded, by name."""

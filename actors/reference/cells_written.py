"""The cells of a row, written as `actors.reference.cells` reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from actors.reference.catalogue import TableKind

_MOMENTS = frozenset({"until", "updated"})


def cells_of(kind: TableKind, key: str, record: Struct) -> list[str]:
    """Write one row.

    Args:
        kind: of the table.
        key: of the row.
        record: the rest of it.

    Returns:
        The cells in the order of `kind.header`.
    """
    return [key, *(_cell(column.name, getattr(record, column.name)) for column in kind.columns)]


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in _MOMENTS:
        return datetime.fromtimestamp(value, UTC).isoformat()
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(value) if isinstance(value, tuple) else str(value)

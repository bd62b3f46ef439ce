"""Any value as bounded plain data: what reports show of states, made by the node itself.

It is cheap for small values and bounded for large ones: nothing of what is cut is looked at.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import msgspec

MAX_DEPTH = 4
MAX_ITEMS = 32
MAX_CHARS = 200
MAX_VALUES = 256
"""Values in all; containers that come after so many are not gone through."""
CUT = "..."

_ATOMS = (type(None), bool, int, float)
_CONTAINERS = (dict, list, tuple, set, frozenset)


def plain(value: Any, depth: int = MAX_DEPTH, left: list[int] | None = None) -> Any:
    """Return what can be written down of ``value``.

    Args:
        value: records and containers are gone through, whatever else is not plain is named by
            its type.
        depth: levels of containers that are gone through.
        left: how many values still may be shown, counted down; None begins with ``MAX_VALUES``.

    Returns:
        None, numbers, texts of at most ``MAX_CHARS``, lists and dictionaries of at most
        ``MAX_ITEMS``, where ``...`` stands for what is left out.
    """
    if isinstance(value, _ATOMS):
        return value
    if isinstance(value, str):
        return value if len(value) <= MAX_CHARS else value[:MAX_CHARS] + CUT
    record = isinstance(value, msgspec.Struct)
    if not record and not isinstance(value, _CONTAINERS):
        return _named(value)
    if left is None:
        left = [MAX_VALUES]
    if depth == 0 or left[0] <= 0:
        return CUT
    return _fields(value, depth - 1, left) if record else _items(value, depth - 1, left)


def _fields(record: msgspec.Struct, depth: int, left: list[int]) -> Any:
    names = record.__struct_fields__
    left[0] -= min(len(names), MAX_ITEMS)
    shown = {name: plain(getattr(record, name), depth, left) for name in names[:MAX_ITEMS]}
    return shown if len(names) <= MAX_ITEMS else {**shown, CUT: len(names) - MAX_ITEMS}


def _items(value: Any, depth: int, left: list[int]) -> Any:
    left[0] -= min(len(value), MAX_ITEMS)
    more = len(value) - MAX_ITEMS
    if isinstance(value, dict):
        pairs = islice(value.items(), MAX_ITEMS)
        shown = {_key(key): plain(one, depth, left) for key, one in pairs}
        return {**shown, CUT: more} if more > 0 else shown
    listed = [plain(one, depth, left) for one in islice(value, MAX_ITEMS)]
    return [*listed, CUT] if more > 0 else listed


def _named(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return f"<{type(value).__name__}>"


def _key(key: Any) -> str:
    return str(key)[:MAX_CHARS] if isinstance(key, str | int | float) else f"<{type(key).__name__}>"

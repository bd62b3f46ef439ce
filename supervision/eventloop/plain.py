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
CUT = "..."


def plain(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Return what can be written down of ``value``.

    Args:
        value: records and containers are gone through, whatever else is not plain is named by
            its type.
        depth: levels of containers that are gone through.

    Returns:
        None, numbers, texts of at most ``MAX_CHARS``, lists and dictionaries of at most
        ``MAX_ITEMS``, where ``...`` stands for what is left out.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    pairs = _pairs(value)
    if pairs is None and not isinstance(value, list | tuple | set | frozenset):
        return _text(value)
    if depth == 0:
        return CUT
    if pairs is not None:
        shown = {_key(key): plain(one, depth - 1) for key, one in islice(pairs, MAX_ITEMS)}
        return {**shown, CUT: len(pairs) - MAX_ITEMS} if len(pairs) > MAX_ITEMS else shown
    listed = [plain(one, depth - 1) for one in islice(value, MAX_ITEMS)]
    return [*listed, CUT] if len(value) > MAX_ITEMS else listed


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value if len(value) <= MAX_CHARS else value[:MAX_CHARS] + CUT
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return f"<{type(value).__name__}>"


def _key(key: Any) -> str:
    return str(key)[:MAX_CHARS] if isinstance(key, str | int | float) else f"<{type(key).__name__}>"


def _pairs(value: Any) -> Any:
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, msgspec.Struct):
        return [(name, getattr(value, name)) for name in value.__struct_fields__]
    return None

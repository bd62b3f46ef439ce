"""About how much memory a value takes: bounded, for operators, not for accounts."""

from __future__ import annotations

import sys
from typing import Any

from msgspec import Struct

MAX_OBJECTS = 2_000


def size_of(value: Any) -> int:
    """The bytes of a value and what it refers to; at most the first 2,000 objects are counted.

    Args:
        value: containers, records and plain values are gone through, other objects counted alone.
    """
    seen: set[int] = set()
    waiting, total = [value], 0
    while waiting and len(seen) < MAX_OBJECTS:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        waiting.extend(_parts(one))
    return total


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, Struct):
        return [getattr(value, name) for name in value.__struct_fields__]
    return []

"""About how much memory a value takes: bounded, for operators, not for accounts."""

from __future__ import annotations

from itertools import islice
from sys import getsizeof
from typing import Any

from msgspec import Struct

MAX_OBJECTS = 2_000

ESTIMATED_FROM = 48
"""Objects that are looked at for an estimate."""

SAMPLE = 8
"""Members of a container that are looked at for an estimate."""

_WHOLE = frozenset({str, int, float, bool, bytes, type(None)})
_CONTAINERS = frozenset({list, tuple, set, frozenset})


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
        total += getsizeof(one)
        waiting.extend(_parts(one))
    return total


def estimated_size(value: Any) -> int:
    """The bytes of a value and what it refers to, from a few of its objects.

    Of a container the first members stand for all of them, so that it costs some microseconds
    whatever there is, and still what holds a million of anything is told from what holds ten.

    Args:
        value: as for ``size_of``.
    """
    waiting, total, seen = [(value, 1.0)], 0.0, {id(value)}
    for one, times in waiting:  # what it refers to comes in behind
        total += times * getsizeof(one)
        kind = type(one)
        if kind in _WHOLE or len(waiting) >= ESTIMATED_FROM:
            continue
        parts, share = _sample(one, kind)
        for part in parts:
            if id(part) not in seen:
                seen.add(id(part))
                waiting.append((part, times * share))
    return round(total)


def _sample(value: Any, kind: type) -> tuple[list[Any], float]:
    """Some of what a value refers to, and how many each of them stands for."""
    if kind is dict:
        first = [part for pair in islice(value.items(), SAMPLE) for part in pair]
    elif kind in _CONTAINERS:
        first = list(islice(value, SAMPLE))
    else:
        return _parts(value), 1.0
    return first, max(1.0, len(value) / SAMPLE)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, Struct):
        return [getattr(value, name) for name in value.__struct_fields__]
    return []

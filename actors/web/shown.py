"""The state of an actor as plain data of bounded size, whatever it is made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import islice
from typing import Any

from msgspec import Struct

MAX_MEMBERS = 100
MAX_DEPTH = 8
MAX_CHARS = 1_000
MORE = "…"

_INTEGERS = range(-(2**63), 2**64)


def shown(value: object, depth: int = MAX_DEPTH) -> Any:
    """Make plain data of a state.

    Args:
        value: Records, containers, values, anything else by its `repr`.
        depth: Levels that are still shown.

    Returns:
        What JSON can carry: containers with their first `MAX_MEMBERS` members and a last one that
        tells how many more there are, text with its first `MAX_CHARS` characters.
    """
    if value is None or isinstance(value, bool | float) or _fits(value):
        return value
    if isinstance(value, Enum):
        return shown(value.value, depth)
    members = _members(value)
    if members is None or depth == 0:
        return _text(value)
    if isinstance(members, Mapping):
        return _mapping(members, depth - 1)
    return _sequence(members, depth - 1)


def _fits(value: object) -> bool:
    return isinstance(value, int) and value in _INTEGERS


def _members(value: object) -> Collection[Any] | None:
    """What a record or a container holds, None for what is neither."""
    if isinstance(value, Struct):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Collection) and not isinstance(value, str | bytes | bytearray):
        return value
    return None


def _mapping(members: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    plain = {
        _text(key): shown(member, depth) for key, member in islice(members.items(), MAX_MEMBERS)
    }
    if len(members) > MAX_MEMBERS:
        plain[MORE] = len(members) - MAX_MEMBERS
    return plain


def _sequence(members: Collection[Any], depth: int) -> list[Any]:
    first: Iterable[Any] = islice(members, MAX_MEMBERS)
    plain = [shown(member, depth) for member in first]
    if len(members) > MAX_MEMBERS:
        plain.append(f"{MORE} {len(members) - MAX_MEMBERS} more")
    return plain


def _text(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    cut = text if len(text) <= MAX_CHARS else text[:MAX_CHARS] + MORE
    return cut.encode(errors="backslashreplace").decode()

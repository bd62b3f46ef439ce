"""Records as plain data and back, by their type hints: for what outlives the code that made it.

Whoever reads may be of another release than whoever wrote: a field that the reader does not know is
left out, one that the writer did not know has its default. What has neither cannot be read.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

_Record = TypeVar("_Record")


class NotReadable(ValueError):  # noqa: N818 - reads as what it is where it is caught
    """Plain data that is no such record; the message says where."""


def plain(value: Any) -> Any:
    """What JSON can write of a value: records become objects, tuples arrays, enums their values.

    Args:
        value: Records, mappings with string keys, tuples, lists, enums and JSON's own values.
    """
    if is_dataclass(value):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value


def record(kind: type[_Record], data: Any, where: str = "") -> _Record:
    """Make a record of what `plain` made of one.

    Args:
        kind: Its class, a dataclass whose annotations can be resolved.
        data: An object.
        where: What it is called in messages.

    Raises:
        NotReadable: It is none.
    """
    where = where or kind.__name__
    if not isinstance(data, Mapping):
        raise NotReadable(f"{where}: an object is required")
    hints, values = get_type_hints(kind), {}
    for item in fields(kind):  # type: ignore[arg-type]
        if item.name in data:
            here = f"{where}.{item.name}"
            values[item.name] = _value(hints[item.name], data[item.name], here)
        elif item.default is MISSING and item.default_factory is MISSING:
            raise NotReadable(f"{where}.{item.name} is missing")
    try:
        return kind(**values)
    except ValueError as error:  # a rule of its own
        raise NotReadable(f"{where}: {error}") from None


def _value(hint: Any, data: Any, where: str) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        return _one_of(inner, data, where)
    if origin is tuple:
        items = _expect(list, data, where)
        return tuple(_value(inner[0], item, where) for item in items)
    if origin is not None and issubclass(origin, Mapping):
        items = _expect(dict, data, where)
        return {name: _value(inner[1], item, f"{where}.{name}") for name, item in items.items()}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _member(hint, data, where)
    if is_dataclass(hint):
        return record(hint, data, where)  # type: ignore[arg-type]
    return _simple(hint, data, where)


def _one_of(hints: tuple[Any, ...], data: Any, where: str) -> Any:
    """A value that may be None: other unions have no way to tell what is meant."""
    if data is None and type(None) in hints:
        return None
    others = [hint for hint in hints if hint is not type(None)]
    if len(others) != 1:
        raise NotReadable(f"{where}: one of several types")
    return _value(others[0], data, where)


def _member(kind: type[Enum], data: Any, where: str) -> Enum:
    try:
        return kind(data)
    except ValueError:
        raise NotReadable(f"{where}: {data!r} is no {kind.__name__}") from None


def _simple(hint: Any, data: Any, where: str) -> Any:
    if hint is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if hint in {str, int, float, bool}:
        return _expect(hint, data, where)
    return data


def _expect(kind: type, data: Any, where: str) -> Any:
    if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
        raise NotReadable(f"{where}: {kind.__name__} is required, not {data!r:.100}")
    return data

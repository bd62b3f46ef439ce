"""Plain states: copied, and patched as JSON is (RFC 7396)."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from inspect import get_annotations
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct, structs
from msgspec.inspect import CustomType, type_info

_MAPPINGS = frozenset({dict, Mapping, MutableMapping})
_PLAIN = (int, float, str, bytes, type(None), dict, list, tuple, set, frozenset, Struct, Enum)

MAX_DEPTH = 16
"""Levels of a state that are copied or patched."""


class NoPatch(Exception):  # noqa: N818 - an answer, not a failure
    """A patch does not fit a state.

    Attributes:
        field: which part of it.
        rule: why.
    """

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule


def plain_copy(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Copy records and containers; whatever else a state refers to stays the same object.

    ``copy.deepcopy`` would follow a timer or a cell through the whole node.
    """
    if depth == 0:
        return value
    if isinstance(value, Struct):
        return structs.replace(
            value, **{n: plain_copy(getattr(value, n), depth - 1) for n in value.__struct_fields__}
        )
    if type(value) is dict:
        return {key: plain_copy(one, depth - 1) for key, one in value.items()}
    if type(value) in {list, tuple, set, frozenset}:
        return type(value)(plain_copy(one, depth - 1) for one in value)
    return value


def merged(
    state: Any, patch: Any, field: str = "state", depth: int = MAX_DEPTH, wanted: Any = Any
) -> Any:
    """Make a state of a state and a patch of some of its plain fields; nothing is changed in place.

    Args:
        state: a record or a dictionary.
        patch: what replaces parts of it: a mapping goes on into a record or a dictionary, null
            removes a key of a dictionary, everything else replaces what is there.
        field: where in the state this is, for whoever is told what does not fit.
        depth: levels that may be gone down.
        wanted: what a type checker knows of a dictionary's keys and values.

    Raises:
        NoPatch: there is no such field, it is not plain data, or the value has not its type.
    """
    if not isinstance(patch, dict) or depth == 0:
        raise NoPatch(field, "a mapping of fields to their new values is needed")
    if isinstance(state, Struct) or (is_dataclass(state) and not isinstance(state, type)):
        return _record(state, patch, field, depth)
    if type(state) is dict:
        return _dictionary(state, patch, field, depth, wanted)
    raise NoPatch(field, f"{an(type(state).__name__)} is no plain record")


def _record(state: Any, patch: dict[str, Any], field: str, depth: int) -> Any:
    names = names_of(state)
    changed = {}
    for name, value in patch.items():
        where = f"{field}.{name}"
        if name not in names:
            raise NoPatch(where, f"{type(state).__name__} has no such field")
        changed[name] = _value(state, name, value, where, depth)
    return (
        structs.replace(state, **changed)
        if isinstance(state, Struct)
        else replace(state, **changed)
    )


def names_of(state: Any) -> tuple[str, ...]:
    """The fields of a record, or the keys of a dictionary; of anything else none."""
    if isinstance(state, Struct):
        return state.__struct_fields__
    if isinstance(state, dict):
        return tuple(name for name in state if isinstance(name, str))
    return tuple(one.name for one in fields(state)) if is_dataclass(state) else ()


def takes_a_value(state: Any, name: str) -> bool:
    """Whether a patch could give a field of a record, or a key of a dictionary, another value."""
    old = state.get(name) if isinstance(state, dict) else getattr(state, name)
    if isinstance(state, dict) or _goes_on(old):
        return _plain(old)
    try:
        msgspec.convert(old, wanted := _type_of(type(state), name))
    except msgspec.ValidationError:
        return True  # it is what it should not be: all the more
    except (NameError, TypeError):
        return False
    return _plain(old) and not isinstance(type_info(wanted), CustomType)


def _value(state: Any, name: str, value: Any, where: str, depth: int) -> Any:
    old, wanted = getattr(state, name), None
    try:
        wanted = _type_of(type(state), name)
    except (NameError, TypeError):
        if not (isinstance(value, dict) and _goes_on(old)):
            raise NoPatch(where, "its type is not known at run time") from None
    if isinstance(value, dict) and _goes_on(old):
        return merged(old, value, where, depth - 1, wanted)
    if not _plain(old):
        raise NoPatch(where, f"{an(type(old).__name__)} is not plain data")
    return _converted(value, wanted, where)


def _type_of(kind: type, name: str) -> Any:
    """The type of one field; the others may have types that only a type checker knows."""
    for base in kind.__mro__:
        annotation = get_annotations(base).get(name)
        if annotation is not None:
            alone = {"__annotations__": {name: annotation}, "__module__": base.__module__}
            return get_type_hints(type(base.__name__, (), alone), include_extras=True)[name]
    raise TypeError(name)


def _goes_on(value: Any) -> bool:
    return isinstance(value, Struct | dict) or is_dataclass(value)


def _converted(value: Any, wanted: Any, where: str, *, strict: bool = True) -> Any:
    try:
        return msgspec.convert(value, wanted, strict=strict)
    except msgspec.ValidationError as mistake:
        raise NoPatch(where, str(mistake)) from None
    except TypeError:
        raise NoPatch(where, f"{wanted!r} is not plain data") from None


def _dictionary(
    state: dict[Any, Any], patch: dict[str, Any], field: str, depth: int, wanted: Any
) -> Any:
    made, (keys, values) = dict(state), _of_mapping(wanted)
    for name, value in patch.items():
        where = f"{field}.{name}"
        key = name if keys is Any else _converted(name, keys, where, strict=False)
        old = made.get(key)
        if value is None:
            made.pop(key, None)
        elif isinstance(value, dict) and _goes_on(old):
            made[key] = merged(old, value, where, depth - 1, values)
        elif values is not Any:
            made[key] = _converted(value, values, where)
        elif key in made and not _alike(old, value):
            raise NoPatch(where, f"{an(type(old).__name__)} is needed")
        else:
            made[key] = value
    return made


def _of_mapping(wanted: Any) -> tuple[Any, Any]:
    """The types of the keys and values of a dictionary that may be one of several types."""
    if get_origin(wanted) in _MAPPINGS:
        keys, values = get_args(wanted)
        return keys, values
    known = [found for one in get_args(wanted) if (found := _of_mapping(one)) != (Any, Any)]
    return known[0] if len(known) == 1 else (Any, Any)


def _plain(value: Any) -> bool:
    return isinstance(value, _PLAIN) or (is_dataclass(value) and not isinstance(value, type))


def an(name: str) -> str:
    """A word with its article."""
    return f"{'an' if name[:1].lower() in {*'aeiou'} else 'a'} {name}"


def _alike(old: Any, new: Any) -> bool:
    """Whether a plain value may take another's place where no type says so."""
    if isinstance(old, int | float) and isinstance(new, int | float):
        return isinstance(old, bool) == isinstance(new, bool)
    return old is None or type(old) is type(new)

"""Plain states: copied, and patched as JSON is (RFC 7396)."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from inspect import get_annotations
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct, structs

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


def merged(state: Any, patch: Any, field: str = "state", depth: int = MAX_DEPTH) -> Any:
    """Make a state of a state and a patch of some of its plain fields; nothing is changed in place.

    Args:
        state: a record or a dictionary.
        patch: what replaces parts of it: a mapping goes on into a record or a dictionary, null
            removes a key of a dictionary, everything else replaces what is there.
        field: where in the state this is, for whoever is told what does not fit.
        depth: levels that may be gone down.

    Raises:
        NoPatch: there is no such field, it is not plain data, or the value has not its type.
    """
    if not isinstance(patch, dict) or depth == 0:
        raise NoPatch(field, "a mapping of fields to their new values is needed")
    if isinstance(state, Struct) or (is_dataclass(state) and not isinstance(state, type)):
        return _record(state, patch, field, depth)
    if type(state) is dict:
        return _dictionary(state, patch, field, depth)
    raise NoPatch(field, f"a {type(state).__name__} is no plain record")


def _record(state: Any, patch: dict[str, Any], field: str, depth: int) -> Any:
    names = _names(state)
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


def _names(state: Any) -> tuple[str, ...]:
    if isinstance(state, Struct):
        return state.__struct_fields__
    return tuple(one.name for one in fields(state))


def _value(state: Any, name: str, value: Any, where: str, depth: int) -> Any:
    old = getattr(state, name)
    if isinstance(value, dict) and _goes_on(old):
        return merged(old, value, where, depth - 1)
    try:
        wanted = _type_of(type(state), name)
    except (NameError, TypeError):
        raise NoPatch(where, "its type is not known at run time") from None
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


def _converted(value: Any, wanted: Any, where: str) -> Any:
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as mistake:
        raise NoPatch(where, str(mistake)) from None
    except TypeError:
        raise NoPatch(where, f"{wanted!r} is not plain data") from None


def _dictionary(state: dict[Any, Any], patch: dict[str, Any], field: str, depth: int) -> Any:
    made = dict(state)
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        elif isinstance(value, dict) and _goes_on(made.get(key)):
            made[key] = merged(made[key], value, f"{field}.{key}", depth - 1)
        elif key in made and not _alike(made[key], value):
            raise NoPatch(f"{field}.{key}", f"a {type(made[key]).__name__} is needed")
        else:
            made[key] = value
    return made


def _alike(old: Any, new: Any) -> bool:
    """Whether a plain value may take another's place where no type says so."""
    if isinstance(old, int | float) and isinstance(new, int | float):
        return isinstance(old, bool) == isinstance(new, bool)
    return old is None or type(old) is type(new)

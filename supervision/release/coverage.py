"""Whether every state that travels can be converted: shapes as recorded, version by version.

A file in the repository says which shape each type of state had in each of its versions. A type
that has another shape now needs another version, and a conversion in both directions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, inspect

from supervision.behaviour import Behaviour
from supervision.gen_statem.machine import StateMachine
from supervision.release.actor_walk import kind_of, version_of
from supervision.release.versions import SAME, Conversions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST = 200
"""Characters of a shape that are told."""

Recorded = dict[str, dict[str, Any]]
"""By the type of state, by its version as text: its shape."""


class StateType(Struct, frozen=True):
    """A type of state that travels, or lies in a journal.

    Attributes:
        name: by which all versions know it.
        version: its present one.
        kind: the type, as msgspec knows it.
        conversions: its ways.
        by_hand: whether code without steps converts it, up and down.
    """

    name: str
    version: int
    kind: Any
    conversions: Conversions = SAME
    by_hand: bool = False


def of_actor(kind: type[Behaviour]) -> StateType:
    """The type of state of a class of actors that travel; of machines a pair of state and data.

    Raises:
        ValueError: they do not.
    """
    if kind.carried is None:
        raise ValueError(f"{kind.__name__}: nothing of it travels")
    by_hand = all(_overrides(kind, name) for name in ("code_change", "downgrade"))
    state = tuple[str, kind.carried] if issubclass(kind, StateMachine) else kind.carried  # type: ignore[name-defined]
    return StateType(kind_of(kind), version_of(kind), state, kind.conversions, by_hand)


def _overrides(kind: type[Behaviour], name: str) -> bool:
    """Whether a class converts by code of its own, in the place of ``conversions``."""
    own = getattr(kind, name, None)
    return own is not None and not own.__module__.startswith("supervision.gen_")


def check(types: Iterable[StateType], recorded: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is missing, in words; nothing where every state can be converted both ways.

    Args:
        types: those of this code.
        recorded: what ``record`` has made of them, in the repository.
    """
    return [word for one in types for word in _check(one, recorded.get(one.name, {}))]


def _check(one: StateType, known: Mapping[str, Any]) -> list[str]:
    newest = max(map(int, known), default=0)
    if newest > one.version:
        return [f"{one.name}: version {newest} is recorded, and the code says {one.version}"]
    shape = known.get(str(one.version))
    if shape is None:
        words = [f"{one.name}: version {one.version} is not recorded"]
    else:
        words = _changed(one, shape, outline(one.kind))
    if not one.by_hand:
        oldest = min(map(int, known), default=one.version)
        words += [
            f"{one.name}: no way {way}" for way in one.conversions.missing(one.version, oldest)
        ]
    return words


def _changed(one: StateType, then: Any, now: Any) -> list[str]:
    if then == now:
        return []
    where = "; ".join(_differences(then, now, "state"))
    what = f"{one.name}: version {one.version} has another shape than is recorded ({where})"
    return [f"{what}: make it version {one.version + 1}, with a conversion up and one down"]


def record(
    types: Iterable[StateType], recorded: Mapping[str, Mapping[str, Any]] | None = None
) -> Recorded:
    """What is to be written into the repository: the known shapes, and those of this code.

    Args:
        types: those of this code.
        recorded: what has been recorded before; a version that is there keeps its shape.
    """
    known = {name: dict(shapes) for name, shapes in (recorded or {}).items()}
    for one in types:
        known.setdefault(one.name, {}).setdefault(str(one.version), outline(one.kind))
    return {name: known[name] for name in sorted(known)}


# Shapes


def outline(kind: Any) -> Any:
    """The shape of a type as plain data: what it is written as, whatever its classes are called."""
    return _outline(inspect.type_info(kind), ())


def _outline(info: Any, above: tuple[Any, ...]) -> Any:
    below = (*above, info)
    match info:
        case _ if info in above:
            return {"as": len(above) - above.index(info)}  # of itself, so many levels up
        case inspect.StructType() | inspect.DataclassType() | inspect.TypedDictType():
            return _record(info, below)
        case inspect.DictType():
            return {"dict": [_outline(info.key_type, below), _outline(info.value_type, below)]}
        case inspect.TupleType():
            return {"tuple": [_outline(one, below) for one in info.item_types]}
        case inspect.UnionType():
            kinds = [_outline(one, below) for one in info.types]
            return {"one of": sorted(kinds, key=str)}
        case _:
            return _simple(info, below)


def _record(info: Any, below: tuple[Any, ...]) -> Any:
    fields = {one.encode_name: _field(one, below) for one in info.fields}
    if getattr(info, "tag", None) is not None:
        fields = {info.tag_field: {"words": [info.tag]}, **fields}
    if getattr(info, "array_like", False):
        return {"array": [list(pair) for pair in fields.items()]}
    return {"record": fields}


def _field(field: Any, below: tuple[Any, ...]) -> Any:
    shape = _outline(field.type, below)
    return shape if field.required else {"optional": shape}


def _simple(info: Any, below: tuple[Any, ...]) -> Any:
    item = getattr(info, "item_type", None)
    if item is not None:
        some = "set" if isinstance(info, inspect.SetType | inspect.FrozenSetType) else "list"
        return {some: _outline(item, below)}
    match info:
        case inspect.LiteralType():
            return {"words": sorted(info.values, key=str)}
        case inspect.EnumType():
            return {"words": sorted((one.value for one in info.cls), key=str)}
        case inspect.CustomType():
            return info.cls.__name__
    return type(info).__name__.removesuffix("Type").lower()


def _differences(then: Any, now: Any, at: str) -> list[str]:
    """Where two shapes differ, in words."""
    if then == now:
        return []
    for kind in ("record", "array"):
        if _is(kind, then) and _is(kind, now):
            return _in_fields(dict(then[kind]), dict(now[kind]), at)
    if _is("optional", then) and _is("optional", now):
        return _differences(then["optional"], now["optional"], at)
    if pairs := _inside(then, now):
        return [word for old, new, where in pairs for word in _differences(old, new, at + where)]
    return [f"{at}: {_said(then)} became {_said(now)}"]


def _inside(then: Any, now: Any) -> list[tuple[Any, Any, str]]:
    """The pairs of what is inside two shapes of one kind, each with its place; none elsewhere."""
    if _is("list", then) and _is("list", now):
        return [(then["list"], now["list"], "[]")]
    if _is("dict", then) and _is("dict", now):
        return list(zip(then["dict"], now["dict"], (" (key)", "{}"), strict=True))
    if _is("tuple", then) and _is("tuple", now) and len(then["tuple"]) == len(now["tuple"]):
        pairs = zip(then["tuple"], now["tuple"], strict=True)
        return [(old, new, f"[{at}]") for at, (old, new) in enumerate(pairs)]
    if _is("one of", then) and _is("one of", now):
        gone = [one for one in then["one of"] if one not in now["one of"]]
        new = [one for one in now["one of"] if one not in then["one of"]]
        return [(gone[0], new[0], "")] if len(gone) == len(new) == 1 else []
    return []


def _in_fields(then: dict[str, Any], now: dict[str, Any], at: str) -> list[str]:
    words = [f"{at}.{name} is gone" for name in then if name not in now]
    words += [f"{at}.{name} is new" for name in now if name not in then]
    for name in (name for name in then if name in now):
        words += _differences(then[name], now[name], f"{at}.{name}")
    return words or [f"{at}: its fields have another order"]


def _is(kind: str, shape: Any) -> bool:
    return isinstance(shape, dict) and kind in shape


def _said(shape: Any) -> str:
    if isinstance(shape, str):
        return shape
    text = f"{next(iter(shape))} {next(iter(shape.values()))}"
    return text if len(text) <= MOST else f"{text[:MOST]}..."

"""States as plain data, and back: what can travel, and by its place in the state what cannot.

A state is a typed record. What only means something inside one process travels as what it stands
for: an address as its path, a timer, a monitor or a caller as a number, which the other side knows
how to make anew. Whatever else is no data is refused by the place where it was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path, PurePath
from types import BuiltinFunctionType, CoroutineType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

import msgspec

from supervision._thespian import ActorAddress
from supervision.eventloop.calls import PendingCall
from supervision.eventloop.cell import Monitor
from supervision.eventloop.timers import Timer
from supervision.release.carrier import NotCarried

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN = (type(None), bool, int, float, str, bytes)
"""What travels as it is."""
_KEPT = (bytes,)
MOST_TOLD = 20
"""Foreign values that are named of one state."""


class Pack:
    """Numbers what one actor refers to, as its state and its messages are written.

    Args:
        calls: numbers callers; None where no caller can travel.

    Attributes:
        timers: in the order of their numbers.
        monitors: likewise.
    """

    def __init__(self, calls: Callable[[PendingCall], int] | None = None) -> None:
        self.timers: list[Timer] = []
        self.monitors: list[Monitor] = []
        self._calls = calls

    def reference(self, value: Any) -> Any:
        """What stands for a value on the other side.

        Raises:
            NotCarried: nothing does; the place is not known here.
        """
        if isinstance(value, ActorAddress):
            return str(value.addressDetails)
        if isinstance(value, Timer):
            return _number(self.timers, value)
        if isinstance(value, Monitor):
            return _number(self.monitors, value)
        if isinstance(value, PendingCall) and self._calls is not None:
            return self._calls(value)
        if isinstance(value, PurePath):
            return str(value)
        raise NotCarried(named(value))


class Unpack:
    """Makes what numbers and paths stand for.

    Args:
        address: who lives at a path.
        timers: made anew, by their numbers.
        monitors: likewise.
        calls: likewise.
    """

    def __init__(
        self,
        address: Callable[[str], Any],
        timers: list[Timer],
        monitors: list[Monitor],
        calls: Callable[[int], PendingCall],
    ) -> None:
        self._address, self._timers, self._monitors, self._calls = address, timers, monitors, calls

    def value(self, kind: Any, given: Any) -> Any:
        """The value of a type that something stands for.

        Raises:
            ValueError: it stands for nothing.
        """
        if isinstance(given, kind):
            return given
        try:
            if issubclass(kind, ActorAddress):
                return self._address(_checked(given, str))
            if issubclass(kind, Timer):
                return self._timers[_checked(given, int)]
            if issubclass(kind, Monitor):
                return self._monitors[_checked(given, int)]
            if issubclass(kind, PendingCall):
                return self._calls(_checked(given, int))
            if issubclass(kind, PurePath):
                return Path(_checked(given, str))
        except LookupError:
            raise ValueError(f"{given!r} stands for no {kind.__name__} here") from None
        raise ValueError(f"{given!r} stands for no {kind.__name__}")


def plain(value: Any, at: str, references: Pack | None = None) -> Any:
    """A state as plain data.

    Args:
        value: the state.
        at: what it is called where something in it is refused.
        references: numbers what it refers to; None refuses that.

    Raises:
        NotCarried: naming each value that cannot travel, by its place.
    """
    known = references or Pack()
    try:
        return msgspec.to_builtins(value, builtin_types=_KEPT, enc_hook=known.reference)
    except (NotCarried, TypeError, ValueError, RecursionError) as why:
        found = "; ".join(foreign(value, at, known))
        raise NotCarried(found or f"{at}: {why}") from why


def typed(value: Any, kind: Any, references: Unpack | None = None) -> Any:
    """A state again, of its type.

    Args:
        value: plain data.
        kind: the type, as msgspec knows it.
        references: makes what it refers to; None refuses that.

    Raises:
        ValueError: naming the place where it is of another shape.
    """
    hook = _nothing if references is None else references.value
    return msgspec.convert(value, kind, builtin_types=_KEPT, dec_hook=hook)


def _nothing(kind: Any, given: Any) -> Any:
    raise ValueError(f"{given!r} stands for no {getattr(kind, '__name__', kind)}")


def foreign(value: Any, at: str, references: Pack | None = None) -> list[str]:
    """What of a state cannot travel: places, as ``state.a.b: a bound method X.f``.

    Args:
        value: the state.
        at: what it is called.
        references: knows what has something that stands for it; None takes addresses only.
    """
    known, told = references or Pack(), []
    for place, one in _leaves(value, at, frozenset()):
        try:
            known.reference(one)
        except NotCarried:
            told.append(f"{place}: {named(one)}")
        if len(told) == MOST_TOLD:
            break
    return told


def _leaves(value: Any, at: str, above: frozenset[int]) -> Iterator[tuple[str, Any]]:
    """What is no plain data, wherever it is inside a value; what contains itself counts too."""
    if isinstance(value, (*PLAIN, Enum)):
        return
    names = _field_names(value)
    if names is None and not isinstance(value, Mapping | list | tuple | AbstractSet):
        yield at, value
    elif id(value) in above:
        yield f"{at} (inside of itself)", value
    else:
        inside = _items(value, at) if names is None else _fields(value, names, at)
        for place, one in inside:
            yield from _leaves(one, place, above | {id(value)})


def _field_names(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, msgspec.Struct):
        return value.__struct_fields__
    if is_dataclass(value) and not isinstance(value, type):
        return tuple(field.name for field in fields(value))
    return None


def _fields(value: Any, names: tuple[str, ...], at: str) -> Iterator[tuple[str, Any]]:
    for name in names:
        yield f"{at}.{name}", getattr(value, name)


def _items(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield f"{at}'s key {_short(key)}", key
            yield f"{at}[{_short(key)}]", one
    else:
        for number, one in enumerate(value):
            yield f"{at}[{number}]", one


def _short(key: Any) -> str:
    return repr(key)[:40] if isinstance(key, PLAIN) else type(key).__name__


_WORDS: tuple[tuple[type, str], ...] = (
    (MethodType, "a bound method"),
    (FunctionType, "a function"),
    (BuiltinFunctionType, "a function"),
    (CoroutineType, "a coroutine"),
    (type, "a class"),
)


def named(value: Any) -> str:
    """What a value is, in words: for those that cannot travel."""
    for kind, word in _WORDS:
        if isinstance(value, kind):
            called = getattr(getattr(value, "__func__", value), "__qualname__", kind.__name__)
            return f"{word} {called}"
    kind = type(value)
    if hasattr(value, "fileno"):
        return f"an open {kind.__name__}"
    return f"an instance of {kind.__module__}.{kind.__qualname__}"


def _number(known: list[Any], value: Any) -> int:
    for number, one in enumerate(known):
        if one is value:
            return number
    known.append(value)
    return len(known) - 1


def _checked(value: Any, kind: type) -> Any:
    if type(value) is not kind or (isinstance(value, int) and value < 0):
        raise ValueError(f"{value!r} is no {kind.__name__}")
    return value

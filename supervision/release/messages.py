"""Messages that wait, as plain data and back, and adapters for those of other versions.

A message is written with the names of the types that it is made of, whatever the fields that hold
them say. Where a type is not what it was, the receiver's ``Adapters`` say what takes its place.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from supervision._thespian import ActorAddress
from supervision.eventloop import calls
from supervision.eventloop.calls import CallFailed, PendingCall, Response, ServerDied
from supervision.eventloop.cell import LocalAddress, Monitor
from supervision.eventloop.links import Exit
from supervision.eventloop.managed import Continued
from supervision.eventloop.timers import Timer
from supervision.reasons import Reason, shutdown
from supervision.release.carrier import NoConversion, NotCarried
from supervision.release.values import PLAIN, named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from supervision.release.values import Pack, Unpack

    Adapter = Callable[[dict[str, Any]], Any]

Made = TypeVar("Made")

LOST = shutdown("its version has ended")
"""Why a request has no answer: who should have given it has not travelled, or not the request."""
TAG = "$"
"""Key of a map that stands for something else: its value says for what."""
MOST_LEVELS = 64
_REFERENCES = {
    "address": ActorAddress,
    "timer": Timer,
    "monitor": Monitor,
    "call": PendingCall,
}
_SEQUENCES = (list, tuple, set, frozenset)
_FAILURES = ("CallTimeout", "CallingSelf", "MailboxFull", "NoProc", "ServerDied", "CallFailed")


class Adapters:
    """What becomes of messages whose types another version of their receiver knows.

    Used where the versions of the receiver differ, by the newer code, which knows both sides.

    Args:
        up: by the type as the older code named it, ``module:Name``: a function that makes the
            message of its fields; None from it drops the message.
        down: by the type of this code, ``module:Name``: a function that is given the message and
            returns the older type's ``module:Name`` and its fields; None drops it.
    """

    __slots__ = ("down", "up")

    def __init__(
        self,
        up: Mapping[str, Callable[[dict[str, Any]], Any]] | None = None,
        down: Mapping[str, Callable[[Any], tuple[str, dict[str, Any]] | None]] | None = None,
    ) -> None:
        self.up = dict(up or {})
        self.down = dict(down or {})


NO_ADAPTERS = Adapters()


class Dropped(Exception):  # noqa: N818 - a state of affairs
    """An adapter has dropped what was to be written or read, or something in it.

    Never told to anybody: whoever asked for the whole message leaves it out.
    """


def unless_dropped(make: Callable[[Any], Made], items: Iterable[Any]) -> list[Made]:
    """What is made of each item, without those that an adapter has dropped."""
    made = []
    for item in items:
        try:
            made.append(make(item))
        except Dropped:
            continue
    return made


def no_answer(request_id: int) -> Response:
    """In the place of an answer that has been dropped: whoever asked hears of it all the same."""
    return Response(request_id, None, ServerDied(LOST))


def type_name(kind: type) -> str:
    """How a type is written: ``module:Name``."""
    return f"{kind.__module__}:{kind.__qualname__}"


class Writer:
    """Writes values as plain data with the names of their types.

    Args:
        references: numbers what they refer to.
        adapters: what becomes of types that the other side does not know.
    """

    def __init__(self, references: Pack, adapters: Adapters = NO_ADAPTERS) -> None:
        self._references = references
        self._down = adapters.down

    def write(self, value: Any, at: str, level: int = 0) -> Any:
        """A value as plain data.

        Args:
            value: a message or what belongs to one.
            at: what it is called where something in it is refused.
            level: how deep it lies inside of the message.

        Raises:
            NotCarried: naming the place and what is there.
            Dropped: an adapter drops it, or something in it.
        """
        if isinstance(value, PLAIN):
            return value
        if level > MOST_LEVELS:
            raise NotCarried(f"{at}: deeper than {MOST_LEVELS} levels")
        down = self._down.get(type_name(type(value))) if self._down else None
        if down is not None:
            adapted = down(value)
            if adapted is None:
                raise Dropped
            return {TAG: adapted[0], "fields": self._each(adapted[1], at, level)}
        return self._written(value, at, level + 1)

    def _written(self, value: Any, at: str, level: int) -> Any:
        parts = _parts(value)
        if parts is not None:
            tag, items = parts
            written = [self.write(one, f"{at}[{n}]", level) for n, one in enumerate(items)]
            return written if tag == "list" else {TAG: tag, "items": written}
        if isinstance(value, Enum):
            return {TAG: "enum", "type": type_name(type(value)), "value": value.value}
        for name, kind in _REFERENCES.items():
            if isinstance(value, kind):
                return {TAG: name, "value": self._references.reference(value)}
        return self._record(value, at, level)

    def _record(self, value: Any, at: str, level: int) -> dict[str, Any]:
        if isinstance(value, msgspec.Struct):
            names: tuple[str, ...] = value.__struct_fields__
        elif is_dataclass(value) and not isinstance(value, type):
            names = tuple(field.name for field in fields(value) if field.init)
        else:
            raise NotCarried(f"{at}: {named(value)}")
        known = {name: getattr(value, name) for name in names}
        return {TAG: type_name(type(value)), "fields": self._each(known, at, level)}

    def _each(self, known: Mapping[str, Any], at: str, level: int) -> dict[str, Any]:
        return {name: self.write(one, f"{at}.{name}", level) for name, one in known.items()}


def _parts(value: Any) -> tuple[str, Sequence[Any]] | None:
    """How a value is taken to pieces; None where it is none of these."""
    kind = type(value)
    if kind in _SEQUENCES:
        return kind.__name__, list(value)
    if kind is dict:
        return "dict", [part for pair in value.items() for part in pair]
    if kind is Exit:
        return "exit", (value.address, value.reason, value.incarnation)
    if kind is Continued:
        return "continued", (value.term,)
    if isinstance(value, CallFailed):
        return "failure", (kind.__name__, str(value), value.reason)
    return None


class Reader:
    """Makes values again of what a ``Writer`` wrote.

    Args:
        references: makes what they refer to.
        adapters: what becomes of types of an older version.
    """

    def __init__(self, references: Unpack, adapters: Adapters = NO_ADAPTERS) -> None:
        self._references = references
        self._up = adapters.up

    def read(self, written: Any, at: str) -> Any:
        """The value.

        Args:
            written: plain data.
            at: what it is called where something in it is refused.

        Raises:
            NoConversion: a type is not here, or not what it was; the message names it.
            Dropped: an adapter drops it, or something in it.
            ValueError: nobody has written it so.
        """
        if isinstance(written, PLAIN):
            return written
        if isinstance(written, list):
            return [self.read(one, f"{at}[{number}]") for number, one in enumerate(written)]
        tag = str(written.get(TAG))
        if ":" in tag:
            return self._record(tag, written, at)
        if tag in _REFERENCES:
            kind = LocalAddress if tag == "address" else _REFERENCES[tag]
            return self._references.value(kind, written["value"])
        if tag == "enum":
            return found(written["type"], at)(written["value"])
        return _made(tag, [self.read(one, at) for one in written["items"]], at)

    def _record(self, name: str, written: Mapping[str, Any], at: str) -> Any:
        known = {field: self.read(one, f"{at}.{field}") for field, one in written["fields"].items()}
        adapter = self._up.get(name)
        if adapter is not None:
            adapted = adapter(known)
            if adapted is None:
                raise Dropped
            return adapted
        kind = found(name, at)
        if not (issubclass(kind, msgspec.Struct) or is_dataclass(kind)):
            raise ValueError(f"{at}: {name} is no record")
        try:
            return kind(**known)
        except TypeError as why:
            raise NoConversion(f"{at}: {name} is not what it was, no adapter: {why}") from why


def _made(tag: str, items: list[Any], at: str) -> Any:
    make = _MAKERS.get(tag)
    if make is None:
        raise ValueError(f"{at}: {tag!r} stands for nothing")
    return make(items)


def _failure(kind: str, said: str, reason: Reason) -> CallFailed:
    if kind not in _FAILURES:
        kind = "CallFailed"
    made: CallFailed = CallFailed.__new__(getattr(calls, kind))
    CallFailed.__init__(made, said, reason)
    return made


_MAKERS: dict[str, Callable[[list[Any]], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": lambda items: dict(zip(items[::2], items[1::2], strict=True)),
    "exit": lambda items: Exit(*items),
    "continued": lambda items: Continued(*items),
    "failure": lambda items: _failure(*items),
}


def found(name: str, at: str) -> type:
    """The type that is written so.

    Raises:
        NoConversion: it is not here.
        ValueError: that is no name of a type.
    """
    module, _, path = name.partition(":")
    try:
        kind: Any = sys.modules.get(module) or import_module(module)
        for part in path.split("."):
            kind = getattr(kind, part)
    except (ImportError, AttributeError) as why:
        raise NoConversion(f"{at}: {name} is not here, no adapter") from why
    if not isinstance(kind, type):
        raise ValueError(f"{at}: {name} is no type")  # noqa: TRY004 - what was written is wrong
    return kind

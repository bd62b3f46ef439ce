"""How typed records lie in XML: made of msgspec's description of a type, once.

A record is a sequence of elements named as its fields, a list an element with an `item` for each,
a mapping an element with an `entry` for each (`entries`). Optional fields of a request may be left
out. In an answer every field is there, nil where there is nothing: so the wildcard that lets an
older client read a newer answer can follow them without ambiguity (XML Schema, 3.8.6, Unique
Particle Attribution).
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct, inspect, structs

ITEM = "item"
Direction: TypeAlias = Literal["request", "answer"]
LONG = (-(2**63), 2**63 - 1)


class Unsupported(TypeError):  # noqa: N818 - named for what it says of the type
    """A type has no form in XML."""


class TextForm(Struct, frozen=True):
    """Text, of a length in characters, or one of some values; None is no bound."""

    shortest: int | None = None
    longest: int | None = None
    values: tuple[str, ...] = ()


class IntegerForm(Struct, frozen=True):
    """An integer from `least` to `greatest`."""

    least: int = LONG[0]
    greatest: int = LONG[1]


class NumberForm(Struct, frozen=True):
    """A finite number."""


class BooleanForm(Struct, frozen=True):
    """True or false."""


class EntriesForm(Struct, frozen=True):
    """A mapping from text to whatever JSON can say."""


class ListForm(Struct, frozen=True):
    """Any number of one form."""

    item: Form


class Place(Struct, frozen=True):
    """A field of a record.

    Attributes:
        name: Of its element.
        form: Of its value.
        optional: Whether a request may leave it out, and an answer have nothing there.
    """

    name: str
    form: Form
    optional: bool


class RecordForm(Struct, frozen=True):
    """A record.

    Attributes:
        name: Of its type.
        places: Its fields, in order.
    """

    name: str
    places: tuple[Place, ...]


Form: TypeAlias = (
    TextForm | IntegerForm | NumberForm | BooleanForm | EntriesForm | ListForm | RecordForm
)


def form_of(record: Any, direction: Direction) -> RecordForm:
    """Say how a record lies in XML.

    Args:
        record: A msgspec Struct.
        direction: Whether it is asked or answered.

    Raises:
        Unsupported: It holds something that has no form.
    """
    described = inspect.type_info(record)
    if not isinstance(described, inspect.StructType):
        raise Unsupported(f"{record!r} is no record")
    return _record(described, direction)


def _record(described: inspect.StructType, direction: Direction) -> RecordForm:
    absent = {
        field.encode_name
        for field in structs.fields(described.cls)
        if field.default is msgspec.UNSET
    }
    places = tuple(
        _place(field, direction, absent=field.encode_name in absent) for field in described.fields
    )
    return RecordForm(described.cls.__name__, places)


def _place(field: inspect.Field, direction: Direction, *, absent: bool) -> Place:
    kind, nothing = _without_none(field.type)
    optional = nothing or absent if direction == "answer" else not field.required
    return Place(field.encode_name, _form(kind, direction), optional)


def _without_none(kind: inspect.Type) -> tuple[inspect.Type, bool]:
    if not isinstance(kind, inspect.UnionType):
        return kind, False
    others = [option for option in kind.types if not isinstance(option, inspect.NoneType)]
    if len(others) != 1:
        raise Unsupported(f"a union of {kind.types!r}")
    return others[0], len(others) < len(kind.types)


def _form(kind: inspect.Type, direction: Direction) -> Form:
    match kind:
        case inspect.StructType():
            return _record(kind, direction)
        case inspect.ListType() | inspect.VarTupleType():
            return ListForm(_form(kind.item_type, direction))
        case inspect.DictType():
            return EntriesForm()
    return _leaf(kind, direction)


def _leaf(kind: inspect.Type, direction: Direction) -> Form:
    """The form of one value; answers are not bound: a new value is to break no older client."""
    asked = direction == "request"
    match kind:
        case inspect.StrType():
            return TextForm(kind.min_length, kind.max_length) if asked else TextForm()
        case inspect.LiteralType() if all(isinstance(value, str) for value in kind.values):
            return TextForm(values=tuple(map(str, kind.values)) if asked else ())
        case inspect.IntType():
            return IntegerForm(*_bounds(kind)) if asked else IntegerForm()
        case inspect.FloatType():
            return NumberForm()
        case inspect.BoolType():
            return BooleanForm()
    raise Unsupported(f"{kind!r} has no form in XML")


def _bounds(kind: inspect.IntType) -> tuple[int, int]:
    least, greatest = LONG
    return (
        least if kind.ge is None else int(kind.ge),
        greatest if kind.le is None else int(kind.le),
    )

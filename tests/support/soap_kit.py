"""A small SOAP service in two versions, and what goes over its wire."""

from typing import Any, Literal

import msgspec
from hypothesis import strategies as st
from lxml import etree
from msgspec import UNSET, Struct, UnsetType

from protocols.soap import envelope
from protocols.soap.names import SOAP
from protocols.soap.reading import Limits, read
from protocols.soap.service import OperationSpec, Service

NAMESPACE = "urn:test:v1"


class Leg(Struct, frozen=True):
    to: str
    ms: float
    why: tuple[str, ...] = ()


class Ask(Struct, frozen=True, kw_only=True):
    who: str
    much: int = 0
    rate: float | None = None
    sure: bool = False
    way: Literal["in", "out"] = "in"
    names: list[str] = []
    ud: dict[str, Any] = {}


class Told(Struct, frozen=True, kw_only=True):
    who: str
    much: int
    rate: float | None = None
    sure: bool = True
    leg: Leg | None = None
    legs: list[Leg] = []
    names: list[str] | None = None
    ud: dict[str, Any] = {}
    said: str | UnsetType = UNSET


class LaterLeg(Leg, frozen=True):
    """A leg as a later release has it: with what older clients do not know."""

    cost: float | None = None
    tags: list[str] = []


class LaterTold(Told, frozen=True, kw_only=True):
    """An answer as a later release has it."""

    leg: LaterLeg | None = None
    legs: list[LaterLeg] = []
    mood: str | None = None
    more: dict[str, Any] = {}


LaterTold.__name__, LaterLeg.__name__ = "Told", "Leg"


class Wrong(Struct, frozen=True, kw_only=True):
    detail: str


def service(told=Told):
    spec = OperationSpec(name="Ask", summary="Asks.", request=Ask, result=told)
    return Service("Test", NAMESPACE, (spec,), Wrong)


def written(made, record, name, form):
    """The bytes of a record in an envelope."""
    return envelope.enveloped(made.binding.write(name, record, form))


def opened(data):
    """What is in the body, with prefixes gone."""
    return read(data, Limits()).children[0].children[0]


def enveloped(body):
    return f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{body}</s:Body></s:Envelope>'.encode()


def content(data):
    """The same as lxml has it, to be validated."""
    return etree.fromstring(data)[0][0]


# What XML can carry as it is.
carried = st.characters(
    exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"
) | st.sampled_from("\t\n\r")
legal = st.text(carried, max_size=20)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(legal, deeper, max_size=3),
    max_leaves=8,
)
numbers = st.floats(allow_nan=False, allow_infinity=False)
user_data = st.dictionaries(legal, anything, max_size=4)
legs = st.builds(Leg, to=legal, ms=numbers, why=st.lists(legal, max_size=3).map(tuple))
tolds = st.builds(
    Told,
    who=legal,
    much=st.integers(-(2**63), 2**63 - 1),
    rate=st.none() | numbers,
    sure=st.booleans(),
    leg=st.none() | legs,
    legs=st.lists(legs, max_size=3),
    names=st.none() | st.lists(legal, max_size=3),
    ud=user_data,
    said=st.just(UNSET) | legal,
)
asks = st.builds(
    Ask,
    who=legal,
    much=st.integers(-(2**63), 2**63 - 1),
    rate=st.none() | numbers,
    sure=st.booleans(),
    way=st.sampled_from(["in", "out"]),
    names=st.lists(legal, max_size=3),
    ud=user_data,
)


def record_of(plain, record):
    """The record of what was read, where nil is nothing."""
    fields = {field.name: field for field in msgspec.structs.fields(record)}
    unset = {name for name, field in fields.items() if field.default is UNSET}
    there = {name: v for name, v in plain.items() if not (v is None and name in unset)}
    return msgspec.convert(there, record)


PIECES = [
    *(
        b"<",
        b">",
        b"</",
        b"/>",
        b"&",
        b";",
        b"'",
        b'"',
        b"=",
        b"]]>",
        b"<![CDATA[",
        b"<!--",
        b"-->",
    ),
    *(b"<!DOCTYPE a [", b"<!ENTITY x 'y'>", b"<!ENTITY % p SYSTEM 'file:///etc/passwd'>", b"%p;"),
    *(b"<?x?>", b"<?xml version='1.0' encoding='", b"utf-16", b"xmlns=''", b"xmlns:p='urn:x'"),
    *(
        b"&#0;",
        b"&#xD800;",
        b"&x;",
        b"&lt;",
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
    ),
    *(b"<entry>", b"<key>", b"<value>", b"<type>json</type>", b"9" * 40, b"1e999", b"[" * 40),
    *(b" xsi:nil='true'", b"<who>", b"</who>", b"<ud>", b"</ud>", b"\xc3\xa9", b" " * 30),
]


def mutated(chance, data, edits=6):
    """A document with a few bytes changed, taken away, doubled, or pieces put in."""
    for _ in range(chance.randint(1, edits)):
        at = chance.randrange(len(data) + 1)
        to = min(len(data), at + chance.randint(0, 12))
        match chance.randrange(4):
            case 0:
                data = data[:at] + chance.choice(PIECES) + data[at:]
            case 1:
                data = data[:at] + data[to:]
            case 2:
                data = data[:at] + data[at:to] * chance.randint(2, 4) + data[to:]
            case _:
                data = data[:at] + chance.randbytes(1) + data[to:]
    return data

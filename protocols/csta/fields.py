"""How a service is written: which attribute of its record stands in which element.

A codec is a table; reading and writing are done here for all of them. Elements that a table does
not name are passed over, wherever they are: a peer may know more of CSTA than vigie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from protocols.csta.xml import CSTA, SESSION, VIGIE, Edition, Element, add, new_root, split

Family: TypeAlias = Literal["csta", "session"]
"""Whose namespace: ECMA-323's, one for each edition, or ECMA-354's."""

Children: TypeAlias = dict[str, list[Element]]

ROOT = "."
"""The path of the root itself."""


class ValueRefusedError(Exception):
    """An element's content breaks a rule.

    Args:
        rule: in words, for the peer.
        within: the element inside, where it is one.
    """

    def __init__(self, rule: str, within: str = "") -> None:
        super().__init__(rule, within)
        self.rule = rule
        self.within = within


class ServiceRefusedError(Exception):
    """A well-formed document is not the service that it says it is.

    Args:
        service: the name of the root.
        field: the path of the element that breaks the rule, empty for the root itself.
        rule: in words, for the peer.
    """

    def __init__(self, service: str, field: str, rule: str) -> None:
        super().__init__(service, field, rule)
        self.service = service
        self.field = field
        self.rule = rule


class Kind(Struct, frozen=True):
    """How a value is written in an element.

    Attributes:
        read: makes the value of an element; None where it says nothing. Raises
            ``ValueRefusedError``.
        write: adds the element to a parent, under a tag, with the value.
    """

    read: Callable[[Element], Any]
    write: Callable[[Element, str, Any], None]


class Field(Struct, frozen=True):
    """One row of a codec.

    Attributes:
        attribute: of the record.
        path: elements below the root, ``/`` between them; ``v:`` before one of vigie's own; ``.``
            for the root itself.
        kind: of the last one's content.
        required: a document without it is refused.
    """

    attribute: str
    path: str
    kind: Kind
    required: bool = False


class Codec(Struct, frozen=True):
    """One service, response or event.

    Attributes:
        element: the name of its root.
        record: its type.
        fields: in the order of the schema, as far as it is known.
        family: whose namespace the root has.
        also: other spellings of its root that are read.
    """

    element: str
    record: type[Struct]
    fields: tuple[Field, ...] = ()
    family: Family = "csta"
    also: tuple[str, ...] = ()


def read(codec: Codec, root: Element) -> Any:
    """Make the record of a document.

    Args:
        codec: that of its root.
        root: the root.

    Raises:
        ServiceRefusedError: an element is missing, there twice, or its content breaks a rule.
    """
    namespace = split(root)[0]
    below: dict[str, Children] = {"": children(root, namespace)}
    values: dict[str, Any] = {}
    for field in codec.fields:
        element = root if field.path == ROOT else _find(codec, below, field.path, namespace)
        value = None if element is None else _value(codec, field, element)
        if value is not None:
            values[field.attribute] = value
        elif field.required:
            raise ServiceRefusedError(codec.element, field.path, "is missing")
    return codec.record(**values)


def write(codec: Codec, record: Struct, edition: Edition) -> Element:
    """Make the document of a record; what is None or empty is left out.

    Args:
        codec: that of the record's type.
        record: what to write.
        edition: whose namespace the document gets, where it is of ECMA-323.
    """
    namespace = SESSION if codec.family == "session" else CSTA + edition
    rows = [(field, getattr(record, field.attribute)) for field in codec.fields]
    said = [(field, value) for field, value in rows if not _says_nothing(field, value)]
    private = any("v:" in field.path for field, _ in said)
    root = new_root(namespace, codec.element, private=private)
    parents: dict[str, Element] = {"": root}
    for field, value in said:
        before, _, name = field.path.rpartition("/")
        field.kind.write(_parent(parents, before), "" if name == ROOT else name, value)
    return root


def names(codecs: Iterable[Codec]) -> set[str]:
    """Every name of an element that a codec's table has."""
    found: set[str] = set()
    for codec in codecs:
        found.update((codec.element, *codec.also))
        for field in codec.fields:
            found.update(name.removeprefix("v:") for name in field.path.split("/"))
    return found - {ROOT}


def children(element: Element, namespace: str) -> Children:
    """The elements right below one, by name; vigie's own with ``v:``, other namespaces' not at all.

    Args:
        element: whose.
        namespace: that of the document.
    """
    found: Children = {}
    for child in element:
        owner, name = split(child)
        if owner == VIGIE:
            found.setdefault(f"v:{name}", []).append(child)
        elif owner == namespace:
            found.setdefault(name, []).append(child)
    return found


def _says_nothing(field: Field, value: object) -> bool:
    return value is None or (not field.required and value in ((), {}, "", b""))


def _find(codec: Codec, below: dict[str, Children], path: str, namespace: str) -> Element | None:
    """The element at a path; None where there is none."""
    before, _, name = path.rpartition("/")
    if before not in below:
        parent = _find(codec, below, before, namespace)
        below[before] = {} if parent is None else children(parent, namespace)
    found = below[before].get(name)
    if found is None:
        return None
    if len(found) > 1:
        raise ServiceRefusedError(codec.element, path, "is there more than once")
    return found[0]


def _value(codec: Codec, field: Field, element: Element) -> Any:
    try:
        return field.kind.read(element)
    except ValueRefusedError as refused:
        path = f"{field.path}/{refused.within}" if refused.within else field.path
        raise ServiceRefusedError(codec.element, path, refused.rule) from None


def _parent(parents: dict[str, Element], path: str) -> Element:
    if path not in parents:
        before, _, name = path.rpartition("/")
        parents[path] = add(_parent(parents, before), name)
    return parents[path]

"""The XML Schema of a service, made from its forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lxml import etree

from protocols.soap.binding import ENTRY_FORM
from protocols.soap.entries import ENTRY
from protocols.soap.model import (
    ITEM,
    BooleanForm,
    EntriesForm,
    Form,
    IntegerForm,
    ListForm,
    NumberForm,
    Place,
    RecordForm,
    TextForm,
)
from protocols.soap.names import XSD, qualified
from protocols.soap.service import Service

ENTRIES = "Entries"
_SIMPLE: Mapping[type[Form], str] = {
    TextForm: "string",
    IntegerForm: "long",
    NumberForm: "double",
    BooleanForm: "boolean",
}


def schema_of(service: Service) -> etree._Element:
    """Make the schema of a service.

    Elements that ask are closed: what is added to them later may be left out. Types that are
    answered end in a wildcard, for what is added to them later.

    Args:
        service: The service.

    Returns:
        The element `xs:schema`.
    """
    schema = etree.Element(
        qualified(XSD, "schema"),
        nsmap={"xs": XSD, "tns": service.namespace},
        targetNamespace=service.namespace,
        elementFormDefault="qualified",
    )
    for operation in service.operations.values():
        for form in (operation.request, operation.answer):
            element = _child(schema, "element", name=form.name)
            _sequence(_child(element, "complexType"), form, answered=False)
    _child(schema, "element", name=service.problem.name, type=f"tns:{service.problem.name}")
    for name, one in _types(service).items():
        _type(_child(schema, "complexType", name=name), one)
    return schema


def _types(service: Service) -> dict[str, Form]:
    """Every type with a name, once, in the order in which they are met."""
    types: dict[str, Form] = {}
    forms: list[Form] = [service.problem]
    for operation in service.operations.values():
        forms += [place.form for place in (*operation.request.places, *operation.answer.places)]
    for form in forms:
        for one in _within(form):
            known = types.setdefault(type_name(one), one)
            if known != one:
                raise ValueError(f"two types are called {type_name(one)}")
    return types


def _within(form: Form) -> Iterator[Form]:
    match form:
        case RecordForm():
            yield form
            for place in form.places:
                yield from _within(place.form)
        case ListForm(item=item):
            yield form
            yield from _within(item)
        case EntriesForm():
            yield form
            yield ENTRY_FORM


def type_name(form: Form) -> str:
    """The name of the type of a form: of XML Schema's, or one of the service's."""
    match form:
        case RecordForm(name=name):
            return name
        case ListForm(item=item):
            name = type_name(item)
            return f"ListOf{name[0].upper()}{name[1:]}"
        case EntriesForm():
            return ENTRIES
    return _SIMPLE[type(form)]


def _type(parent: etree._Element, form: Form) -> None:
    match form:
        case RecordForm():
            _sequence(parent, form, answered=form is not ENTRY_FORM)
        case ListForm(item=item):
            _many(parent, ITEM, item)
        case EntriesForm():
            _many(parent, ENTRY, ENTRY_FORM)


def _many(parent: etree._Element, name: str, form: Form) -> None:
    element = _child(_child(parent, "sequence"), "element", name=name)
    element.set("minOccurs", "0")
    element.set("maxOccurs", "unbounded")
    _typed(element, form)


def _sequence(parent: etree._Element, form: RecordForm, *, answered: bool) -> None:
    sequence = _child(parent, "sequence")
    for place in form.places:
        _place(sequence, place, answered=answered)
    if answered:
        _child(
            sequence,
            "any",
            namespace="##any",
            processContents="lax",
            minOccurs="0",
            maxOccurs="unbounded",
        )


def _place(sequence: etree._Element, place: Place, *, answered: bool) -> None:
    element = _child(sequence, "element", name=place.name)
    if place.optional:
        element.set(*(("nillable", "true") if answered else ("minOccurs", "0")))
    _typed(element, place.form)


def _typed(element: etree._Element, form: Form) -> None:
    facets = list(_facets(form))
    name = type_name(form)
    prefix = "xs" if type(form) in _SIMPLE else "tns"
    if not facets:
        element.set("type", f"{prefix}:{name}")
        return
    restriction = _child(_child(element, "simpleType"), "restriction", base=f"xs:{name}")
    for facet, value in facets:
        _child(restriction, facet, value=value)


def _facets(form: Form) -> Iterator[tuple[str, str]]:
    match form:
        case TextForm(shortest=shortest, longest=longest, values=values):
            if shortest is not None:
                yield "minLength", str(shortest)
            if longest is not None:
                yield "maxLength", str(longest)
            yield from (("enumeration", value) for value in values)
        case IntegerForm() if form != IntegerForm():
            yield "minInclusive", str(form.least)
            yield "maxInclusive", str(form.greatest)


def _child(parent: etree._Element, tag: str, /, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, qualified(XSD, tag), **attributes)

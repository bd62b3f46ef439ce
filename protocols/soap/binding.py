"""Reads and writes values in XML by their forms (`model`).

Reading is lenient where that is safe, so that older and newer clients are understood: what is
unknown is skipped and the order does not matter. It makes plain data, not records: which fields
must be there, and what their values may be, is said by whoever takes the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from protocols.http import problem
from protocols.soap import entries
from protocols.soap.entries import ENTRY, Entry
from protocols.soap.model import (
    ITEM,
    BooleanForm,
    EntriesForm,
    Form,
    IntegerForm,
    ListForm,
    NumberForm,
    RecordForm,
    TextForm,
    form_of,
)
from protocols.soap.names import MAX_SHOWN, XSI, local_of, namespace_of, qualified
from protocols.soap.reading import Element

NIL = qualified(XSI, "nil")
ENTRY_FORM = form_of(Entry, "request")
_BLANK = " \t\r\n"


class Binding:
    """Reads and writes values whose elements are of one namespace.

    Args:
        namespace: The namespace.
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    # Reading

    def read(self, element: Element, form: RecordForm) -> dict[str, Any]:
        """Read a record.

        Args:
            element: Where it is.
            form: How it lies there.

        Returns:
            Plain data by the names of fields, of those that are there.

        Raises:
            HttpProblem: 400, naming the field and the rule it breaks.
        """
        return self._record(element, form, "")

    def _record(self, element: Element, form: RecordForm, at: str) -> dict[str, Any]:
        self._no_text(element, at)
        places = {place.name: place for place in form.places}
        values: dict[str, Any] = {}
        for child in element.children:
            place = places.get(local_of(child.name))
            if place is None or namespace_of(child.name) != self.namespace:
                continue
            field = f"{at}.{place.name}" if at else place.name
            if place.name in values:
                raise problem.invalid(field, "given once")
            values[place.name] = self._value(child, place.form, field)
        return values

    def _value(self, element: Element, form: Form, at: str) -> Any:
        if element.attributes.get(NIL, "").strip(_BLANK) in ("true", "1"):
            return None
        match form:
            case RecordForm():
                return self._record(element, form, at)
            case ListForm(item=item):
                items = self._items(element, ITEM, at)
                return [self._value(one, item, f"{at}[{n}]") for n, one in enumerate(items)]
            case EntriesForm():
                return self._entries(element, at)
        if element.children:
            raise problem.invalid(at, "text, without elements in it")
        return _scalar(element.text, form, at)

    def _items(self, element: Element, name: str, at: str) -> list[Element]:
        self._no_text(element, at)
        wanted = qualified(self.namespace, name)
        return [child for child in element.children if child.name == wanted]

    def _entries(self, element: Element, at: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for n, one in enumerate(self._items(element, ENTRY, at)):
            entry = self._entry(one, f"{at}[{n}]")
            field = f"{at}.{entry.key[:MAX_SHOWN]}"
            if entry.key in values:
                raise problem.invalid(field, "given once")
            values[entry.key] = entries.value_of(entry, field)
        return values

    def _entry(self, element: Element, at: str) -> Entry:
        read = self._record(element, ENTRY_FORM, at)
        plain = {name: value for name, value in read.items() if value is not None}
        for name in ("key", "value"):
            if name not in plain:
                raise problem.invalid(f"{at}.{name}", "given")
        return Entry(**plain)

    def _no_text(self, element: Element, at: str) -> None:
        if element.text.strip(_BLANK):
            raise problem.invalid(
                at or local_of(element.name), "elements, without text between them"
            )

    # Writing

    def write(self, name: str, value: Any, form: RecordForm) -> Iterator[str]:
        """Write a record as an element of its own.

        Args:
            name: Of the element.
            value: The record, or plain data of the same names.
            form: How it lies in XML.

        Returns:
            The text, piece by piece: whoever writes long lists may pause in between.
        """
        yield f'<{name} xmlns="{self.namespace}" xmlns:xsi="{XSI}">'
        yield from _record_text(value, form)
        yield f"</{name}>"


def _record_text(value: Any, form: RecordForm) -> Iterator[str]:
    if isinstance(value, Struct):
        value = msgspec.to_builtins(value)
    for place in form.places:
        yield from _value_text(place.name, value.get(place.name), place.form)


def _value_text(name: str, value: Any, form: Form) -> Iterator[str]:
    if value is None:
        yield f'<{name} xsi:nil="true"/>'
        return
    match form:
        case RecordForm() | ListForm() | EntriesForm():
            yield f"<{name}>"
            yield from _content(value, form)
            yield f"</{name}>"
        case _:
            yield f"<{name}>{_scalar_text(value)}</{name}>"


def _content(value: Any, form: RecordForm | ListForm | EntriesForm) -> Iterator[str]:
    match form:
        case RecordForm():
            yield from _record_text(value, form)
        case ListForm(item=item):
            for one in value:
                yield from _value_text(ITEM, one, item)
        case EntriesForm():
            for key, one in value.items():
                yield _entry_text(entries.entry_of(key, one))


def _entry_text(entry: Entry) -> str:
    key, value = entries.escaped(entry.key), entries.escaped(entry.value)
    inside = f"<key>{key}</key><value>{value}</value><type>{entry.type}</type>"
    return f"<{ENTRY}>{inside}</{ENTRY}>"


def _scalar_text(value: Any) -> str:
    match value:
        case str():
            return entries.escaped(value)
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value)
    return str(value)


def _scalar(text: str, form: Form, at: str) -> Any:
    match form:
        case TextForm(values=values) if values:
            return _one_of(text.strip(_BLANK), values, at)
        case TextForm():
            return text
    return _SCALARS[type(form)](text, at)


_SCALARS: Mapping[type[Form], Callable[[str, str], Any]] = {
    IntegerForm: entries.integer,
    NumberForm: entries.number,
    BooleanForm: entries.boolean,
}


def _one_of(text: str, values: tuple[str, ...], at: str) -> str:
    if text not in values:
        raise problem.invalid(at, f"one of {', '.join(values)}")
    return text

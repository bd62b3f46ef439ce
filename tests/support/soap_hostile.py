"""Envelopes for a service as nobody would write them: some right, most a little wrong."""

import random
from xml.sax.saxutils import escape, quoteattr

from hypothesis import strategies as st
from soap_kit import PIECES, mutated

from protocols.soap.model import BooleanForm, EntriesForm, IntegerForm, ListForm, NumberForm
from protocols.soap.names import SOAP, SOAP_12, XSI

FIT = 9
"""How often a value is one of its kind, to once that it is anything."""

HOLD = [
    *("", " ", "0", "1", "-1", "+1", "1.5", "1e999", "NaN", "9" * 25, "true", "null", "{", "[1]"),
    *('{"a": [1, {"b": null}]}', '{"a": 1, "a": 2}', "[" * 40, "*", "x" * 300, "v" * 2_000),
    *("é\U0001f600", "\x7f", "\u0085"),
    *("ud.a", "lang", "fr", "auth_level", "ani", "\u2028", "]]>", "../..", "%2F", "a\tb\nc\rd"),
]  # fmt: skip
TYPES = ["string", "integer", "number", "boolean", "null", "json", "date", ""]
ODD = st.sampled_from(["x", "Envelope", "Body", "entry", "item", "del", "_", "é", "n" * 300])
NAMESPACES = st.sampled_from(["", "urn:x", SOAP, SOAP_12, XSI, "u" * 256, "u" * 257])
TEXTS = st.sampled_from(HOLD) | st.text(max_size=20).filter(str.isprintable)


def element(name, inside, namespace=None):
    """An element, in another namespace where one is named."""
    declared = "" if namespace is None else f" xmlns={quoteattr(namespace)}"
    return f"<{name}{declared}>{inside}</{name}>"


texts = TEXTS.map(escape)
nested = st.recursive(
    texts,
    lambda inner: st.lists(st.tuples(ODD, inner, st.none() | NAMESPACES), max_size=3).map(
        lambda them: "".join(element(*one) for one in them)
    ),
    max_leaves=6,
)
entry_fields = st.fixed_dictionaries(
    {"key": TEXTS, "value": TEXTS}, optional={"type": st.sampled_from(TYPES)}
)


def entry(fields):
    """An entry of a mapping."""
    return element("entry", "".join(element(name, escape(one)) for name, one in fields.items()))


entries = st.lists(entry_fields.map(entry), max_size=4).map("".join)


def inside_of(form, known):
    """What an element of a form has in it: often what fits."""
    match form:
        case EntriesForm():
            fit = entries
        case ListForm(item=item):
            items = st.lists(inside_of(item, known), max_size=3)
            fit = items.map(lambda them: "".join(element("item", one) for one in them))
        case IntegerForm():
            fit = st.integers(-1, 3).map(str)
        case NumberForm() | BooleanForm():
            fit = st.sampled_from(["true", "false", "0.5"])
        case _:
            fit = st.sampled_from([*form.values, *known])
    return st.integers(0, FIT).flatmap(lambda n: fit if n else nested)


def bodies(operation, service, known):
    """What asks for one operation: some of its fields, in any order, and some that are none's."""
    fields = [
        inside_of(place.form, known).map(lambda inside, name=place.name: element(name, inside))
        for place in operation.request.places
    ]
    mostly = st.sampled_from([*[True] * FIT, False])
    chosen = st.tuples(
        *(st.booleans() if place.optional else mostly for place in operation.request.places)
    )
    odd = st.lists(st.tuples(ODD, nested, st.none() | NAMESPACES), min_size=1, max_size=2)
    others = st.integers(0, FIT).flatmap(lambda n: st.just([]) if n else odd)

    def put(made):
        values, wanted, odd = made
        parts = [value for value, one in zip(values, wanted, strict=True) if one]
        parts += [element(*one) for one in odd]
        return element(operation.spec.name, "".join(parts), service.namespace)

    return st.tuples(st.tuples(*fields), chosen, others).map(put)


UNDERSTOOD = "<s:Header><x s:mustUnderstand='1'/></s:Header>"
HEADER = "<s:Header><w:x xmlns:w='urn:w'/></s:Header>"
HEADERS = st.sampled_from(
    [*[""] * FIT, "<s:Header/>", HEADER, UNDERSTOOD, "<s:Header/><s:Header/>", "text"]
)
PROLOGS = st.sampled_from(["", "", "<?xml version='1.0' encoding='utf-8'?>", "<!-- c -->"])
ENCODINGS = st.sampled_from([*["utf-8"] * FIT, "utf-16", "utf-8-sig", "utf-16-le"])


def envelopes(service, known=()):
    """Envelopes for a service, some of them tampered with.

    Args:
        service: Whose operations they ask for.
        known: Texts that mean something to it: ids, names.
    """
    asked = st.one_of([bodies(one, service, known) for one in service.operations.values()])

    def put(made):
        prolog, header, body, encoding, seed = made
        text = f"{prolog}<s:Envelope xmlns:s='{SOAP}'>{header}<s:Body>{body}</s:Body></s:Envelope>"
        data = text.encode(encoding)
        return data if seed is None else mutated(random.Random(seed), data, edits=2)

    seeds = st.integers(0, 3).flatmap(lambda n: st.none() if n else st.integers(0, 2**32))
    whole = st.tuples(PROLOGS, HEADERS, asked, ENCODINGS, seeds).map(put)
    pieces = st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join)
    return st.integers(0, 9).flatmap(lambda n: whole if n else pieces | st.binary(max_size=200))

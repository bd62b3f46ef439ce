"""Records in XML and back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from soap_kit import (
    Ask,
    LaterLeg,
    LaterTold,
    Leg,
    Told,
    asks,
    content,
    enveloped,
    legal,
    opened,
    record_of,
    service,
    tolds,
    user_data,
    written,
)

from protocols.http.problem import HttpProblem
from protocols.soap import entries
from protocols.soap.entries import Entry, entry_of, value_of
from protocols.soap.model import Unsupported, form_of
from protocols.soap.wsdl import xsd_of
from protocols.soap.xsd import schema_of

SERVICE = service()
FORMS = SERVICE.operations["Ask"]
ANSWER = FORMS.answer.places[0].form
SCHEMA = etree.XMLSchema(etree.fromstring(xsd_of(SERVICE)))


def read(body):
    """What a request says; its elements are of the service's namespace."""
    data = enveloped(f"<Ask xmlns='{SERVICE.namespace}'>{body}</Ask>")
    return SERVICE.binding.read(opened(data), FORMS.request)


def refused(body):
    with pytest.raises(HttpProblem) as caught:
        read(body)
    assert caught.value.kind.slug == "invalid-value"
    return caught.value.problem.field, caught.value.problem.rule


@given(tolds)
@settings(max_examples=150)
def test_an_answer_is_read_as_it_was_written(record):
    data = written(SERVICE, {"result": record}, "AskResponse", FORMS.answer)
    SCHEMA.assertValid(content(data))
    plain = SERVICE.binding.read(opened(data), FORMS.answer)["result"]
    assert record_of(plain, Told) == record
    again = written(SERVICE, {"result": record_of(plain, Told)}, "AskResponse", FORMS.answer)
    assert again == data


@given(asks)
@settings(max_examples=150)
def test_a_request_is_read_as_it_was_written(record):
    data = written(SERVICE, record, "Ask", FORMS.request)
    assert record_of(SERVICE.binding.read(opened(data), FORMS.request), Ask) == record


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_that_xml_cannot_carry_becomes_replacement_characters_outside_of_user_data(text):
    data = written(SERVICE, {"result": Told(who=text, much=1)}, "AskResponse", FORMS.answer)
    plain = SERVICE.binding.read(opened(data), FORMS.answer)["result"]
    assert plain["who"] == entries.legal(text)
    assert len(plain["who"]) == len(text)


@given(legal, user_data, legal, st.none() | legal)
@settings(max_examples=50)
def test_an_older_schema_holds_for_a_newer_answer_and_an_older_reader_understands_it(
    who, ud, tag, mood
):
    newer = service(LaterTold)
    leg = LaterLeg(to="x", ms=1.5, cost=2.0, tags=[tag])
    told = LaterTold(who=who, much=1, ud=ud, legs=[leg], leg=leg, mood=mood, more={"a": [tag]})
    forms = newer.operations["Ask"]
    data = written(newer, {"result": told}, "AskResponse", forms.answer)
    SCHEMA.assertValid(content(data))
    old = SERVICE.binding.read(opened(data), FORMS.answer)["result"]
    assert record_of(old, Told) == Told(
        who=who, much=1, ud=ud, legs=[Leg("x", 1.5)], leg=Leg("x", 1.5)
    )


def test_schemas_of_both_versions_are_deterministic():
    """An XML Schema that is not is refused by libxml2."""
    etree.XMLSchema(schema_of(service(LaterTold)))


def test_what_a_newer_client_adds_is_skipped_and_order_does_not_matter():
    foreign = "<who xmlns='urn:x'>no</who><who xmlns=''>no</who>"
    body = f"<later><deep/></later>{foreign}<sure>1</sure><who a='b'>ann</who>"
    assert read(body) == {"sure": True, "who": "ann"}


def test_nil_is_nothing():
    nil = "xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:nil='true'"
    assert read(f"<rate {nil}/><ud {nil}/>") == {"rate": None, "ud": None}


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ("<who>a</who><who>b</who>", "who", "given once"),
        ("<who>a<b/></who>", "who", "text, without elements in it"),
        ("text", "Ask", "elements, without text between them"),
        ("<names>text</names>", "names", "elements, without text between them"),
        ("<names><item><b/></item></names>", "names[0]", "text, without elements in it"),
        ("<much>1.0</much>", "much", "an integer of 64 bits"),
        ("<much></much>", "much", "an integer of 64 bits"),
        (f"<much>{'9' * 21}</much>", "much", "an integer of 64 bits"),
        ("<much>\u0661</much>", "much", "an integer of 64 bits"),
        ("<rate>NaN</rate>", "rate", "a finite number in decimal"),
        ("<rate>INF</rate>", "rate", "a finite number in decimal"),
        ("<rate>1e9999</rate>", "rate", "a finite number in decimal"),
        (f"<rate>{'1' * 500}</rate>", "rate", "a finite number in decimal"),
        ("<rate>0x1p3</rate>", "rate", "a finite number in decimal"),
        ("<sure>yes</sure>", "sure", "true, false, 1 or 0"),
        ("<way>up</way>", "way", "one of in, out"),
    ],
)
def test_a_value_that_is_none_is_refused_by_its_field_and_rule(body, field, rule):
    assert refused(body) == (field, rule)


def entry(*parts):
    inside = "".join(f"<{name}>{text}</{name}>" for name, text in parts)
    return f"<ud><entry>{inside}</entry></ud>"


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        (entry(("value", "v")), "ud[0].key", "given"),
        (entry(("key", "k")), "ud[0].value", "given"),
        (entry(("key", "k"), ("value", "x"), ("type", "date")), "ud[0].type", None),
        (entry(("key", "k"), ("value", "x"), ("type", "integer")), "ud.k", "an integer of 64 bits"),
        (entry(("key", "k"), ("value", "x"), ("type", "null")), "ud.k", None),
        (entry(("key", "k"), ("value", "{"), ("type", "json")), "ud.k", None),
        (
            entry(("key", "k"), ("value", "[NaN]"), ("type", "json")),
            "ud.k",
            "JSON: numbers are finite",
        ),
        (
            entry(("key", "k"), ("value", "[" * 5000 + "]" * 5000), ("type", "json")),
            "ud.k",
            "JSON: at most 16 nested arrays and objects",
        ),
        (entry(("key", "k"), ("value", "[1e999]"), ("type", "json")), "ud.k", None),
        (f"{entry(('key', 'k'), ('value', ''))[:-5]}{entry(('key', 'k'), ('value', ''))[4:]}",
         "ud.k", "given once"),
    ],
)  # fmt: skip
def test_an_entry_that_is_none_is_refused_by_its_key_and_rule(body, field, rule):
    found = refused(body)
    assert found[0] == field
    assert rule in (None, found[1])


@pytest.mark.parametrize(
    ("value", "text", "kind"),
    [
        ("gold", "gold", "string"),
        ("", "", "string"),
        ("\x01", '"\\u0001"', "json"),
        (True, "true", "boolean"),
        (7, "7", "integer"),
        (0.5, "0.5", "number"),
        (None, "", "null"),
        ({"a": [1, "é\uffff"]}, '{"a": [1, "\\u00e9\\uffff"]}', "json"),
    ],
)
def test_a_value_travels_as_text_with_its_kind(value, text, kind):
    made = entry_of("k", value)
    assert made == Entry(key="k", value=text, type=kind)
    assert value_of(made, "ud.k") == value


@pytest.mark.parametrize("record", [dict, int, "x"])
def test_only_records_are_bound(record):
    with pytest.raises((Unsupported, TypeError, NameError)):
        form_of(record, "request")

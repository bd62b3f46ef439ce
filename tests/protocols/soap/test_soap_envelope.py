"""The envelope of SOAP 1.1: what is asked in it, and faults."""

import pytest
from lxml import etree

from protocols.http import problem
from protocols.http.problem import HttpProblem
from protocols.soap import envelope
from protocols.soap.names import SOAP, SOAP_12
from protocols.soap.reading import Limits
from protocols.soap.transport import charset_of

ONE_BODY = "soap:Envelope has one soap:Body with one element in it, after its soap:Header"


def enveloped(body="<s:Body><x/></s:Body>", namespace=SOAP, root="Envelope"):
    return f"<s:{root} xmlns:s='{namespace}'>{body}</s:{root}>".encode()


def asked(data):
    return envelope.asked(data, Limits())


def refused(data):
    with pytest.raises(HttpProblem) as caught:
        asked(data)
    return caught.value.kind.slug, caught.value.problem.field, caught.value.problem.rule


def test_what_is_asked_is_the_one_element_of_the_body():
    assert asked(enveloped()).name == "x"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<s:Body/>",
        "<s:Body><x/><y/></s:Body>",
        "<s:Header/>",
        "<s:Header/><s:Header/><s:Body><x/></s:Body>",
        "<x/><s:Body><x/></s:Body>",
        "<Body><x/></Body>",
    ],
)
def test_an_envelope_of_another_make_is_refused(body):
    assert refused(enveloped(body)) == ("malformed-body", "body", ONE_BODY)


def test_a_document_that_is_no_envelope_is_refused():
    assert refused(b"<x/>") == ("malformed-body", "body", "the root is soap:Envelope")
    assert refused(enveloped(root="Body"))[2] == "the root is soap:Envelope"


@pytest.mark.parametrize("namespace", [SOAP_12, "urn:other"])
def test_an_envelope_of_another_version_is_told_apart(namespace):
    data = enveloped(namespace=namespace)
    assert refused(data) == ("version-mismatch", "Envelope", f"of the namespace {SOAP}")


def header(attributes):
    block = f"<w:Security xmlns:w='urn:w' {attributes}/>"
    return enveloped(f"<s:Header>{block}</s:Header><s:Body><x/></s:Body>")


@pytest.mark.parametrize(
    "attributes",
    [
        "s:mustUnderstand='1'",
        "s:mustUnderstand='true'",
        "s:mustUnderstand='1' s:actor='http://schemas.xmlsoap.org/soap/actor/next'",
    ],
)
def test_a_header_block_that_must_be_understood_is_refused_by_its_name(attributes):
    slug, field, _ = refused(header(attributes))
    assert (slug, field) == ("header-not-understood", "Security")


@pytest.mark.parametrize(
    "attributes", ["", "s:mustUnderstand='0'", "s:mustUnderstand='1' s:actor='urn:another'"]
)
def test_a_header_block_that_need_not_be_understood_is_skipped(attributes):
    assert asked(header(attributes)).name == "x"


@pytest.mark.parametrize(
    ("kind", "later", "code"),
    [
        (problem.INVALID_VALUE, False, "Client"),
        (problem.STALE_REVISION, False, "Client"),
        (problem.INTERNAL_ERROR, False, "Server"),
        (problem.UNAVAILABLE, True, "Server"),
        (problem.ProblemType("overloaded", 429, "Too much"), False, "Server"),
        (problem.ProblemType("key-in-use", 409, "Wait"), True, "Server"),
        (envelope.VERSION_MISMATCH, False, "VersionMismatch"),
        (envelope.NOT_UNDERSTOOD, False, "MustUnderstand"),
    ],
)
def test_a_fault_says_whose_it_is(kind, later, code):
    fault = envelope.fault_of(HttpProblem(kind, "so").members(), later=later)
    assert (fault.code, fault.text) == (code, f"{kind.title}: so")


def test_a_fault_carries_any_text():
    fault = envelope.Fault(code="Client", text="a\x01<b>")
    written = etree.fromstring(envelope.faulty(fault, ["<d/>"]))
    assert written.findtext(".//faultstring") == "a\ufffd<b>"
    assert written.findtext(".//faultcode") == "soap:Client"


@pytest.mark.parametrize(
    ("header", "charset"),
    [
        (None, None),
        ("text/xml", None),
        ("Text/XML; charset=UTF-8", "UTF-8"),
        ('text/xml; action="x"; charset="utf-16"', "utf-16"),
        ("text/xml; charset=", None),
    ],
)
def test_the_charset_of_an_envelope_is_read(header, charset):
    assert charset_of(header) == charset


@pytest.mark.parametrize(
    "header", ["", "application/soap+xml", "application/json", "text/xmlx", ";"]
)
def test_another_media_type_is_refused(header):
    with pytest.raises(HttpProblem) as caught:
        charset_of(header)
    assert (caught.value.status, caught.value.headers["Accept"]) == (415, "text/xml")

"""XML from strangers: each rule that it breaks is named, and nothing is fetched or resolved."""

import pytest

from protocols.http.problem import HttpProblem
from protocols.soap.reading import Element, Limits, read

DTD = "no document type declaration (SOAP 1.1, 3)"
INSTRUCTION = "no processing instruction (SOAP 1.1, 3)"
MALFORMED = "well-formed XML"
DECLARED = "text is UTF-8, or UTF-16 with a byte order mark, as the declaration says"
LAUGHS = (
    b'<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;">]><a>&d;</a>'
)


def refused(data, limits=None, charset=None):
    with pytest.raises(HttpProblem) as caught:
        read(data, limits or Limits(), charset)
    return caught.value


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        pytest.param(LAUGHS, DTD, id="billion laughs"),
        pytest.param(
            b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', DTD, id="a file"
        ),
        pytest.param(
            b'<!DOCTYPE a SYSTEM "http://192.0.2.1/x.dtd"><a/>', DTD, id="a DTD elsewhere"
        ),
        pytest.param(
            b'<!DOCTYPE a [<!ENTITY % p SYSTEM "http://192.0.2.1/x"> %p;]><a/>', DTD, id="parameter"
        ),
        pytest.param("<!DOCTYPE a><a/>".encode("utf-16"), DTD, id="hidden in UTF-16"),
        pytest.param(b"<a><?php x?></a>", INSTRUCTION, id="instruction within"),
        pytest.param(b"<?xml-stylesheet href='x'?><a/>", INSTRUCTION, id="instruction before"),
        pytest.param(b"<a/><?x?>", INSTRUCTION, id="instruction after"),
        pytest.param(b"<a>&undeclared;</a>", MALFORMED, id="entity"),
        pytest.param(b"<a>", MALFORMED, id="cut off"),
        pytest.param(b"<a/><b/>", MALFORMED, id="two roots"),
        pytest.param(b"<a b='1' b='2'/>", MALFORMED, id="attribute twice"),
        pytest.param(b"<a>\x00</a>", MALFORMED, id="U+0000"),
        pytest.param(b"<a>&#0;</a>", MALFORMED, id="U+0000 as a reference"),
        pytest.param(b"<a>&#xD800;</a>", MALFORMED, id="surrogate"),
        pytest.param(b"<a>\xef\xbf\xbf</a>", MALFORMED, id="U+FFFF"),
        pytest.param(b"{}", MALFORMED, id="JSON"),
        pytest.param(b"   ", MALFORMED, id="white space"),
        pytest.param(b"", "a body is required", id="nothing"),
        pytest.param(b"<a>\xe9</a>", "text is UTF-8", id="Latin-1"),
        pytest.param(b"\xff\xfe<", "text is UTF-16", id="half a character"),
        pytest.param(
            b"\xff\xfe<\x00a\x00\x00\xd8/\x00>\x00", "text is UTF-16", id="lone surrogate"
        ),
        pytest.param(b"<?xml version='1.0' encoding='cp500'?><a/>", DECLARED, id="EBCDIC"),
        pytest.param(b"<?xml version='1.0' encoding='UTF-7'?><a/>", DECLARED, id="UTF-7"),
    ],
)
def test_what_is_hostile_or_broken_is_refused_with_its_rule(data, rule):
    error = refused(data)
    assert (error.status, error.problem.field, error.problem.rule) == (400, "body", rule)


def test_a_charset_that_is_not_known_is_refused():
    assert refused(b"<a/>", charset="utf-7").problem.rule == "text is UTF-8 or UTF-16"


@pytest.mark.parametrize(
    ("data", "limits", "rule", "status"),
    [
        (b"<a>1234</a>", Limits(size=10), "at most 10 bytes", 413),
        (b"<a><a><a/></a></a>", Limits(depth=2), "at most 2 nested elements", 400),
        (b"<a>" * 100_000, Limits(), "at most 32 nested elements", 400),
        (b"<a><b/><b/></a>", Limits(elements=2), "at most 2 elements", 400),
        (
            b"<a b='' c='' d='' xmlns='e'/>",
            Limits(attributes=2),
            "at most 2 attributes of an element",
            400,
        ),
    ],
    ids=["size", "depth", "endless depth", "elements", "attributes"],
)
def test_what_takes_too_much_is_refused_with_the_limit(data, limits, rule, status):
    error = refused(data, limits)
    assert (error.status, error.problem.rule) == (status, rule)


def test_what_is_as_large_as_it_may_be_is_read():
    data = b"<a b='' c=''><b/></a>"
    read(data, Limits(size=len(data), depth=2, elements=2, attributes=2))


def test_text_is_put_together_over_comments_sections_and_references():
    found = read("<a>x<!-- y -->&lt;<![CDATA[<z>&]]>é<b> </b>w</a>".encode(), Limits())
    assert (found.text, found.children) == ("x<<z>&éw", [Element(name="b", text=" ")])


def test_names_are_qualified_whatever_the_prefix():
    found = read(b"<p:a xmlns:p='urn:x' xmlns='urn:y' p:c='1' d='2'><b/></p:a>", Limits())
    assert (found.name, found.children[0].name) == ("{urn:x}a", "{urn:y}b")
    assert found.attributes == {"{urn:x}c": "1", "d": "2"}


@pytest.mark.parametrize("charset", [None, "utf-16", "UTF-8"])
def test_utf_16_is_read_by_its_byte_order_mark(charset):
    data = "<?xml version='1.0' encoding='utf-16'?><a>é</a>".encode("utf-16")
    assert read(data, Limits(), charset).text == "é"


def test_the_transport_s_charset_goes_before_the_declaration():
    data = "<?xml version='1.0' encoding='iso-8859-1'?><a>é</a>".encode()
    assert read(data, Limits(), "utf-8").text == "é"

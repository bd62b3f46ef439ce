"""XML from peers that need not be friendly."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.csta.services import vocabulary
from protocols.csta.vocabulary import Vocabulary, names
from protocols.csta.xml import (
    XmlError,
    XmlLimits,
    add_comment,
    comment_of,
    new_root,
    parse,
    representable,
    serialise,
    split,
    text_of,
)

LIMITS = XmlLimits()
LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (n + 1, b"&l%d;" % n * 10) for n in range(9))


def read(document: bytes, limits: XmlLimits = LIMITS, known: Vocabulary | None = None):
    return parse(document, limits, Vocabulary() if known is None else known)


def rule(document: bytes, limits: XmlLimits = LIMITS) -> str:
    with pytest.raises(XmlError) as error:
        read(document, limits)
    assert error.value.msg
    return error.value.rule


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b"", "empty"),
        (b" \r\n\t", "empty"),
        (b"<!DOCTYPE a><a/>", "doctype"),
        (b'<!DOCTYPE a [<!ENTITY l0 "ha">' + LAUGHS + b"]><a>&l9;</a>", "doctype"),
        (
            b'<?xml version="1.0"?><!-- x --> <!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
            "doctype",
        ),
        (b'\xef\xbb\xbf<!DOCTYPE a SYSTEM "http://example.net/"><a/>', "doctype"),
        (b"<?xml-stylesheet href='x'?><a/>", "processing-instruction"),
        (b"<a><?php x?></a>", "processing-instruction"),
        (b"<a/><?php x?>", "processing-instruction"),
        (b"<a>&laugh;</a>", "entity"),
        (b"<a b='&laugh;'/>", "entity"),
        ("<a/>".encode("utf-16"), "encoding"),
        ("<a/>".encode("utf-16-le"), "encoding"),
        ("<a/>".encode("utf-32-be"), "encoding"),
        (b"<?xml version='1.0' encoding='utf-7'?><a/>", "encoding"),
        (b"<?xml version='1.0' encoding='ebcdic-cp-fr'?><a/>", "encoding"),
        (b"<?xml version='1.0' encoding='\xff'?><a/>", "encoding"),
        (b"<a>\xe9</a>", "malformed"),
        (b"<a>\0</a>", "encoding"),
        (b"<a>&#0;</a>", "malformed"),
        (b"<a", "malformed"),
        (b"<a><b></a>", "malformed"),
        (b"<a/><b/>", "malformed"),
        (b"x<a/>", "malformed"),
        (b"<!-- <a/>", "malformed"),
        (b"<a x='1' x='2'/>", "malformed"),
        (b"<p:a/>", "malformed"),
        (b"<a>" * 17 + b"</a>" * 17, "depth"),
        (b"<a>" * 5_000 + b"</a>" * 5_000, "malformed"),
        (b"<a>" + b"<b/>" * 1_000 + b"</a>", "elements"),
        (b"<a>" + b"<!---->" * 1_000 + b"</a>", "elements"),
        (b"<a " + b" ".join(b"b%d=''" % n for n in range(33)) + b"/>", "attributes"),
        (b"<a b='" + b"x" * 1_025 + b"'/>", "attributes"),
        (b"<a>" + b"x" * 16_385 + b"</a>", "text"),
        (b"<a>" + b"x" * 9_000 + b"<!-- -->" + b"x" * 9_000 + b"</a>", "text"),
        (b"<a>" + b"x" * 9_000 + b"<b/>" + b"x" * 9_000 + b"</a>", "text"),
        (b"<a" + b"b" * 200 + b"/>", "names"),
    ],
)
def test_a_hostile_document_is_refused_by_name(document, expected):
    assert rule(document) == expected


@pytest.mark.parametrize(
    "document",
    [
        b"<a/>",
        b"\xef\xbb\xbf<?xml version='1.0' encoding=\"UTF-8\" ?>\n<!-- x --><a/><!-- y -->",
        b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>",
        b"<a><![CDATA[<!DOCTYPE a> &laugh; <?pi?>]]></a>",
        b"<a>&lt;&amp;&#233;</a>",
        b"<a>" * 16 + b"</a>" * 16,
        b"<a>" + b"x" * 16_384 + b"</a>",
    ],
)
def test_what_a_friendly_peer_may_write_is_read(document):
    assert split(read(document))[1] == "a"


def test_the_limits_are_configured():
    assert rule(b"<a><b/></a>", XmlLimits(max_depth=1)) == "depth"
    assert rule(b"<a><b/></a>", XmlLimits(max_elements=1)) == "elements"
    assert rule(b"<a b='1'/>", XmlLimits(max_attributes=0)) == "attributes"
    assert rule(b"<a b='12'/>", XmlLimits(max_attribute_chars=1)) == "attributes"
    assert rule(b"<a>12</a>", XmlLimits(max_text_chars=1)) == "text"


def test_text_is_that_of_the_element_itself_with_comments_left_out():
    root = read(b"<a>1<!-- 9 -->2<b>8</b>3</a>")
    assert text_of(root) == "123"


@given(st.text(max_size=40))
def test_whatever_is_written_can_be_read(text):
    root = new_root("urn:x", "a")
    root.text = representable(text)
    add_comment(root, text)
    again = read(serialise(root))
    assert text_of(again) == representable(text)
    assert comment_of(again) is not None


# Names


def test_a_process_learns_names_up_to_its_limit_and_then_reads_those_it_knows():
    known = Vocabulary(known={"a"}, max_names=10)
    for number in range(10):
        read(b"<a><x%d/></a>" % number, known=known)
    assert len(known) == 10
    with pytest.raises(XmlError) as error:
        read(b"<a><y/></a>", known=known)
    assert error.value.rule == "names"
    read(b"<a><x3/></a>", known=known)
    assert len(known) == 10


@pytest.mark.parametrize(
    ("document", "found"),
    [
        (b"<p:e a = 'v' b=\"w\"></p:e>", {b"p:e", b"a", b"b"}),
        (b"<e xmlns:q='urn:q'\nc='1'/>", {b"e", b"xmlns:q", b"urn:q", b"c"}),
        (b"<?pi x?><e>&one;</e>", {b"pi", b"e", b"one"}),
        (b"<e a='1'b='2'/>", {b"e", b"a", b"b"}),
    ],
)
def test_every_name_that_the_parser_would_keep_is_found(document, found):
    assert names(document) >= found


def test_what_the_services_say_need_not_be_learnt():
    assert vocabulary(max_names=0).learn(b"<RouteRequest><currentRoute/></RouteRequest>") is None


@pytest.mark.parametrize(
    "piece", [b"<", b'<a"', b" ", b"xmlns=", b"xmlns='\"", b"&", b" a", b'"a', b"= '"]
)
def test_looking_for_names_takes_time_in_proportion_to_the_text(piece):
    spent = []
    for size in (8_000, 64_000):
        document = piece * (size // len(piece))
        rounds = []
        for _ in range(3):
            started = time.perf_counter()
            names(document)
            rounds.append(time.perf_counter() - started)
        spent.append(min(rounds))
    # Eight times as long; with the square of the text it would be sixty-four.
    assert spent[1] < 40 * spent[0] + 0.01

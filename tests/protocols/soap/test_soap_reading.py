"""XML from strangers: each rule that it breaks is named, and nothing is fetched or resolved."""

import os
import subprocess
import sys

import pytest

from protocols.http.problem import HttpProblem
from protocols.soap import reading
from protocols.soap.reading import Element, Limits, read

DTD = "no document type declaration (SOAP 1.1, 3)"
INSTRUCTION = "no processing instruction (SOAP 1.1, 3)"
MANY = "at most 2 elements and attributes"
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
    kind = {DTD: "document-type", INSTRUCTION: "processing-instruction"}.get(rule, "malformed-body")
    assert (error.status, error.problem.field, error.problem.rule) == (400, "body", rule)
    assert error.kind.slug == kind


def test_a_parser_that_is_shown_a_document_type_gives_up_too():
    """The look ahead of it is not the only guard."""
    with pytest.raises(HttpProblem) as caught:
        reading._parsed(LAUGHS, Limits())
    assert caught.value.kind == reading.DOCUMENT_TYPE


def test_a_charset_that_is_not_known_is_refused():
    assert refused(b"<a/>", charset="utf-7").problem.rule == "text is UTF-8 or UTF-16"


@pytest.mark.parametrize(
    ("data", "limits", "slug", "rule"),
    [
        (b"<a>1234</a>", Limits(size=10), "body-too-large", "at most 10 bytes"),
        (b"<a><a><a/></a></a>", Limits(depth=2), "too-deep", "at most 2 nested elements"),
        (b"<a>" * 100_000, Limits(), "too-deep", "at most 32 nested elements"),
        (b"<a><b/><b/></a>", Limits(elements=2), "too-many-elements", MANY),
        (b"<a b='' c=''/>", Limits(elements=2), "too-many-elements", MANY),
        (
            b"<a b='' c='' d='' xmlns='e'/>",
            Limits(attributes=2),
            "too-many-attributes",
            "at most 2 attributes of an element",
        ),
    ],
    ids=["size", "depth", "endless depth", "elements", "attributes in all", "attributes"],
)
def test_what_takes_too_much_is_refused_with_the_limit(data, limits, slug, rule):
    error = refused(data, limits)
    assert (error.kind.slug, error.problem.field, error.problem.rule) == (slug, "body", rule)
    assert error.status == (413 if slug == "body-too-large" else 400)


def test_what_is_as_large_as_it_may_be_is_read():
    data = b"<a b='' c=''><b/></a>"
    read(data, Limits(size=len(data), depth=2, elements=4, attributes=2))


@pytest.mark.parametrize(
    "declared",
    [
        "xmlns='{}'",
        'xmlns:p="{}"',
        "xmlns\n=\t'{}'",
        "b=''xmlns='{}'",
        "xmlns:" + "p" * 999 + "='{}'",
    ],
)
def test_a_namespace_has_a_name_of_bounded_length(declared):
    """Each name of it repeats it: half a megabyte, times as many elements as there may be."""
    longest = "u" * reading.MAX_NAMESPACE
    error = refused(f"<a {declared.format(longest + 'u')}/>".encode())
    assert error.kind.slug == "namespace-too-long"
    assert error.problem.rule == "names of namespaces have at most 256 characters"
    read(f"<a {declared.format(longest)}/>".replace("''", "'' ").encode(), Limits())


@pytest.mark.parametrize("one", ["xmlns:p{}='u'", "a{}=''", 'a{}\n=\t"\'"'])
def test_a_flood_of_attributes_is_not_shown_to_the_parser(one):
    """It would collect them all before the first can be refused."""
    limits = Limits(elements=25)
    flood = " ".join(one.format(n) for n in range(101))
    error = refused(f"<a {flood}/>".encode(), limits)
    assert error.kind.slug == "too-many-attributes"
    assert error.problem.rule == "at most 100 attributes and declarations of namespaces"
    fits = " ".join(f"xmlns:p{n}='u'" for n in range(100))
    read(f"<a {fits}/>".encode(), limits)


def test_attributes_and_text_may_be_longer_than_the_name_of_a_namespace():
    text = "x" * 10_000
    found = read(f"<a b='{text}'>{text}</a>".encode(), Limits())
    assert found.attributes["b"] == found.text == text


INVENTING = """
import sys
from protocols.soap.reading import Limits, read

def grown():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1])

def invent(first):
    pairs = "".join(f"<e{n}x a{n}x=''/>" for n in range(first, first + EACH))
    read(f"<p{first}:r xmlns:p{first}='urn:{first}'>{pairs}</p{first}:r>".encode(), Limits())

EACH, names = 1_000, int(sys.argv[1])
for first in range(0, 20_000, EACH):
    invent(10**9 + first)
before = grown()
for first in range(0, names // 2, EACH):
    invent(first)
print(grown() - before)
"""


def kilobytes_of(names):
    """How much a process grows by reading so many names, each once."""
    done = subprocess.run(
        [sys.executable, "-c", INVENTING, str(names)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return int(done.stdout)


@pytest.mark.parametrize("names", [100_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_names_that_were_invented_are_not_kept(names):
    """libxml2 would keep them as long as the process lives: measured, 43 MB of a million."""
    assert kilobytes_of(names) < 1_024


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

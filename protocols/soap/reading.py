"""Reads XML from strangers: no document type, no entities, no instructions, nothing fetched.

SOAP 1.1 (3) forbids document types and processing instructions in a message. The parser (libxml2)
is told to load and resolve nothing, and each rule is checked while it reads, so that what breaks
one is given up before it takes memory. What comes out is plain: names, attributes, text.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from typing import NoReturn

from lxml import etree
from msgspec import Struct

from protocols.http import problem
from protocols.http.problem import HttpProblem

_DECLARATION = re.compile(r"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([^\"']{1,40})[\"']")
_CHARSETS = {"utf-8": "utf-8", "us-ascii": "utf-8", "utf-16": "utf-16"}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PLACE = re.compile(r"\s*\((?:<string>|line).*\Z", re.DOTALL)


class Limits(Struct, frozen=True, kw_only=True):
    """What a document may take.

    Attributes:
        size: Bytes.
        depth: Elements within each other.
        elements: Elements in all.
        attributes: Attributes of one element, declarations of namespaces apart.
    """

    size: int = 1_048_576
    depth: int = 32
    elements: int = 4_000
    attributes: int = 64


class Element(Struct, kw_only=True):
    """An element of a document.

    Attributes:
        name: `{namespace}local`, or `local` in no namespace.
        attributes: Values by name, named likewise; without declarations of namespaces.
        children: Elements in it, in order.
        text: All text directly in it, comments left out.
    """

    name: str
    attributes: dict[str, str] = {}
    children: list[Element] = []
    text: str = ""


def read(data: bytes, limits: Limits, charset: str | None = None) -> Element:
    """Read a document.

    Args:
        data: The document.
        limits: What it may take.
        charset: What the transport says of its encoding, which goes before what it says itself
            (RFC 7303, 3); None where it says nothing.

    Returns:
        Its root.

    Raises:
        HttpProblem: 400 or 413, naming the rule that it breaks.
    """
    if len(data) > limits.size:
        rule = f"at most {limits.size} bytes"
        raise HttpProblem(problem.BODY_TOO_LARGE, f"a body takes {rule}", field="body", rule=rule)
    if not data:
        refuse("a body is required")
    tree = _Tree(limits)
    parser = etree.XMLParser(
        target=tree,
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
    )
    try:
        parser.feed(_utf8(data, charset))
        root: Element | None = parser.close()
    except etree.XMLSyntaxError as error:
        _refuse_malformed(str(error))
    assert root is not None  # the parser takes no document without one
    return root


def refuse(rule: str) -> NoReturn:
    """Refuse a document for a rule that it breaks (400)."""
    raise HttpProblem(
        problem.MALFORMED_BODY, f"the body breaks a rule: {rule}", field="body", rule=rule
    )


def _refuse_malformed(message: str) -> NoReturn:
    said = _PLACE.sub("", message).strip()[:200]
    rule = "well-formed XML"
    detail = f"the body breaks a rule: {rule}: {said}"
    raise HttpProblem(problem.MALFORMED_BODY, detail, field="body", rule=rule)


def _utf8(data: bytes, charset: str | None) -> bytes:
    """Make UTF-8 of a document in UTF-8 or UTF-16, the two that every reader of XML knows."""
    marked = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), None)
    encoding = marked or _CHARSETS.get((charset or "utf-8").lower(), "")
    if not encoding:
        refuse("text is UTF-8 or UTF-16")
    try:
        text = data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError:
        refuse(f"text is {encoding.upper()}")
    if charset is None:
        declared = _DECLARATION.match(text)
        if declared is not None and _CHARSETS.get(declared[1].lower()) != encoding:
            refuse("text is UTF-8, or UTF-16 with a byte order mark, as the declaration says")
    try:
        return text.encode()
    except UnicodeEncodeError:
        refuse("text has no lone surrogates")


class _Tree:
    """What the parser tells of a document, piece by piece; makes elements of it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: list[Element] = []
        self._text: list[list[str]] = []
        self._count = 0
        self._root: Element | None = None

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        self._count += 1
        if self._count > self._limits.elements:
            refuse(f"at most {self._limits.elements} elements")
        if len(self._open) == self._limits.depth:
            refuse(f"at most {self._limits.depth} nested elements")
        if len(attributes) > self._limits.attributes:
            refuse(f"at most {self._limits.attributes} attributes of an element")
        element = Element(name=name, attributes=dict(attributes) if attributes else {})
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)
        self._text.append([])

    def end(self, name: str) -> None:
        """The element that began last ends."""
        self._open.pop().text = "".join(self._text.pop())

    def data(self, text: str) -> None:
        """Text comes; outside of the root it is white space."""
        if self._text:
            self._text[-1].append(text)

    def comment(self, text: str) -> None:
        """Comments say nothing."""

    def pi(self, target: str, text: str | None = None) -> None:
        """Refuse a processing instruction."""
        refuse("no processing instruction (SOAP 1.1, 3)")

    def doctype(self, name: str | None, public: str | None, system: str | None) -> None:
        """Refuse a document type, and with it every entity."""
        refuse("no document type declaration (SOAP 1.1, 3)")

    def close(self) -> Element | None:
        """The document is over, or was refused."""
        return self._root

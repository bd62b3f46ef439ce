"""Reads XML from strangers: no document type, no entities, no instructions, nothing fetched.

SOAP 1.1 (3) forbids document types and processing instructions in a message. The parser is expat,
as Python ships it: it fetches nothing, and what it learns of a document goes with the document.
libxml2 keeps every name that it has ever read for as long as the process lives: a stranger who
invents names would take the memory of the node, and a list of names that are allowed would refuse
what newer clients add. Each rule is checked while it reads, so that what breaks one is given up
before it takes memory. What comes out is plain: names, attributes, text.
"""

from __future__ import annotations

import codecs
import re
from itertools import islice
from typing import NoReturn
from xml.parsers import expat

from msgspec import Struct

from protocols.http import problem
from protocols.http.problem import HttpProblem, ProblemType
from protocols.soap.names import SEPARATOR, qualified

DOCUMENT_TYPE = ProblemType("document-type", 400, "An envelope has no document type")
INSTRUCTION = ProblemType("processing-instruction", 400, "An envelope has no instructions")
TOO_DEEP = ProblemType("too-deep", 400, "The elements of the envelope are nested too deep")
TOO_MANY_ELEMENTS = ProblemType("too-many-elements", 400, "The envelope has too many elements")
TOO_MANY_ATTRIBUTES = ProblemType("too-many-attributes", 400, "An element has too many attributes")
NAMESPACE_TOO_LONG = ProblemType("namespace-too-long", 400, "The name of a namespace is too long")
REFUSALS = (
    problem.MALFORMED_BODY,
    problem.BODY_TOO_LARGE,
    DOCUMENT_TYPE,
    INSTRUCTION,
    TOO_DEEP,
    TOO_MANY_ELEMENTS,
    TOO_MANY_ATTRIBUTES,
    NAMESPACE_TOO_LONG,
)
"""Every kind of problem that a document is refused with."""

MAX_NAMESPACE = 256
"""Characters of the name of a namespace. Every name of it repeats it: a long one, written once,
would fill memory with few elements, and expat itself with the attributes of one."""

DECLARED = 4
"""Attributes and declarations of namespaces of a document, as a multiple of the elements that it
may have. Expat collects all of one element before it shows the first: a hundred thousand would
hold up the node for a tenth of a second."""

_DECLARATION = re.compile(r"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([^\"']{1,40})[\"']")
# These take time in proportion to the text, and find rather too much: what they find in text, or in
# a document that is malformed anyway, is refused likewise.
_DOCTYPE = re.compile(r"\ufeff?(?:\s++|<!--.*?-->|<\?.*?\?>)*+<!DOCTYPE", re.DOTALL)
_NAMESPACE = re.compile(
    rf"[\s\"']xmlns(?::[^\s=<>\"']*+)?\s*+=\s*+"
    rf"(?:\"[^\"<]{{{MAX_NAMESPACE + 1}}}|'[^'<]{{{MAX_NAMESPACE + 1}}})"
)
_ATTRIBUTE = re.compile(r"=[ \t\r\n]*+[\"']")
_CHARSETS = {"utf-8": "utf-8", "us-ascii": "utf-8", "utf-16": "utf-16"}
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK = 65_536
"""Bytes given to the parser at once: it reads a chunk to its end, also where a rule is broken."""


class Limits(Struct, frozen=True, kw_only=True):
    """What a document may take.

    Attributes:
        size: Bytes.
        depth: Elements within each other.
        elements: Elements and attributes in all.
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
        HttpProblem: 400 or 413, one of `REFUSALS`, naming the rule that it breaks.
    """
    if len(data) > limits.size:
        rule = f"at most {limits.size} bytes"
        raise HttpProblem(problem.BODY_TOO_LARGE, f"a body takes {rule}", field="body", rule=rule)
    if not data:
        refuse("a body is required")
    text = _text(data, charset)
    _look_ahead(text, limits)
    return _parsed(_utf8(text), limits)


def _look_ahead(text: str, limits: Limits) -> None:
    """Refuse what the parser is better not shown."""
    if _DOCTYPE.match(text):
        _refuse_doctype()
    if _NAMESPACE.search(text):
        refuse(f"names of namespaces have at most {MAX_NAMESPACE} characters", NAMESPACE_TOO_LONG)
    most = DECLARED * limits.elements
    if next(islice(_ATTRIBUTE.finditer(text), most, None), None) is not None:
        rule = f"at most {most} attributes and declarations of namespaces"
        refuse(rule, TOO_MANY_ATTRIBUTES)


def _parsed(data: bytes, limits: Limits) -> Element:
    tree = _Tree(limits)
    parser = expat.ParserCreate("utf-8", SEPARATOR)
    parser.buffer_text = True
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.data
    parser.ProcessingInstructionHandler = tree.instruction
    parser.StartDoctypeDeclHandler = tree.doctype
    try:
        for at in range(0, len(data), _CHUNK):
            parser.Parse(data[at : at + _CHUNK], False)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        _refuse_malformed(error)
    assert tree.root is not None  # the parser takes no document without one
    return tree.root


def refuse(rule: str, kind: ProblemType = problem.MALFORMED_BODY) -> NoReturn:
    """Refuse a document for a rule that it breaks (400)."""
    raise HttpProblem(kind, f"the body breaks a rule: {rule}", field="body", rule=rule)


def _refuse_malformed(error: expat.ExpatError) -> NoReturn:
    rule = "well-formed XML"
    said = f"{expat.ErrorString(error.code)}: line {error.lineno}, column {error.offset}"
    detail = f"the body breaks a rule: {rule}: {said}"
    raise HttpProblem(problem.MALFORMED_BODY, detail, field="body", rule=rule) from None


def _refuse_doctype() -> NoReturn:
    refuse("no document type declaration (SOAP 1.1, 3)", DOCUMENT_TYPE)


def _text(data: bytes, charset: str | None) -> str:
    """Decode a document in UTF-8 or UTF-16, the two that every reader of XML knows."""
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
    return text


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        refuse("text has no lone surrogates")


class _Tree:
    """What the parser tells of a document, piece by piece; makes elements of it."""

    def __init__(self, limits: Limits) -> None:
        self.root: Element | None = None
        self._limits = limits
        self._open: list[Element] = []
        self._text: list[list[str]] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self._check(attributes)
        element = Element(name=_name(name))
        if attributes:
            element.attributes = {_name(one): value for one, value in attributes.items()}
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._text.append([])

    def _check(self, attributes: dict[str, str]) -> None:
        limits = self._limits
        if len(self._open) == limits.depth:
            refuse(f"at most {limits.depth} nested elements", TOO_DEEP)
        if len(attributes) > limits.attributes:
            rule = f"at most {limits.attributes} attributes of an element"
            refuse(rule, TOO_MANY_ATTRIBUTES)
        self._count += 1 + len(attributes)
        if self._count > limits.elements:
            refuse(f"at most {limits.elements} elements and attributes", TOO_MANY_ELEMENTS)

    def end(self, name: str) -> None:
        """The element that began last ends."""
        self._open.pop().text = "".join(self._text.pop())

    def data(self, text: str) -> None:
        """Text comes, within the root: outside of it the parser takes white space alone."""
        self._text[-1].append(text)

    def instruction(self, target: str, text: str) -> None:
        """Refuse a processing instruction."""
        refuse("no processing instruction (SOAP 1.1, 3)", INSTRUCTION)

    def doctype(self, *declared: object) -> None:
        """Refuse a document type, and with it every entity."""
        _refuse_doctype()


def _name(name: str) -> str:
    """Put a name of the parser's, `namespace}local`, as all others are."""
    namespace, separator, local = name.partition(SEPARATOR)
    return qualified(namespace, local) if separator else name

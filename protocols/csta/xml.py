"""XML from peers that need not be friendly: lxml within limits, no DTD, no entity, no network.

What is refused is refused by name: ``XmlError.rule``. What CSTA does not know is left to the
codecs, which do not look at it.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal, TypeAlias

from lxml import etree
from msgspec import Struct

from protocols.csta.vocabulary import Vocabulary

Element: TypeAlias = Any
"""An element of lxml's, which ships no types."""

Edition: TypeAlias = Literal["ed3", "ed4", "ed5"]
"""Of ECMA-323: each has a namespace of its own."""

CSTA: Final = "http://www.ecma-international.org/standards/ecma-323/csta/"
EDITIONS: Final[tuple[Edition, ...]] = ("ed4", "ed5", "ed3")
"""Those that are spoken, the one preferred first."""

SESSION: Final = "http://www.ecma-international.org/standards/ecma-354/appl_session"
VIGIE: Final = "urn:vigie:csta:1"
"""The namespace of what only vigie has, in CSTA's private data."""

XmlRule: TypeAlias = Literal[
    "empty",
    "encoding",
    "doctype",
    "processing-instruction",
    "entity",
    "names",
    "malformed",
    "depth",
    "elements",
    "attributes",
    "text",
    "namespace",
]

_ENCODINGS = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1"})
_BOM = b"\xef\xbb\xbf"

_declaration = re.compile(rb"<\?xml[ \t\r\n]([^>]*)\?>")
_encoding = re.compile(rb"encoding[ \t\r\n]*=[ \t\r\n]*[\"']([^\"']*)[\"']")
_space = re.compile(rb"[ \t\r\n]*")


class XmlError(Exception):
    """A document that is not read.

    Args:
        rule: the name of what it breaks.
        msg: the rule in words, for the peer and the log.
    """

    def __init__(self, rule: XmlRule, msg: str) -> None:
        super().__init__(rule, msg)
        self.rule = rule
        self.msg = msg


class XmlLimits(Struct, frozen=True, kw_only=True):
    """What a document may have; its bytes are limited by the header.

    Attributes:
        max_depth: elements within each other, the root included.
        max_elements: elements and comments altogether.
        max_attributes: of one element.
        max_attribute_chars: of one value.
        max_text_chars: of one element's own text, comments in it left out.
    """

    max_depth: int = 16
    max_elements: int = 1_000
    max_attributes: int = 32
    max_attribute_chars: int = 1_024
    max_text_chars: int = 16_384


DEFAULT_LIMITS = XmlLimits()


def _new_parser() -> Any:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        collect_ids=False,
        remove_blank_text=False,
    )


_parser = _new_parser()
# lxml lets no two threads use one at the same time; making one costs as much as a message.


def parse(payload: bytes, limits: XmlLimits, vocabulary: Vocabulary) -> Element:
    """Read a document.

    Args:
        payload: UTF-8, US-ASCII or ISO-8859-1, with or without an XML declaration.
        limits: see ``XmlLimits``.
        vocabulary: the names read so far by this process.

    Returns:
        Its root.

    Raises:
        XmlError: it is not well-formed, breaks a limit, or has what nobody needs.
    """
    _check_encoding(payload)
    _check_prolog(payload)
    rule = vocabulary.learn(payload)
    if rule is not None:
        raise XmlError("names", rule)
    try:
        root = etree.fromstring(payload, _parser)
    except etree.XMLSyntaxError as error:
        kind: XmlRule = "entity" if "Entity" in (error.msg or "") else "malformed"
        raise XmlError(kind, f"not well-formed: {error.msg}") from None
    _check_tree(root, limits)
    return root


def serialise(root: Element) -> bytes:
    """Make the bytes of a document, in UTF-8 with a declaration."""
    data: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return data


# Elements


def split(element: Element) -> tuple[str, str]:
    """The namespace, empty for none, and the local name of an element; of a comment two empties."""
    tag = element.tag
    if not isinstance(tag, str):
        return "", ""
    if tag[0] != "{":
        return "", tag
    namespace, _, name = tag[1:].partition("}")
    return namespace, name


def edition_of(namespace: str) -> Edition | None:
    """The edition whose namespace this is; None where it is none that is spoken."""
    for edition in EDITIONS:
        if namespace == CSTA + edition:
            return edition
    return None


def text_of(element: Element) -> str:
    """The text of an element itself, as if comments and elements in it were not there."""
    first = element.text or ""
    if len(element) == 0:
        return first
    return first + "".join(child.tail or "" for child in element)


def comment_of(element: Element) -> str | None:
    """The first comment in an element."""
    for child in element:
        if child.tag is etree.Comment:
            return (child.text or "").strip()
    return None


def new_root(namespace: str, name: str, *, private: bool = False) -> Element:
    """Make the root of a document.

    Args:
        namespace: its own, which is the default one of the document.
        name: its local name.
        private: whether elements of vigie's own namespace will follow.
    """
    prefixes = {None: namespace, "v": VIGIE} if private else {None: namespace}
    return etree.Element(f"{{{namespace}}}{name}", nsmap=prefixes)


def add(parent: Element, tag: str, text: str | None = None) -> Element:
    """Add an element.

    Args:
        parent: where it is added, last.
        tag: its local name, in its parent's namespace; with ``v:`` before it in vigie's own.
        text: what it contains.
    """
    if tag.startswith("v:"):
        element = etree.SubElement(parent, f"{{{VIGIE}}}{tag[2:]}", nsmap={"v": VIGIE})
    else:
        element = etree.SubElement(parent, f"{{{split(parent)[0]}}}{tag}")
    if text is not None:
        element.text = representable(text)
    return element


def add_comment(parent: Element, text: str) -> None:
    """Add a comment; hyphens that XML does not allow in one are spread."""
    safe = re.sub(r"-(?=-|\Z)", "- ", representable(text))
    parent.append(etree.Comment(safe))


_not_xml = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def representable(text: str) -> str:
    """Replace what XML 1.0 has no way to write by U+FFFD."""
    return text if text.isprintable() else _not_xml.sub("\ufffd", text)


# Within


def _check_encoding(payload: bytes) -> None:
    """Only encodings in which what follows can be looked at as ASCII."""
    if not payload.strip():
        raise XmlError("empty", "a message has an XML document")
    if b"\0" in payload or payload[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise XmlError("encoding", "UTF-8, US-ASCII and ISO-8859-1 are read, no UTF-16 or UTF-32")
    declaration = _declaration.match(payload.removeprefix(_BOM))
    found = _encoding.search(declaration[1]) if declaration else None
    if found is None:
        return
    name = found[1].decode("ascii", "replace").lower()
    if name not in _ENCODINGS:
        raise XmlError("encoding", f"UTF-8, US-ASCII and ISO-8859-1 are read, not {name[:32]}")


def _check_prolog(payload: bytes) -> None:
    """Find a DTD before any parser does: it can only stand before the root."""
    rest = payload.removeprefix(_BOM)
    declaration = _declaration.match(rest)
    at = declaration.end() if declaration else 0
    while True:
        space = _space.match(rest, at)
        at = space.end() if space else at
        if rest.startswith(b"<!--", at):
            end = rest.find(b"-->", at + 4)
            if end < 0:
                raise XmlError("malformed", "a comment does not end")
            at = end + 3
            continue
        if rest.startswith(b"<!", at):
            raise XmlError("doctype", "a document type declaration is not allowed")
        if rest.startswith(b"<?", at):
            raise XmlError("processing-instruction", "processing instructions are not allowed")
        return


def _check_tree(root: Element, limits: XmlLimits) -> None:
    if root.getprevious() is not None or root.getnext() is not None:
        _check_beside(root)
    count = 0
    level = [root]
    for _ in range(1, limits.max_depth + 1):
        count += len(level)
        if count > limits.max_elements:
            raise XmlError("elements", f"at most {limits.max_elements} elements are allowed")
        below: list[Element] = []
        for element in level:
            _check_element(element, limits)
            below.extend(element)
        if not below:
            return
        level = below
    raise XmlError("depth", f"at most {limits.max_depth} elements within each other are allowed")


def _check_beside(root: Element) -> None:
    """Comments may stand beside the root, nothing else."""
    for node in (*root.itersiblings(preceding=True), *root.itersiblings()):
        if node.tag is not etree.Comment:
            raise XmlError("processing-instruction", "processing instructions are not allowed")


def _check_element(element: Element, limits: XmlLimits) -> None:
    if not isinstance(element.tag, str):
        _check_other(element)
        return
    if len(element.text or "") > limits.max_text_chars or (
        len(element) and len(text_of(element)) > limits.max_text_chars
    ):
        rule = f"at most {limits.max_text_chars} characters are allowed in an element"
        raise XmlError("text", f"{split(element)[1]}: {rule}")
    attributes = element.items()
    if not attributes:
        return
    if len(attributes) > limits.max_attributes:
        raise XmlError("attributes", f"at most {limits.max_attributes} attributes are allowed")
    if any(len(value) > limits.max_attribute_chars for _, value in attributes):
        rule = f"at most {limits.max_attribute_chars} characters are allowed in an attribute"
        raise XmlError("attributes", rule)


def _check_other(node: Element) -> None:
    """What is in a document besides elements."""
    if node.tag is etree.ProcessingInstruction:
        raise XmlError("processing-instruction", "processing instructions are not allowed")
    if node.tag is etree.Entity:
        raise XmlError("entity", "entities other than XML's own five are not allowed")

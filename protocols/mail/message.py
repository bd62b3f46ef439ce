"""A mail message read without trusting it: what it says, within limits, or the rule it breaks.

The parser is that of the standard library, with its policy ``compat32``: the newer policies parse
each header by the grammar of RFC 5322 and fail in many ways on what is none. What the parser would
go through by recursion is counted before it begins.
"""

from __future__ import annotations

import hashlib
import re
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from email.utils import parseaddr
from typing import Final, cast

from msgspec import Struct

from protocols.mail.text import decoded_header, text_of

_PARSER: Final = BytesParser(policy=compat32)
_HEADERS_END: Final = re.compile(rb"\r?\n\r?\n")
_FOLDED: Final = re.compile(rb"\r?\n[ \t]")
_NESTING: Final = re.compile(rb"boundary|message\s*/", re.IGNORECASE)
_ID: Final = re.compile(r"<[^<>\s\x00-\x1f]{1,250}>")
_NAME_CHARS: Final = 64
_MAX_IDS: Final = 32
_READ_CHARS: Final = 65_536


class MailLimits(Struct, frozen=True, kw_only=True):
    """What a message may have.

    Attributes:
        max_headers: headers of the message itself.
        max_header_bytes: of one header, folded lines joined.
        max_parts: parts, itself included.
        max_depth: parts within each other.
        max_attachments: parts that are no text to be shown.
        max_attachment_bytes: of one of them, decoded.
        max_received: servers that it has passed (RFC 5321, 6.3).
        text_chars: of the text that is taken into the session; the rest stays in the message.
    """

    max_headers: int = 200
    max_header_bytes: int = 8_192
    max_parts: int = 100
    max_depth: int = 10
    max_attachments: int = 20
    max_attachment_bytes: int = 10_485_760
    max_received: int = 50
    text_chars: int = 2_000


class Attachment(Struct, frozen=True):
    """A part that is no text to be shown: what it is called and is, without its content.

    Attributes:
        name: as the sender calls it, at most 64 characters; empty where it has none.
        type: its media type.
        bytes: how long it is, decoded.
        sha256: of its content, hexadecimal.
    """

    name: str
    type: str
    bytes: int
    sha256: str


class Mail(Struct, frozen=True, kw_only=True):
    """What a message says.

    Attributes:
        id: its Message-ID with the brackets; where it has none, one made of its content.
        answers: ids of the messages that it answers, the closest first.
        sender: the address in From; empty where there is none.
        subject: decoded.
        text: the beginning of what it says.
        cut: whether there is more.
        attachments: what else it has.
        bytes: of the whole message.
        sha256: of the whole message, hexadecimal.
    """

    id: str
    answers: tuple[str, ...]
    sender: str
    subject: str
    text: str
    cut: bool
    attachments: tuple[Attachment, ...]
    bytes: int
    sha256: str


class MailRefused(Exception):  # noqa: N818 - named for what it says of the message
    """A message is not taken.

    Args:
        reply: as SMTP says it (RFC 5321, RFC 3463): code, enhanced code, text.
        rule: which rule it breaks, in a word for counters.
    """

    def __init__(self, reply: str, rule: str) -> None:
        super().__init__(reply)
        self.reply = reply
        self.rule = rule


def read(content: bytes, limits: MailLimits) -> Mail:
    """Read a message.

    Args:
        content: as it came after DATA, without its dots.
        limits: what it may have.

    Raises:
        MailRefused: it breaks a rule.
    """
    _check_headers(content, limits)
    _check_nesting(content, limits)
    message = _PARSER.parsebytes(content)
    headers = _headers(message)
    _check_automatic(headers, limits)
    text, more, attachments = _parts(message, limits)
    digest = hashlib.sha256(content).hexdigest()
    ids = _ID.findall(headers.get("message-id", [""])[0])
    return Mail(
        id=ids[0] if ids else f"<{digest}@no-message-id>",
        answers=_answers(headers),
        sender=_address(headers.get("from", [""])[0]),
        subject=decoded_header(headers.get("subject", [""])[0])[:255],
        text=text[: limits.text_chars],
        cut=more or len(text) > limits.text_chars,
        attachments=attachments,
        bytes=len(content),
        sha256=digest,
    )


def _check_headers(content: bytes, limits: MailLimits) -> None:
    end = _HEADERS_END.search(content)
    head = content if end is None else content[: end.start()]
    lines = _FOLDED.sub(b" ", head).split(b"\n")
    if len(lines) > limits.max_headers:
        raise MailRefused(f"554 5.6.0 more than {limits.max_headers} headers", "headers")
    if max(map(len, lines)) > limits.max_header_bytes:
        rule = f"554 5.6.0 a header is longer than {limits.max_header_bytes} bytes"
        raise MailRefused(rule, "header-bytes")


def _check_nesting(content: bytes, limits: MailLimits) -> None:
    """Count what may make the parser go deeper, before it does.

    Each level needs a boundary, or a message within the message, to be named.
    """
    for named, _ in enumerate(_NESTING.finditer(content), 1):
        if named > limits.max_parts:
            raise _too_many_parts(limits)


def _too_many_parts(limits: MailLimits) -> MailRefused:
    return MailRefused(f"554 5.6.0 more than {limits.max_parts} parts", "parts")


def _headers(message: Message) -> dict[str, list[str]]:
    """Headers by their names in lower case, unfolded; what is not ASCII is replaced."""
    found: dict[str, list[str]] = {}
    for name, value in message.raw_items():
        text = str(value).replace("\r", "").replace("\n", "")
        plain = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        found.setdefault(name.lower(), []).append(plain.strip())
    return found


def _check_automatic(headers: dict[str, list[str]], limits: MailLimits) -> None:
    """Refuse what no person has written, and what goes round (RFC 3834, 2; RFC 5321, 6.3)."""
    if len(headers.get("received", ())) > limits.max_received:
        rule = f"554 5.4.6 more than {limits.max_received} Received headers: a loop"
        raise MailRefused(rule, "loop")
    for said in headers.get("auto-submitted", ()):
        if said.partition(";")[0].strip().lower() not in {"", "no"}:
            raise MailRefused("550 5.7.1 Auto-Submitted: nobody would read the answer", "automatic")


def _answers(headers: dict[str, list[str]]) -> tuple[str, ...]:
    said = [*headers.get("references", ()), *headers.get("in-reply-to", ())]
    ids = [one for value in said for one in _ID.findall(value)]
    return tuple(dict.fromkeys(reversed(ids)))[:_MAX_IDS]


def _address(said: str) -> str:
    address = parseaddr(said[:1_024])[1]
    return address if "@" in address and len(address) <= 254 else ""  # noqa: PLR2004 - RFC 5321


def _parts(message: Message, limits: MailLimits) -> tuple[str, bool, tuple[Attachment, ...]]:
    """The text to be shown, whether it was cut, and the attachments."""
    texts: dict[str, Message] = {}
    attachments: list[Attachment] = []
    for leaf in _leaves(message, limits):
        kind = leaf.get_content_type()
        shown = kind in {"text/plain", "text/html"} and not _is_attached(leaf)
        if shown and kind not in texts:
            texts[kind] = leaf
        elif not shown:
            attachments.append(_attachment(leaf, limits))
            if len(attachments) > limits.max_attachments:
                rule = f"552 5.3.4 more than {limits.max_attachments} attachments"
                raise MailRefused(rule, "attachments")
    best = texts.get("text/plain") or texts.get("text/html")
    if best is None:
        return "", False, tuple(attachments)
    kind, charset = best.get_content_type(), _charset(best)
    text = text_of(_content(best), kind, charset)
    return text[:_READ_CHARS], len(text) > _READ_CHARS, tuple(attachments)


def _leaves(message: Message, limits: MailLimits) -> list[Message]:
    found: list[Message] = []
    waiting, seen = [(message, 1)], 0
    while waiting:
        part, depth = waiting.pop()
        seen += 1
        if seen > limits.max_parts:
            raise _too_many_parts(limits)
        if depth > limits.max_depth:
            rule = f"554 5.6.0 parts within each other more than {limits.max_depth} deep"
            raise MailRefused(rule, "depth")
        if not part.is_multipart():
            found.append(part)
            continue
        inner = cast("list[object]", part.get_payload())
        waiting += [(one, depth + 1) for one in reversed(inner) if isinstance(one, Message)]
    return found


def _is_attached(part: Message) -> bool:
    said = str(part.get("content-disposition", ""))
    return said.partition(";")[0].strip().lower() == "attachment"


def _content(part: Message) -> bytes:
    """The bytes of a part, which is not asked for its type any more.

    The library decodes text by its charset on the way, and fails where a parameter is none.
    """
    del part["content-type"]
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _charset(part: Message) -> str:
    found = re.search(r"charset\*?\s*=\s*\"?([A-Za-z0-9._:-]{1,40})", _raw(part, "content-type"))
    return found[1] if found else "utf-8"


def _raw(part: Message, name: str) -> str:
    return next((str(value) for key, value in part.raw_items() if key.lower() == name), "")


def _attachment(part: Message, limits: MailLimits) -> Attachment:
    kind = part.get_content_type()[:128]
    said = _raw(part, "content-disposition") + ";" + _raw(part, "content-type")
    content = _content(part)
    if len(content) > limits.max_attachment_bytes:
        rule = f"552 5.3.4 an attachment of more than {limits.max_attachment_bytes} bytes"
        raise MailRefused(rule, "attachment-bytes")
    name = re.search(r"(?:file)?name\*?\s*=\s*(?:\"([^\"]*)\"|([^;\s]+))", said, re.IGNORECASE)
    told = "" if name is None else decoded_header(name[1] or name[2] or "")
    digest = hashlib.sha256(content).hexdigest()
    return Attachment(told[:_NAME_CHARS], kind, len(content), digest)

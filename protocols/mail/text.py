"""The words of a mail: headers and bodies in whatever charset, as text without control characters.

What cannot be decoded is shown with U+FFFD in its place: a message is never lost for its charset.
"""

from __future__ import annotations

import binascii
import re
from email.errors import HeaderParseError
from email.header import decode_header
from html.parser import HTMLParser
from typing import Final

_HIDDEN: Final = frozenset({"script", "style", "head", "title"})
_BLOCKS: Final = frozenset({"p", "div", "br", "li", "tr", "h1", "h2", "h3", "blockquote"})
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_BLANK_LINES: Final = re.compile(r"\n{3,}")
_MOST_BYTES: Final = 262_144
_SAFE_CHARSETS: Final = re.compile(
    r"(us-ascii|utf-?(8|16|32)([bl]e)?|iso-?8859-?\d{1,2}|latin-?\d{1,2}|windows-?125\d|cp125\d"
    r"|koi8-[ru]|gb2312|gbk|gb18030|big5|euc-(jp|kr)|shift_?jis|iso-2022-(jp|kr))\Z",
    re.IGNORECASE,
)


def decoded(content: bytes, charset: str) -> str:
    """Decode bytes by a charset of mail; an unknown one is read as UTF-8.

    Args:
        content: bytes.
        charset: as the sender named it; codecs of Python that are no charsets are not used.
    """
    known = charset if _SAFE_CHARSETS.match(charset) else "utf-8"
    try:
        return content.decode(known, "replace")
    except LookupError:  # such as iso-8859-99
        return content.decode("utf-8", "replace")


def clean(text: str) -> str:
    """Text without control characters; lines end with a line feed."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


def decoded_header(value: str) -> str:
    """A header's value with its encoded words decoded (RFC 2047).

    Args:
        value: unfolded; what is no encoded word, or a wrong one, stays as it came.
    """
    try:
        pieces = decode_header(value)
    except (HeaderParseError, binascii.Error, ValueError):
        return clean(value)
    words = [
        piece if isinstance(piece, str) else decoded(piece, charset or "utf-8")
        for piece, charset in pieces
    ]
    return clean("".join(words)).strip()


def text_of(content: bytes, kind: str, charset: str) -> str:
    """What a part says.

    Args:
        content: decoded from its transfer encoding; what is beyond 256 KiB is not read.
        kind: ``text/plain``, or ``text/html``, of which the words alone are taken.
        charset: as the sender named it.
    """
    text = decoded(content[:_MOST_BYTES], charset)
    if kind == "text/html":
        words = _Words()
        words.feed(text)
        text = "".join(words.found)
    return _BLANK_LINES.sub("\n\n", clean(text)).strip()


class _Words(HTMLParser):
    """The words of a page; scripts and styles are none."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._hidden = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Leave out what is not shown; lines end where blocks do."""
        del attrs
        if tag in _HIDDEN:
            self._hidden = tag
        elif tag in _BLOCKS:
            self.found.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """Show again."""
        if tag == self._hidden:
            self._hidden = ""

    def handle_data(self, data: str) -> None:
        """Keep what is shown."""
        if not self._hidden:
            self.found.append(data)

    def unknown_decl(self, data: str) -> None:
        """Say nothing of what is no HTML."""

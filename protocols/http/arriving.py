"""Where requests begin in the bytes of a connection, and what has come of one that is not whole.

An HTTP parser keeps the beginning of a request inside. Whoever hands a connection to another parser
needs these bytes: this follows the framing of HTTP/1.1 (RFC 9112, 6 and 7.1) beside it and keeps
them, and nothing else. It judges no request: that is the parser's business.
"""

from __future__ import annotations

import re
from typing import Final, Literal

_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n")
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked[ \t]*\r\n")
_SIZE: Final = re.compile(rb"[0-9a-fA-F]{1,15}(?=[ \t;]|$)")

Place = Literal["head", "body", "chunk", "data", "trailer", "unknown"]
"""Within a head, or between two requests; a body of known length; the line that begins a chunk; the
chunk; the lines after the last one; somewhere that cannot be told."""


class Arriving:
    """What arrives by one connection.

    Attributes:
        place: where the next byte belongs.
        begun: the bytes of a head that has not come whole; empty between two requests.
    """

    __slots__ = ("_left", "begun", "place")

    def __init__(self) -> None:
        self.place: Place = "head"
        self.begun = b""
        self._left = 0

    @property
    def between(self) -> bool:
        """Whether no body is arriving: ``begun`` is all that has come of the next request."""
        return self.place == "head"

    def take(self, data: bytes) -> None:
        """Follow the bytes of one read."""
        while data:
            match self.place:
                case "head":
                    data = self._head(data)
                case "body" | "data":
                    data = self._skip(data)
                case "unknown":
                    return
                case _:
                    data = self._line(data)

    def _head(self, data: bytes) -> bytes:
        if not self.begun:
            data = data.lstrip(b"\r\n")  # empty lines before a request (RFC 9112, 2.2)
        known = len(self.begun)
        whole = self.begun + data if known else data
        end = whole.find(_END, max(0, known - len(_END)))
        if end < 0:
            self.begun = whole
            return b""
        self.begun = b""
        end += len(_END)
        self._body_of(whole[:end])
        return whole[end:]

    def _body_of(self, head: bytes) -> None:
        head = head.lower()
        if b"\r\nupgrade:" in head or head.startswith(b"connect "):
            self.place = "unknown"
        elif b"\r\ntransfer-encoding:" in head and _CHUNKED.search(head):
            self.place = "chunk"
        elif b"\r\ncontent-length:" in head and (length := _LENGTH.search(head)):
            self._left = int(length[1])
            self.place = "body" if self._left else "head"

    def _skip(self, data: bytes) -> bytes:
        left = self._left - len(data)
        if left > 0:
            self._left = left
            return b""
        rest = data[self._left :]
        self.place = "head" if self.place == "body" else "chunk"
        return rest

    def _line(self, data: bytes) -> bytes:
        whole = self.begun + data
        line, found, rest = whole.partition(b"\r\n")
        if not found:
            self.begun = whole
            return b""
        self.begun = b""
        if self.place == "chunk":
            self._chunk(line)
        elif not line:
            self.place = "head"
        return rest

    def _chunk(self, line: bytes) -> None:
        size = _SIZE.match(line)
        if size is None:
            self.place = "unknown"
            return
        self._left = int(size[0], 16) + len(b"\r\n")
        self.place = "data" if self._left > len(b"\r\n") else "trailer"

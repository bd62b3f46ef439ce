"""The header of CSTA XML over TCP without SOAP: where a message ends, and which one it answers.

Eight bytes precede each message: 00 00, the length of header and message in two bytes, big-endian,
and the invoke id as four ASCII digits. ECMA-323 annex J.2; the meaning of 9999 is contract 4's.
"""

from __future__ import annotations

import struct
from typing import Literal, TypeAlias

from msgspec import Struct

HEADER_BYTES = 8

MAX_TOTAL_BYTES = 65_535
"""Header and message together: no longer length fits into the header's two bytes."""

EVENT_INVOKE_ID = 9_999
"""The invoke id of events, which are not answered."""

MAX_INVOKE_ID = 9_998
"""The greatest invoke id of a request."""

HeaderRule: TypeAlias = Literal["format", "too-short", "too-long", "invoke-id"]

_header = struct.Struct(">HH4s")


class HeaderError(Exception):
    """Not a header: where the next message begins is unknown, so the connection is of no use.

    Args:
        rule: "format", the first two bytes are not 00 00; "too-short", a total length under 8;
            "too-long", one over the limit; "invoke-id", not four digits.
        msg: the rule in words, for the peer and the log.
    """

    def __init__(self, rule: HeaderRule, msg: str) -> None:
        super().__init__(rule, msg)
        self.rule = rule
        self.msg = msg

    @property
    def code(self) -> Literal[400, 413]:
        """What framing A's ``error`` would have as its code."""
        return 413 if self.rule == "too-long" else 400


class Segment(Struct, frozen=True):
    """One message as it travels.

    Attributes:
        invoke_id: 0 to 9998, or 9999 for an event.
        payload: an XML document; not looked at.
    """

    invoke_id: int
    payload: bytes


def encode(invoke_id: int, payload: bytes, *, max_bytes: int = MAX_TOTAL_BYTES) -> bytes:
    """Make the bytes of one message, header included.

    Args:
        invoke_id: of the request, of the request that is answered, or 9999 for an event.
        payload: the XML document.
        max_bytes: the greatest total length allowed, bytes.

    Raises:
        HeaderError: "too-long", or "invoke-id" where it is not 0 to 9999.
    """
    if not 0 <= invoke_id <= EVENT_INVOKE_ID:
        raise HeaderError("invoke-id", f"an invoke id is 0 to {EVENT_INVOKE_ID}, not {invoke_id}")
    total = HEADER_BYTES + len(payload)
    if total > min(max_bytes, MAX_TOTAL_BYTES):
        raise _too_long(total, min(max_bytes, MAX_TOTAL_BYTES))
    return _header.pack(0, total, b"%04d" % invoke_id) + payload


class Decoder:
    """Cuts a byte stream into messages; holds what was fed and not yet taken, nothing else.

    Whoever feeds takes every whole message before feeding again.

    Args:
        max_bytes: the greatest total length accepted, bytes; at most 65,535.
    """

    __slots__ = ("_buffer", "_max_bytes", "_start")

    def __init__(self, max_bytes: int = MAX_TOTAL_BYTES) -> None:
        self._buffer = bytearray()
        self._start = 0
        self._max_bytes = min(max_bytes, MAX_TOTAL_BYTES)

    @property
    def pending(self) -> bytes:
        """Bytes fed that no message has taken yet."""
        return bytes(self._buffer[self._start :])

    @property
    def pending_bytes(self) -> int:
        """How many they are."""
        return len(self._buffer) - self._start

    def feed(self, data: bytes) -> None:
        """Add bytes as they came from the connection: any number, cut anywhere."""
        if self._start:
            del self._buffer[: self._start]
            self._start = 0
        self._buffer += data

    def next_segment(self) -> Segment | None:
        """Take the next whole message, or None when it needs more bytes.

        Raises:
            HeaderError: what follows is no header; found from the header alone, before its message
                has come. Messages before it have been returned; none follows.
        """
        if self.pending_bytes < HEADER_BYTES:
            return None
        total, invoke_id = _read_header(self._buffer, self._start, self._max_bytes)
        end = self._start + total
        if end > len(self._buffer):
            return None
        payload = bytes(self._buffer[self._start + HEADER_BYTES : end])
        self._start = end
        return Segment(invoke_id, payload)


def _read_header(buffer: bytearray, start: int, max_bytes: int) -> tuple[int, int]:
    """The total length and the invoke id of the message that starts there."""
    form, total, digits = _header.unpack_from(buffer, start)
    if form != 0:
        raise HeaderError("format", f"the first two bytes are 00 00 (no SOAP), not {form:04x}")
    if total < HEADER_BYTES:
        rule = f"a total length of {total}: the header alone has {HEADER_BYTES} bytes"
        raise HeaderError("too-short", rule)
    if total > max_bytes:
        raise _too_long(total, max_bytes)
    if not digits.isdigit():
        raise HeaderError("invoke-id", f"the invoke id is four ASCII digits, not {digits.hex()}")
    return total, int(digits)


def _too_long(total: int, max_bytes: int) -> HeaderError:
    return HeaderError("too-long", f"a message of {total} bytes: at most {max_bytes} are allowed")

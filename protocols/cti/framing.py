"""Framing A of the CTI link: a `uint32` big-endian payload length, then one msgpack map.

The `msgpack` package unpacks here because its limits (lengths, depth, key types, extension types)
are checked while the bytes are read, before anything is allocated for them; the typed records of
`messages` are made from its maps by msgspec. Together they take about 5 microseconds a frame.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import msgpack

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_FRAME_BYTES = 65_535
"""Payload bytes of the longest frame, unless `cti.max_frame_bytes` says otherwise."""

FIRST_BYTES = 5
"""How many bytes of a connection decide its framing."""

HEADER_BYTES = 4

Framing = Literal["A", "B", "unknown", "undecided"]

_header = struct.Struct(">I")


class FramingError(Exception):
    """The stream is broken: the peer gets `error` and the link is closed.

    Args:
        code: 413 for a frame over the limit, 400 for one that is not a well-formed map.
        msg: the rule that was broken, for the peer and the log.
    """

    def __init__(self, code: Literal[400, 413], msg: str) -> None:
        super().__init__(code, msg)
        self.code: Literal[400, 413] = code
        self.msg = msg


def recognise(first: bytes) -> Framing:
    """Tell which framing a connection speaks by its first five bytes (contract 3).

    Args:
        first: the bytes received so far, any number of them.

    Returns:
        "B" for 00 00 and an ASCII digit at the fifth byte (CSTA XML's header), "A" for a msgpack
        map there, "unknown" for anything else, "undecided" while there are fewer than five.
    """
    if len(first) < FIRST_BYTES:
        return "undecided"
    fifth = first[4]
    if first[:2] == b"\0\0" and 0x30 <= fifth <= 0x39:  # noqa: PLR2004 - ASCII 0 to 9
        return "B"
    if 0x80 <= fifth <= 0x8F or fifth in (0xDE, 0xDF):  # noqa: PLR2004 - fixmap, map 16, map 32
        return "A"
    return "unknown"


def encode(frame: Mapping[str, Any], *, max_bytes: int = MAX_FRAME_BYTES) -> bytes:
    """Make the bytes of one frame, header included.

    Args:
        frame: field names to values that msgpack knows.
        max_bytes: the longest payload allowed, in bytes.

    Raises:
        FramingError: 413, the payload is longer than `max_bytes`.
    """
    return enclose(msgpack.packb(frame), max_bytes=max_bytes)


def enclose(payload: bytes, *, max_bytes: int = MAX_FRAME_BYTES) -> bytes:
    """Put the header before a payload.

    Args:
        payload: a msgpack map.
        max_bytes: the longest that is allowed, in bytes.

    Raises:
        FramingError: 413, it is longer.
    """
    if len(payload) > max_bytes:
        raise _too_long(len(payload), max_bytes)
    return _header.pack(len(payload)) + payload


def unpack(payload: bytes | bytearray) -> dict[str, Any]:
    """Read one frame's payload.

    Extension types, map keys that are not text and text that is not UTF-8 are malformed; msgpack
    itself bounds every announced length by the payload's and the depth by its stack.

    Args:
        payload: what follows the length.

    Raises:
        FramingError: 400, the payload is not exactly one well-formed msgpack map.
    """
    try:
        frame = msgpack.unpackb(payload, strict_map_key=True, max_ext_len=0, ext_hook=_refuse_ext)
    except ValueError as error:
        # msgpack says nothing more than its type for some of them (StackError, FormatError).
        raise FramingError(
            400, f"malformed msgpack: {str(error) or type(error).__name__}"
        ) from None
    if not isinstance(frame, dict):
        raise FramingError(400, f"a frame is a msgpack map, not {type(frame).__name__}")
    return frame


class Decoder:
    """Cuts a byte stream into frames; holds what was fed and not yet taken, nothing else.

    Whoever feeds takes every whole frame before feeding again, so that at most one incomplete frame
    and one read are held.

    Args:
        max_bytes: the longest payload accepted, in bytes.

    Attributes:
        left: bytes fed that no frame has taken yet.
    """

    __slots__ = ("_buffer", "_max_bytes", "_start", "left")

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        # Bytes as long as reads end with frames; else a bytearray, which grows without copying
        # all of a long frame at each of many short reads.
        self._buffer: bytes | bytearray = b""
        self._start = 0
        self._max_bytes = max_bytes
        self.left = 0

    @property
    def pending(self) -> bytes:
        """Bytes fed that no frame has taken yet."""
        return bytes(self._buffer[self._start :])

    @property
    def pending_bytes(self) -> int:
        """How many they are."""
        return self.left

    def feed(self, data: bytes) -> None:
        """Add bytes as they came from the connection: any number, cut anywhere."""
        if not self.left:
            self._buffer = data
        elif isinstance(self._buffer, bytearray):
            del self._buffer[: self._start]
            self._buffer += data
        else:
            self._buffer = bytearray(self._buffer[self._start :])
            self._buffer += data
        self._start = 0
        self.left += len(data)

    def next_frame(self) -> dict[str, Any] | None:
        """Take the next whole frame, or None when it needs more bytes.

        Raises:
            FramingError: the frame is too long (found from its length alone, before its payload
                has come) or malformed. Frames before it have been returned; none follows.
        """
        if self.left < HEADER_BYTES:
            return None
        (length,) = _header.unpack_from(self._buffer, self._start)
        if length > self._max_bytes:
            raise _too_long(length, self._max_bytes)
        left = self.left - HEADER_BYTES - length
        if left < 0:
            return None
        payload = self._start + HEADER_BYTES
        frame = unpack(self._buffer[payload : payload + length])
        self._start, self.left = payload + length, left
        return frame


def _too_long(length: int, max_bytes: int) -> FramingError:
    return FramingError(413, f"a frame of {length} bytes: at most {max_bytes} are allowed")


def _refuse_ext(code: int, _data: bytes) -> NoReturn:
    # max_ext_len leaves empty extensions to this hook.
    raise ValueError(f"extension type {code}")

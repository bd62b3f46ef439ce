"""What the two sides of a takeover say to each other, as bytes: no sockets here.

A frame is its length (4 bytes, big-endian), the number of descriptors that travel with it (2) and
one message in msgpack. The order on the way:

    takes:  Hello                   Agreed  Begin                                    Prepared
    gives:         Offer | Refused                Items* Copied Items* Body* End

Either side may say Failed at any time, and Forward in a shadow.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Literal
from zlib import crc32

import msgspec
from msgspec import Struct

from supervision.release.carrier import Slice

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = 1
"""Of these frames; one that another release speaks is refused at the hello."""

Mode = Literal["takeover", "check", "shadow"]

_HEADER = struct.Struct(">IH")


class TakeoverFailed(Exception):  # noqa: N818 - a state of affairs
    """The takeover is off; the message says why, for operators.

    Attributes:
        own: Whether it is for this side that it is off; False where the other one went away, did
            not answer, or said that it cannot go on: this side is not to blame for that.
    """

    own: bool = True


class TakeoverRefused(TakeoverFailed):
    """The two sides do not agree; nothing has been touched."""


class PeerGone(TakeoverFailed):
    """The other process ended, let go of the connection, or does not answer."""

    own = False


class PeerFailed(TakeoverFailed):
    """The other side said that it cannot go on."""

    own = False

    def __init__(self, why: str) -> None:
        super().__init__(f"the other side: {why}")


class WireDamaged(TakeoverFailed):
    """What came is not what was sent."""


class PartHead(Struct, frozen=True, array_like=True):
    """A part as one side introduces it.

    Attributes:
        version: of its state, in this side's code.
        optional: whether the other side may know nothing of it.
        bulk: whether it travels in slices.
        types: versions of the kinds of state inside it.
    """

    version: int
    optional: bool = False
    bulk: bool = False
    types: dict[str, int] = {}


class Hello(Struct, frozen=True, tag_field="t", tag="hello"):
    """The side that takes introduces itself; `dropped` names what it does without."""

    format: int
    secret: str
    mode: Mode
    release: str
    parts: dict[str, PartHead]
    dropped: tuple[str, ...] = ()


class Offer(Struct, frozen=True, tag_field="t", tag="offer"):
    """The side that gives: the version that each part will be written in, and what does not travel.

    Attributes:
        release: whose node it is.
        parts: the parts that travel, in order, with the version they are written in.
        types: versions of the kinds of state inside them.
        dropped: what this side has and the other one does without.
        new: what the other side has and this one does not.
    """

    release: str
    parts: dict[str, int]
    types: dict[str, dict[str, int]]
    dropped: tuple[str, ...] = ()
    new: tuple[str, ...] = ()


class Refused(Struct, frozen=True, tag_field="t", tag="refused"):
    """The two cannot take over from each other."""

    why: str


class Agreed(Struct, frozen=True, tag_field="t", tag="agreed"):
    """The side that takes can read all that is offered."""


class Begin(Struct, frozen=True, tag_field="t", tag="begin"):
    """The side that takes is whole: items may come."""


class Items(Struct, frozen=True, tag_field="t", tag="items"):
    """Some items of a bulk."""

    part: str
    slice: Slice


class Copied(Struct, frozen=True, tag_field="t", tag="copied"):
    """Everything has travelled once, and few items are due."""

    counts: dict[str, int]


class Body(Struct, frozen=True, tag_field="t", tag="body"):
    """The state of a part; its descriptors follow in messages of their own."""

    part: str
    body: bytes
    descriptors: int = 0


class Descriptors(Struct, frozen=True, tag_field="t", tag="descriptors"):
    """Carries some descriptors of the part whose body came before."""


class End(Struct, frozen=True, tag_field="t", tag="end"):
    """All has been sent.

    Attributes:
        counts: items of each bulk.
        crc: of every byte before this frame (CRC-32).
        held_at: monotonic seconds of this machine at which the node took no more input.
    """

    counts: dict[str, int]
    crc: int
    held_at: float = 0.0


class Prepared(Struct, frozen=True, tag_field="t", tag="prepared"):
    """The side that takes has all of it, counted and summed, and has touched nothing."""

    counts: dict[str, int]
    crc: int


class Failed(Struct, frozen=True, tag_field="t", tag="failed"):
    """The side that says so cannot go on."""

    why: str


class Forward(Struct, frozen=True, tag_field="t", tag="forward"):
    """A record of the application's own, in a shadow."""

    data: bytes


Message = (
    Hello
    | Offer
    | Refused
    | Agreed
    | Begin
    | Items
    | Copied
    | Body
    | Descriptors
    | End
    | Prepared
    | Failed
    | Forward
)

_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def framed(message: Message, descriptors: int, limit: int) -> bytes:
    """A message as it travels.

    Args:
        message: what is said.
        descriptors: how many travel with it.
        limit: bytes that a message may have.

    Raises:
        TakeoverFailed: it is longer.
    """
    payload = _encode(message)
    if len(payload) > limit:
        raise TakeoverFailed(
            f"{_name(message)}: {len(payload)} bytes, and a message has at most {limit}"
        )
    return _HEADER.pack(len(payload), descriptors) + payload


def _name(message: Any) -> str:
    part = getattr(message, "part", "")
    return f"{type(message).__name__.lower()} of {part}" if part else type(message).__name__.lower()


class Frames:
    """Takes bytes in whatever portions they come, and gives messages.

    Args:
        limit: bytes that a message may have.

    Attributes:
        crc: of every byte of the frames that were given, the last one included (CRC-32).
        crc_before: the same without the last one.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self.crc = 0
        self.crc_before = 0

    def feed(self, data: bytes) -> None:
        """Take some bytes."""
        self._buffer += data

    @property
    def begun(self) -> bool:
        """Whether a frame has begun to come and is not whole."""
        return bool(self._buffer)

    def messages(self) -> Iterator[tuple[Message, int]]:
        """The messages that are whole by now, each with the number of its descriptors.

        Raises:
            WireDamaged: what came is no message.
        """
        ends = list(self._ends())
        if not ends:
            return
        whole = memoryview(self._buffer[: ends[-1]])
        del self._buffer[: ends[-1]]
        at = 0
        for end in ends:
            _, descriptors = _HEADER.unpack_from(whole, at)
            self.crc_before, self.crc = self.crc, crc32(whole[at:end], self.crc)
            yield _decoded(whole[at + _HEADER.size : end]), descriptors
            at = end

    def _ends(self) -> Iterator[int]:
        """Where the frames end that are whole."""
        at, have = 0, len(self._buffer)
        while at + _HEADER.size <= have:
            length, _ = _HEADER.unpack_from(self._buffer, at)
            if length > self._limit:
                raise WireDamaged(f"a message of {length} bytes: at most {self._limit} are taken")
            at += _HEADER.size + length
            if at > have:
                return
            yield at


def _decoded(payload: memoryview) -> Message:
    try:
        return _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WireDamaged(
            f"{len(payload)} bytes that are no message of a takeover: {error}"
        ) from None

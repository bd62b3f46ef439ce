"""What a link tells its caller, and why it ends."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from protocols.cti.messages import ErrorCode, Hello, Message

CloseReason: TypeAlias = Literal[
    "framing-b",
    "framing-unknown",
    "handshake-timeout",
    "refused",
    "malformed",
    "unnumbered",
    "gap",
    "silent",
    "peer",
    "truncated",
    "slow-reader",
    "replaced",
    "shutdown",
]
"""Why a link ended: framing B, which an older version does not serve; first bytes of no framing; no
hello in time; hello refused; a frame too long or not a map; a frame without `i`; a gap in `i`;
heartbeats missed; closed by the peer, between frames or within one; its output not read; another
connection goes on with its link session; vigie stops."""


class Transmit(Struct, frozen=True):
    """Write these bytes to the connection."""

    data: bytes


class HelloReceived(Struct, frozen=True):
    """A peer presents itself: check its token, then call one of the link's methods.

    Without `resume` `accept` or `refuse`; with it `resume`, `resume_lost` or `refuse`.
    """

    hello: Hello


class Received(Struct, frozen=True):
    """A valid message for the application.

    Attributes:
        message: its `i` is to be confirmed once its effect is durable.
        at: the time passed in with its bytes.
        again: it is a request that was received before, and that the peer sent again after a
            resume without having got its answer: its clock starts anew.
    """

    message: Message
    at: float
    again: bool = False


class Refused(Struct, frozen=True):
    """A frame was refused; its `error` is in the `Transmit` before. To be counted and logged."""

    code: ErrorCode
    msg: str
    field: str | None
    ref: int


class FramingB(Struct, frozen=True):
    """The peer speaks framing B: a link of that framing goes on with what has `arrived`.

    The link that tells so takes nothing more; it still ends in time when nobody goes on.
    """


class Closed(Struct, frozen=True):
    """The link has ended: write what came before, then close the connection.

    Attributes:
        reason: why.
        msg: the rule or the circumstance, for the log.
        code: that of the `error` which the peer got, None when it got none.
    """

    reason: CloseReason
    msg: str
    code: ErrorCode | None = None


Event: TypeAlias = Transmit | HelloReceived | Received | Refused | FramingB | Closed

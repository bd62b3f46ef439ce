"""What a visitor of the web chat and vigie say to each other: JSON texts on a WebSocket."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from protocols.cti.messages import UserData

Seq = Annotated[int, Meta(ge=1, le=1_000_000)]
ChatText = Annotated[str, Meta(min_length=1, max_length=2_000)]


class ChatAdmission(Struct, frozen=True, kw_only=True):
    """What a ticket says; who has it may begin one conversation, or go on with it.

    Attributes:
        call: Id of the conversation.
        rp: Routing point where it waits.
        ani: The visitor, as the session has it.
        expires: Until when, seconds since the epoch.
        lang: Of the visitor.
        ud: User data of the session.
    """

    call: str
    rp: str
    ani: str
    expires: float
    lang: str | None = None
    ud: UserData = {}


class Hello(Struct, frozen=True, kw_only=True, tag_field="t", tag="hello"):
    """The first frame: with a ticket, or with a token to go on; `n` is the last number seen."""

    ticket: str | None = None
    token: str | None = None
    n: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class Say(Struct, frozen=True, kw_only=True, tag_field="t", tag="message"):
    """The visitor says something; `seq` goes up by one and is repeated for the same message."""

    seq: Seq
    text: ChatText


class Typing(Struct, frozen=True, kw_only=True, tag_field="t", tag="typing"):
    """The visitor is typing."""


class End(Struct, frozen=True, kw_only=True, tag_field="t", tag="end"):
    """The visitor leaves for good."""


Frame = Hello | Say | Typing | End
_DECODER: msgspec.json.Decoder[Frame] = msgspec.json.Decoder(Hello | Say | Typing | End)


class ChatClosed(Exception):  # noqa: N818 - named for what it says of the connection
    """A connection is to be closed.

    Args:
        code: of the close frame (RFC 6455, 7.4.2: 4000 to 4999 are ours).
        error: in a word, as the frame `error` says it; empty where nothing is wrong.
        rule: what should have held.
    """

    def __init__(self, code: int, error: str = "", rule: str = "") -> None:
        super().__init__(error)
        self.code = code
        self.error = error
        self.rule = rule


RESTART = 1012
MALFORMED, UNAUTHORIZED, LATE, REPLACED, OVER, TOO_FAST = 4400, 4401, 4408, 4409, 4410, 4429
TRY_LATER = 1013


def read(text: str) -> Frame:
    """Read a frame of a visitor.

    Raises:
        ChatClosed: it is none; the rule says why.
    """
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise ChatClosed(MALFORMED, "malformed", str(error)[:200]) from None


def write(kind: str, **fields: Any) -> str:
    """Write a frame of ours."""
    return msgspec.json.encode({"t": kind, **fields}).decode()

"""A conversation as the journey of its session tells it: pure functions on plain records.

Each message is a step of the journey: ``{n, from, text, id, ...}``. Its number is given under a
lock, one after the other, so that who has seen number 7 is told what came after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from msgspec import Struct

from actors.session_api import JourneyStep, StepDataLimit
from actors.session_data import user_data_bytes

if TYPE_CHECKING:
    from actors.channels.counts import Channel
    from actors.session_api import IdempotentKey, Routing, SessionView

APP = "channel"
EVENT = "message"
Side: TypeAlias = Literal["customer", "agent"]
_OVERHEAD = 16
"""Bytes that a text needs besides itself in the data of a step."""


class Message(Struct, frozen=True, kw_only=True):
    """A message as it comes, before it has a number.

    Attributes:
        side: who says it.
        text: what.
        id: by which it is known where it comes from; empty where it has none.
        extra: what else is noted of it, plain data.
    """

    side: Side
    text: str
    id: str = ""
    extra: dict[str, Any] = {}


class ChannelMessage(Struct, frozen=True, kw_only=True):
    """A message of a conversation.

    Attributes:
        n: its number, from 1.
        ts: when it came, seconds since the epoch.
        side: who says it.
        text: what; the beginning of it where `extra` says that it was cut.
        id: by which it is known where it comes from.
        extra: what else was noted of it.
    """

    n: int
    ts: float
    side: str
    text: str
    id: str = ""
    extra: dict[str, Any] = {}


class Arrival(Struct, frozen=True, kw_only=True):
    """A message of a customer that has come by a channel.

    Attributes:
        media: the channel.
        call: id of the session that it opens, where it opens one; always the same for it.
        once: under which key it is taken once.
        joins: keys of messages whose open session it belongs to, the best first.
        thread: of the same sender's messages, those with the same one are a conversation; empty:
            none are.
        ani: who it is from.
        dnis: what it is addressed to.
        rp: the routing point where it waits.
        number: whether `ani` is a telephone number.
        lang: of the customer, where it is known.
        ud: user data of a session that it opens.
        message: what it says.
    """

    media: Channel
    call: str
    once: IdempotentKey
    ani: str
    dnis: str
    rp: str
    message: Message
    joins: tuple[str, ...] = ()
    thread: str = ""
    number: bool = False
    lang: str | None = None
    ud: dict[str, Any] = {}


class Received(Struct, frozen=True):
    """What became of a message, durably.

    Attributes:
        session: where it is.
        outcome: ``opened`` this session, ``joined`` it, or had come before: ``repeated``.
        n: its number; 0 where it is not known any more.
    """

    session: str
    outcome: Literal["opened", "joined", "repeated"]
    n: int


def data_of(message: Message, n: int, limit: int) -> dict[str, Any]:
    """The data of a message's step; its text is cut where it would not fit.

    Args:
        message: the message.
        n: its number.
        limit: bytes that the data of a step may take.
    """
    data = {"n": n, "from": message.side, **message.extra}
    if message.id:
        data["id"] = message.id
    room = max(0, limit - user_data_bytes(data) - _OVERHEAD)
    text = message.text.encode()
    if len(text) > room:
        room = max(0, room - len("cut") - 2)
        data["cut"] = True
    return {**data, "text": text[:room].decode("utf-8", "ignore")}


def fitting(message: Message, media: str, n: int, limit: int) -> dict[str, Any]:
    """The data of a message's step, of a channel that has nowhere else to keep a long one.

    Raises:
        StepDataLimit: it would have to be cut; a mail is, for its file has all of it.
    """
    data = data_of(message, n, limit)
    if media != "mail" and data.get("cut"):
        raise StepDataLimit(limit)
    return data


def step_of(message: Message, media: str, n: int, limit: int, ts: float) -> JourneyStep:
    """The step of a message that a session begins with."""
    return JourneyStep(ts=ts, step=media, ev=EVENT, app=APP, data=fitting(message, media, n, limit))


def messages_of(view: SessionView) -> list[ChannelMessage]:
    """The messages of a session's conversation that its journey still has, in order."""
    known = {"n", "from", "text", "id"}
    return [
        ChannelMessage(
            n=step.data["n"],
            ts=step.ts,
            side=step.data["from"],
            text=step.data["text"],
            id=step.data.get("id", ""),
            extra={key: value for key, value in step.data.items() if key not in known},
        )
        for step in view.journey
        if step.app == APP and step.ev == EVENT and {"n", "from", "text"} <= step.data.keys()
    ]


def last_number(view: SessionView) -> int:
    """The number of the last message; 0 where there is none."""
    return max((one.n for one in messages_of(view)), default=0)


def waits(routing: Routing | None) -> bool:
    """Whether a conversation has no agent or destination yet, by its last decision."""
    if routing is None:
        return True
    return routing.reason in {"queued", "overflow"} and routing.rtype != "direct_agent"

"""Operations on conversations: mail, web chat, social media."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct

from actors.channels.messages import ChannelMessage, messages_of
from actors.web import admission
from actors.web.api import Call, Operation, Reply, operation
from actors.web.problems import (
    NO_SUCH_MESSAGE,
    NO_SUCH_SESSION,
    OVERLOADED,
    SESSION_CLOSED,
)
from actors.web.session_operations import session_id
from protocols.http import problem

if TYPE_CHECKING:
    from actors.web.tokens import Scope

_READERS: tuple[Scope, ...] = ("viewer", "ivr")
_GONE = (NO_SUCH_SESSION, SESSION_CLOSED, problem.UNAVAILABLE, OVERLOADED)
EML = "message/rfc822"


class ChannelReport(Struct, frozen=True):
    """A channel, and what this node process has made of its messages.

    Attributes:
        channel: `mail`, `chat` or `social`.
        enabled: Whether the configuration has it.
        messages: How many by outcome: `opened`, `joined`, `repeated`, `refused-RULE`.
    """

    channel: str
    enabled: bool
    messages: dict[str, int]


class ChannelsReport(Struct, frozen=True):
    """All channels."""

    items: list[ChannelReport]


class Conversation(Struct, frozen=True):
    """The messages of a session, in order.

    Attributes:
        session: Its id.
        media: The channel; None of a telephone call.
        state: Of the session.
        messages: Those that its journey still has.
    """

    session: str
    media: str | None
    state: str
    messages: list[ChannelMessage]


@operation("GET", "/api/v1/channels", scopes=("viewer",), response=ChannelsReport)
async def get_channels(call: Call[None, None]) -> Reply:
    """The channels, and what was taken and refused."""
    found = call.services.channels.statistics()
    items = [
        ChannelReport(name, counts is not None, dict(counts or {}))
        for name, counts in found.items()
    ]
    return Reply(value=ChannelsReport(items))


@operation(
    "GET",
    "/api/v1/sessions/{session}/messages",
    scopes=_READERS,
    response=Conversation,
    problems=_GONE,
    admit=admission.reading,
)
async def get_messages(call: Call[None, None]) -> Reply:
    """The messages of a conversation."""
    view = await call.services.sessions.get(session_id(call))
    return Reply(value=Conversation(view.session, view.media, view.state, messages_of(view)))


@operation(
    "GET",
    "/api/v1/channels/mail/{message}",
    scopes=_READERS,
    media_types=(EML,),
    problems=(NO_SUCH_MESSAGE,),
)
async def get_mail(call: Call[None, None]) -> Reply:
    """A mail as it came, by the `raw` of its message."""
    content = await asyncio.to_thread(call.services.channels.spool.read, call.path["message"])
    if content is None:
        rule = "64 hexadecimal digits of a mail that is kept"
        raise problem.HttpProblem(NO_SUCH_MESSAGE, "no such mail", field="message", rule=rule)
    headers = {"Content-Disposition": "attachment", "Content-Security-Policy": "sandbox"}
    return Reply(value=content, headers=headers)


OPERATIONS: tuple[Operation, ...] = (get_channels, get_messages, get_mail)

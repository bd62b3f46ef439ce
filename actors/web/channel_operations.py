"""Operations on conversations: mail, web chat, social media."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from actors.channels.chat_frames import ChatAdmission, ChatText
from actors.channels.messages import ChannelMessage, Message, messages_of
from actors.session_data import user_data_bytes
from actors.web import admission
from actors.web.api import Call, Operation, Reply, operation
from actors.web.chat_socket import PATH
from actors.web.problems import (
    CONVERSATION_FULL,
    NO_SUCH_CHANNEL,
    NO_SUCH_MESSAGE,
    NO_SUCH_SESSION,
    ONE_WAY,
    OVERLOADED,
    SESSION_CLOSED,
    STEP_DATA_TOO_LARGE,
    USER_DATA_TOO_LARGE,
)
from actors.web.session_operations import session_id
from protocols.cti.messages import Name, UserData
from protocols.http import problem

if TYPE_CHECKING:
    from actors.session_api import IdempotentKey
    from actors.web.tokens import Scope

MAX_TICKET_DATA = 1_024
_WRITERS: tuple[Scope, ...] = ("ivr", "operator")
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


class NewMessage(Struct, frozen=True, kw_only=True):
    """What an agent says.

    Attributes:
        text: To the visitor.
        typing: Instead of a text: that one is being written.
        by: Who says it.
    """

    text: ChatText | None = None
    typing: bool = False
    by: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class MessageSaid(Struct, frozen=True):
    """The message is in the conversation.

    Attributes:
        session: Where.
        n: Its number; 0 of none.
        delivered: Whether the visitor is connected now; one who comes back is told then.
    """

    session: str
    n: int
    delivered: bool


class NewTicket(Struct, frozen=True, kw_only=True):
    """Who is to chat.

    Attributes:
        rp: The routing point where the conversation waits.
        visitor: Who it is from, such as a mail address; without one an id is made.
        lang: Of the visitor.
        ud: User data of the session, at most 1 KiB.
    """

    rp: Name
    visitor: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    lang: Annotated[str, Meta(max_length=16)] | None = None
    ud: UserData = {}


class ChatTicket(Struct, frozen=True):
    """What the visitor's page says hello with.

    Attributes:
        ticket: Signed; of use for one conversation.
        expires: Until when it may be used, seconds since the epoch.
        path: Of the WebSocket.
    """

    ticket: str
    expires: float
    path: str


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


@operation(
    "POST",
    "/api/v1/sessions/{session}/messages",
    scopes=_WRITERS,
    request=NewMessage,
    response=MessageSaid,
    problems=(*_GONE, ONE_WAY, CONVERSATION_FULL, STEP_DATA_TOO_LARGE),
    remembered_by="sessions",
    admit=admission.changing,
)
async def post_message(call: Call[None, NewMessage]) -> Reply:
    """Say something to the visitor of a chat, or that it is being written."""
    session, channels, body = session_id(call), call.services.channels, call.body
    view = await call.services.sessions.get(session)
    if view.media != "chat":
        rule = "the session of a chat"
        raise problem.HttpProblem(ONE_WAY, f"media {view.media}", field="session", rule=rule)
    if body.text is None:
        if not body.typing:
            raise problem.invalid("text", "given, or else typing")
        return Reply(value=MessageSaid(session, 0, channels.wake(view.call, typing=True)))
    said = await channels.conversations.say(session, _message(body, call.once), call.once)
    return Reply(value=MessageSaid(session, said.n, channels.wake(view.call)))


def _message(body: NewMessage, once: IdempotentKey | None) -> Message:
    mark = "" if once is None else f"a-{hashlib.sha256(once.key.encode()).hexdigest()[:16]}"
    extra = {} if body.by is None else {"by": body.by}
    return Message(side="agent", text=body.text or "", id=mark, extra=extra)


@operation(
    "POST",
    "/api/v1/channels/chat/tickets",
    scopes=_WRITERS,
    request=NewTicket,
    response=ChatTicket,
    status=201,
    problems=(NO_SUCH_CHANNEL, USER_DATA_TOO_LARGE),
)
async def make_chat_ticket(call: Call[None, NewTicket]) -> Reply:
    """Let a visitor of a web page begin one conversation, soon."""
    chat, body = call.services.channels.chat, call.body
    if chat is None:
        raise problem.HttpProblem(NO_SUCH_CHANNEL, "channels.chat.enabled is false")
    if user_data_bytes(body.ud) > MAX_TICKET_DATA:
        rule = f"at most {MAX_TICKET_DATA} bytes"
        raise problem.HttpProblem(USER_DATA_TOO_LARGE, f"ud takes {rule}", field="ud", rule=rule)
    admitted = ChatAdmission(
        call="", rp=body.rp, ani=body.visitor or "", expires=0.0, lang=body.lang, ud=body.ud
    )
    ticket, expires = chat.ticket(admitted)
    return Reply(value=ChatTicket(ticket, expires, PATH))


OPERATIONS: tuple[Operation, ...] = (
    get_channels,
    get_messages,
    post_message,
    get_mail,
    make_chat_ticket,
)

"""The web chat of a node: who may begin, who is connected, and what is waiting for whom."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from msgspec.structs import replace

from actors.channels.chat_frames import UNAUTHORIZED, ChatAdmission, ChatClosed
from actors.channels.messages import Arrival, Message
from actors.session_api import IdempotentKey
from protocols.http import tickets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from actors.channels.chat_connection import ChatConnection
    from actors.channels.chat_frames import Hello, Say
    from actors.channels.conversations import Conversations
    from actors.channels.counts import ChannelCounts
    from actors.channels_config import ChatConfig
    from supervision.clock import Clock

KEY_BYTES = 32
TICKET, TOKEN = "chat ticket", "chat token"
FINGERPRINT = "chat"


class ChatDesk:
    """The chat of a node.

    Args:
        config: ``[channels.chat]``.
        conversations: of the node.
        counts: of the chat.
        refuses: why nothing new is begun now; empty where it is.
        clock: of the node.
        data: the data directory; the secret that signs tickets is kept there.

    Attributes:
        serving: whether chatServer runs.
        leaving: whether connections are to end, for another process serves them.
        connected: the connection of each conversation, by its id.
        open: all connections.
    """

    def __init__(  # noqa: PLR0917 - what it works with
        self,
        config: ChatConfig,
        conversations: Conversations,
        counts: ChannelCounts,
        refuses: Callable[[], str],
        clock: Clock,
        data: Path,
    ) -> None:
        self.config = config
        self.conversations = conversations
        self.counts = counts
        self.refuses = refuses
        self.clock = clock
        self.serving = False
        self.leaving = False
        self.connected: dict[str, ChatConnection] = {}
        self.open: set[ChatConnection] = set()
        self._file = data / "channels.key"
        self._secret = b""

    # Tickets

    def ticket(self, admission: ChatAdmission) -> tuple[str, float]:
        """A ticket for a conversation that is to begin, and until when it holds.

        Args:
            admission: what it is for; its id and end are made here.
        """
        expires = self.clock.wall() + self.config.ticket_s
        call = f"chat-{secrets.token_hex(16)}"
        ani = admission.ani or f"chat:{call[5:21]}"
        own = replace(admission, call=call, ani=ani, expires=expires)
        return tickets.make(self._key(), TICKET, own), expires

    def token(self, admission: ChatAdmission) -> str:
        """What the visitor goes on with on another connection, here or after an upgrade."""
        expires = self.clock.wall() + self.config.token_s
        return tickets.make(self._key(), TOKEN, replace(admission, expires=expires))

    def admitted(self, hello: Hello) -> ChatAdmission:
        """Whom a visitor shows to be.

        Raises:
            ChatClosed: Neither a ticket nor a token that holds.
        """
        kind, shown = (TICKET, hello.ticket) if hello.token is None else (TOKEN, hello.token)
        word = "ticket" if kind == TICKET else "token"
        try:
            found = tickets.read(self._key(), kind, shown or "", ChatAdmission)
        except tickets.TicketRefused as refused:
            raise ChatClosed(UNAUTHORIZED, f"{word}-invalid", str(refused)) from None
        if found.expires < self.clock.wall():
            raise ChatClosed(UNAUTHORIZED, f"{word}-expired", "used in time")
        return found

    def _key(self) -> bytes:
        """The secret of the data directory, made when it is wanted first."""
        if not self._secret:
            self._secret = secret_of(self._file)
        return self._secret

    # Connections

    def connect(self, call: str, connection: ChatConnection) -> ChatConnection | None:
        """Have a connection be that of a conversation; return the one that was."""
        before = self.connected.get(call)
        self.connected[call] = connection
        return None if before is connection else before

    def gone(self, connection: ChatConnection) -> None:
        """A connection has ended."""
        self.open.discard(connection)
        if connection.admission is not None:
            call = connection.admission.call
            if self.connected.get(call) is connection:
                del self.connected[call]

    def wake(self, call: str, *, typing: bool = False) -> bool:
        """Something has happened in a conversation.

        Args:
            call: its id.
            typing: only that the agent is typing.

        Returns:
            Whether its visitor is connected.
        """
        connection = self.connected.get(call)
        if connection is None:
            return False
        connection.wake(typing=typing)
        return True

    def leave(self) -> None:
        """End every connection with 1012: whoever goes on knows the visitors by their tokens."""
        self.leaving = True
        self.end_all()

    def end_all(self) -> None:
        """End the connections that there are; others may come."""
        for connection in tuple(self.open):
            connection.leave()

    def stay(self) -> None:
        """Take connections again."""
        self.leaving = False


def arrival_of(admission: ChatAdmission, said: Say) -> Arrival:
    """What a visitor's message is to a conversation.

    Args:
        admission: who it is.
        said: the message.
    """
    key = f"chat:{admission.call}:{said.seq}"
    return Arrival(
        media="chat",
        call=admission.call,
        once=IdempotentKey(key, FINGERPRINT),
        ani=admission.ani,
        dnis="chat",
        rp=admission.rp,
        lang=admission.lang,
        ud=dict(admission.ud),
        message=Message(side="customer", text=said.text, id=visitors(said.seq)),
    )


def visitors(seq: int) -> str:
    """The id of a visitor's message in its conversation."""
    return f"v{seq}"


def secret_of(file: Path) -> bytes:
    """The secret in a file, made where it is not there; durable, for its owner alone.

    Raises:
        ValueError: The file has something else in it.
    """
    if not file.exists():
        beside = file.with_name(f"{file.name}.{os.getpid()}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as made:
            made.write(secrets.token_hex(KEY_BYTES))
            made.flush()
            os.fsync(made.fileno())
        with contextlib.suppress(FileExistsError):  # another process has made it: that one holds
            os.link(beside, file)
        beside.unlink()
    secret = bytes.fromhex(file.read_text().strip())
    if len(secret) != KEY_BYTES:
        raise ValueError(f"{file}: {KEY_BYTES} bytes in hexadecimal")
    return secret

"""The channels of a node: what they share, and what their supervisor starts with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.call_sup import flags
from actors.channels.channel_sup import ChannelSupArgs
from actors.channels.chat_desk import ChatDesk
from actors.channels.conversations import Conversations
from actors.channels.counts import ChannelCounts
from actors.channels.mail_desk import MailDesk
from actors.channels.mail_server import MailEntrance, MailServerArgs
from actors.channels.queue import QueueArgs
from actors.channels.social_desk import SocialDesk
from actors.channels.spool import Spool, spool_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from actors.channels.counts import Channel
    from actors.config import Config
    from actors.session_pool import SessionPool
    from actors.sessions import CallSessions
    from actors.standby import Standby
    from supervision.eventloop.kernel import Kernel

LISTENER = "mail"
"""The name of the listening socket of mail."""


@dataclass(frozen=True, slots=True)
class Channels:
    """What channels share.

    Attributes:
        conversations: takes messages in.
        entrance: of mail.
        desk: of mail; None where it is not enabled.
        spool: where mail is kept as it came.
        social: of social media; None where they are not enabled.
        chat: of the web chat; None where it is not enabled.
        config: the whole configuration.
    """

    conversations: Conversations
    entrance: MailEntrance
    desk: MailDesk | None
    spool: Spool
    social: SocialDesk | None
    chat: ChatDesk | None
    config: Config

    @classmethod
    def make(
        cls,
        kernel: Kernel,
        config: Config,
        data: Path,
        sessions: CallSessions,
        *,
        standby: Standby,
        refuses: Callable[[], str],
    ) -> Channels:
        """Make the shared parts; nothing runs yet.

        Args:
            kernel: the node.
            config: the whole configuration.
            data: the data directory.
            sessions: of the node.
            standby: its gate.
            refuses: why nothing new is begun now; empty where it is.
        """
        conversations = Conversations(kernel, sessions, config.sessions)
        mail = config.channels.mail
        spool = spool_of(data, mail.spool_mb, mail.keep_days)
        desk = None
        if mail.enabled:
            desk = MailDesk(mail, conversations, spool, ChannelCounts("mail"), refuses)
        social = None
        if config.channels.social.enabled:
            counts = ChannelCounts("social")
            found, clock = config.channels.social, kernel.clock
            social = SocialDesk(found, conversations, counts, refuses, clock)
        chat = None
        if config.channels.chat.enabled:
            counts = ChannelCounts("chat")
            said, clock = config.channels.chat, kernel.clock
            chat = ChatDesk(said, conversations, counts, refuses, clock, data)
        return cls(conversations, MailEntrance(standby), desk, spool, social, chat, config)

    def statistics(self) -> dict[Channel, Mapping[str, int] | None]:
        """What each channel has made of its messages; None of one that is not enabled."""
        mail = None if self.desk is None else self.desk.counts.statistics()
        social = None if self.social is None else self.social.counts.statistics()
        chat = None if self.chat is None else self.chat.counts.statistics()
        return {"mail": mail, "chat": chat, "social": social}

    def wake(self, call: str, *, typing: bool = False) -> bool:
        """Tell the visitor of a conversation what has happened; whether there is one.

        Args:
            call: the id of the conversation.
            typing: only that the agent is typing.
        """
        return self.chat is not None and self.chat.wake(call, typing=typing)

    @property
    def busy(self) -> list[str]:
        """What has begun to come, and is not answered."""
        visitors = [] if self.chat is None else [f"{len(self.chat.open)} visitors"]
        return self.entrance.busy + (visitors if self.chat and self.chat.open else [])

    def leave(self) -> None:
        """Let nobody in, and take nothing more: another process does."""
        self.entrance.leave()
        if self.chat is not None and not self.chat.leaving:
            self.chat.leave()

    def stay(self) -> None:
        """Go on: no other process does."""
        self.entrance.stay()
        if self.chat is not None:
            self.chat.stay()

    def arguments(
        self, listeners: Mapping[str, socket.socket], pool: SessionPool, standby: Standby
    ) -> ChannelSupArgs | None:
        """What channelSup starts with; None where no channel is enabled.

        Args:
            listeners: the inherited listening sockets, by name.
            pool: the sessions that live.
            standby: the node's gate.
        """
        if not enabled(self.config):
            return None
        queue = QueueArgs(pool, standby, self.config.channels.ask_again_s)
        mail = None
        if self.desk is not None:
            mail = MailServerArgs(self.desk, listeners[LISTENER], self.entrance)
        return ChannelSupArgs(flags(self.config.supervision), queue, mail, self.social, self.chat)


def enabled(config: Config) -> bool:
    """Whether any channel is."""
    found = config.channels
    return found.mail.enabled or found.chat.enabled or found.social.enabled


def listeners_of(config: Config) -> tuple[str, ...]:
    """The listening sockets that a node has, by name."""
    return ("http", "cti", LISTENER) if config.channels.mail.enabled else ("http", "cti")

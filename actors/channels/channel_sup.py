"""channelSup: mail, web chat and social media, each by itself, and what has them routed.

Each of them may fail without the others, and without any call: they open sessions as applications
do, and have no part in those of telephones. Its children are those that the configuration enables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from actors.channels.chat_server import NAME as CHAT
from actors.channels.chat_server import ChatServer
from actors.channels.mail_server import NAME as MAIL
from actors.channels.mail_server import STOP_S, MailServer, MailServerArgs
from actors.channels.queue import NAME as QUEUE
from actors.channels.queue import ChannelQueue, QueueArgs
from actors.channels.social_server import NAME as SOCIAL
from actors.channels.social_server import SocialServer
from supervision import ChildSpec, Supervisor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.channels.chat_desk import ChatDesk
    from actors.channels.social_desk import SocialDesk
    from supervision import SupervisorFlags

NAME = "channelSup"


class ChannelSupArgs(Struct, frozen=True):
    """What channelSup starts with.

    Attributes:
        flags: how often its children may be restarted.
        queue: the arguments of channelQueue.
        mail: those of mailServer; None where there is no mail.
        social: that of socialServer; None where there are no social media.
        chat: that of chatServer; None where there is no web chat.
    """

    flags: SupervisorFlags
    queue: QueueArgs
    mail: MailServerArgs | None = None
    social: SocialDesk | None = None
    chat: ChatDesk | None = None


class ChannelSup(Supervisor):
    """Supervisor of the channels; its argument is a `ChannelSupArgs`."""

    def init(self, args: ChannelSupArgs) -> tuple[SupervisorFlags, Sequence[ChildSpec]]:
        """What has conversations routed first, then the channels."""
        children = [ChildSpec(QUEUE, ChannelQueue, args.queue)]
        if args.mail is not None:
            children.append(ChildSpec(MAIL, MailServer, args.mail, shutdown=STOP_S))
        if args.social is not None:
            children.append(ChildSpec(SOCIAL, SocialServer, args.social))
        if args.chat is not None:
            children.append(ChildSpec(CHAT, ChatServer, args.chat))
        return args.flags, children

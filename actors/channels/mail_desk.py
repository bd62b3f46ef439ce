"""What becomes of a mail: kept as it came, read, and in the session of its conversation.

Every answer is a reply of SMTP (RFC 5321, 4.2) that names the rule. 250 is said when the message
and its session are durable, and not before.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict, replace

from actors.channels.conversations import ConversationFull
from actors.channels.messages import Arrival, Message
from actors.channels.spool import SpoolFull
from actors.session_api import Busy, IdempotentKey, KeyUsedOtherwise, UserDataLimit
from protocols.mail.message import MailLimits, MailRefused, read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.channels.conversations import Conversations
    from actors.channels.counts import ChannelCounts
    from actors.channels.messages import Received
    from actors.channels.spool import Spool
    from actors.channels_config import MailConfig
    from protocols.mail.message import Mail

NAMED_ATTACHMENTS = 5
"""Attachments that are named in the session; how many there are is told besides."""
SUBJECT_CHARS = 200


class MailDesk:
    """Takes mail in.

    Args:
        config: ``[channels.mail]``.
        conversations: of the node.
        spool: where messages are kept as they came.
        counts: of mail.
        refuses: why nothing new is begun now; empty where it is.
    """

    def __init__(
        self,
        config: MailConfig,
        conversations: Conversations,
        spool: Spool,
        counts: ChannelCounts,
        refuses: Callable[[], str],
    ) -> None:
        self.config = config
        self.counts = counts
        self.spool = spool
        self.refuses = refuses
        self._conversations = conversations
        self._limits = limits_of(config)

    def point(self, address: str) -> str | None:
        """The routing point of a recipient; None where there is no such mailbox."""
        return self.config.recipients.get(address.lower())

    def refused(self, rule: str, reply: str) -> str:
        """Count a refusal, and say it."""
        self.counts.count(f"refused-{rule}")
        return reply

    async def take(self, sender: str, recipients: Sequence[str], content: bytes) -> str:
        """Take a message.

        Args:
            sender: of the envelope; empty or ``<>`` of a bounce.
            recipients: of the envelope, all of them known.
            content: the message.

        Returns:
            The reply.
        """
        if sender in {"", "<>"}:
            return self.refused("bounce", "550 5.7.1 an empty return path: nobody can be answered")
        try:
            mail = await asyncio.to_thread(read, content, self._limits)
            await asyncio.to_thread(self.spool.keep, mail.sha256, content)
            taken = [
                await self._take_for(mail, sender, address, point)
                for point, address in self._points(recipients).items()
            ]
        except MailRefused as refusal:
            return self.refused(refusal.rule, refusal.reply)
        except SpoolFull as full:
            return self.refused("spool", f"452 4.3.1 no room: {full.rule}")
        except Busy:
            return self.refused("busy", "451 4.3.0 sessions cannot be opened now: try again")
        except UserDataLimit as limit:
            return self.refused("user-data", f"552 5.3.4 {limit}")
        return f"250 2.0.0 {' '.join(one.session for one in taken)}"

    def _points(self, recipients: Sequence[str]) -> dict[str, str]:
        """The routing points that are meant, each once, and an address of each."""
        found: dict[str, str] = {}
        for address in recipients:
            point = self.point(address)
            if point is not None:
                found.setdefault(point, address.lower())
        return found

    async def _take_for(self, mail: Mail, sender: str, address: str, point: str) -> Received:
        """Take it for one routing point; another message under its id is one of its own."""
        arrival = arrival_of(mail, sender, address, point)
        try:
            received = await self._received(arrival)
        except KeyUsedOtherwise:
            own = arrival_of(replace(mail, id=f"{mail.id}{mail.sha256}"), sender, address, point)
            received = await self._received(own)
        self.counts.count(received.outcome)
        return received

    async def _received(self, arrival: Arrival) -> Received:
        """Take it; beyond a full conversation a new one begins."""
        try:
            return await self._conversations.receive(arrival)
        except ConversationFull:
            return await self._conversations.receive(replace(arrival, joins=()))


def arrival_of(mail: Mail, sender: str, address: str, point: str) -> Arrival:
    """What a mail is to a conversation.

    Args:
        mail: the message.
        sender: of the envelope.
        address: whom it is for.
        point: the routing point of that address.
    """
    attachments = [asdict(one) for one in mail.attachments[:NAMED_ATTACHMENTS]]
    extra: dict[str, Any] = {
        "subject": mail.subject[:SUBJECT_CHARS],
        "raw": mail.sha256,
        "bytes": mail.bytes,
        "print": _print_of(mail),
        "attachments": len(mail.attachments),
        **({"attached": attachments} if attachments else {}),
        **({"cut": True} if mail.cut else {}),
    }
    who = (mail.sender or sender).lower()
    ud = {"subject": mail.subject[:SUBJECT_CHARS], "from": who, "to": address}
    key = _key(point, mail.id)
    return Arrival(
        media="mail",
        call=f"mail-{hashlib.sha256(key.encode()).hexdigest()[:32]}",
        once=IdempotentKey(key, _print_of(mail)),
        joins=tuple(_key(point, one) for one in mail.answers),
        ani=who,
        dnis=address,
        rp=point,
        ud=ud,
        message=Message(side="customer", text=mail.text, id=mail.id, extra=extra),
    )


def _key(point: str, mail: str) -> str:
    return f"mail:{point}:{mail}"


def _print_of(mail: Mail) -> str:
    """What makes two messages the same: what they say, and not by which way they came."""
    said = f"{mail.sender}\0{mail.subject}\0{mail.text}"
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def limits_of(config: MailConfig) -> MailLimits:
    """What a message may have, by the configuration."""
    return MailLimits(
        max_headers=config.max_headers,
        max_header_bytes=config.max_header_bytes,
        max_parts=config.max_parts,
        max_depth=config.max_depth,
        max_attachments=config.max_attachments,
        max_attachment_bytes=config.max_attachment_bytes,
        max_received=config.max_received,
        text_chars=config.text_chars,
    )

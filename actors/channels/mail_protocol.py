"""One SMTP connection: aiosmtpd's protocol, with bounds in time and size that it does not have.

aiosmtpd lives on the node's loop: it is an asyncio protocol. Ours adds what a port that strangers
reach needs: a deadline for each command and for the whole of DATA, so that one byte a minute holds
nobody up; a bound on what is read in between, for aiosmtpd reads a line without an end for ever; a
word (421) where a connection is ended by us.
"""

from __future__ import annotations

import asyncio
import collections
import logging
from typing import TYPE_CHECKING, Any, cast

from aiosmtpd.smtp import SMTP

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiosmtpd.smtp import Envelope
    from aiosmtpd.smtp import Session as SmtpSession

    from actors.channels.mail_desk import MailDesk

IDENT = "vigie"
SLACK_BYTES = 65_536
"""What may be read after the last command besides a message: commands that are none."""
COMMANDS = 1_000
"""Of each kind, in one connection."""

logging.getLogger("mail.log").setLevel(logging.ERROR)  # it tells every command, with addresses

OWN_REFUSALS = ("500 ", "501 ", "502 ", "503 ", "552 Error", "553 ", "555 ")
"""What aiosmtpd itself refuses."""

LEAVING = "421 4.3.2 the service is restarting: try again"


class MailConnections:
    """The SMTP connections of a node.

    Args:
        desk: takes messages.
        failed: told of what went wrong where nothing should.

    Attributes:
        open: the connections, each with the host that it is from.
        leaving: whether no further command is taken.
    """

    def __init__(self, desk: MailDesk, failed: Callable[[Exception], object]) -> None:
        self.desk = desk
        self.failed = failed
        self.open: dict[MailProtocol, str] = {}
        self.leaving = False

    def __call__(self) -> MailProtocol:
        """The protocol of a new connection."""
        return MailProtocol(self)

    def refusal(self, host: str) -> str:
        """Why one more connection of a host is not taken; empty where it is."""
        config = self.desk.config
        if self.leaving:
            return LEAVING
        if len(self.open) >= config.max_connections:
            rule = f"channels.mail.max_connections is {config.max_connections}"
            return self.desk.refused("connections", f"421 4.3.2 {rule}")
        if sum(one == host for one in self.open.values()) >= config.max_connections_per_host:
            rule = f"channels.mail.max_connections_per_host is {config.max_connections_per_host}"
            return self.desk.refused("connections", f"421 4.7.0 {rule}")
        return ""

    @property
    def busy(self) -> list[str]:
        """Connections with a message that is not answered."""
        return [f"mail from {host}" for one, host in self.open.items() if one.receiving]

    def leave(self) -> None:
        """Take no further message; those that have begun are answered."""
        self.leaving = True
        for one in list(self.open):
            if not one.receiving:
                one.say_last(LEAVING)

    def stay(self) -> None:
        """Take messages again."""
        self.leaving = False

    def cut_off(self) -> None:
        """End every connection now."""
        self.leaving = True
        for one in list(self.open):
            one.say_last(LEAVING)


class MailProtocol(SMTP):
    """One connection.

    Args:
        all_of_them: the connections of the node.

    Attributes:
        receiving: whether a message is coming, or its answer is due.
    """

    def __init__(self, all_of_them: MailConnections) -> None:
        self._all = all_of_them
        self._since = 0
        self._refused = False
        self.receiving = False
        config = all_of_them.desk.config
        # aiosmtpd keeps these in its class, where each EHLO of anybody makes them greater.
        self.command_size_limits = collections.defaultdict(lambda: SMTP.command_size_limit)
        super().__init__(
            MailHandler(all_of_them),
            data_size_limit=config.max_message_bytes,
            hostname=config.hostname,
            ident=IDENT,
            timeout=config.command_timeout_s,
            command_call_limit=COMMANDS,
            loop=asyncio.get_running_loop(),
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are too many."""
        host = str((transport.get_extra_info("peername") or ("?",))[0])
        refusal = self._all.refusal(host)
        if refusal:
            self._refused = True
            wire = cast("asyncio.Transport", transport)
            wire.write(f"{refusal}\r\n".encode())
            wire.close()
            return
        self._all.open[self] = host
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Read, and no more than a command or a message may be."""
        if self._refused:
            return
        self._since += len(data)
        limit = self._all.desk.config.max_message_bytes
        if self._since > limit + SLACK_BYTES:
            rule = self._all.desk.refused("size", f"552 5.3.4 more than {limit} bytes")
            self.say_last(rule)
            return
        super().data_received(data)

    def eof_received(self) -> bool | None:
        """The peer says nothing more."""
        return None if self._refused else super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """Let go of it."""
        self._all.open.pop(self, None)
        if not self._refused:
            super().connection_lost(error)

    def say_last(self, reply: str) -> None:
        """Say one more thing and close."""
        if self.transport is not None:
            wire = cast("asyncio.Transport", self.transport)
            wire.write(f"{reply}\r\n".encode())
            wire.close()

    def _reset_timeout(self, duration: float | None = None) -> None:
        self._since = 0
        super()._reset_timeout(duration)

    def _timeout_cb(self) -> None:
        config = self._all.desk.config
        seconds = config.data_timeout_s if self.receiving else config.command_timeout_s
        self.say_last(self._all.desk.refused("timeout", f"421 4.4.2 nothing within {seconds} s"))

    async def push(self, status: Any) -> None:
        """Say a reply, and nothing after the last word."""
        if self.transport is not None and not self.transport.is_closing():
            text = status if isinstance(status, str) else bytes(status).decode("ascii", "replace")
            if text.startswith(OWN_REFUSALS):
                self._all.desk.counts.count(f"refused-{text[:3]}")
            await super().push(text.encode("ascii", "replace"))

    async def smtp_DATA(self, arg: str) -> None:
        """Take a message, in its own time."""
        self.receiving = True
        self._reset_timeout(self._all.desk.config.data_timeout_s)
        try:
            await super().smtp_DATA(arg)
        finally:
            self.receiving = False
        self._reset_timeout()
        if self._all.leaving:
            self.say_last(LEAVING)


class MailHandler:
    """What aiosmtpd asks: may this sender, that recipient, and what of the message.

    Args:
        all_of_them: the connections of the node.
    """

    def __init__(self, all_of_them: MailConnections) -> None:
        self._all = all_of_them
        self._desk = all_of_them.desk

    async def handle_MAIL(
        self,
        server: MailProtocol,
        session: SmtpSession,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Begin a message, where anything new may begin."""
        del session
        rule = self._desk.refuses()
        if rule:
            server.say_last(self._desk.refused("overload", f"421 4.3.2 {rule}"))
            return ""
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self,
        server: MailProtocol,
        session: SmtpSession,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Take a recipient that is known, if there are not too many."""
        del server, session, options
        most = self._desk.config.max_recipients
        if len(envelope.rcpt_tos) >= most:
            return self._desk.refused("recipients", f"452 4.5.3 more than {most} recipients")
        if self._desk.point(address) is None:
            return self._desk.refused("recipient", f"550 5.1.1 <{address}>: no such mailbox here")
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(
        self, server: MailProtocol, session: SmtpSession, envelope: Envelope
    ) -> str:
        """Take the message."""
        del server, session
        content = envelope.content
        assert isinstance(content, bytes)
        return await self._desk.take(envelope.mail_from or "", envelope.rcpt_tos, content)

    async def handle_exception(self, error: Exception) -> str:
        """Say that it was not the sender's fault: it comes again."""
        self._all.failed(error)
        return self._desk.refused("failed", "451 4.3.0 the failure has been logged: try again")

"""mailServer: SMTP in, below channelSup.

The listening socket belongs to the node (the anchor's): who connects while this is restarted waits
in its backlog. What has been answered is in the sessions; a connection that ends with its server
has not been answered, and its message comes again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from actors.channels.mail_protocol import MailConnections
from actors.entrance import Acceptor, Entrance
from supervision import GenServer, Timeout

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from actors.channels.mail_desk import MailDesk
    from actors.standby import Standby
    from supervision import Reason

logger = logging.getLogger(__name__)

NAME = "mailServer"
ACCEPTS = 16
BACKLOG = 128
SWEEP_S = 3_600.0
STOP_S = 2.0
LOOK_S = 0.01


class MailEntrance(Entrance):
    """The entrance of mail, with the connections of the server that serves there now.

    Args:
        standby: the node's gate.

    Attributes:
        connections: those of mailServer; None while it is restarted.
    """

    def __init__(self, standby: Standby | None = None) -> None:
        self.connections: MailConnections | None = None
        super().__init__(standby)

    @property
    def busy(self) -> list[str]:
        """Messages that are not answered."""
        return [] if self.connections is None else self.connections.busy

    def leave(self) -> None:
        """Let nobody in, and take no further message."""
        self.shut()
        if self.connections is not None:
            self.connections.leave()

    def stay(self) -> None:
        """Go on."""
        if self.connections is not None:
            self.connections.stay()
        self.reopen()


class MailServerArgs(Struct, frozen=True):
    """What mailServer starts with.

    Attributes:
        desk: takes messages.
        listening: the node's socket; it is duplicated, never closed.
        entrance: whether connections are accepted there.
    """

    desk: MailDesk
    listening: socket.socket
    entrance: MailEntrance


class MailTurned(Struct, frozen=True):
    """Tells mailServer that its entrance is open again."""


class MailState(Struct, frozen=True):
    """The state of mailServer: where it listens."""

    host: str
    port: int


class MailServer(GenServer):
    """Serves SMTP; its argument is a `MailServerArgs`."""

    state: MailState

    async def init(self, args: MailServerArgs) -> None:
        """Accept connections on the node's socket."""
        self._args = args
        self._connections = MailConnections(args.desk, self._failed)
        self._acceptor = Acceptor(
            args.entrance, self._connections, accepts=ACCEPTS, backlog=BACKLOG
        )
        self.at_end(self._end)
        self.at_end(args.entrance.attend(self._turned))
        self.at_end(self._attend())
        await self._acceptor.begin(args.listening)
        host, port, *_ = args.listening.getsockname()
        self.state = MailState(host, port)
        self.register(NAME)
        self.start_timer(SWEEP_S, "sweep")

    def _attend(self) -> Callable[[], None]:
        entrance, own = self._args.entrance, self._connections
        entrance.connections = own

        def leave() -> None:
            if entrance.connections is own:
                entrance.connections = None

        return leave

    def _end(self) -> None:
        """Called when it has ended, killed too: a connection without a server would wait."""
        self._acceptor.end()
        self._connections.cut_off()

    def _turned(self, to_open: bool) -> None:
        """The entrance has been opened or shut."""
        if to_open:
            self.kernel.send(self.address, MailTurned(), None)
        else:
            self._acceptor.pause()

    def _failed(self, error: Exception) -> None:
        logger.error("a mail could not be handled", exc_info=error)
        self.kernel.report("degraded", self.address.path, part="mail", why=repr(error))

    def handle_info(self, message: Any, sender: Any) -> Any:
        """Accept again, or remove what is kept no longer."""
        match message:
            case MailTurned():
                return self._acceptor.begin(self._args.listening)
            case Timeout():
                return self._sweep()
        return super().handle_info(message, sender)

    async def _sweep(self) -> None:
        if self._args.entrance.open:  # the files are another's otherwise
            await asyncio.to_thread(self._args.desk.spool.sweep, self.wall())
        self.start_timer(SWEEP_S, "sweep")

    async def terminate(self, reason: Reason) -> None:
        """Answer the messages that have begun, for a while, then close."""
        del reason
        self._acceptor.end()
        self._connections.leave()
        until = self.now() + STOP_S / 2
        while self._connections.busy and self.now() < until:  # noqa: ASYNC110 - answers tell nobody
            await asyncio.sleep(LOOK_S)

    def format_status(self, state: MailState) -> dict[str, Any]:
        """Where it listens, what is open, what was taken and refused."""
        return {
            "host": state.host,
            "port": state.port,
            "connections": len(self._connections.open),
            "spool_bytes": self._args.desk.spool.used,
            "messages": self._args.desk.counts.statistics(),
        }

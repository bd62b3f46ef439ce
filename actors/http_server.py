"""httpServer: the HTTP server as an actor, below webSup.

The actor owns the server and its connections; the listening socket belongs to the node, so that a
new incarnation goes on where the killed one was: who connects meanwhile waits and is served.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from actors.channels.chat_desk import ChatDesk
from actors.config import HttpConfig
from actors.entrance import Entrance
from actors.standby import Standby
from actors.web.api import Api
from actors.web.connections import Moving
from actors.web.server import WebServer
from supervision import ChildSpec, GenServer, Reason, Supervisor, SupervisorFlags

logger = logging.getLogger(__name__)

NAME = "httpServer"
STOP_S = 2.0
"""Time to stop in order, seconds: more than the `CLOSE_S` that running requests are given."""


class HttpEntrance(Entrance):
    """The entrance of HTTP, with the server that serves there now.

    Args:
        standby: the node's gate; None is one that is open.

    Attributes:
        server: that of httpServer; None while it is restarted.
    """

    def __init__(self, standby: Standby | None = None) -> None:
        self.server: WebServer | None = None
        self._coming: list[Moving] = []
        super().__init__(standby)

    def serve(self, server: WebServer) -> Callable[[], None]:
        """Have a server go on with what comes from another process.

        Returns:
            What takes that back, for one that ends.
        """
        self.server = server
        self._put_in()

        def leave() -> None:
            if self.server is server:
                self.server = None

        return leave

    def come(self, connections: Iterable[Moving]) -> None:
        """Go on with connections of another process, as soon as there is a server."""
        self._coming.extend(connections)
        self._put_in()

    def _put_in(self) -> None:
        if self.server is None:
            return
        coming, self._coming = self._coming, []
        for connection in coming:
            try:
                self.server.put_in(connection)
            except OSError as error:  # its peer sees an end, the others do not
                logger.warning("a connection could not be taken over: %s", error)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpServerArgs:
    """What httpServer starts with.

    Attributes:
        api: What answers requests.
        config: The limits.
        listening: The node's socket, which listens; it is duplicated, never closed.
        entrance: Whether connections are accepted there.
        chat: The web chat; None where it is not enabled.
    """

    api: Api
    config: HttpConfig
    listening: socket.socket
    entrance: HttpEntrance = field(default_factory=HttpEntrance)
    chat: ChatDesk | None = None


class Turned(Struct, frozen=True):
    """Tells httpServer that its entrance is open again."""


TURNED = Turned()


class HttpServerState(Struct, frozen=True):
    """The state of httpServer: where it listens."""

    host: str
    port: int


class HttpServer(GenServer):
    """Serves the API; its argument is an `HttpServerArgs`."""

    state: HttpServerState

    async def init(self, args: HttpServerArgs) -> None:
        """Accept connections on the node's socket."""
        entrance, self._listening = args.entrance, args.listening
        self._server = WebServer(args.api, args.config, entrance, args.chat)
        self.at_end(self._server.let_go)
        self.at_end(entrance.attend(self._turned))
        self.at_end(entrance.serve(self._server))
        await self._server.start(args.listening)
        host, port, *_ = args.listening.getsockname()
        self.state = HttpServerState(host, port)
        self.register(NAME)

    def _turned(self, to_open: bool) -> None:
        """The entrance has been opened or shut."""
        if to_open:
            self.kernel.send(self.address, TURNED, None)
        else:
            self._server.pause()

    def handle_info(self, message: Any, sender: Any) -> Any:
        """Accept again."""
        if isinstance(message, Turned):
            return self._server.start(self._listening)
        return super().handle_info(message, sender)

    async def terminate(self, reason: Reason) -> None:
        """Let running requests end, then close every connection."""
        await self._server.close()

    def format_status(self, state: HttpServerState) -> dict[str, Any]:
        """Show where it listens and how much is open."""
        return {
            "host": state.host,
            "port": state.port,
            "connections": self._server.connections,
            "streams": self._server.streams,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSupArgs:
    """What webSup starts with.

    Attributes:
        server: The arguments of httpServer.
        flags: How often it may be restarted.
    """

    server: HttpServerArgs
    flags: SupervisorFlags


class WebSup(Supervisor):
    """Supervisor of httpServer; its argument is a `WebSupArgs`."""

    def init(self, args: WebSupArgs) -> tuple[SupervisorFlags, list[ChildSpec]]:
        """The server alone."""
        return args.flags, [ChildSpec(NAME, HttpServer, args.server, shutdown=STOP_S)]

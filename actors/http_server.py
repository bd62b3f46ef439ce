"""httpServer: the HTTP server as an actor, below webSup.

The actor owns the server and its connections; the listening socket belongs to the node, so that a
new incarnation goes on where the killed one was: who connects meanwhile waits and is served.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from actors.config import HttpConfig
from actors.web.api import Api
from actors.web.server import WebServer
from supervision import ChildSpec, GenServer, Reason, Supervisor, SupervisorFlags

NAME = "httpServer"
STOP_S = 2.0
"""Time to stop in order, seconds: more than the `CLOSE_S` that running requests are given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpServerArgs:
    """What httpServer starts with.

    Attributes:
        api: What answers requests.
        config: The limits.
        listening: The node's socket, which listens; it is duplicated, never closed.
    """

    api: Api
    config: HttpConfig
    listening: socket.socket


class HttpServerState(Struct, frozen=True):
    """The state of httpServer: where it listens."""

    host: str
    port: int


class HttpServer(GenServer):
    """Serves the API; its argument is an `HttpServerArgs`."""

    state: HttpServerState

    async def init(self, args: HttpServerArgs) -> None:
        """Accept connections on the node's socket."""
        self._server = WebServer(args.api, args.config)
        self.at_end(self._server.let_go)
        await self._server.start(args.listening.dup())
        host, port, *_ = args.listening.getsockname()
        self.state = HttpServerState(host, port)
        self.register(NAME)

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

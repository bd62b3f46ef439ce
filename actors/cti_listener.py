"""ctiListener: accepts CTI connections and has a link started for each.

It listens on a duplicate of the inherited socket, so that its next incarnation can listen again,
and its own end closes no connection.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from actors.cti_connection import ConnectionLimits, CtiConnection
from actors.cti_link import CtiLink, LinkArgs
from protocols.cti.framing import encode
from supervision import ChildSpec, GenServer, Response, StartChild, Started

if TYPE_CHECKING:
    import socket

    from actors.call_messages import CallSettings
    from actors.session_opening import Openings
    from actors.web.tokens import TokenStore
    from protocols.cti.link_state import LinkConfig

NAME = "ctiListener"
SUPERVISOR = "ctiSup"
BACKLOG = 256


class ListenerArgs(Struct, frozen=True):
    """What the listener starts with.

    Attributes:
        socket: listening; stays the owner's.
        max_links: connections that may be open at once.
        link: the limits of each link.
        settings: those of calls.
        tokens: who may connect.
        openings: how sessions are opened.
        open: connections that are open now, those included whose link has ended and whose peer
            has not read the rest yet; every incarnation adds to it.
    """

    socket: socket.socket
    max_links: int
    link: LinkConfig
    settings: CallSettings
    tokens: TokenStore
    openings: Openings
    open: set[CtiConnection] = field(default_factory=set)


class ListenerState(Struct):
    """What the listener counts.

    Attributes:
        accepted: connections accepted by this incarnation.
        refused: connections refused because there were as many as may be.
        accepting: whether the port accepts.
    """

    accepted: int = 0
    refused: int = 0
    accepting: bool = False


class CtiListener(GenServer):
    """Accepts; registered as ``ctiListener``."""

    state: ListenerState

    async def init(self, args: ListenerArgs) -> None:
        """Listen."""
        self._args = args
        self.state = ListenerState()
        self._starting: dict[int, CtiConnection] = {}
        self._limits = ConnectionLimits(
            args.link.write_buffer_bytes, args.link.handshake_timeout_ms / 1000
        )
        self._server = await self._listening(args.socket.dup())
        self.at_end(self._stop_accepting)  # killed too: two would share what comes
        self.state.accepting = True
        await self._server.start_serving()
        self.register(NAME)

    def _stop_accepting(self) -> None:
        """Called when the listener has ended; the links go on."""
        self.state.accepting = False
        self._server.close()

    async def _listening(self, listening: socket.socket) -> asyncio.Server:
        # It does not serve yet, so that no other turn comes before the actor owns it.
        try:
            return await asyncio.get_running_loop().create_server(
                self._connection, sock=listening, backlog=BACKLOG, start_serving=False
            )
        except BaseException:
            listening.close()
            raise

    def _connection(self) -> CtiConnection:
        return CtiConnection(self.kernel, self._accepted, self._args.open.discard, self._limits)

    def _accepted(self, connection: CtiConnection) -> None:
        """Called by the loop with each new connection."""
        if not self.state.accepting:
            connection.abort()  # the loop had accepted it just before the listener ended
            return
        if len(self._args.open) >= self._args.max_links:
            self._refuse(connection)
            return
        self._args.open.add(connection)
        self.state.accepted += 1
        args = LinkArgs(
            connection,
            self._args.link,
            self._args.settings,
            self._args.tokens,
            self._args.openings,
        )
        number = self._next_number()
        spec = ChildSpec(f"ctiLink-{number}", CtiLink, args, restart="temporary")
        self._starting[self.request(SUPERVISOR, StartChild(spec))] = connection

    def _next_number(self) -> str:
        # Names go on where the last incarnation stopped: its links may still be there.
        incarnation = self.address.incarnation
        return (
            str(self.state.accepted) if incarnation == 1 else f"{incarnation}-{self.state.accepted}"
        )

    def _refuse(self, connection: CtiConnection) -> None:
        self.state.refused += 1
        limit = self._args.max_links
        msg = f"cti.max_links is {limit}"
        connection.write(encode({"t": "error", "code": 503, "ref": 0, "msg": msg}))
        connection.close()

    def handle_info(self, message: Any, sender: Any) -> None:
        """A link has started, or could not."""
        if not isinstance(message, Response):
            super().handle_info(message, sender)
            return
        connection = self._starting.pop(message.request_id)
        if not isinstance(message.value, Started):
            connection.abort()

"""The asyncio side of a CTI connection: bytes to an actor, bytes to the peer, both bounded.

The connection belongs to the loop, not to the actor: while the actor is not there yet, or has
ended, nothing is read, and both are bounded in time: who accepted the connection may have been
killed before an actor was there, and a peer that does not read would keep it for ever.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision.eventloop.cell import LocalAddress
    from supervision.eventloop.kernel import Kernel

MAX_READS = 8
"""Reads that may wait for the actor; then the connection is not read until it has caught up."""

CLOSE_S = 5.0
"""Seconds that a peer has to read what is left when its connection is closed."""


class BytesRead(Struct, frozen=True):
    """What one read gave; ``at`` is monotonic seconds."""

    data: bytes
    at: float


class EndOfFile(Struct, frozen=True):
    """The peer closed its side, or the connection broke."""

    error: str | None


class ConnectionLimits(Struct, frozen=True):
    """The bounds of a connection.

    Attributes:
        write: bytes that a slow peer may leave unread.
        attach_s: seconds until an actor must have attached.
    """

    write: int
    attach_s: float


class CtiConnection(asyncio.Protocol):
    """One accepted connection.

    Args:
        kernel: the node.
        accepted: called with the connection when it is made.
        lost: called with the connection when its socket is closed.
        limits: its bounds.
    """

    def __init__(
        self,
        kernel: Kernel,
        accepted: Callable[[CtiConnection], None],
        lost: Callable[[CtiConnection], None],
        limits: ConnectionLimits,
    ) -> None:
        self._kernel = kernel
        self._accepted = accepted
        self._told_lost = lost
        self._limits = limits
        self._transport: asyncio.Transport | None = None
        self._abort_due: asyncio.TimerHandle | None = None
        self._link: LocalAddress | None = None
        self._waiting = 0
        self._lost: EndOfFile | None = None
        self.peer = ""

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the actor before anything is read."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.pause_reading()
        self._abort_in(self._limits.attach_s)
        host, port, *_ = transport.get_extra_info("peername") or ("?", 0)
        self.peer = f"{host}:{port}"
        self._accepted(self)

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the actor, with the instant at which they were read."""
        if self._link is None or self._transport is None:
            return
        self._waiting += 1
        if self._waiting >= MAX_READS:
            self._transport.pause_reading()
        kernel = self._kernel
        kernel.now = at = kernel.clock.monotonic()
        kernel.send(self._link, BytesRead(data, at), None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the actor that nothing more will come."""
        self._transport = None
        self._keep()
        self._told_lost(self)
        self._lost = EndOfFile(None if exc is None else str(exc))
        if self._link is not None and self._link.cell is not None:
            self._kernel.send(self._link, self._lost, None)

    # What the actor calls

    def attach(self, link: LocalAddress) -> None:
        """Begin to read for an actor."""
        self._link = link
        self._keep()
        if self._lost is not None:
            self._kernel.send(link, self._lost, None)
        elif self._transport is not None:
            self._transport.resume_reading()

    def handled(self) -> None:
        """The actor has handled one read."""
        self._waiting -= 1
        if self._waiting == MAX_READS - 1 and self._transport is not None:
            self._transport.resume_reading()

    def write(self, data: bytes) -> bool:
        """Send bytes; False where the peer has left too much unread, or is gone."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        transport.write(data)
        return transport.get_write_buffer_size() <= self._limits.write

    def close(self) -> None:
        """Send what is left, then close; what is not read in ``CLOSE_S`` is lost."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.close()
        self._abort_in(CLOSE_S)

    def abort(self) -> None:
        """Close at once; what is left is lost."""
        if self._transport is not None:
            self._transport.abort()

    def _abort_in(self, seconds: float) -> None:
        self._keep()
        self._abort_due = asyncio.get_running_loop().call_later(seconds, self.abort)

    def _keep(self) -> None:
        due, self._abort_due = self._abort_due, None
        if due is not None:
            due.cancel()

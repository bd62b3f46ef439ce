"""The asyncio side of a CTI connection: bytes to an actor, bytes to the peer, both bounded.

The connection belongs to the node's table of links, not to an actor: what was read and not handled
is kept here, for whichever actor handles it. While there is none, nothing is read, and that is
bounded in time, as is the patience with a peer that does not read.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections import deque
from typing import TYPE_CHECKING, cast

from msgspec import Struct
from msgspec.structs import replace

from supervision.release import sockets
from supervision.release.sockets import NotDetachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from protocols.csta.link import Link as CstaLink
    from protocols.cti.link import Link
    from supervision.eventloop.cell import LocalAddress
    from supervision.eventloop.kernel import Kernel
    from supervision.release.sockets import Detached

MAX_READS = 8
"""Reads that may wait for the actor; then the connection is not read until it has caught up."""

CLOSE_S = 5.0
"""Seconds that a peer has to read what is left when its connection is closed."""

PROBES = 3
"""Probes of TCP without an answer after which it takes a peer for gone."""


class BytesRead(Struct, frozen=True):
    """What one read gave; ``at`` is monotonic seconds."""

    data: bytes
    at: float


class EndOfFile(Struct, frozen=True):
    """The peer closed its side, or the connection broke."""

    error: str | None


class Readable(Struct, frozen=True):
    """There is something for the actor in its connection: a read, or its end."""


READABLE = Readable()


class ConnectionLimits(Struct, frozen=True):
    """The bounds of a connection.

    Attributes:
        write: bytes that a slow peer may leave unread.
        attach_s: seconds until a first actor must have attached.
        orphan_s: seconds until another must have, when that one has ended.
        silence_s: seconds after which TCP itself takes a peer for gone that confirms nothing.
    """

    write: int
    attach_s: float
    orphan_s: float
    silence_s: float


class CtiConnection(asyncio.Protocol):
    """One accepted connection.

    Args:
        kernel: the node.
        accepted: called with the connection when it is made.
        lost: called with the connection when its socket is closed.
        limits: its bounds.

    Attributes:
        link: the protocol's end of it, which ``accepted`` gives it; its actor puts another in its
            place where the peer turns out to speak framing B.
        peer: where it comes from.
        lost: how it ended; None while it is open.
    """

    link: Link | CstaLink

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
        self._owner: LocalAddress | None = None
        self._unread: deque[BytesRead] = deque()
        self._held = False
        self._still = False
        self._apart: bytes | None = None
        self.lost: EndOfFile | None = None
        self.peer = ""

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the actor before anything is read."""
        if self._transport is not None:
            return  # it was put in
        self._transport = cast("asyncio.Transport", transport)
        self._transport.pause_reading()
        self._abort_in(self._limits.attach_s)
        host, port, *_ = transport.get_extra_info("peername") or ("?", 0)
        self.peer = f"{host}:{port}"
        raw = transport.get_extra_info("socket")
        if raw is not None:
            watch_silence(raw, self._limits.silence_s)
        self._accepted(self)

    def data_received(self, data: bytes) -> None:
        """Keep bytes for the actor, with the instant at which they were read, and tell it."""
        if self._transport is None:
            return
        kernel, owner = self._kernel, self._owner
        kernel.now = at = kernel.clock.monotonic()
        self._unread.append(BytesRead(data, at))
        if len(self._unread) >= MAX_READS:
            self._transport.pause_reading()
        if owner is None:
            return
        if owner.cell is not None:
            kernel.deliver(owner.cell, READABLE, None)
        else:
            kernel.send(owner, READABLE, None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the actor that nothing more will come."""
        self._transport = None
        self._keep()
        self.lost = EndOfFile(None if exc is None else str(exc))
        self._told_lost(self)
        if self._owner is not None:
            self._kernel.send(self._owner, READABLE, None)

    # What the actor calls

    def attach(self, owner: LocalAddress) -> None:
        """Begin to read for an actor, and tell it of what has been read already."""
        self._owner = owner
        self._held = False
        self._keep()
        for _ in range(len(self._unread) + (self.lost is not None)):
            self._kernel.send(owner, READABLE, None)
        self._read_on()

    def detach(self) -> None:
        """The actor has ended: wait for its next incarnation."""
        if self._owner is None:
            return
        self._owner = None
        if self._transport is not None:
            self._transport.pause_reading()
            self._abort_in(self._limits.orphan_s)

    def take(self) -> BytesRead | None:
        """The next read that has not been handled; None where there is none."""
        if not self._unread:
            return None
        read = self._unread.popleft()
        if len(self._unread) == MAX_READS - 1:
            self._read_on()
        return read

    def hold(self) -> None:
        """Read nothing more until ``release``."""
        self._held = True
        if self._transport is not None:
            self._transport.pause_reading()

    def release(self) -> None:
        """Read again."""
        if self._owner is not None:
            self.attach(self._owner)

    def write(self, data: bytes) -> bool:
        """Send bytes; False where the peer has left too much unread, or is gone."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return self._set_apart(data)
        transport.write(data)
        return transport.get_write_buffer_size() <= self._limits.write

    def close(self) -> None:
        """Send what is left, then close; what is not read in ``CLOSE_S`` is lost."""
        self._owner = None
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.close()
        self._abort_in(CLOSE_S)

    def abort(self) -> None:
        """Close at once; what is left is lost."""
        self._owner = None
        if self._transport is not None:
            self._transport.abort()

    @property
    def unread(self) -> int:
        """Reads that wait for the actor."""
        return len(self._unread)

    # What a takeover calls

    def rest(self) -> None:
        """Read nothing more, whatever an actor says, until ``go_on``."""
        self._still = True
        if self._transport is not None:
            self._transport.pause_reading()

    def go_on(self) -> None:
        """Read again, where an actor does."""
        self._still = False
        self._read_on()

    def take_out(self) -> Detached | None:
        """Take the socket out of this process's loop; its peer notices nothing.

        Returns:
            The socket; None where it is closed, or ends now.
        """
        transport = self._transport
        if transport is None:
            return None
        try:
            detached = sockets.detach(transport)
        except NotDetachable:
            return None  # it has ended, and the loop is about to say so
        self._transport = None
        self._keep()
        self._apart = b""
        return detached

    @property
    def apart(self) -> bytes:
        """What was written after the socket was taken out; it follows what was unsent then."""
        return self._apart or b""

    def _set_apart(self, data: bytes) -> bool:
        if self._apart is None:
            return False
        self._apart += data
        return True

    def put_in(self, detached: Detached, abort_at: float | None) -> None:
        """Go on with a socket that was taken out, here or in another process; nothing is read yet.

        Args:
            detached: the socket.
            abort_at: what ``abort_at`` was then.
        """
        loop = asyncio.get_running_loop()
        unsent, self._apart = detached.unsent + self.apart, None
        try:
            self._transport = sockets.adopt(loop, replace(detached, unsent=unsent), self)
        except OSError as error:
            self.connection_lost(error)
            return
        if abort_at is not None:
            self._abort_due = loop.call_at(abort_at, self.abort)

    def carry(self, peer: str, unread: Iterable[BytesRead], lost: EndOfFile | None) -> None:
        """Begin with what another process has known of the connection.

        Args:
            peer: where it comes from.
            unread: what was read and not handled.
            lost: how it has ended; None while it is open.
        """
        self.peer = peer
        self._unread.extend(unread)
        self.lost = lost

    @property
    def reads(self) -> tuple[BytesRead, ...]:
        """What was read and not handled."""
        return tuple(self._unread)

    @property
    def abort_at(self) -> float | None:
        """When it is cut off unless something happens, seconds of the loop; None for never."""
        return None if self._abort_due is None else self._abort_due.when()

    def _read_on(self) -> None:
        stays = self._held or self._still or len(self._unread) >= MAX_READS
        if self._transport is not None and not stays and self._owner is not None:
            self._transport.resume_reading()

    def _abort_in(self, seconds: float) -> None:
        self._keep()
        self._abort_due = asyncio.get_running_loop().call_later(seconds, self.abort)

    def _keep(self) -> None:
        due, self._abort_due = self._abort_due, None
        if due is not None:
            due.cancel()


def watch_silence(raw: socket.socket, seconds: float) -> None:
    """Have TCP find out that a peer is gone whose machine or network is, within ``seconds``.

    Heartbeats find it as well, but only while an actor sends them; and what is written to such a
    peer must not wait for minutes.
    """
    if raw.family not in (socket.AF_INET, socket.AF_INET6):
        return
    probe_s = max(1, math.ceil(seconds / (PROBES + 1)))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, probe_s)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, probe_s)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000))

"""How the two sides of a takeover find each other: a Unix socket, one user, one secret.

Whoever connects and is refused is told why; the side that gives goes on listening for the one that
knows the secret.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

from supervision.anchor import unixpath
from supervision.anchor.peer import peer_user
from supervision.release.agreeing import check_readable, offered
from supervision.release.passing import Connection
from supervision.release.wire import (
    Agreed,
    Hello,
    Offer,
    PeerGone,
    Refused,
    TakeoverFailed,
    TakeoverRefused,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from supervision.release.carrier import Part
    from supervision.release.records import TakeoverLimits

SOCKET = "takeover.sock"
MOST_GUESTS = 8
"""Connections that have not agreed yet."""


class Door:
    """Where the side that gives waits for the one that takes.

    Args:
        path: of the socket.
        limits: how long an agreement may take.
        agree: tells what is offered to whoever says hello, or raises TakeoverRefused.
        admit: called once, with the connection that has agreed.
    """

    def __init__(
        self,
        path: Path,
        limits: TakeoverLimits,
        agree: Callable[[Hello], Offer],
        admit: Callable[[Connection, Hello, Offer], None],
    ) -> None:
        self._path = path
        self._limits = limits
        self._agree = agree
        self._admit = admit
        self._server = unixpath.listen(path, mode=0o600, backlog=MOST_GUESTS)
        self._server.setblocking(False)
        self._open = True
        self._guests: set[asyncio.Task[None]] = set()
        self._waiting = asyncio.get_running_loop().create_task(self._wait())

    def close(self) -> None:
        """Let nobody in any more."""
        if not self._open:
            return
        self._open = False
        self._waiting.cancel()
        self._server.close()
        self._path.unlink(missing_ok=True)

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            peer, _ = await loop.sock_accept(self._server)
            if len(self._guests) >= MOST_GUESTS:
                peer.close()
                continue
            guest = loop.create_task(self._greet(peer))
            self._guests.add(guest)
            guest.add_done_callback(self._guests.discard)

    async def _greet(self, peer: socket.socket) -> None:
        connection = Connection(peer, self._limits)
        try:
            async with asyncio.timeout(self._limits.hello_s):
                hello, offer = await self._agreed(connection, peer)
        except (TakeoverFailed, TimeoutError) as refused:
            with contextlib.suppress(TakeoverFailed):
                connection.put(Refused(str(refused) or "no hello in time"))
            connection.close()
            return
        self.close()
        self._admit(connection, hello, offer)

    async def _agreed(self, connection: Connection, peer: socket.socket) -> tuple[Hello, Offer]:
        check_user(peer)
        hello, _ = await connection.receive()
        if not isinstance(hello, Hello):
            raise TakeoverRefused(f"{type(hello).__name__} came in the place of a hello")
        offer = self._agree(hello)
        connection.put(offer)
        answer, _ = await connection.receive()
        if isinstance(answer, Refused):
            raise TakeoverRefused(answer.why)
        if not isinstance(answer, Agreed) or not self._open:
            raise TakeoverRefused("another has taken over, or this one has not agreed")
        return hello, offer


def offering(
    secret: str, parts: Sequence[Part], release: str, dropped: Sequence[str]
) -> Callable[[Hello], Offer]:
    """What the side that gives offers to whoever says hello."""
    return lambda hello: offered(hello, secret, parts, release, dropped)


def check_user(peer: socket.socket) -> None:
    """Whether the other end is this process's user.

    Raises:
        TakeoverRefused: it is another.
    """
    if (user := peer_user(peer)) != os.geteuid():
        raise TakeoverRefused(f"the other side runs as user {user}, this one as {os.geteuid()}")


async def introduce(
    path: Path,
    hello: Hello,
    parts: Sequence[Part],
    limits: TakeoverLimits,
) -> tuple[Connection, Offer]:
    """Connect to the side that gives, and agree with it.

    Args:
        path: of its socket.
        hello: what this side says.
        parts: of this side.
        limits: how long that may take.

    Raises:
        PeerGone: nobody is there, it went away, or it does not answer.
        TakeoverFailed: what came is no greeting.
    """
    try:
        peer = unixpath.connect(path, limits.hello_s)
    except OSError as error:
        raise PeerGone(f"{path}: nobody gives there: {error.strerror}") from None
    connection = Connection(peer, limits)
    try:
        check_user(peer)
        async with asyncio.timeout(limits.hello_s):
            return connection, await _ask(connection, hello, parts)
    except TimeoutError:
        connection.close()
        raise PeerGone(f"no agreement within {limits.hello_s} s") from None
    except BaseException:
        connection.close()
        raise


async def _ask(connection: Connection, hello: Hello, parts: Sequence[Part]) -> Offer:
    connection.put(hello)
    offer, _ = await connection.receive()
    if isinstance(offer, Refused):
        raise TakeoverRefused(offer.why)
    if not isinstance(offer, Offer):
        raise TakeoverRefused(f"{type(offer).__name__} came in the place of an offer")
    try:
        check_readable(offer, {part.name: part for part in parts})
    except TakeoverRefused as refused:
        connection.put(Refused(str(refused)))
        raise
    connection.put(Agreed())
    return offer

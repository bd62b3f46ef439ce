"""A CTI link as the recovery bench needs it: it resumes at once, and times what it is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

from protocols.cti.client import Answered, Client, Opened, ResumeLost
from protocols.cti.client_session import ClientSession
from protocols.cti.events import Closed, Transmit
from protocols.cti.messages import Error, Hello, RouteSelect

RETRY_S = 0.002
"""Between two attempts at what the dying node still had in its hands."""


class Link(asyncio.Protocol):
    """One connection.

    Args:
        token: of scope cti.
        answered: called with each answer, be it a refusal.
        session: that of a connection that has ended.
    """

    def __init__(
        self,
        token: str,
        answered: Callable[[RouteSelect | Error], None],
        session: ClientSession | None = None,
    ) -> None:
        hello = Hello(1, "bench", "primary", token)
        self.client = Client(hello, now=time.monotonic(), wall=time.time(), session=session)
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._answered = answered
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self.client.hello())

    def data_received(self, data: bytes) -> None:
        """Take what vigie sends."""
        for event in self.client.receive(data, time.monotonic()):
            match event:
                case Transmit(data=data):
                    self._write(data)
                case Opened():
                    self.opened.set_result(None)
                case ResumeLost() | Closed():
                    self.fail(f"the link did not go on: {event}")
                case Answered(answer=answer):
                    self._answered(answer)

    def fail(self, why: str) -> None:
        """End whoever waits."""
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(why))

    def connection_lost(self, exc: Exception | None) -> None:
        """The node is gone."""
        self._transport = None
        self.fail(f"connection lost: {exc}")
        if not self.closed.done():
            self.closed.set_result(None)

    def send(self, **frame: object) -> None:
        """Send a frame."""
        self._write(self.client.send_frame(frame, time.monotonic()))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """Leave."""
        if self._transport is not None:
            self._transport.abort()


async def connect(
    port: int,
    token: str,
    answered: Callable[[RouteSelect | Error], None],
    session: ClientSession | None = None,
    *,
    patience_s: float = 60.0,
) -> Link:
    """Connect, again and again while the node is down, and wait for the answer to the hello.

    Args:
        port: of the CTI links.
        token: of scope cti.
        answered: called with each answer, be it a refusal.
        session: to be resumed.
        patience_s: after this it is a failure.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    while True:
        try:
            _, link = await loop.create_connection(
                lambda: Link(token, answered, session), "127.0.0.1", port
            )
            async with asyncio.timeout_at(deadline):
                await link.opened
        except ConnectionError:
            if loop.time() > deadline:
                raise
            await asyncio.sleep(RETRY_S)
        else:
            return link


def request(number: int, run: str) -> dict[str, object]:
    """A route request of a new call."""
    return {
        "t": "route.request",
        "xref": f"{run}-x{number}",
        "call": f"{run}-c{number}",
        "rp": "sales",
        "ani": f"+3314268{number % 10_000:04}",
        "ts": round(time.time(), 3),
        "ud": {"queue": "q1", "number": str(number)},
    }

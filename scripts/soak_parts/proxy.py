"""A TCP proxy that cuts connections in the middle of a byte stream, or half-opens them.

A cut ends both sockets with a reset after some more bytes have passed. A half-open connection stays
up on both sides, and nothing passes any more in one or both directions, as behind a router that has
forgotten it: the ends can only find out by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import Literal, TypeAlias

Direction: TypeAlias = Literal["up", "down", "both"]

CONNECT_S = 5.0
FORGET_S = 45.0
"""After so long a half-open connection is reset, as the router does that meets an old one."""

_CHUNK = 65_536
_RESET_AT_ONCE = struct.pack("ii", 1, 0)


@dataclass
class Counts:
    """What became of connections."""

    made: int = 0
    cut: int = 0
    half_opened: int = 0
    refused: int = 0


class Passage:
    """One connection through the proxy.

    Args:
        client: the end that connected to the proxy.
        server: the end that the proxy connected to.
    """

    def __init__(self, client: _End, server: _End) -> None:
        self.half_open = False
        self._ends = {"up": (client, server), "down": (server, client)}
        self._cut_after: dict[str, int] = {}
        self._held = {"up": asyncio.Event(), "down": asyncio.Event()}
        for event in self._held.values():
            event.set()

    async def run(self) -> None:
        """Pass bytes on until an end ends, or the passage is cut."""
        pumps = [asyncio.create_task(self._pump(direction)) for direction in self._ends]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self.reset()

    def cut_after(self, direction: Literal["up", "down"], size: int) -> None:
        """Cut when so many more bytes have passed in a direction."""
        self._cut_after[direction] = size

    def hold(self, direction: Direction) -> None:
        """Pass nothing more in a direction, and tell nobody."""
        self.half_open = True
        for name in ("up", "down") if direction == "both" else (direction,):
            self._held[name].clear()

    def reset(self) -> None:
        """End both sockets at once, with a reset."""
        for end in self._ends["up"]:
            end.reset()

    async def _pump(self, direction: str) -> None:
        source, sink = self._ends[direction]
        while data := await source.read():
            await self._held[direction].wait()
            left = self._cut_after.get(direction)
            if left is not None and left <= len(data):
                await sink.write(data[:left])
                return
            if left is not None:
                self._cut_after[direction] = left - len(data)
            await sink.write(data)
        # A half-open passage hears nothing of either end, not even that one is gone.
        if self.half_open:
            await asyncio.get_running_loop().create_future()


class _End:
    """One socket of a passage."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        try:
            return await self._reader.read(_CHUNK)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self._writer.write(data)
            await self._writer.drain()

    def reset(self) -> None:
        transport = self._writer.transport
        with contextlib.suppress(OSError):
            plain: socket.socket | None = transport.get_extra_info("socket")
            if plain is not None:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_ONCE)
        transport.abort()


class ChaosProxy:
    """Listens on a port of its own and passes on to another.

    Args:
        host: where to pass on to.
        port: the port there.

    Attributes:
        port: its own, once it is started.
        counts: what became of connections.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.counts = Counts()
        self._target = (host, port)
        self._passages: dict[Passage, asyncio.Task[None]] = {}
        self._accepting: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on the loopback address."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more and end every connection."""
        if self._server is not None:
            self._server.close()
        for task in (*self._passages.values(), *self._accepting):
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)

    def cut(self, draw: float, after: int, *, up: bool) -> bool:
        """Cut a connection after some more bytes.

        Args:
            draw: which one, from 0 to 1 over those that pass bytes.
            after: how many bytes pass before.
            up: whether the bytes to the server count, or those to the client.

        Returns:
            False when there is none.
        """
        passage = self._draw(draw)
        if passage is None:
            return False
        passage.cut_after("up" if up else "down", after)
        self.counts.cut += 1
        return True

    def half_open(self, draw: float, direction: Direction) -> bool:
        """Half-open a connection; arguments and result as in `cut`."""
        passage = self._draw(draw)
        if passage is None:
            return False
        passage.hold(direction)
        self.counts.half_opened += 1
        asyncio.get_running_loop().call_later(FORGET_S, self._passages[passage].cancel)
        return True

    @property
    def passing(self) -> int:
        """Connections that pass bytes."""
        return sum(1 for passage in self._passages if not passage.half_open)

    def _draw(self, draw: float) -> Passage | None:
        passing = [passage for passage in self._passages if not passage.half_open]
        return passing[int(draw * len(passing)) % len(passing)] if passing else None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._accepting.add(task)
        try:
            await self._pass_on(_End(reader, writer))
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._accepting.discard(task)

    async def _pass_on(self, client: _End) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                server = _End(*await asyncio.open_connection(*self._target))
        except OSError:
            self.counts.refused += 1
            client.reset()
            return
        self.counts.made += 1
        passage = Passage(client, server)
        task = asyncio.create_task(passage.run())
        self._passages[passage] = task
        try:
            await task
        finally:
            task.cancel()
            del self._passages[passage]

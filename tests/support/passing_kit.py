"""Parts of a node for tests of a takeover: items that change, sockets that echo, notes."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

from supervision.release.carrier import Bulk, NoConversion, Packed, Part, Slice


class Shelf(Bulk):
    """Items that may change at any time."""

    name = "shelf"

    def __init__(self, items: dict[str, bytes] | None = None, *, version: int = 1) -> None:
        self.items = dict(items or {})
        self.version = version
        self.older: set[int] = set()
        self.calls: list[str] = []
        self.dirty: dict[str, None] = {}
        self.noting = False
        self.largest = 0

    def writes(self, version: int) -> bool:
        return version == self.version or version in self.older

    def reads(self, version: int) -> bool:
        return version == self.version or version in self.older

    # What the node does with it

    def put(self, key: str, value: bytes) -> None:
        self.items[key] = value
        if self.noting:
            self.dirty[key] = None

    def drop(self, key: str) -> None:
        del self.items[key]
        if self.noting:
            self.dirty[key] = None

    # Gives

    def begin(self) -> None:
        self.calls.append("begin")
        self.noting = True
        self.dirty = dict.fromkeys(self.items)

    def take(self, limit: int, version: int) -> Slice:
        if not self.writes(version):
            raise NoConversion(f"shelf: no way from {self.version} to {version}")
        keys = [key for key, _ in zip(self.dirty, range(limit), strict=False)]
        for key in keys:
            del self.dirty[key]
        self.largest = max(self.largest, len(keys))
        there = tuple((key, self.items[key]) for key in keys if key in self.items)
        return Slice(there, tuple(key for key in keys if key not in self.items))

    @property
    def due(self) -> int:
        return len(self.dirty)

    def end(self) -> None:
        self.calls.append("end")
        self.noting = False
        self.dirty = {}

    def count(self) -> int:
        return len(self.items)

    def hold(self) -> None:
        self.calls.append("hold")

    async def stop(self) -> None:
        self.calls.append("stop")

    async def resume(self) -> None:
        self.calls.append("resume")

    # Takes

    def give(self, version: int, items: Slice) -> Any:
        if not self.reads(version):
            raise NoConversion(f"shelf: no way from {version} to {self.version}")
        self.items.update(items.items)
        for key in items.dropped:
            self.items.pop(key, None)

    async def switch(self) -> None:
        self.calls.append("switch")


class Notes(Part):
    """A small state."""

    name = "notes"

    def __init__(self, text: str = "", *, name: str = "notes", optional: bool = False) -> None:
        self.text = text
        self.name = name
        self.optional = optional
        self.calls: list[str] = []

    async def drain(self, until: float) -> None:
        self.calls.append("drain")

    def hold(self) -> None:
        self.calls.append("hold")

    async def stop(self) -> None:
        self.calls.append("stop")

    def pack(self, version: int) -> Packed:
        self.calls.append("pack")
        return Packed(self.text.encode())

    def copy(self, version: int) -> bytes | None:
        return self.text.encode()

    def tells(self) -> dict[str, Any]:
        return {"length": len(self.text)} if self.text else {}

    async def resume(self) -> None:
        self.calls.append("resume")

    def unpack(self, version: int, body: bytes, descriptors: tuple[int, ...]) -> None:
        self.calls.append("unpack")
        self.text = body.decode()

    async def switch(self) -> None:
        self.calls.append("switch")


class Echoes(Part):
    """Connections whose lines are answered with a name: who reads them is seen outside."""

    name = "echoes"

    def __init__(self, who: str, connections: list[socket.socket] | None = None) -> None:
        self.who = who
        self.connections = connections or []
        self.reading = False

    def read(self) -> None:
        """Answer what comes from now on."""
        self.reading = True
        loop = asyncio.get_running_loop()
        for connection in self.connections:
            connection.setblocking(False)
            loop.add_reader(connection, self._answer, connection)

    def _answer(self, connection: socket.socket) -> None:
        data = connection.recv(4096)
        if data:
            connection.send(f"{self.who}:".encode() + data)
        else:
            asyncio.get_running_loop().remove_reader(connection)

    def hold(self) -> None:
        self.reading = False
        for connection in self.connections:
            asyncio.get_running_loop().remove_reader(connection)

    def pack(self, version: int) -> Packed:
        return Packed(b"", tuple(one.fileno() for one in self.connections))

    async def resume(self) -> None:
        if not self.reading:
            self.read()

    def unpack(self, version: int, body: bytes, descriptors: tuple[int, ...]) -> None:
        self.connections = [socket.socket(fileno=number) for number in descriptors]

    async def switch(self) -> None:
        self.read()

    def close(self) -> None:
        for connection in self.connections:
            connection.close()


def open_descriptors() -> int:
    """How many this process has."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())

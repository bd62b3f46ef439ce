"""A node with links and HTTP connections as a process of its own: it gives, or takes over.

python moving_program.py give|take NAME DIRECTORY CTI_DESCRIPTOR HTTP_DESCRIPTOR CALLS
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec
from moving_links import LinkNode, World
from moving_web import WebNode
from told_lines import say, told

from actors.takeover.pauses import pause
from supervision.release.carrier import Packed, Part
from supervision.release.giving import Giver
from supervision.release.records import TakeoverLimits
from supervision.release.taking import Taker
from supervision.release.wire import TakeoverFailed

SECRET = "a secret"
LIMITS = TakeoverLimits(drain_s=5.0, quiet_s=5.0, freeze_s=20.0)


class WorldPart(Part):
    """What the sessions know."""

    name = "world"

    def __init__(self, world: World) -> None:
        self.world = world

    def pack(self, version: int) -> Packed:
        return Packed(json.dumps(self.world.effects).encode())

    def unpack(self, version: int, body: bytes, descriptors: tuple[int, ...]) -> None:
        for link, i, call in json.loads(body):
            self.world.apply(link, i, call)


class Node:
    """Links and HTTP in one kernel."""

    def __init__(self, name: int, cti: int, http: int, calls: int, *, waiting: bool) -> None:
        self.world = World()
        names = [f"c{number}" for number in range(calls)]
        self.links = LinkNode(_socket(cti), self.world, names, waiting=waiting)
        self.kernel = self.links.kernel
        self.web = WebNode(
            name,
            _socket(http),
            waiting=waiting,
            kernel=self.kernel,
            max_connections=2_000,
            idle_timeout_s=600.0,  # on a busy machine a test may take longer than the default
        )
        self.parts = [WorldPart(self.world), self.links.part, self.web.part]

    async def start(self) -> None:
        await self.links.start()
        await self.web.start()

    def open(self) -> None:
        self.links.standby.open()
        self.web.standby.open()

    def seen(self) -> dict[str, Any]:
        return {
            "effects": self.world.effects,
            "connections": len(self.links.table.connections),
            "browsers": self.web.open,
            "frozen": self.kernel.frozen,
        }


def _socket(descriptor: int) -> socket.socket:
    listening = socket.socket(fileno=descriptor)
    listening.setblocking(False)
    return listening


async def take(node: Node, directory: Path, commands: asyncio.StreamReader) -> None:
    taker = Taker(node.kernel, node.parts, limits=LIMITS)
    try:
        await taker.connect(directory / "takeover.sock", SECRET)
        await taker.copied()
        say("copied")
        await taker.prepared()
    except TakeoverFailed as failed:
        say("failed", why=str(failed))
        sys.exit(1)
    say("prepared")
    await commands.readline()
    switched = await taker.switch()
    node.open()
    held = filter(None, [node.links.part.held, node.web.part.held])
    now = node.kernel.clock.monotonic()
    say("switched", pause=pause(held, now, switched.pause_ms))


async def serve(node: Node, directory: Path, commands: asyncio.StreamReader) -> None:
    """Do what is told: listen, freeze, resume, look, exit."""
    giver: Giver | None = None
    freezing: set[asyncio.Task[None]] = set()
    while command := (await commands.readline()).decode().strip():
        match command:
            case "listen":
                giver = Giver(node.kernel, node.parts, limits=LIMITS)
                await giver.listen(directory, SECRET)
                say("listens")
            case "freeze":
                freezing.add(asyncio.ensure_future(_freeze(giver)))
            case "resume":
                await giver.resume()
                say("resumed")
            case "look":
                say("seen", **node.seen())
            case "exit":
                os._exit(0)


async def _freeze(giver: Any) -> None:
    try:
        await giver.copied()
        say("frozen", **msgspec.to_builtins(await giver.freeze()))
    except TakeoverFailed as failed:
        say("failed", why=str(failed))


async def main(*words: str) -> None:
    role, name, directory, cti, http, calls = words
    waiting = role == "take"
    node = Node(int(name), int(cti), int(http), int(calls), waiting=waiting)
    await node.start()
    commands = await told()
    if waiting:
        await take(node, Path(directory), commands)
    else:
        say("serves")
    await serve(node, Path(directory), commands)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""A node that gives or takes, as a process of its own; driven by lines, and killed at any message.

python takeover_program.py give DIRECTORY PORT_FILE CONNECTIONS
python takeover_program.py take DIRECTORY
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec
from passing_kit import Echoes, Notes, Shelf
from told_lines import say, told

from supervision.eventloop.base import EventLoopBase
from supervision.release.giving import Giver
from supervision.release.passing import Connection
from supervision.release.records import TakeoverLimits
from supervision.release.taking import Taker
from supervision.release.wire import TakeoverFailed

LIMITS = TakeoverLimits(slice_items=20, few=5, drain_s=0.2)
SECRET = "a secret"


class Deadly:
    """Kills its process at one message, counted from the last `arm`."""

    def __init__(self) -> None:
        self.way, self.at, self.count = "", 0, {"put": 0, "receive": 0}

    def arm(self, way: str, at: int) -> None:
        self.way, self.at, self.count = way, at, {"put": 0, "receive": 0}

    def passes(self, way: str) -> None:
        self.count[way] += 1
        if (self.way, self.at) == (way, self.count[way]):
            os.kill(os.getpid(), signal.SIGKILL)


DEADLY = Deadly()


def make_deadly() -> None:
    put, receive = Connection.put, Connection.receive

    def counted_put(self: Connection, message: Any, descriptors: Any = ()) -> None:
        DEADLY.passes("put")
        put(self, message, descriptors)

    async def counted_receive(self: Connection) -> Any:
        message = await receive(self)
        DEADLY.passes("receive")
        return message

    Connection.put, Connection.receive = counted_put, counted_receive  # type: ignore[method-assign]


def node() -> Any:
    return EventLoopBase(None, False, loop=asyncio.get_running_loop()).kernel


def accepted(port_file: Path, count: int) -> list[socket.socket]:
    server = socket.create_server(("127.0.0.1", 0))
    port_file.write_text(str(server.getsockname()[1]), encoding="utf-8")
    say("listening")
    made = [server.accept()[0] for _ in range(count)]
    server.close()
    return made


async def give(directory: Path, port_file: Path, count: int) -> None:
    kernel = node()
    shelf, notes = Shelf({f"item-{n}": b"%d" % n for n in range(40)}), Notes("some notes")
    echoes = Echoes("old", accepted(port_file, count))
    echoes.read()
    commands, giver, freezing = await told(), None, []
    while command := (await commands.readline()).decode().split():
        match command:
            case ["listen", way, at]:
                DEADLY.arm(way, int(at))
                giver = Giver(kernel, [shelf, notes, echoes], release="1", limits=LIMITS)
                await giver.listen(directory, SECRET)
                say("listens")
            case ["freeze"]:
                freezing.append(asyncio.create_task(freeze(giver, shelf)))
            case ["resume"]:
                await giver.resume()
                say("resumed", items=shelf.count(), frozen=kernel.frozen, noting=shelf.noting)
            case ["exit"]:
                say("exits", **DEADLY.count)
                os._exit(0)


async def freeze(giver: Any, shelf: Shelf) -> None:
    try:
        await giver.copied()
        shelf.put("item-3", b"changed")
        say("frozen", **msgspec.to_builtins(await giver.freeze()))
    except TakeoverFailed as failed:
        say("failed", why=str(failed))


async def take(directory: Path) -> None:
    kernel = node()
    parts = [Shelf(), Notes(), Echoes("new")]
    taker, commands = Taker(kernel, parts, release="2", limits=LIMITS), await told()
    way, at = (await commands.readline()).decode().split()
    DEADLY.arm(way, int(at))
    try:
        await taker.connect(directory / "takeover.sock", SECRET)
        await taker.copied()
        say("copied")
        prepared = await taker.prepared()
    except TakeoverFailed as failed:
        say("failed", why=str(failed))
        return
    say("prepared", **msgspec.to_builtins(prepared))
    while command := (await commands.readline()).decode().strip():
        if command == "switch":
            switched = await taker.switch()
            last = parts[0].items["item-3"].decode()
            say("switched", **msgspec.to_builtins(switched), last=last, **DEADLY.count)


if __name__ == "__main__":
    make_deadly()
    role, where, *rest = sys.argv[1:]
    if role == "give":
        asyncio.run(give(Path(where), Path(rest[0]), int(rest[1])))
    else:
        asyncio.run(take(Path(where)))

"""Two whole nodes on one loop: one serves CTIs, the other looks on."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from pathlib import Path
from typing import Any, Self

from link_kit import Tokens
from live_links import LiveCti
from msgspec.structs import replace

from actors.assembly import Assembly
from actors.config import Config, RoutingPoint
from actors.reference.live import Tables
from actors.release_settings import ReleaseSettings
from actors.standby import Standby
from actors.takeover.mirror import Mirror, mirror_of
from actors.takeover.parts import giving_parts, taking_parts
from actors.takeover.shadow import Shadow, suppressed
from actors.tree import NAME, Node
from supervision import SHUTDOWN, Started, actor_system
from supervision.release.giving import Giver
from supervision.release.taking import Taker

SECRET = "a secret"
PATIENCE_S = 20.0


def points(target: str) -> dict[str, RoutingPoint]:
    return {
        "sales": RoutingPoint(target=target, rtype="direct", alternates=("7002",)),
        "help": RoutingPoint(target="8001", rtype="direct"),
    }


class WholeNode:
    """A node with all of its tree.

    Args:
        data: its data directory.
        config: its configuration.
        waiting: whether it is in standby.
    """

    def __init__(self, data: Path, config: Config, *, waiting: bool) -> None:
        self.kernel = actor_system(loop=asyncio.get_running_loop())._systemBase.kernel
        alone = ReleaseSettings.alone("0")
        self.listeners = {name: server() for name in ("cti", "http")}
        self.assembly = Assembly.make(
            self.kernel,
            config,
            data=data,
            listeners=self.listeners,
            version="0",
            epoch=secrets.token_hex(4),
            release=replace(alone, standby=Standby(waiting=waiting)),
        )

    async def start(self) -> None:
        given = self.assembly.arguments()
        listener = replace(given.call.listener, tokens=Tokens())
        given = replace(given, call=replace(given.call, listener=listener))
        outcome = await self.kernel.start_root(Node(), given, NAME, lambda: None)
        assert isinstance(outcome, Started), outcome

    async def end(self) -> None:
        self.assembly.links.stop()
        await self.kernel.future_of(self.kernel.stop(self.kernel.roots[NAME], SHUTDOWN, 5.0))
        await self.assembly.journal.close()
        for one in self.listeners.values():
            one.close()


def server() -> socket.socket:
    made = socket.create_server(("127.0.0.1", 0))
    made.setblocking(False)
    return made


class Looking:
    """A node that serves and its shadow.

    Attributes:
        old: the one that serves.
        new: the shadow's node.
        shadow: what it has seen.
        lost: how many records it had got where it did not keep up.
    """

    def __init__(self, tmp_path: Path, old: Config, new: Config) -> None:
        for name in ("old", "new"):
            (tmp_path / name).mkdir()
        self._socket = tmp_path
        self.old = WholeNode(tmp_path / "old", old, waiting=False)
        self.new = WholeNode(tmp_path / "new", suppressed(new), waiting=True)
        self.ctis: list[LiveCti] = []
        self.mirror: Mirror
        self.shadow: Shadow
        self.lost: list[int] = []
        self._following: Any = None

    async def __aenter__(self) -> Self:
        await self.old.start()
        self.new.kernel.hold_timers()
        await self.new.start()
        return self

    async def cti(self, name: str = "cti-1") -> LiveCti:
        made = LiveCti(self.old.listeners["cti"].getsockname(), name)
        self.ctis.append(made)
        await made.ready()
        return made

    async def look_on(self) -> None:
        """From here on the shadow is there; it has the tables, as those of one directory have."""
        await self.until(lambda: self._tables(self.old).points.version.number)
        self.new.assembly.reference.reference.tables = self._tables(self.old)
        parts = giving_parts(self.old.assembly)
        self.giver = Giver(self.old.kernel, parts, tell=self._told)
        self.mirror = mirror_of(self.old.assembly, parts, self.giver, self.lost.append)
        path = await self.giver.listen(self._socket, SECRET)
        taking = taking_parts(self.new.assembly)
        self.taker = Taker(self.new.kernel, taking, mode="shadow")
        offer = await self.taker.connect(path, SECRET)
        await self.taker.copied()
        self.shadow = Shadow(self.new.assembly, taking, offer.parts)
        await self.shadow.begin()
        self.taker.on_forward = self.shadow.heard
        self._following = asyncio.ensure_future(self.taker.follow())

    @staticmethod
    def _tables(node: WholeNode) -> Tables:
        return node.assembly.reference.reference.tables

    def _told(self, phase: str, more: dict[str, Any]) -> None:
        if phase == "copied":
            self.mirror.begin()

    @property
    def decisions(self) -> dict[str, Any]:
        return self.shadow.report()["decisions"]

    @property
    def applications(self) -> dict[str, Any]:
        return self.shadow.report()["applications"]

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - as in LiveNode
                await asyncio.sleep(0.002)

    async def __aexit__(self, *what: object) -> None:
        for cti in self.ctis:
            await cti.end()
        if self._following is not None:
            self.mirror.end()
            await self.giver.resume()
            with contextlib.suppress(Exception):
                await self._following
            self.taker.close()
        await self.new.end()
        await self.old.end()

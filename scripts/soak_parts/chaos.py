"""Carries a plan out on a node: each blow at its time, on one of those that live then."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import asyncpg

from soak_parts.plan import Blow
from soak_parts.proxy import ChaosProxy, Direction
from soak_parts.targets import Choice, actors_of, pools_of
from soak_parts.upgrades import Upgrades
from soak_parts.vigie import PATIENCE_S, Vigie
from supervision.anchor.messages import Refusal

CUT_BYTES = 4_000
MEMBERS = 50
"""Members of a pool among which one is chosen."""

DIRECTIONS: tuple[Direction, ...] = ("up", "down", "both")
BACKENDS = """
SELECT pg_terminate_backend(pid) FROM (
  SELECT pid FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
  ORDER BY pid OFFSET $1 LIMIT 1) AS chosen
"""
SPARED = "node"

Outcome = Literal["struck", "missed"]


@dataclass
class Chaos:
    """What strikes.

    Attributes:
        node: what is struck.
        links: the proxy of the CTI links.
        http: the proxy of the IVR applications.
        counts: blows by kind.
        missed: blows that found nothing to strike.
        log: every blow: when, what.
        choice: whom actors' blows hit.
        deaths: processes of nodes that were killed.
        early: blows to actors of a node that was starting: its start may fail of that, and the
            anchor starts another.
        upgrades: where the node goes from one release to another meanwhile.
    """

    node: Vigie
    links: ChaosProxy
    http: ChaosProxy
    counts: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    log: list[dict[str, Any]] = field(default_factory=list)
    choice: Choice = field(default_factory=Choice)
    deaths: list[int] = field(default_factory=list)
    early: int = 0
    upgrades: Upgrades | None = None

    async def carry_out(self, plan: list[Blow]) -> None:
        """Strike all blows of a plan; those that come late follow each other at once."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        under_way: set[asyncio.Task[None]] = set()
        for blow in plan:
            await asyncio.sleep(max(0.0, start + blow.at - loop.time()))
            # A node that is away must not hold up the cut of a link.
            task = asyncio.create_task(self._strike(blow))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        if under_way:
            await asyncio.wait(under_way)

    async def strike_spared(self) -> None:
        """Strike what no blow of the plan has hit: one actor of each kind."""
        for number in range(2 * len(self.choice.seen)):
            if not self.choice.spared:
                return
            await self._strike(Blow(0.0, "actor", number / (number + 1), 0.5))
            await asyncio.sleep(0.1)

    async def _strike(self, blow: Blow) -> None:
        try:
            what = await self._blow(blow)
        except (Refusal, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            # What is away already cannot be struck.
            self._missed(blow, str(error))
            return
        if what is None:
            self._missed(blow, "nobody there")
            return
        self.counts[blow.kind] += 1
        self._write(blow, {"what": what})

    def _missed(self, blow: Blow, why: str) -> None:
        self.missed[blow.kind] += 1
        self._write(blow, {"missed": why})

    def _write(self, blow: Blow, outcome: dict[str, str]) -> None:
        done = {"time": time.time(), "clock": asyncio.get_running_loop().time()}
        self.log.append(asdict(blow) | outcome | done)

    async def _blow(self, blow: Blow) -> str | None:
        match blow.kind:
            case "actor":
                return await self._actor(blow)
            case "link cut" | "link half-open" | "http cut":
                return self._on_the_way(blow)
            case "backend":
                return await self._backend(blow)
            case "node" | "postgres":
                return await self._program(blow.kind)
            case "upgrade":
                assert self.upgrades is not None
                return await self.upgrades.step(blow.draw, blow.more)

    def _on_the_way(self, blow: Blow) -> str | None:
        if blow.kind == "link half-open":
            direction = DIRECTIONS[int(blow.more * len(DIRECTIONS))]
            return self._said(self.links.half_open(blow.draw, direction), direction)
        proxy, most = (
            (self.http, CUT_BYTES / 4) if blow.kind == "http cut" else (self.links, CUT_BYTES)
        )
        after = int(blow.more * most)
        return self._said(proxy.cut(blow.draw, after, up=after % 2 == 0), "cut")

    def _said(self, done: bool, what: str) -> str | None:
        return what if done else None

    async def _program(self, name: str) -> str | None:
        pid = await self.node.kill_program(name)
        if pid is not None and name == "node":
            self.deaths.append(pid)
        return None if pid is None else f"{name} {pid}"

    async def _actor(self, blow: Blow) -> str | None:
        tree = await self.node.api("GET", "tree")
        pools = pools_of(tree)
        paths = actors_of(tree)
        for pool in pools:
            query = {"under": pool, "limit": MEMBERS}
            with contextlib.suppress(Refusal):
                rows = (await self.node.api("GET", "actors", query))["items"]
                paths += [row["path"] for row in rows]
        if not paths:  # the whole tree is between two lives
            return None
        path = self.choice.choose(paths, pools, blow.draw, blow.more)
        state = (await self.node.ask("status"))["programs"]["node"]["state"]
        await self.node.kill_actor(path)
        self.early += state != "running"
        self.choice.struck(path, pools)
        return path

    async def _backend(self, blow: Blow) -> str | None:
        connection = await asyncpg.connect(self.node.dsn(), timeout=2.0)
        try:
            ended = await connection.fetch(BACKENDS, int(blow.more * 4))
        finally:
            connection.terminate()
        return "backend" if ended else None


async def wait_healed(node: Vigie) -> dict[str, Any]:
    """Wait until the programs run and the node says that it is ready; gives what `info` tells."""
    info = await node.wait_running()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await node.api("GET", "node")
            except Refusal:
                await asyncio.sleep(0.1)
            else:
                return info

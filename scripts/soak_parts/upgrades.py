"""Two releases of this tree, between which a node goes there and back while blows fall.

The sessions of the second have another shape, so that each way is a conversion. Half of the
upgrades and rollbacks are disturbed: one of the processes of the node is killed at some moment of
them. Whatever becomes of one, the node runs afterwards with one of the two.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench"))

from upgrade_changes import with_priority
from upgrade_nodes import Node, Workshop, copy_of, versioned

from soak_parts.vigie import Vigie
from supervision.anchor.messages import Refusal

ROOT = Path(__file__).resolve().parents[2]
SECOND = "999.0.0"
DISTURBED = 0.5
"""Of all upgrades and rollbacks, those in which somebody is killed ..."""

DISTURBED_S = 5.0
"""... at the latest after so many seconds."""

COMMITTED = 0.2
"""Of the second release's probations, those that are cut short by a commit."""

WHO = "soak"


def installed(place: Path, data: Path, settings: Mapping[str, str]) -> tuple[Vigie, str, str]:
    """Build and install both releases; the node begins with the first.

    Args:
        place: where they are built; removed by the caller.
        data: the data directory.
        settings: of the node.

    Returns:
        The node, not started, and both versions.
    """
    shop, node = Workshop(place), Node(data, settings)
    first = shop.build(copy_of(ROOT, place / "one"), "one")
    second = shop.build(with_priority(versioned(copy_of(ROOT, place / "two"), SECOND)), "two")
    versions = node.install(first), node.install(second)
    return Vigie(data, settings, (node.vigie,)), *versions


class Upgrades:
    """Takes a node from one release to the other.

    Args:
        node: that runs.
        first: the version it began with.
        second: the other one.

    Attributes:
        counts: what was done, and what came of it.
        killed: processes that were killed meanwhile.
        said: why those did not come to their end that did not.
    """

    def __init__(self, node: Vigie, first: str, second: str) -> None:
        self._node = node
        self._first = first
        self._second = second
        self.counts: Counter[str] = Counter()
        self.killed: list[int] = []
        self.said: Counter[str] = Counter()

    async def step(self, draw: float, more: float) -> str:
        """Do the next upgrade, rollback or commit; return what came of it.

        Args:
            draw: 0 to 1; decides whether somebody is killed, and when.
            more: 0 to 1; decides between going back and staying, and who is killed.

        Raises:
            Refusal: the anchor is away, or an upgrade is under way.
        """
        op, args = await self._next(more)
        killing = None
        if draw < DISTURBED and op != "commit":
            killing = asyncio.create_task(self._disturb(draw / DISTURBED * DISTURBED_S, more))
        try:
            await asyncio.to_thread(self._node.anchor, f"release.{op}", args)
            outcome = f"{op}: done"
        except Refusal as refusal:
            outcome = f"{op}: not done"
            self.said[str(refusal)[:120]] += 1
        if killing is not None:
            outcome += ", somebody killed" if await killing else ", nobody there to kill"
        self.counts[outcome] += 1
        return outcome

    async def _next(self, more: float) -> tuple[str, dict[str, Any]]:
        status = await asyncio.to_thread(self._node.anchor, "release.status", {})
        if status["current"] != status["permanent"]:
            return ("commit" if more < COMMITTED else "rollback"), {"who": WHO}
        other = self._second if status["current"] == self._first else self._first
        # A version in whose probation somebody was killed is refused otherwise.
        return "upgrade", {"vsn": other, "who": WHO, "force": True}

    async def _disturb(self, after_s: float, more: float) -> bool:
        await asyncio.sleep(after_s)
        anchor = (await self._node.ask("info"))["anchor"]["pid"]
        nodes = sorted(nodes_of(anchor))
        if not nodes:
            return False
        pid = nodes[int(more * len(nodes))]
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self.killed.append(pid)
        return True


def nodes_of(anchor: int) -> Iterator[int]:
    """The processes of an anchor that are nodes.

    Args:
        anchor: its process.
    """
    children = Path(f"/proc/{anchor}/task/{anchor}/children")
    for pid in children.read_text(encoding="ascii").split():
        with contextlib.suppress(OSError):
            if b"actors.node" in Path(f"/proc/{pid}/cmdline").read_bytes():
                yield int(pid)

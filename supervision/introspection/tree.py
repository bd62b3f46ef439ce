"""The live tree: found by path, shown in slices, steered by operators.

Everything runs on the node's loop, between the handlers of actors. What goes over many actors
lets the loop go round in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import asdict

from supervision.introspection.details import Details
from supervision.introspection.errors import (
    ActionRefused,
    NoSuchActor,
)
from supervision.introspection.finding import children, member_of_pool, sliced, state_of
from supervision.introspection.records import (
    ActorRow,
    DeadLetterRow,
    PoolSummary,
    TreeNode,
)
from supervision.introspection.showing import status_of
from supervision.introspection.steering import Steering
from supervision.introspection.top import Ranking
from supervision.introspection.trace import Tracing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervision.introspection.finding import Found

__all__ = ["ActionRefused", "Introspection", "NoSuchActor"]


class Introspection(Details, Ranking, Steering, Tracing):
    """Shows and steers the actors of a node: OTP's ``sys`` and ``recon`` by path.

    Args:
        kernel: the node.
        root: name of the actor at the top of the tree.
        limits: how much may be watched, kept and gone through.
    """

    async def tree(self, path: str | None = None, depth: int | None = None) -> TreeNode:
        """The tree below a path, the root's by default.

        Args:
            path: where to start.
            depth: levels of children to show; None for all.

        Raises:
            NoSuchActor: nothing has this path.
        """
        return await self._node(self._find(path or self._root), depth)

    async def _node(self, found: Found, depth: int | None) -> TreeNode:
        row = self._row(found, measure=True)
        pool = await self._pool(found)
        below = []
        if pool is None and depth != 0:
            deeper = None if depth is None else depth - 1
            below = [await self._node(child, deeper) for child in children(found)]
        return TreeNode(**asdict(row), children=below, pool=pool)

    async def _pool(self, found: Found) -> PoolSummary | None:
        state = state_of(found.address.cell)
        if state is None or not state.dynamic:
            return None
        by_status: dict[str, int] = {}
        deepest = 0
        members = list(state.children.values())
        async for child in sliced(members):
            member = child.address.cell
            status = status_of(member, child)
            by_status[status] = by_status.get(status, 0) + 1
            if member is not None:
                deepest = max(deepest, member.depth)
        return PoolSummary(count=len(members), by_status=by_status, mailbox_max=deepest)

    def actors(self, under: str | None = None) -> Iterator[ActorRow]:
        """The actors below a path, itself included; made while they are iterated.

        Raises:
            NoSuchActor: nothing has this path.
        """
        found = self._walk(self._find(under or self._root))
        return (self._row(one, measure=not member_of_pool(one)) for one in found)

    def dead_letters(self) -> Iterator[DeadLetterRow]:
        """The latest dead letters, the oldest first."""
        letters = self._kernel.dead_letters
        first = letters.total - len(letters.recent) + 1
        for number, letter in enumerate(tuple(letters.recent), first):
            yield DeadLetterRow(
                number=number,
                at=letter.at,
                target=letter.to,
                sender=letter.sender,
                message=letter.message,
                reason=letter.reason,
            )

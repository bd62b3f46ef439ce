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
from supervision.introspection.finding import children, member_of_pool, state_of
from supervision.introspection.records import (
    ActorRow,
    DeadLetterRow,
    PoolSummary,
    TreeNode,
)
from supervision.introspection.showing import memory_of, status_of
from supervision.introspection.steering import Steering
from supervision.introspection.top import Ranking
from supervision.introspection.trace import Tracing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervision.introspection.finding import Found
    from supervision.introspection.pace import Slices

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
        found = self._find(path or self._root)
        return await self._node(found, depth, await self.pace.begin())

    async def _node(self, found: Found, depth: int | None, slices: Slices) -> TreeNode:
        if slices.over():
            await slices.rest()
        row = self._row(found, measure=True)
        pool = await self._pool(found, slices)
        below = []
        if pool is None and depth != 0:
            deeper = None if depth is None else depth - 1
            below = [await self._node(child, deeper, slices) for child in children(found)]
        return TreeNode(**asdict(row), children=below, pool=pool)

    async def _pool(self, found: Found, slices: Slices) -> PoolSummary | None:
        state = state_of(found.address.cell)
        if state is None or not state.dynamic:
            return None
        by_status: dict[str, int] = {}
        deepest = 0
        members = list(state.children.values())
        for child in members:
            if slices.over():
                await slices.rest()
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
        return map(self.row, self.found(under))

    def found(self, under: str | None = None) -> Iterator[Found]:
        """The actors below a path, itself included, as ``row`` and ``column`` take them.

        Raises:
            NoSuchActor: nothing has this path.
        """
        return self._walk(self._find(under or self._root))

    def row(self, found: Found) -> ActorRow:
        """What a list shows of an actor; the memory of those of pools is not measured."""
        return self._row(found, measure=not member_of_pool(found))

    def column(self, found: Found, name: str) -> str | float | None:
        """One field of an actor's row, for less than the row costs; None where it has none."""
        cell = found.address.cell
        if name == "path":
            return found.address.path
        if name == "mailbox":
            return 0 if cell is None else cell.depth
        if name == "handled":
            return 0 if cell is None else cell.handled
        if name == "restarts":
            return 0 if found.child is None else found.child.restarts
        if name == "memory":
            return None if member_of_pool(found) else memory_of(cell)
        value: str | float | None = getattr(self._row(found, measure=False), name)
        return value

    def is_pool(self, path: str) -> bool:
        """Whether it is a supervisor of dynamic children.

        Raises:
            NoSuchActor: nothing has this path.
        """
        state = state_of(self._find(path).address.cell)
        return state is not None and state.dynamic

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

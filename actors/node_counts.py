"""How much there is in a node, read when somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors import metrics
from actors.cti_link import LINKS
from actors.session_pool import SessionPool
from actors.web.ports import NodeCounts
from supervision import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision.eventloop.cell import Cell
    from supervision.eventloop.kernel import Kernel


def counter(kernel: Kernel, pool: SessionPool) -> Callable[[], NodeCounts]:
    """Make what counts; the node's uptime begins with it.

    Args:
        kernel: the node.
        pool: its sessions.
    """
    started = kernel.clock.monotonic()

    def count() -> NodeCounts:
        return NodeCounts(
            sessions=pool.count(),
            links=sum(1 for _ in kernel.registry.members(LINKS)),
            actors=sum(map(_actors, kernel.roots.values())),
            restarts=kernel.restarts,
            dead_letters=kernel.dead_letters.total,
            handled=kernel.total_handled,
            generation=_generation(),
            uptime_s=round(kernel.clock.monotonic() - started, 3),
        )

    return count


def _actors(cell: Cell) -> int:
    """An actor and those below it; the members of a pool have none, and may be many."""
    below = cell.children or {}
    if isinstance(cell.actor, Supervisor):
        state = getattr(cell.actor, "state", None)  # not there before init has said what it is
        if state is not None and state.dynamic:
            return 1 + len(below)
    return 1 + sum(map(_actors, below.values()))


def _generation() -> int:
    (family,) = metrics.GENERATION.collect()
    return int(family.samples[0].value)

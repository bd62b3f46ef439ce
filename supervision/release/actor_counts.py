"""What operators are shown of actors and supervisors goes on: counts, restarts, histories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervision.release.actor_records import CountRecord, NodeCounts, SupervisorRecord
from supervision.supervisor import Supervisor
from supervision.supervisor.carrying import NOTHING, past_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from supervision.eventloop.cell import Cell, LocalAddress
    from supervision.eventloop.kernel import Kernel
    from supervision.release.actor_records import Body


def count_of(cell: Cell, was: str) -> CountRecord:
    """What is counted of one actor."""
    return CountRecord(cell.address.path, was, cell.handled, cell.overflows, cell.since)


def supervisors(walked: Iterable[tuple[Cell, str]]) -> Iterator[SupervisorRecord]:
    """What supervisors remember; of pools whose members other parts carry, not of each child."""
    for cell, was in walked:
        actor = cell.actor
        if not isinstance(actor, Supervisor) or not hasattr(actor, "state"):
            continue
        state = actor.state
        record = SupervisorRecord(cell.address.path, was, list(state.restarts))
        if actor.carries == "all":
            children = state.children.values()
            pasts = {child.id: past_of(child) for child in children}
            record.children = {name: past for name, past in pasts.items() if past != NOTHING}
            record.stopped = [child.id for child in children if child.status == "stopped"]
        yield record


def of_node(kernel: Kernel) -> NodeCounts:
    """What the kernel counts."""
    return NodeCounts(
        restarts=kernel.restarts,
        handled=kernel.total_handled,
        holds=kernel.holds,
        late_replies=kernel.late_replies,
        dead_letters=kernel.dead_letters.total,
        reports=dict(kernel.reports.counts),
    )


# On the other side


def put(kernel: Kernel, body: Body, where: Callable[[str], LocalAddress]) -> None:
    """Count and remember on from there."""
    _put_node(kernel, body.node)
    for count in body.counts:
        cell = where(count.path).cell
        if cell is not None:
            cell.handled += count.handled
            cell.overflows += count.overflows
            cell.since = min(cell.since, count.since)
    for record in body.supervisors:
        cell = where(record.path).cell
        if cell is not None and isinstance(cell.actor, Supervisor):
            cell.actor.recall(record.restarts, record.children)


def _put_node(kernel: Kernel, counts: NodeCounts) -> None:
    kernel.restarts += counts.restarts
    kernel.total_handled += counts.handled
    kernel.holds += counts.holds
    kernel.late_replies += counts.late_replies
    kernel.dead_letters.total += counts.dead_letters
    known = kernel.reports.counts
    for kind, count in counts.reports.items():
        known[kind] = known.get(kind, 0) + count

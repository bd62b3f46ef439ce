"""One actor in full: its detail, its status and state, recon's categories, its children."""

from __future__ import annotations

import gc
from itertools import islice
from resource import RUSAGE_SELF, getrusage
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins
from msgspec.structs import asdict

from supervision.eventloop.cell import NAMED
from supervision.introspection.errors import ActionRefused
from supervision.introspection.finding import state_of
from supervision.introspection.patching import patchable
from supervision.introspection.records import (
    ActorDetail,
    ActorRow,
    ActorState,
    ChildRow,
    FlagsRow,
    SpecRow,
)
from supervision.introspection.showing import (
    Showing,
    kind_of,
    memory_of,
    shown_state,
    status_of,
)
from supervision.introspection.system_records import (
    ActorInfo,
    InfoMemory,
    InfoMeta,
    InfoSignals,
    InfoWork,
    NodeStatistics,
    SystemStatus,
)
from supervision.introspection.watching import class_of, watch_of, watched
from supervision.supervisor import shutdown_bound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from supervision.child import Child
    from supervision.childspec import ChildSpec, SupervisorFlags
    from supervision.eventloop.cell import Cell
    from supervision.introspection.finding import Found

MOST_TIES = 100
"""Links, monitors and names that are told of one actor."""


class Details(Showing):
    """Shows one actor, closely."""

    async def actor(self, path: str) -> ActorDetail:
        """Everything that is shown of one actor but its state.

        Raises:
            NoSuchActor: nothing has this path.
        """
        found = self._find(path)
        row, cell, child = self._row(found, measure=True), found.address.cell, found.child
        state = state_of(cell)
        known = {
            **asdict(row),
            "history": self._history(found),
            "spec": None if child is None else _spec_row(child.spec),
            "shutdown_s": _shutdown_s(cell, child),
            "flags": None if state is None else _flags_row(state.flags),
            "children_count": await self._children_count(found),
        }
        if cell is None or cell.actor is None:
            return ActorDetail(**known)
        return ActorDetail(**known, **self._living(cell))

    def _living(self, cell: Cell) -> dict[str, Any]:
        now = self._kernel.clock.monotonic()
        known = watch_of(cell)
        return {
            "actor_class": class_of(cell.actor).__name__,
            "head_age_s": now - cell.mailbox[0][2] if cell.mailbox else None,
            "handler_s": self._quantiles(cell),
            "timers": self._timers(cell, now),
            "debug": [] if known is None else known.names(),
            **_ties(cell),
        }

    async def state(self, path: str) -> ActorState:
        """The scrubbed state of one actor.

        Raises:
            NoSuchActor: nothing runs at this path.
            CallbackFailed: its ``format_status`` raised.
        """
        cell = self._running(path)
        name = getattr(cell.actor, "state", None) if kind_of(cell, None) == "statem" else None
        incarnation = cell.address.incarnation
        return ActorState(
            path=path,
            incarnation=incarnation,
            state=shown_state(cell, path),
            name=name,
            patchable=patchable(cell, path),
        )

    async def get_status(self, path: str) -> SystemStatus:
        """What ``sys:get_status/1`` tells of an actor.

        Raises:
            NoSuchActor: nothing runs at this path.
            CallbackFailed: its ``format_status`` raised.
        """
        cell = self._running(path)
        kind, known = class_of(cell.actor), watch_of(cell)
        ancestors = _ancestors(cell)
        return SystemStatus(
            path=path,
            actor_class=kind.__name__,
            module=kind.__module__,
            status="suspended" if cell.suspended else "running",
            parent=ancestors[0] if ancestors else None,
            ancestors=ancestors,
            debug=[] if known is None else known.names(),
            state=shown_state(cell, path),
        )

    async def info(self, path: str) -> ActorInfo:
        """What ``recon:info/1`` tells of an actor: the mailbox's content is left out on purpose.

        Raises:
            NoSuchActor: nothing runs at this path.
        """
        cell, found = self._running(path), self._find(path)
        row, ties = self._row(found, measure=False), _ties(cell)
        return ActorInfo(
            path=path,
            meta=_meta(cell, row, ties),
            signals=InfoSignals(
                links=ties["links"],
                monitors=ties["monitors"],
                watched_by=ties["watched_by"],
                trap_exit=cell.trap_exit,
            ),
            memory=InfoMemory(
                state=memory_of(cell),
                mailbox=cell.depth,
                timers=len(self._timers(cell, self._kernel.clock.monotonic())),
                children=len(cell.children or ()),
            ),
            work=InfoWork(handled=cell.handled, rate=row.rate, handler_s=self._quantiles(cell)),
        )

    def children(self, path: str) -> Iterator[ChildRow]:
        """The children of a supervisor, the newest first (``supervisor:which_children/1``).

        Raises:
            NoSuchActor: nothing runs at this path.
            ActionRefused: it is no supervisor.
        """
        state = state_of(self._running(path))
        if state is None:
            raise ActionRefused(path, "is no supervisor")
        return map(self._child_row, reversed(tuple(state.children.values())))

    def _child_row(self, child: Child) -> ChildRow:
        return ChildRow(
            id=child.id,
            path=child.address.path,
            status=status_of(child.address.cell, child),
            type=child.spec.type,
            restart=child.spec.restart,
            restarts=child.restarts,
            failures=child.failures,
            retry_in_s=self._retry_in(child),
            last_exit=self._last_exit(child),
        )

    async def _children_count(self, found: Found) -> dict[str, int] | None:
        """How many children it has (``supervisor:count_children/1``)."""
        state = state_of(found.address.cell)
        if state is None:
            return None
        members = tuple(state.children.values())
        active = supervisors = 0
        async for child in self.pace.sliced(members):
            active += child.status == "running"
            supervisors += child.spec.type == "supervisor"
        return {
            "specs": 1 if state.dynamic else len(members),
            "active": active,
            "supervisors": supervisors,
            "workers": len(members) - supervisors,
        }

    def node_statistics(self) -> NodeStatistics:
        """How the node is (``recon:node_stats``): its scheduler, its memory, what was told."""
        kernel, counts = self._kernel, self._kernel.statistics()
        return NodeStatistics(
            turns=counts.turns,
            handled=counts.handled,
            holds=counts.holds,
            ready=counts.ready,
            waiting=kernel.waiting,
            timers=counts.timers,
            late_replies=counts.late_replies,
            restarts=kernel.restarts,
            dead_letters=kernel.dead_letters.total,
            overflows=kernel.reports.overflows,
            reports=dict(kernel.reports.counts),
            watched=watched(kernel),
            memory_peak_bytes=getrusage(RUSAGE_SELF).ru_maxrss * 1024,
            collections=[int(one["collections"]) for one in gc.get_stats()],
        )


def _meta(cell: Cell, row: ActorRow, ties: dict[str, list[str]]) -> InfoMeta:
    kind = class_of(cell.actor)
    return InfoMeta(
        actor_class=f"{kind.__module__}.{kind.__qualname__}",
        kind=row.kind,
        status=row.status,
        incarnation=row.incarnation,
        since=row.since,
        names=ties["names"],
        groups=ties["groups"],
        ancestors=_ancestors(cell),
    )


def _shutdown_s(cell: Cell | None, child: Child | None) -> float | None:
    """Seconds that it has to end: a supervisor with all that is below it."""
    own = None if child is None else child.spec.stop_timeout
    if state_of(cell) is None or cell is None:
        return own
    below = shutdown_bound(cell.actor)
    bounds = [bound for bound in (own, below) if bound is not None]
    return min(bounds, default=None)


def _ancestors(cell: Cell) -> list[str]:
    """The paths above an actor, its parent's first."""
    above = []
    while cell.parent is not None:
        cell = cell.parent
        above.append(cell.address.path)
    return above


def _ties(cell: Cell) -> dict[str, list[str]]:
    """Whom it is tied to, as paths and names; each list is bounded."""
    names = (cell.names or {}).items()
    return {
        "names": _first(name for name, ties in names if ties & NAMED),
        "groups": _first(name for name, ties in names if ties & ~NAMED),
        "links": _first(other.address.path for other in cell.links or ()),
        "monitors": _first(one.target.address.path for one in cell.watching or ()),
        "watched_by": _first(one.watcher.address.path for one in cell.monitors or ()),
    }


def _first(texts: Iterable[Any]) -> list[str]:
    return [str(text) for text in islice(texts, MOST_TIES)]


def _spec_row(spec: ChildSpec) -> SpecRow:
    return SpecRow(
        id=spec.id,
        start=getattr(spec.start, "__name__", str(spec.start)),
        restart=spec.restart,
        significant=spec.significant,
        shutdown=spec.filled().shutdown,
        type=spec.type,
        keep_state=spec.keep_state,
        backoff=to_builtins(spec.backoff),
        on_restart=spec.on_restart,
        keep_limit=spec.keep_limit,
    )


def _flags_row(flags: SupervisorFlags) -> FlagsRow:
    return FlagsRow(
        strategy=flags.strategy,
        intensity=flags.intensity,
        period=flags.period,
        auto_shutdown=flags.auto_shutdown,
        backoff=to_builtins(flags.backoff),
        max_shutdown_s=flags.max_shutdown_s,
        pool_ratio=flags.pool_ratio,
        child_intensity=flags.child_intensity,
        child_backoff=to_builtins(flags.child_backoff),
    )

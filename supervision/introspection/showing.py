"""What is shown of an actor: its row, and everything of one but its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision.eventloop import lifecycle
from supervision.introspection.errors import CallbackFailed
from supervision.introspection.finding import Finder, state_of
from supervision.introspection.records import (
    ActorRow,
    ActorStatus,
    Intensity,
    LastExit,
    RestartRow,
    TimerRow,
)
from supervision.introspection.size import estimated_size
from supervision.strategy import crash_looping
from supervision.supervisor import Supervisor

if TYPE_CHECKING:
    from supervision.child import Child
    from supervision.eventloop.cell import Cell
    from supervision.introspection.finding import Found


class Showing(Finder):
    """Makes rows of actors."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        clock = self._kernel.clock
        self._epoch = clock.wall() - clock.monotonic()  # read once: a time is the same each time

    def _row(self, found: Found, *, measure: bool) -> ActorRow:
        cell, child = found.address.cell, found.child
        clock = self._kernel.clock
        age = 0.0 if cell is None else clock.monotonic() - cell.since
        handled = 0 if cell is None else cell.handled
        return ActorRow(
            path=found.address.path,
            name=str(found.address.name),
            kind=kind_of(cell, child),
            status=status_of(cell, child),
            incarnation=found.address.incarnation,
            version=getattr(None if cell is None else cell.actor, "version", None),
            since=clock.wall() if cell is None else self._wall(cell.since),
            restarts=0 if child is None else child.restarts,
            failures=0 if child is None else child.failures,
            retry_in_s=self._retry_in(child),
            intensity=self._intensity(cell),
            last_exit=self._last_exit(child),
            mailbox=0 if cell is None else cell.depth,
            handled=handled,
            rate=round(handled / age, 3) if age > 0 else 0.0,
            memory=memory_of(cell) if measure else None,
        )

    def _intensity(self, cell: Cell | None) -> Intensity | None:
        state = state_of(cell)
        if cell is None or state is None or cell.task is not None:
            return None
        now = self._kernel.clock.monotonic()
        used, period = state.used(now), state.flags.period
        free_in = round(state.restarts[0] + period - now, 3) if state.restarts else None
        return Intensity(used=used, max=state.allowed, period_s=period, free_in_s=free_in)

    def _retry_in(self, child: Child | None) -> float | None:
        if child is None or child.retry_at is None:
            return None
        return round(max(0.0, child.retry_at - self._kernel.clock.monotonic()), 3)

    def _last_exit(self, child: Child | None) -> LastExit | None:
        if child is None or child.last_exit is None:
            return None
        reason, at = child.last_exit
        return LastExit(reason=str(reason), at=self._wall(at))

    def _history(self, found: Found) -> list[RestartRow]:
        exits = () if found.child is None else reversed(found.child.exits or ())
        newest = found.address.incarnation - (found.address.cell is not None)
        return [
            RestartRow(
                incarnation=newest - back,
                at=self._wall(at),
                reason=str(reason),
                traceback=reason.traceback,
            )
            for back, (reason, at) in enumerate(exits)
        ]

    def _wall(self, at: float) -> float:
        return self._epoch + at

    def _quantiles(self, cell: Cell) -> dict[str, float]:
        histogram = self._kernel.latencies.get(type(cell.actor))
        if histogram is None:
            return {}
        wanted = {"p50": 0.5, "p99": 0.99, "max": 1.0}
        return {name: histogram.quantile(fraction) for name, fraction in wanted.items()}

    def _timers(self, cell: Cell, now: float) -> list[TimerRow]:
        rows = []
        timer = cell.timers
        while timer is not None:
            name = getattr(timer.payload, "name", None) or timer.payload
            rows.append(TimerRow(name=str(name), after_s=round(timer.when - now, 3)))
            timer = timer.after
        return sorted(rows, key=lambda row: row.after_s)


def kind_of(cell: Cell | None, child: Child | None) -> str:
    """What operators are shown it as: supervisor, worker, event_manager or statem."""
    if cell is not None:
        return str(getattr(cell.actor, "kind", "worker"))
    return "worker" if child is None else str(getattr(child.spec.start, "kind", "worker"))


def status_of(cell: Cell | None, child: Child | None) -> ActorStatus:
    """Whether it runs; on its way up it is shown as restarting, on its way down as stopped."""
    known = "running" if child is None else child.status
    if child is not None and crash_looping(child) and known != "stopped" and not _kept(cell):
        return "crash_loop"
    if known in ("starting", "restarting") or (cell is not None and lifecycle.starting(cell)):
        return "restarting"
    if cell is None or cell.exiting is not None or known == "stopping":
        return "stopped"
    return "suspended" if cell.suspended else "running"


def _kept(cell: Cell | None) -> bool:
    """Whether it is suspended, or on its way down: what an operator did is shown first."""
    return cell is not None and (cell.suspended or cell.exiting is not None)


_TIES = frozenset({"kernel", "address", "now", "wall"})
"""What an actor has of its node, which is not its own."""


def memory_of(cell: Cell | None) -> int | None:
    """The bytes of an actor's state, about; None of a supervisor's, which has all below it."""
    if cell is None or isinstance(cell.actor, Supervisor):
        return None
    return estimated_size({k: value for k, value in vars(cell.actor).items() if k not in _TIES})


def shown_state(cell: Cell, path: str) -> Any:
    """The state as the actor's ``format_status`` shows it; None of one that has none.

    Raises:
        CallbackFailed: ``format_status`` raised.
    """
    status = getattr(cell.actor, "status", None)
    try:
        return None if status is None else status()
    except Exception as error:
        raise CallbackFailed(path, "format_status", error) from error

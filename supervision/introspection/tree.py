"""The live tree: found by path, shown in slices, steered by operators.

Everything runs on the node's loop, between the handlers of actors. What goes over many actors
lets the loop go round every ``SLICE`` of them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from supervision.eventloop import lifecycle
from supervision.introspection.records import (
    ActorDetail,
    ActorRow,
    ActorState,
    ActorStatus,
    DeadLetterRow,
    Intensity,
    LastExit,
    PoolSummary,
    RestartRow,
    TimerRow,
    TreeNode,
)
from supervision.introspection.size import size_of
from supervision.management import CycleChild, Refused
from supervision.reasons import KILLED
from supervision.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervision.eventloop.address import LocalAddress
    from supervision.eventloop.cell import Cell
    from supervision.eventloop.kernel import Kernel
    from supervision.strategy import Child, SupervisorState

SLICE = 1_000


class NoSuchActor(Exception):  # noqa: N818 - an answer, not a failure
    """Nothing has this path.

    Attributes:
        path: what was asked for.
    """

    def __init__(self, path: str) -> None:
        super().__init__(f"no actor has the path {path}")
        self.path = path


class ActionRefused(Exception):  # noqa: N818 - an answer, not a failure
    """The actor is there, but this cannot be done to it.

    Attributes:
        path: of the actor.
        rule: why not.
    """

    def __init__(self, path: str, rule: str) -> None:
        super().__init__(f"{path}: {rule}")
        self.path = path
        self.rule = rule


class Found:
    """An actor that is known: its address, and who knows it.

    Attributes:
        child: what its supervisor knows of it; None where it has none.
    """

    __slots__ = ("address", "child", "parent")

    def __init__(self, address: LocalAddress, child: Child | None, parent: Cell | None) -> None:
        self.address = address
        self.child = child
        self.parent = parent


class Introspection:
    """Shows and steers the actors of a node.

    Args:
        kernel: the node.
        root: name of the actor at the top of the tree.
    """

    def __init__(self, kernel: Kernel, root: str = "node") -> None:
        self._kernel = kernel
        self._root = root

    # Looking

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
        children = []
        if pool is None and depth != 0:
            deeper = None if depth is None else depth - 1
            children = [await self._node(child, deeper) for child in _children(found)]
        return TreeNode(**_fields(row), children=children, pool=pool)

    async def _pool(self, found: Found) -> PoolSummary | None:
        state = _state(found.address.cell)
        if state is None or not state.dynamic:
            return None
        by_status: dict[str, int] = {}
        deepest = 0
        members = list(state.children.values())
        for index, child in enumerate(members):
            if index % SLICE == SLICE - 1:
                await asyncio.sleep(0)
            member = child.address.cell
            status = _status(member, child)
            by_status[status] = by_status.get(status, 0) + 1
            if member is not None:
                deepest = max(deepest, member.depth)
        return PoolSummary(count=len(members), by_status=by_status, mailbox_max=deepest)

    def actors(self, under: str | None = None) -> Iterator[ActorRow]:
        """The actors below a path, itself included; made while they are iterated.

        Raises:
            NoSuchActor: nothing has this path.
        """
        return self._walk(self._find(under or self._root))

    def _walk(self, found: Found) -> Iterator[ActorRow]:
        known = _state(found.parent)
        member = known is not None and known.dynamic
        yield self._row(found, measure=not member)
        for child in _children(found):
            yield from self._walk(child)

    async def actor(self, path: str) -> ActorDetail:
        """Everything that is shown of one actor but its state.

        Raises:
            NoSuchActor: nothing has this path.
        """
        found = self._find(path)
        row, cell = self._row(found, measure=True), found.address.cell
        if cell is None:
            return ActorDetail(**_fields(row), history=self._history(found))
        now = self._kernel.clock.monotonic()
        return ActorDetail(
            **_fields(row),
            head_age_s=now - cell.mailbox[0][2] if cell.mailbox else None,
            handler_s=self._quantiles(cell),
            links=[other.address.path for other in cell.links or ()],
            timers=self._timers(cell, now),
            history=self._history(found),
        )

    async def state(self, path: str) -> ActorState:
        """The scrubbed state of one actor.

        Raises:
            NoSuchActor: nothing runs at this path.
        """
        address = self._find(path).address
        if address.cell is None or address.cell.actor is None:
            raise NoSuchActor(path)
        actor = address.cell.actor
        shown = actor.status() if hasattr(actor, "status") else None
        name = getattr(actor, "state", None) if getattr(actor, "kind", "") == "statem" else None
        return ActorState(path=path, incarnation=address.incarnation, state=shown, name=name)

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

    # Steering

    async def suspend(self, path: str, reason: str) -> None:
        """Have an actor keep its messages until it is resumed; system messages get through.

        Raises:
            NoSuchActor: nothing runs at this path.
        """
        self._running(path).suspended = True
        self._note("suspend", path, reason)

    async def resume(self, path: str, reason: str) -> None:
        """Undo ``suspend``; nothing happens to an actor that is not suspended.

        Raises:
            NoSuchActor: nothing runs at this path.
        """
        cell = self._running(path)
        if cell.suspended:
            self._kernel.resume(cell)
            self._note("resume", path, reason)

    async def restart(self, path: str, reason: str) -> None:
        """Have the supervisor stop an actor in order and start it again.

        Raises:
            NoSuchActor: nothing has this path.
            ActionRefused: it has no supervisor, or it did not start again.
        """
        found = self._find(path)
        if found.child is None or found.parent is None:
            raise ActionRefused(path, "has no supervisor that could start it again")
        self._note("restart", path, reason)
        request = CycleChild(found.child.id)
        answer = await self._kernel.call(found.parent.address, request, timeout=None)
        if isinstance(answer, Refused):
            raise ActionRefused(path, f"{answer.why}: {answer.detail}")

    async def kill(self, path: str, reason: str) -> None:
        """End an actor at once; its supervisor sees it as a crash.

        Raises:
            NoSuchActor: nothing runs at this path.
        """
        cell = self._running(path)
        self._note("kill", path, reason)
        self._kernel.exit(cell, KILLED)

    def _note(self, action: str, path: str, reason: str) -> None:
        self._kernel.report("operator", path, action=action, reason=reason)

    # Finding

    def _running(self, path: str) -> Cell:
        cell = self._find(path).address.cell
        if cell is None:
            raise NoSuchActor(path)
        return cell

    def _find(self, path: str) -> Found:
        first, *names = path.split("/")
        root = self._kernel.roots.get(first)
        found = None if root is None else Found(root.address, None, None)
        for name in names:
            found = None if found is None else _child(found, name)
        if found is None:
            raise NoSuchActor(path)
        return found

    # Showing

    def _row(self, found: Found, *, measure: bool) -> ActorRow:
        cell, child = found.address.cell, found.child
        clock = self._kernel.clock
        age = 0.0 if cell is None else clock.monotonic() - cell.since
        handled = 0 if cell is None else cell.handled
        return ActorRow(
            path=found.address.path,
            name=str(found.address.name),
            kind=_kind(cell, child),
            status=_status(cell, child),
            incarnation=found.address.incarnation,
            version=getattr(None if cell is None else cell.actor, "version", None),
            since=clock.wall() - age,
            restarts=0 if child is None else child.restarts,
            intensity=self._intensity(cell),
            last_exit=self._last_exit(child),
            mailbox=0 if cell is None else cell.depth,
            handled=handled,
            rate=round(handled / age, 3) if age > 0 else 0.0,
            memory=_memory(cell) if measure else None,
        )

    def _intensity(self, cell: Cell | None) -> Intensity | None:
        state = _state(cell)
        if cell is None or state is None or cell.task is not None:
            return None
        used = state.used(self._kernel.clock.monotonic())
        return Intensity(used=used, max=state.allowed, period_s=state.flags.period)

    def _last_exit(self, child: Child | None) -> LastExit | None:
        if child is None or child.last_exit is None:
            return None
        reason, at = child.last_exit
        return LastExit(reason=str(reason), at=self._wall(at))

    def _history(self, found: Found) -> list[RestartRow]:
        exits = () if found.child is None else reversed(found.child.exits or ())
        newest = found.address.incarnation - (found.address.cell is not None)
        return [
            RestartRow(incarnation=newest - back, at=self._wall(at), reason=str(reason))
            for back, (reason, at) in enumerate(exits)
        ]

    def _wall(self, at: float) -> float:
        clock = self._kernel.clock
        return clock.wall() - (clock.monotonic() - at)

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


def _children(found: Found) -> Iterator[Found]:
    """The children that a supervisor knows, running or not; or those that an actor has made."""
    cell = found.address.cell
    if cell is None:
        return
    state = _state(cell)
    if state is not None:
        for child in tuple(state.children.values()):
            yield Found(child.address, child, cell)
    else:
        for member in tuple((cell.children or {}).values()):
            yield Found(member.address, None, cell)


def _state(cell: Cell | None) -> SupervisorState | None:
    """What a supervisor knows; None of others, and before ``init`` has said what it is."""
    if cell is None or not isinstance(cell.actor, Supervisor):
        return None
    return getattr(cell.actor, "state", None)


def _child(found: Found, name: str) -> Found | None:
    cell = found.address.cell
    if cell is None:
        return None
    state = _state(cell)
    if state is not None:
        child = state.children.get(name)
        return None if child is None else Found(child.address, child, cell)
    children = cell.children or {}
    member = children.get(int(name) if name.isdecimal() else name)
    return None if member is None else Found(member.address, None, cell)


def _kind(cell: Cell | None, child: Child | None) -> str:
    if cell is not None:
        return str(getattr(cell.actor, "kind", "worker"))
    return "worker" if child is None else str(getattr(child.spec.start, "kind", "worker"))


def _status(cell: Cell | None, child: Child | None) -> ActorStatus:
    """Whether it runs; on its way up it is shown as restarting, on its way down as stopped."""
    known = "running" if child is None else child.status
    if known in ("starting", "restarting") or (cell is not None and lifecycle.starting(cell)):
        return "restarting"
    if cell is None or cell.exiting is not None or known == "stopping":
        return "stopped"
    return "suspended" if cell.suspended else "running"


def _memory(cell: Cell | None) -> int | None:
    if cell is None or isinstance(cell.actor, Supervisor):
        return None
    return size_of(vars(cell.actor))


def _fields(row: ActorRow) -> dict[str, Any]:
    return asdict(row)

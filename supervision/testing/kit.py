"""The kit: a node in virtual time, driven step by step by a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from supervision.eventloop.base import EventLoopBase
from supervision.eventloop.calls import Waiter
from supervision.eventloop.lifecycle import Started
from supervision.eventloop.scheduler import SchedulerStatistics
from supervision.portal import NotStarted
from supervision.reasons import KILLED, SHUTDOWN, Reason
from supervision.supervisor import Supervisor
from supervision.testing.clock import VirtualClock
from supervision.testing.faults import Faults
from supervision.testing.loop import VirtualLoop
from supervision.testing.probe import Probe

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from types import TracebackType

    from supervision._thespian import Actor, ActorAddress
    from supervision.childspec import ChildSpec, SupervisorFlags
    from supervision.eventloop.cell import Cell, LocalAddress
    from supervision.eventloop.kernel import Target
    from supervision.eventloop.reports import Report
    from supervision.eventloop.timekeeping import SchedulerLimits

_T = TypeVar("_T")

PATIENCE_S = 86_400.0
"""Virtual seconds that the kit lets pass for an answer before it says that none will come."""


class Stuck(AssertionError):  # noqa: N818 - a failed test, in its own words
    """What was waited for cannot happen any more: nothing is ready and no timer is left."""


class KitStatistics(msgspec.Struct, frozen=True):
    """What has happened on the kit's node.

    Attributes:
        elapsed_s: virtual seconds that have passed.
        callbacks: callbacks that the loop has run.
        scheduler: the scheduler's own counters.
        actors: actors that live, those of the system apart.
        restarts: children restarted by supervisors.
        dead_letters: messages that found nobody.
        reports: how many reports there were of each kind.
    """

    elapsed_s: float
    callbacks: int
    scheduler: SchedulerStatistics
    actors: int
    restarts: int
    dead_letters: int
    reports: dict[str, int]


class _FixedSupervisor(Supervisor):
    """A supervisor whose flags and specs are its start arguments."""

    def init(self, args: Any) -> Any:
        """Return the arguments."""
        return args


class Kit:
    """A node on a virtual clock and loop; use it as a context manager.

    Nothing happens behind the test's back: actors run while one of the kit's methods does, on
    the test's own thread, always in the same order.

    Args:
        limits: the scheduler's bounds; None is what a node has.
        clock: what tells the time.

    Attributes:
        clock: the virtual clock.
        loop: the loop that lives on it.
        base: the system base under test.
        kernel: its engine.
        faults: kills, crashes and refusals.
        reports: every report that was published, in order.
    """

    def __init__(
        self, *, limits: SchedulerLimits | None = None, clock: VirtualClock | None = None
    ) -> None:
        self.clock = clock if clock is not None else VirtualClock()
        # typeshed declares abstract what asyncio does not: a loop without sockets is a loop.
        self.loop = VirtualLoop(self.clock)  # type: ignore[abstract]
        self.base = EventLoopBase(None, False, loop=self.loop, clock=self.clock, limits=limits)
        self.kernel = self.base.kernel
        self.faults = Faults(self.kernel)
        self.reports: list[Report] = []
        self.kernel.reports.subscribe(self.reports.append)
        self._own = set(self.kernel.roots)
        self._named = 0

    # Time

    def settle(self) -> None:
        """Run until nothing is ready: no message, no signal, no callback that is due."""
        self.loop.settle()

    def advance(self, seconds: float) -> None:
        """Let time pass; timers, deadlines and sleeps on the way end in their order.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds} s")
        self.loop.advance_to(self.clock.monotonic() + seconds)

    def until(self, condition: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
        """Let time pass from timer to timer until ``condition`` holds.

        Args:
            condition: asked whenever nothing is ready.
            within_s: virtual seconds that may pass.

        Raises:
            Stuck: it cannot come true any more, or not in time.
        """
        latest = self.clock.monotonic() + within_s
        self.settle()
        while not condition():
            due = self.loop.next_due
            if due is None or due > latest:
                raise Stuck(f"nothing more happens before {latest} s that could make it true")
            self.loop.advance_to(due)

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine as a task of the loop and return what it returns."""
        task = self.loop.create_task(coroutine)
        self.until(task.done)
        result: _T = task.result()
        return result

    # Actors

    def start(
        self,
        actor: type[Actor] | Actor,
        args: Any = None,
        *,
        name: str | None = None,
        parent: ActorAddress | None = None,
    ) -> LocalAddress:
        """Start an actor and let its ``init`` end.

        Args:
            actor: the class, or an actor that is made already.
            args: what ``init`` is given.
            name: of the actor in its path; one is made up where it is None.
            parent: whose child it is; None is a top-level actor.

        Raises:
            NotStarted: ``init`` failed, refused or returned IGNORE.
        """
        made = actor() if isinstance(actor, type) else actor
        outcome = self.loop.run(self._spawn, made, args, name or self._name(made), parent)
        if isinstance(outcome, Waiter):
            self.until(lambda: outcome.settled)
            outcome = outcome.value
        self.settle()
        if not isinstance(outcome, Started):
            raise NotStarted(type(made), outcome)
        return outcome.address

    def _spawn(self, actor: Actor, args: Any, name: str, parent: ActorAddress | None) -> Any:
        above = None if parent is None else self._cell(parent)
        address = self.kernel.child_address(above, name)
        return self.kernel.spawn(actor, args, parent=above, address=address)

    def _name(self, actor: Actor) -> str:
        self._named += 1
        return f"{type(actor).__name__}-{self._named}"

    def start_supervisor(
        self, flags: SupervisorFlags, specs: Iterable[ChildSpec] = (), *, name: str = "top"
    ) -> LocalAddress:
        """Start a supervisor of these children; for a class of your own use ``start``.

        Raises:
            NotStarted: a flag or a spec is refused, or a child did not start.
        """
        return self.start(_FixedSupervisor, (flags, list(specs)), name=name)

    def probe(self, name: str | None = None, answer: Callable[[Any], Any] | None = None) -> Probe:
        """Start a probe.

        Args:
            name: registered for it, so that actors under test find it; None registers none.
            answer: what answers its calls; without it they wait for ``Probe.reply``.
        """
        probe = Probe(answer)
        self.start(probe, name=name)
        if name is not None:
            probe.register(name)
        return probe

    # Messages

    def send(self, to: ActorAddress, message: Any, sender: ActorAddress | None = None) -> None:
        """Send a message; it is handled when the kit settles."""
        self.loop.run(self.kernel.send, to, message, sender)

    def cast(self, target: Target, request: Any) -> None:
        """Send a request that wants no answer, as a behaviour's ``cast`` does."""
        self.loop.run(self.base.cast, target, request)

    def call(self, target: Target, request: Any, timeout: float | None = 5.0) -> Any:
        """Ask, let time pass until the answer is there, and return it.

        Raises:
            CallFailed: as ``EventLoopBase.call``.
            Stuck: no answer can come any more (only without a timeout).
        """
        future = self.loop.run(self.base.call, target, request, timeout)
        self.until(future.done)
        self.settle()
        return future.result()

    # Looking and ending

    def actor(self, target: Target) -> Any:
        """The actor itself behind an address or a name; None where there is none."""
        cell = self.kernel.cell_of(target)
        return None if cell is None else cell.actor

    def alive(self, target: Target) -> bool:
        """Whether an actor is there and has not been told to end."""
        cell = self.kernel.cell_of(target)
        return cell is not None and cell.alive

    def address(self, path: str) -> LocalAddress:
        """The address of a living actor by its path.

        Raises:
            LookupError: there is none.
        """
        home, cell = self.kernel.roots, None
        for part in path.split("/"):
            cell = home.get(part)
            home = (cell.children or {}) if cell is not None else {}
        if cell is None:
            raise LookupError(f"no actor is at {path!r}")
        return cell.address

    def stop(
        self, target: Target, reason: Reason = SHUTDOWN, timeout: float | None = None
    ) -> Reason:
        """Have an actor end in order, as its supervisor would, and return its exit reason.

        Args:
            target: the actor.
            reason: what its ``terminate`` is told.
            timeout: seconds after which it is killed; None waits for ever.
        """
        gone = self.loop.run(self.kernel.stop, self._cell(target), reason, timeout)
        self.until(lambda: gone.settled)
        ended: Reason = gone.value
        return ended

    def _cell(self, target: Target) -> Cell:
        cell = self.kernel.cell_of(target)
        if cell is None:
            raise LookupError(f"no actor is behind {target!r}")
        return cell

    def reported(self, kind: str, **data: Any) -> list[Report]:
        """The reports of a kind whose particulars include ``data``."""
        return [
            report
            for report in self.reports
            if report.kind == kind and data.items() <= report.data.items()
        ]

    def statistics(self) -> KitStatistics:
        """A snapshot of the counters."""
        return KitStatistics(
            self.clock.elapsed,
            self.loop.callbacks_run,
            self.kernel.statistics(),
            sum(1 + _below(cell) for cell in self._users()),
            self.kernel.restarts,
            self.kernel.dead_letters.total,
            dict(self.kernel.reports.counts),
        )

    def _users(self) -> list[Cell]:
        return [cell for name, cell in self.kernel.roots.items() if name not in self._own]

    def close(self) -> None:
        """Kill what is left and close the loop; what nobody handled is raised."""
        for cell in reversed(self._users()):
            self.kernel.exit(cell, KILLED)
        try:
            self.settle()
        finally:
            self.loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()


def _below(cell: Cell) -> int:
    return sum(1 + _below(child) for child in (cell.children or {}).values())

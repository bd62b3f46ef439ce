"""How a supervisor starts and stops its children: the hands of the pure core in ``strategy``."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from supervision import strategy
from supervision._thespian import ActorSystemMessage
from supervision.behaviour import Behaviour
from supervision.child import Child, SupervisorState
from supervision.eventloop.calls import Waiter
from supervision.eventloop.cell import LocalAddress
from supervision.eventloop.lifecycle import Failed, Ignored, Outcome, Started
from supervision.eventloop.managed import CRASHED_S
from supervision.eventloop.reports import Report
from supervision.reasons import GAVE_UP, KILLED, SHUTDOWN, Reason, crashed
from supervision.supervisor import shutdown
from supervision.supervisor.ends import Ends

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator

    from supervision.childspec import ChildSpec
    from supervision.eventloop.cell import Cell


SLICE = 256
"""Children that are started or stopped after which the loop goes round."""

IGNORED = Reason("normal", "ignore")
"""Why a child does not run whose ``init`` asked to be left out."""


class TryAgain(ActorSystemMessage):  # type: ignore[misc]
    """What a supervisor tells itself after a failed restart (``try_again_restart``).

    No bound of its mailbox refuses it: nothing else starts the child.

    Attributes:
        child: the one that did not start.
        attempt: which of its starts that was.
    """

    __slots__ = ("attempt", "child")

    def __init__(self, child: Child, attempt: int) -> None:
        self.child = child
        self.attempt = attempt


class Due(msgspec.Struct, frozen=True):
    """The wait of a restart is over."""

    child: Child
    until: float

    @property
    def name(self) -> str:
        """What operators are shown of the timer."""
        return f"restart of {self.child.id}"


class Recovered(msgspec.Struct, frozen=True):
    """A child that was crash looping may have run long enough."""

    child: Child
    since: float

    @property
    def name(self) -> str:
        """What operators are shown of the timer."""
        return f"end of the crash loop of {self.child.id}"


class Children(Behaviour):
    """A behaviour that has supervised children.

    Attributes:
        state: flags, children and recent restarts, as the pure core keeps them.
        carries: what the part for actors carries of its children in a takeover: all that says so,
            or, where another part has their states, only the messages that wait for them.
    """

    kind = "supervisor"
    carries: ClassVar[Literal["all", "mailboxes"]] = "all"
    stops_children = True
    state: SupervisorState
    _keeps = False
    _stopping: dict[Child, Cell] | None = None

    # Starting

    def _add(self, spec: ChildSpec, child_id: str, args: Any) -> Child:
        child = Child(spec, child_id, args, LocalAddress(self._myRef.address, child_id))
        self.state.children[child_id] = child
        return child

    def _spawn(self, child: Child) -> Outcome | Waiter:
        child.status = "starting"
        spec, cell = child.spec, self._myRef
        try:
            actor = spec.start()
        except Exception as exception:  # noqa: BLE001 - whatever it raises is why it did not start
            return Failed(crashed(exception))
        return cell.kernel.spawn(
            actor,
            child.args,
            parent=cell,
            address=child.address,
            keeper=child if spec.keep_state else None,
        )

    async def _start(self, child: Child) -> Outcome:
        spawned = self._spawn(child)
        outcome: Outcome = await spawned if isinstance(spawned, Waiter) else spawned
        self._note(child, outcome)
        return outcome

    def _note(self, child: Child, outcome: Outcome) -> None:
        match outcome:
            case Started():
                if child.spec.restart == "temporary":
                    child.forget_arguments()
                if child.trouble is None:
                    child.status = "running"
                else:
                    self._do_all(strategy.started(child, self.now()))
            case Ignored():
                self._do_all(strategy.forget(self.state, child, IGNORED))
                self._keep_no_longer(child, SHUTDOWN)
            case Failed():
                child.status = "stopped"

    def _do_all(self, actions: Iterable[strategy.Action]) -> None:
        """Do actions none of which takes time."""
        for action in actions:
            self._do(action)

    # Doing what the core says

    def _carry_out(self, actions: list[strategy.Action]) -> Coroutine[Any, Any, None] | None:
        """Do what the core says.

        Returns:
            What is left, to be awaited; None where all is done: as a rule, for a child that
            starts at once needs no coroutine.
        """
        left = actions[::-1]
        waiting = self._go_on(left)
        return None if waiting is None else self._carry_on(waiting, left)

    async def _carry_on(
        self, waiting: Coroutine[Any, Any, None] | None, left: list[strategy.Action]
    ) -> None:
        while waiting is not None:
            await waiting
            waiting = self._go_on(left)

    async def _all_of(self, actions: list[strategy.Action]) -> None:
        further = self._carry_out(actions)
        if further is not None:
            await further

    def _go_on(self, left: list[strategy.Action]) -> Coroutine[Any, Any, None] | None:
        """Do actions, the last of the list first, until one has to be waited for; return that."""
        started = 0
        while left:
            action = left.pop()
            match action:
                case strategy.Start(child):
                    spawned = self._spawn(child)
                    if isinstance(spawned, Waiter):
                        return self._when_started(child, spawned, left)
                    self._started_again(child, spawned, left)
                    started += 1
                    if started == SLICE:
                        return asyncio.sleep(0)
                case strategy.Halt(child):
                    return self._halt_all([child, *_further_halts(left)])
                case _:
                    self._do(action)
        return None

    async def _when_started(
        self, child: Child, spawned: Waiter, left: list[strategy.Action]
    ) -> None:
        self._started_again(child, await spawned, left)

    def _started_again(self, child: Child, outcome: Outcome, left: list[strategy.Action]) -> None:
        """Note what became of a restart; one that failed ends what was to be done."""
        self._note_again(child, outcome)
        if isinstance(outcome, Failed):
            left[:] = reversed(self._start_failed(child, outcome.reason))

    def _do(self, action: strategy.Action) -> None:
        match action:
            case strategy.Tell(context, child, reason):
                if context == "child_given_up":
                    self._keep_no_longer(child, GAVE_UP)
                self._tell(context, child, reason)
            case strategy.Retry(child, attempt):
                self.send(self.address, TryAgain(child, attempt))
            case strategy.Delay(child, until):
                self.start_timer(max(until - self.now(), 0.0), Due(child, until))
            case strategy.Watch(child, since):
                due = since + strategy.reset_after(self.state, child)
                self.start_timer(max(due - self.now(), 0.0), Recovered(child, since))
            case strategy.Escalate(reason):
                self.stop(reason)

    def _start_failed(self, child: Child, reason: Reason) -> list[strategy.Action]:
        return strategy.start_failed(self.state, child, reason, self.now(), self.roll())

    async def _start_again(self, child: Child) -> Outcome:
        spawned = self._spawn(child)
        outcome: Outcome = await spawned if isinstance(spawned, Waiter) else spawned
        self._note_again(child, outcome)
        return outcome

    def _note_again(self, child: Child, outcome: Outcome) -> None:
        self._note(child, outcome)
        if isinstance(outcome, Started):
            self.kernel.count_restart()
            self._tell("restarted", child, None)
            self._progress(child)

    def roll(self) -> float:
        """A random number of [0, 1): the jitter of a wait; a test may say which."""
        return random.random()  # noqa: S311 - it only spreads restarts

    # Stopping

    async def _halt_all(self, children: Iterable[Child], until: float | None = None) -> None:
        """Stop children one after the other; what is left at ``until`` (monotonic s) is killed."""
        ends = Ends(self._myRef)
        for number, child in enumerate(children):
            if number % SLICE == SLICE - 1:
                await asyncio.sleep(0)
            await self._end_child(
                child, None if until is None else max(until - self.now(), 0.0), ends
            )
            self._do_all(strategy.halted(self.state, child))

    async def _end_child(
        self, child: Child, bound: float | None = None, ends: Ends | None = None
    ) -> None:
        cell = self._cell_to_stop(child)
        child.status = "stopping"
        if cell is None:
            reason = (ends or Ends(self._myRef)).of(child)
        else:
            timeout = shutdown.least(child.spec.stop_timeout, bound)
            self._stopping = self._stopping or {}
            self._stopping[child] = cell
            reason = await self.kernel.stop(cell, SHUTDOWN, timeout)
            del self._stopping[child]
        child.status = "stopped"
        context = None if reason is None else shutdown.complaint(child, reason)
        if context is not None:
            self._tell(context, child, reason)

    def _cell_to_stop(self, child: Child) -> Cell | None:
        """What is behind a child, or was when this supervisor began to stop it and was cut short.

        The end of the supervisor itself cuts short what it is doing; how the child ended that it
        was just stopping is known by the cell alone.
        """
        cut_short = self._stopping.pop(child, None) if self._stopping else None
        return child.address.cell if cut_short is None else cut_short

    def child_bound(self, child: LocalAddress) -> float | None:
        """The shutdown time of its spec; ``brutal_kill`` says nothing of a child that crashed."""
        known = self.state.children.get(str(child.name))
        bound = CRASHED_S if known is None else known.spec.stop_timeout
        return CRASHED_S if bound == 0 else bound

    # What children have not handled

    def keep_limit(self, child: LocalAddress, ended: Reason | None = None) -> int:
        """What its spec says; 0 where nothing is kept of it."""
        known = self.state.children.get(str(child.name)) if self._keeps else None
        if known is None or known.spec.on_restart != "keep" or known.spec.restart == "temporary":
            return 0
        if ended is not None and strategy.is_done(self.state, known, ended):
            return 0
        return known.spec.keep_limit

    def _may_keep(self, specs: Iterable[ChildSpec]) -> None:
        if self._keeps or not any(spec.on_restart == "keep" for spec in specs):
            return
        self._keeps = True
        held, address = self.kernel.held, self.address
        # Also where this supervisor is killed: nobody else knows then that nobody comes back.
        self.at_end(lambda: held.drop_below(address, KILLED))

    def _keep_no_longer(self, child: Child, reason: Reason) -> None:
        """A child does not come back: whoever waits for it is told."""
        if self._keeps:
            self.kernel.held.drop(child.address, reason)

    # Telling

    def warn_of(self, keys: Iterable[str]) -> None:
        """Report keys of flags and specs that nobody heeds: they may be misspelt."""
        for key in keys:
            self.kernel.report("unexpected", self.address.path, error=f"unknown key in {key}")

    def _tell(self, context: str, child: Child, reason: Reason | None, **more: Any) -> None:
        """Publish a supervisor report about a child, OTP's ``offender``."""
        kernel, state = self.kernel, self.state
        data: dict[str, Any] = {
            "context": context,
            "reason": None if reason is None else str(reason),
        }
        data |= self._offender(child)
        data["restarts"] = child.restarts
        data["failures"] = child.failures
        data["used"] = len(state.restarts)
        data["allowed"] = state.allowed
        if more:
            data |= more
        path = self.address.path
        kernel.reports.publish(Report("supervisor", path, kernel.clock.wall(), data))

    def _progress(self, child: Child) -> None:
        """Report a start, where somebody wants to hear of each (OTP's progress report).

        Members of a pool start too often for that, and whoever adds a child knows of it.
        """
        if self.kernel.reports.progress and not self.state.dynamic:
            path = self.address.path
            self.kernel.report("progress", path, context="started", **self._offender(child))

    def _offender(self, child: Child) -> dict[str, Any]:
        """A child in a report; without its arguments, which may hold secrets."""
        spec = child.spec
        return {
            "child": child.id,
            "incarnation": child.address.incarnation,
            "start": spec.start.__name__,
            "restart_type": spec.restart,
            "significant": spec.significant,
            "shutdown": spec.shutdown,
            "child_type": spec.type,
        }


def _further_halts(left: list[strategy.Action]) -> Iterator[Child]:
    """Take those that are to be stopped next, up to whatever else is to be done."""
    while left:
        match left[-1]:
            case strategy.Halt(child):
                left.pop()
                yield child
            case _:
                return

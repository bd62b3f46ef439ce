"""Supervisor: the thin actor around the pure core in ``strategy`` (supervisor(3)).

It handles one event at a time: while it waits for a child to start or to stop, other events wait
in its mailbox, as in OTP; only its own end interrupts it.
"""

from __future__ import annotations

import asyncio
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from supervision import strategy
from supervision.child import SupervisorState
from supervision.childspec import ChildSpec, SpecError, SupervisorFlags
from supervision.eventloop.calls import PendingCall, Waiter
from supervision.eventloop.lifecycle import ChildExited, Failed, Started
from supervision.eventloop.links import Exit
from supervision.eventloop.managed import IGNORE, Stop, Timeout
from supervision.reasons import KILLED, SHUTDOWN, Reason, error
from supervision.supervisor import live_change, shutdown
from supervision.supervisor.calls import Managed
from supervision.supervisor.children import SLICE, Due, Recovered, TryAgain
from supervision.supervisor.ends import Ends

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from supervision.child import Child
    from supervision.eventloop.timers import Timer

    Wanted = tuple[SupervisorFlags | Mapping[str, Any], Sequence[ChildSpec | Mapping[str, Any]]]


class Supervisor(Managed):
    """A supervisor; override ``init`` (supervisor(3)).

    One that ends, also by a crash of its own, stops its children in order first. One that is
    killed cannot: all that is below it is killed as well, at once and without ``terminate``.

    Attributes:
        state: flags, children and recent restarts, as the pure core keeps them.
        listed: ids of the children that ``init`` has listed; others were added later.
    """

    listed: frozenset[str] = frozenset()

    def init(self, args: Any) -> Wanted | Any:
        """Return the flags and the specs of the children, or IGNORE; may be ``async def``."""
        raise TypeError(f"{type(self).__name__} has no init")

    # Start

    async def on_start(self, args: Any) -> Any:
        """Start the children in order; one that fails ends those before it, the last first."""
        self._args = args
        self.trap_exit()  # nobody's end but that of its own supervisor is the end of a supervisor
        wanted = await self._wanted_by_init(args)
        if wanted is IGNORE or isinstance(wanted, Stop):
            return wanted
        try:
            flags, specs = live_change.read(wanted, self)
        except SpecError as mistake:
            return Stop(error(mistake.shape))
        self._may_keep(specs)
        self.listed = frozenset(spec.id for spec in specs)
        if flags.strategy == "simple_one_for_one":
            self.state = SupervisorState(flags, specs[0])
            return None
        self.state = SupervisorState(flags)
        return await self._start_all(specs)

    async def _wanted_by_init(self, args: Any) -> Any:
        wanted = self.init(args)
        return await wanted if isawaitable(wanted) else wanted

    async def _start_all(self, specs: Sequence[ChildSpec]) -> Stop | None:
        for number, spec in enumerate(specs):
            await _breathe(number)
            child = self._add(spec, spec.id, spec.args)
            outcome = await self._start(child)
            if isinstance(outcome, Failed):
                self._tell("start_error", child, outcome.reason)
                await self._stop_all(SHUTDOWN)
                return Stop(Reason("shutdown", ("failed_to_start_child", spec.id, outcome.reason)))
            if isinstance(outcome, Started):
                self._progress(child)
        return None

    # Events

    def receiveMessage(self, msg: Any, sender: Any) -> Any:
        """Take an exit, a management call, a retry or the end of a wait."""
        if isinstance(msg, ChildExited):
            return self._exited(msg)
        if isinstance(msg, PendingCall):
            due = msg.deadline
            late = msg.settled or (due is not None and due < self.kernel.now)
            return self._manage(msg) if not late else msg.expire()
        match msg:
            case TryAgain(child=child, attempt=attempt):
                return self._carry_out(strategy.retry(self.state, child, self.now(), attempt))
            case Timeout(_, Due(child, until)):
                return self._carry_out(strategy.due(self.state, child, until))
            case Timeout(_, Recovered(child, since)):
                return self._carry_out(strategy.steady(child, since))
        # An exit is a stranger's: ChildExited tells of a child's. A retry may come too late.
        if not isinstance(msg, Exit | TryAgain):
            self._not_expected(msg, sender)
        return None

    def _not_expected(self, msg: Any, sender: Any) -> None:
        self.kernel.report(
            "unexpected", self.address.path, message=type(msg).__name__, sender=str(sender)
        )

    def _exited(self, event: ChildExited) -> Coroutine[Any, Any, None] | None:
        child = self.state.children.get(str(event.address.name))
        if child is None or child.address is not event.address:
            return None
        if event.incarnation != event.address.incarnation or child.status != "running":
            return None  # it has been replaced or stopped since
        now = self.now()
        actions = strategy.exited(self.state, child, event.reason, now, self.roll())
        if self._keeps and not (actions and strategy.comes_back(child, actions)):
            self.kernel.held.drop(child.address, event.reason)
        return self._carry_out(actions) if actions else None

    # Live change (sys(3))

    async def system_code_change(self, old_vsn: Any, extra: Any) -> None:
        """Have ``init`` say anew what is wanted; nothing is started or stopped by it.

        Args:
            old_vsn: of no interest to a supervisor.
            extra: a mapping with ``args`` replaces the start arguments, for this and later.

        Raises:
            SpecError: ``init`` returned flags or specs that are refused; all is as it was.
        """
        del old_vsn
        args = live_change.new_args(extra, self._args)
        wanted = await self._wanted_by_init(args)
        if wanted is not IGNORE:
            flags, specs = live_change.read(wanted, self)
            owed = live_change.change(self.state, flags, specs, self.address)
            self._may_keep(specs)
            self.listed = frozenset(spec.id for spec in specs)
            for child, by in owed.items():
                self._tell("starts_with", child, None, **{"with": by.id})
        self._args = args

    def system_replace_state(self, function: Callable[[Any], Any]) -> SupervisorState:
        """Replace flags and counted restarts; children are managed by calls.

        Raises:
            Exception: what ``function`` raises, or that the state is refused; all is as it was.
        """
        live_change.replace(self.state, function(live_change.copied(self.state)))
        return self.state

    # Showing

    def format_status(self, state: SupervisorState | None) -> Any:
        """Flags and children without their start arguments, which may hold secrets."""
        if state is None:  # init has not said yet what it is
            return {"flags": None, "count": 0, "children": {}}
        known = () if state.dynamic else state.children.values()
        children = {child.id: child.status for child in known}
        return {"flags": state.flags, "count": len(state.children), "children": children}

    # The end

    async def on_finish(self, reason: Reason) -> None:
        """Stop the children: a pool all at once, others one by one, the last started first."""
        if hasattr(self, "state"):
            await self._stop_all(reason)

    async def _stop_all(self, why: Reason) -> None:
        if self._keeps:
            self._keeps = False  # what ends from now on does not come back
            self.kernel.held.drop_below(self.address, SHUTDOWN)
        looping = list(filter(strategy.crash_looping, self.state.children.values()))
        for number, child in enumerate(looping):
            self._do_all(strategy.loop_over(child, why))
            await _breathe(number)
        order = strategy.shutdown_order(self.state)
        if self.state.dynamic:
            await self._stop_pool(order)
            return
        total = self.state.flags.max_shutdown_s
        await self._halt_all(order, None if total is None else self.now() + total)

    async def _stop_pool(self, members: list[Child]) -> None:
        """End all at once, with one timer: a pool can have any number of children."""
        leaving: list[tuple[Child, Waiter]] = []
        dead: list[Child] = []
        timer, end = self._kill_what_is_left(leaving)
        for number, child in enumerate(members):
            cell = self._cell_to_stop(child)
            if cell is None:
                dead.append(child)
            else:
                late = end is not None and self.now() >= end
                leaving.append((child, self.kernel.stop(cell, SHUTDOWN, 0.0 if late else None)))
            await _breathe(number)
        ends: list[tuple[Child, Reason]] = []
        for number, (child, gone) in enumerate(leaving):
            ends.append((child, await gone))
            await _breathe(number)
        if timer is not None:
            self.cancel_timer(timer)
        known = Ends(self._myRef)
        ends += [(child, why) for child in dead if (why := known.of(child)) is not None]
        self._tell_once_for_each_reason(ends)

    def _tell_once_for_each_reason(self, ends: list[tuple[Child, Reason]]) -> None:
        errors: dict[tuple[str, str], list[tuple[Child, Reason]]] = {}
        for child, reason in ends:
            child.status = "stopped"
            context = shutdown.complaint(child, reason)
            if context is not None:
                errors.setdefault((context, str(reason)), []).append((child, reason))
        for (context, _), alike in errors.items():
            self._tell(context, *alike[0], children=len(alike))

    def _kill_what_is_left(
        self, leaving: list[tuple[Child, Waiter]]
    ) -> tuple[Timer | None, float | None]:
        """Set the one timer of a pool's end; return it, and when it is (monotonic seconds)."""
        template, kernel = self.state.template, self.kernel
        bound = None if template is None else template.stop_timeout
        seconds = shutdown.least(bound, self.state.flags.max_shutdown_s)
        if seconds is None:
            return None, None

        def fire(timer: Timer) -> None:
            kernel.forget_timer(timer)
            for child, gone in leaving:
                if not gone.settled and child.address.cell is not None:
                    kernel.exit(child.address.cell, KILLED)

        end = self.now() + seconds
        if seconds <= 0:
            return None, end
        return kernel.start_timer(self._myRef, seconds, "shutdown", fire), end


async def _breathe(number: int) -> None:
    if number % SLICE == SLICE - 1:
        await asyncio.sleep(0)

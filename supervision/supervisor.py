"""Supervisor: the thin actor around the pure core in ``strategy`` (supervisor(3)).

It handles one event at a time: while it waits for a child to start or to stop, other events wait
in its mailbox, as in OTP; only its own end interrupts it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

import msgspec

from supervision import strategy
from supervision.behaviour import Behaviour
from supervision.childspec import (
    ChildSpec,
    SpecError,
    SupervisorFlags,
    check_flags,
    check_id,
    check_spec,
    check_specs,
)
from supervision.eventloop.address import LocalAddress
from supervision.eventloop.calls import PendingCall, Waiter
from supervision.eventloop.lifecycle import ChildExited, Failed, Ignored, Outcome, Started
from supervision.eventloop.managed import CRASHED_S, IGNORE, Cast, Stop
from supervision.management import (
    CountChildren,
    CycleChild,
    DeleteChild,
    Refused,
    RestartChild,
    StartChild,
    TerminateChild,
    WhichChildren,
    count_children,
    which_children,
)
from supervision.reasons import KILLED, SHUTDOWN, Reason, crashed, error
from supervision.strategy import Child, SupervisorState

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence


SLICE = 256
"""Members of a pool after which the loop goes round."""


class _TryAgain(msgspec.Struct, frozen=True):
    child: Child


class Supervisor(Behaviour):
    """A supervisor; override ``init`` (supervisor(3)).

    One that ends, also by a crash of its own, stops its children in order first. One that is
    killed cannot: all that is below it is killed as well, at once and without ``terminate``.

    Attributes:
        state: flags, children and recent restarts, as the pure core keeps them.
    """

    kind = "supervisor"
    stops_children = True
    state: SupervisorState

    def init(self, args: Any) -> tuple[SupervisorFlags, Sequence[ChildSpec]] | Any:
        """Return the flags and the specs of the children, or IGNORE; may be ``async def``."""
        raise TypeError(f"{type(self).__name__} has no init")

    # Start

    async def on_start(self, args: Any) -> Any:
        """Start the children in order; one that fails ends those before it, the last first."""
        wanted = self.init(args)
        if isawaitable(wanted):
            wanted = await wanted
        if wanted is IGNORE or isinstance(wanted, Stop):
            return wanted
        flags, specs = wanted
        try:
            check_flags(flags)
            check_specs(flags, specs)
        except SpecError as mistake:
            return Stop(error(str(mistake)))
        if flags.strategy == "simple_one_for_one":
            self.state = SupervisorState(flags, specs[0])
            return None
        self.state = SupervisorState(flags)
        return await self._start_all(specs)

    async def _start_all(self, specs: Sequence[ChildSpec]) -> Stop | None:
        for spec in specs:
            child = self._add(spec, spec.id, spec.args)
            outcome = await self._start(child)
            if isinstance(outcome, Failed):
                self._tell("start_error", child, outcome.reason)
                await self._stop_all()
                return Stop(
                    Reason("shutdown", f"failed_to_start_child {spec.id}: {outcome.reason}")
                )
        return None

    def _add(self, spec: ChildSpec, child_id: str, args: Any) -> Child:
        child = Child(spec, child_id, args, LocalAddress(self.address, child_id))
        self.state.children[child_id] = child
        return child

    def _spawn(self, child: Child) -> Outcome | Waiter:
        child.status = "starting"
        try:
            actor = child.spec.start()
        except Exception as exception:  # noqa: BLE001 - whatever it raises is why it did not start
            return Failed(crashed(exception))
        return self.kernel.spawn(
            actor,
            child.args,
            parent=self._myRef,
            address=child.address,
            keeper=child if child.spec.keep_state else None,
        )

    async def _start(self, child: Child) -> Outcome:
        spawned = self._spawn(child)
        outcome: Outcome = await spawned if isinstance(spawned, Waiter) else spawned
        self._note(child, outcome)
        return outcome

    def _note(self, child: Child, outcome: Outcome) -> None:
        match outcome:
            case Started():
                strategy.started(child)
            case Ignored():
                strategy.forget(self.state, child)
            case Failed():
                child.status = "stopped"

    # Events

    def receiveMessage(self, msg: Any, sender: Any) -> Any:
        """Take an exit, a management call or a retry."""
        if isinstance(msg, ChildExited):
            return self._exited(msg)
        if isinstance(msg, PendingCall):
            return None if msg.settled else self._manage(msg)
        if isinstance(msg, Cast) and isinstance(msg.request, _TryAgain):
            return self._carry_out(strategy.retry(self.state, msg.request.child, self.now()))
        self.kernel.report(
            "unexpected", self.address.path, message=type(msg).__name__, sender=str(sender)
        )
        return None

    def _exited(self, event: ChildExited) -> Coroutine[Any, Any, None] | None:
        child = self.state.children.get(str(event.address.name))
        if child is None or child.address is not event.address:
            return None
        if event.incarnation != event.address.incarnation or child.status != "running":
            return None  # it has been replaced or stopped since
        actions = strategy.exited(self.state, child, event.reason, self.now())
        return self._carry_out(actions) if actions else None

    async def _carry_out(self, actions: list[strategy.Action]) -> None:
        pending = list(reversed(actions))
        while pending:
            action = pending.pop()
            match action:
                case strategy.Tell(context, child, reason):
                    self._tell(context, child, reason)
                case strategy.Halt(child):
                    await self._halt(child)
                case strategy.Start(child):
                    outcome = await self._start_again(child)
                    if isinstance(outcome, Failed):
                        failed = strategy.start_failed(
                            self.state, child, outcome.reason, self.now()
                        )
                        pending = list(reversed(failed))
                case strategy.Retry(child):
                    self.cast(self.address, _TryAgain(child))
                case strategy.Escalate(reason):
                    self.stop(reason)
                    return

    async def _start_again(self, child: Child) -> Outcome:
        outcome = await self._start(child)
        if isinstance(outcome, Started):
            self.kernel.count_restart()
            self._tell("restarted", child, None)
        return outcome

    async def _halt(self, child: Child) -> None:
        await self._end_child(child)
        strategy.halted(self.state, child)

    async def _end_child(self, child: Child) -> None:
        cell = child.address.cell
        child.status = "stopping"
        if cell is None:
            reason = self._died_already(child)
        else:
            reason = await self.kernel.stop(cell, SHUTDOWN, child.spec.stop_timeout)
        child.status = "stopped"
        if reason is not None and not _as_asked(child, reason):
            self._tell("shutdown_error", child, reason)

    def _died_already(self, child: Child) -> Reason | None:
        """Look for a child's end among the messages that wait (OTP's selective receive)."""
        for message, _, _ in self._myRef.mailbox or ():
            if isinstance(message, ChildExited) and message.address is child.address:
                return message.reason
        return None

    # Management calls

    def _manage(self, call: PendingCall) -> Coroutine[Any, Any, None] | None:
        match call.request:
            case StartChild() as request:
                return self._start_child(call, request)
            case WhichChildren():
                self.reply(call, which_children(self.state))
            case CountChildren():
                self.reply(call, count_children(self.state))
            case DeleteChild(child_id):
                self.reply(call, self._delete(child_id))
            case TerminateChild(child_id):
                return self._with_child(call, child_id, self._terminate)
            case RestartChild(child_id):
                return self._with_child(call, child_id, self._restart)
            case CycleChild(child_id):
                return self._with_child(call, child_id, self._cycle)
            case other:
                self.reply(call, Refused("invalid_request", type(other).__name__))
        return None

    def _start_child(
        self, call: PendingCall, request: StartChild
    ) -> Coroutine[Any, Any, None] | None:
        try:
            spec, child_id, args = self._wanted(request)
        except SpecError as mistake:
            self.reply(call, Refused("invalid_child_spec", str(mistake)))
            return None
        known = self.state.children.get(child_id)
        if known is not None:
            why = "already_started" if strategy.alive(known) else "already_present"
            self.reply(call, Refused(why, known.address))
            return None
        child = self._add(spec, child_id, args)
        spawned = self._spawn(child)
        if isinstance(spawned, Waiter):
            return self._answer_when_started(call, child, spawned)
        self.reply(call, self._started(child, spawned))
        return None

    def _wanted(self, request: StartChild) -> tuple[ChildSpec, str, Any]:
        template, spec = self.state.template, request.spec
        if template is None:
            spec = check_spec(spec)
            return spec, spec.id, spec.args
        if spec is not None:
            raise SpecError("bad_start_spec", spec.id)
        check_id(request.id)
        return template, request.id, request.args

    async def _answer_when_started(self, call: PendingCall, child: Child, spawned: Waiter) -> None:
        self.reply(call, self._started(child, await spawned))

    def _started(self, child: Child, outcome: Outcome) -> Outcome | Refused:
        self._note(child, outcome)
        if isinstance(outcome, Failed):
            self.state.children.pop(child.id, None)
            return Refused("start_error", outcome.reason)
        return outcome

    async def _with_child(self, call: PendingCall, child_id: str, do: Any) -> None:
        child = self.state.children.get(child_id)
        self.reply(call, Refused("not_found", child_id) if child is None else await do(child))

    async def _terminate(self, child: Child) -> bool:
        if strategy.alive(child):
            await self._end_child(child)
        strategy.forget(self.state, child)
        child.kept = None
        return True

    async def _restart(self, child: Child) -> Outcome | Refused:
        if strategy.alive(child):
            return Refused("running", child.address)
        if child.status == "restarting":
            return Refused("restarting", child.address)
        outcome = await self._start(child)
        return Refused("start_error", outcome.reason) if isinstance(outcome, Failed) else outcome

    async def _cycle(self, child: Child) -> Outcome | Refused:
        if strategy.alive(child):
            await self._end_child(child)
        child.restarts += 1
        outcome = await self._start_again(child)
        if not isinstance(outcome, Failed):
            return outcome
        if child.spec.restart == "temporary":
            strategy.forget(self.state, child)
        await self._carry_out(strategy.start_failed(self.state, child, outcome.reason, self.now()))
        return Refused("start_error", outcome.reason)

    def _delete(self, child_id: str) -> bool | Refused:
        if self.state.dynamic:
            return Refused("simple_one_for_one")
        child = self.state.children.get(child_id)
        if child is None:
            return Refused("not_found", child_id)
        if child.status != "stopped":
            return Refused("restarting" if child.status == "restarting" else "running")
        del self.state.children[child_id]
        return True

    # Showing

    def format_status(self, state: SupervisorState | None) -> Any:
        """Flags and children without their start arguments, which may hold secrets."""
        if state is None:  # init has not said yet what it is
            return {"flags": None, "count": 0, "children": {}}
        known = () if state.dynamic else state.children.values()
        children = {child.id: child.status for child in known}
        return {"flags": state.flags, "count": len(state.children), "children": children}

    # The end

    def child_bound(self, child: LocalAddress) -> float | None:
        """The shutdown time of its spec; ``brutal_kill`` says nothing of a child that crashed."""
        known = self.state.children.get(str(child.name))
        bound = CRASHED_S if known is None else known.spec.stop_timeout
        return CRASHED_S if bound == 0 else bound

    async def on_finish(self, reason: Reason) -> None:
        """Stop the children: a pool all at once, others one by one, the last started first."""
        del reason
        if hasattr(self, "state"):
            await self._stop_all()

    async def _stop_all(self) -> None:
        order = strategy.shutdown_order(self.state)
        if self.state.dynamic:
            await self._stop_pool(order)
            return
        for child in order:
            await self._halt(child)

    async def _stop_pool(self, members: list[Child]) -> None:
        leaving: list[tuple[Child, Waiter]] = []
        for number, child in enumerate(members):
            cell = child.address.cell
            if cell is not None:
                gone = self.kernel.stop(cell, SHUTDOWN, child.spec.stop_timeout)
                leaving.append((child, gone))
            await _breathe(number)
        # One report for each reason: a pool can have any number of children.
        errors: Counter[Reason] = Counter()
        for number, (child, gone) in enumerate(leaving):
            reason = await gone
            await _breathe(number)
            child.status = "stopped"
            if not _as_asked(child, reason):
                errors[msgspec.structs.replace(reason, traceback="")] += 1
        for reason, count in errors.items():
            self._tell("shutdown_error", members[0], reason, children=count)

    def _tell(self, context: str, child: Child, reason: Reason | None, **more: Any) -> None:
        self.kernel.report(
            "supervisor",
            self.address.path,
            context=context,
            child=child.id,
            reason=None if reason is None else str(reason),
            restart_type=child.spec.restart,
            shutdown=child.spec.shutdown,
            child_type=child.spec.type,
            restarts=child.restarts,
            used=len(self.state.restarts),
            allowed=self.state.allowed,
            **more,
        )


async def _breathe(number: int) -> None:
    if number % SLICE == SLICE - 1:
        await asyncio.sleep(0)


def _as_asked(child: Child, reason: Reason) -> bool:
    """Whether a child that was told to end did as it was told (supervisor.erl, shutdown/1)."""
    if child.spec.stop_timeout == 0 and reason == KILLED:
        return True
    return reason == SHUTDOWN or (reason.clean and child.spec.restart != "permanent")

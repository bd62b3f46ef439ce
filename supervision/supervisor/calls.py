"""What a supervisor answers while it runs (supervisor(3), the management calls)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision import strategy
from supervision._thespian import ActorAddress
from supervision.childspec import SpecError, as_spec, check_id, unknown_keys
from supervision.eventloop.calls import PendingCall, Waiter
from supervision.eventloop.cell import LocalAddress
from supervision.eventloop.lifecycle import Failed, Ignored, Outcome, Started
from supervision.management import (
    ChildInfo,
    CountChildren,
    CycleChild,
    DeleteChild,
    GetCallbackModule,
    GetChildSpec,
    Refused,
    RestartChild,
    StartChild,
    TerminateChild,
    WhichChild,
    WhichChildren,
    count_children,
    info_of,
    which_children,
)
from supervision.reasons import SHUTDOWN
from supervision.supervisor.carrying import Carrying

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from supervision.child import Child
    from supervision.childspec import ChildSpec
    from supervision.reasons import Reason


class Managed(Carrying):
    """Supervised children and the calls that manage them."""

    def _manage(self, call: PendingCall) -> Coroutine[Any, Any, None] | None:
        match call.request:
            case StartChild() as request:
                return self._start_child(call, request)
            case TerminateChild(named):
                return self._with_child(call, named, self._terminate)
            case RestartChild(named):
                return self._with_child(call, named, self._restart)
            case CycleChild(named):
                return self._with_child(call, named, self._cycle)
            case request:
                self.reply(call, self._answer(request))
        return None

    def _answer(self, request: Any) -> Any:
        """Answer what takes no time."""
        match request:
            case WhichChildren():
                return which_children(self.state)
            case CountChildren():
                return count_children(self.state)
            case WhichChild(named) | GetChildSpec(named):
                return self._about(named, request)
            case GetCallbackModule():
                return type(self)
            case DeleteChild(named):
                return self._delete(named)
        return Refused("invalid_request", type(request).__name__)

    def _about(
        self, named: Any, request: WhichChild | GetChildSpec
    ) -> ChildInfo | ChildSpec | Refused:
        child = self._child(named)
        if child is None:
            return Refused("not_found", named)
        return info_of(child) if isinstance(request, WhichChild) else child.spec.filled()

    # Which child is meant

    def _child(self, named: Any) -> Child | None:
        """A child by its id, or a member of a pool by its address."""
        if not isinstance(named, ActorAddress):
            return self.state.children.get(named) if isinstance(named, str) else None
        address = self._local(named)
        if address is None or not self.state.dynamic:
            return None
        child = self.state.children.get(str(address.name))
        return child if child is not None and child.address is address else None

    def _local(self, address: ActorAddress) -> LocalAddress | None:
        if isinstance(address, LocalAddress):
            return address
        cell = self.kernel.cell_of(address)
        return None if cell is None else cell.address

    def _with_child(
        self, call: PendingCall, named: str | ActorAddress, do: Any
    ) -> Coroutine[Any, Any, None] | None:
        child = self._child(named)
        if child is not None:
            return self._answer_when_done(call, child, do)
        ended = isinstance(named, ActorAddress) and self.kernel.cell_of(named) is None
        if do == self._terminate and self.state.dynamic and ended:
            self.reply(call, True)  # it is gone, which is what was wanted
        elif do == self._restart and self.state.dynamic:
            self.reply(call, Refused("simple_one_for_one"))
        else:
            self.reply(call, Refused("not_found", named))
        return None

    async def _answer_when_done(self, call: PendingCall, child: Child, do: Any) -> None:
        self.reply(call, await do(child))

    # New children

    def _start_child(
        self, call: PendingCall, request: StartChild
    ) -> Coroutine[Any, Any, None] | None:
        try:
            spec, child_id, args = self._wanted(request)
        except SpecError as mistake:
            self.reply(call, Refused(mistake.what, mistake.value))
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
        template = self.state.template
        if template is None:
            spec = as_spec(request.spec, self.state.flags.auto_shutdown)
            if spec is not request.spec:  # it was a mapping
                self.warn_of(unknown_keys(None, (request.spec,)))
            if spec.on_restart == "keep":
                self._may_keep((spec,))
            return spec, spec.id, spec.args
        if request.spec is not None:
            raise SpecError("bad_start_spec", request.spec)
        check_id(request.id)
        return template, request.id, request.args

    async def _answer_when_started(self, call: PendingCall, child: Child, spawned: Waiter) -> None:
        self.reply(call, self._started(child, await spawned))

    def _started(self, child: Child, outcome: Outcome) -> Outcome | Refused:
        self._note(child, outcome)
        if type(outcome) is not Failed:
            return outcome
        self.state.children.pop(child.id, None)
        self._keep_no_longer(child, outcome.reason)
        return _refusal(outcome.reason)

    # Known children

    async def _terminate(self, child: Child) -> bool:
        waited = child.status == "restarting"
        if strategy.alive(child):
            await self._end_child(child)
        self._leave_out(child)
        child.kept = None
        if waited and not self.state.dynamic:
            self._leave_group()
        return True

    def _leave_group(self) -> None:
        """Siblings that were to be started with a child that is terminated stay down too."""
        children = self.state.children.values()
        if any(one.status == "restarting" for one in children):
            return
        self.state.owed = None
        for one in children:
            if one.status == "stopped":
                self._do_all(strategy.loop_over(one, SHUTDOWN))
                self._keep_no_longer(one, SHUTDOWN)

    def _leave_out(self, child: Child) -> None:
        """A child does not run for now, as somebody wanted."""
        self._do_all(strategy.forget(self.state, child))
        self._keep_no_longer(child, SHUTDOWN)

    async def _restart(self, child: Child) -> Outcome | Refused:
        if self.state.dynamic:
            return Refused("simple_one_for_one")
        if strategy.alive(child):
            return Refused("running", child.address)
        if child.status == "restarting":
            return Refused("restarting", child.address)
        outcome = await self._start(child)
        if isinstance(outcome, Failed):
            self._keep_no_longer(child, outcome.reason)
            return _refusal(outcome.reason)
        if isinstance(outcome, Started):
            self._progress(child)
        return outcome

    async def _cycle(self, child: Child) -> Outcome | Refused:
        if child.spec.restart == "temporary":
            return Refused("temporary", child.address)
        if child.status == "restarting":
            return await self._start_early(child)
        if strategy.alive(child):
            await self._end_child(child)
        child.restarts += 1
        outcome = await self._start_again(child)
        if not isinstance(outcome, Failed):
            return outcome
        await self._all_of(self._start_failed(child, outcome.reason))
        return _refusal(outcome.reason)

    async def _start_early(self, child: Child) -> Outcome | Refused:
        """End the wait of a restart: the child starts with its group, as it would have."""
        if child.retry_at is None:
            child.restarts += 1  # one that waits was counted when its wait began
        await self._all_of(strategy.due(self.state, child))
        if child.status == "running":
            return Started(child.address)
        if child.status == "stopped" and not child.failures:
            return Ignored()  # any other end of this is a failure, its own or of one before it
        siblings = self.state.children.values()
        failed = next((one for one in (child, *siblings) if one.status == "restarting"), child)
        return Refused("start_error", None if failed.last_exit is None else failed.last_exit[0])

    def _delete(self, named: str) -> bool | Refused:
        if self.state.dynamic:
            return Refused("simple_one_for_one")
        child = self._child(named)
        if child is None:
            return Refused("not_found", named)
        if child.status != "stopped":
            return Refused("restarting" if child.status == "restarting" else "running")
        self._leave_out(child)
        self.state.children.pop(child.id, None)
        return True


def _refusal(reason: Reason) -> Refused:
    match reason.detail:
        case ("already_started", LocalAddress() as owner):
            return Refused("already_started", owner)  # its name is that of another actor
    return Refused("start_error", reason)

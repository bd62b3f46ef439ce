"""What a random run drives: the supervisor in virtual time, and its pure core alone.

Both have the surface of ``supervisor_model.Model`` (exit, shutdown, ask, settle, advance) and show
the same facts, so that a run can compare either with the model after every step.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import SimpleNamespace

from supervisor_model import POOL, TAKES

from supervision import (
    IGNORE,
    ChildSpec,
    DeleteChild,
    GenServer,
    Ignored,
    RestartChild,
    StartChild,
    Started,
    Stop,
    Supervisor,
    SupervisorFlags,
    TerminateChild,
    strategy,
)
from supervision.eventloop.cell import LocalAddress
from supervision.reasons import error
from supervision.strategy import Child, SupervisorState
from supervision.testing import Kit

TOLD = ("start_error", "child_terminated", "shutdown_error", "shutdown")
"""The contexts of reports that OTP has too."""


def spec_of(kid, args=None):
    shutdown = kid.limit or "brutal_kill"
    options = {"significant": True} if kid.significant else {}
    return ChildSpec(kid.id, Planned, args, restart=kid.restart, shutdown=shutdown, **options)


def flags_of(strategy, intensity, period, auto_shutdown):
    options = {} if auto_shutdown == "never" else {"auto_shutdown": auto_shutdown}
    return SupervisorFlags(strategy=strategy, intensity=intensity, period=period, **options)


class Planned(GenServer):
    """Starts as the plans say and ends as its manner says; every birth and death is logged."""

    def init(self, args):
        self.driver, self.manner = args
        me = (self.address.name, self.address.incarnation)
        self.driver.log.append(("born", *me, None))
        cell = self._myRef
        self.at_end(lambda: self.driver.log.append(("dead", *me, cell.exiting)))
        plan = self.driver.plans.get(self.address.name)
        seconds, outcome = plan.popleft() if plan else (0.0, "ok")
        return self._slowly(seconds, outcome) if seconds else self._begin(outcome)

    async def _slowly(self, seconds, outcome):
        await asyncio.sleep(seconds)
        return self._begin(outcome)

    def _begin(self, outcome):
        if outcome == "ok":
            self.driver.journal.append(("started", self.address.name))
        return {"ok": None, "ignore": IGNORE, "fail": Stop(error("planned"))}[outcome]

    def terminate(self, reason):
        return self._leave() if self.manner == "polite" else self._leave_slowly()

    async def _leave_slowly(self):
        await asyncio.sleep(TAKES[self.manner])
        self._leave()

    def _leave(self):
        self.driver.journal.append(("ended", self.address.name))


class Driven(Supervisor):
    def init(self, args):
        return args


class KitDriver:
    """The supervisor itself, as a top-level actor of a kit."""

    tells = TOLD

    def __init__(self, strategy, intensity, period, auto_shutdown, kids):
        self.kit, self.plans, self.journal, self.log = Kit(), {}, [], []
        self.manners = {kid.id: kid.manner for kid in kids}
        self.pool = strategy == POOL
        specs = [spec_of(kid, (self, kid.manner)) for kid in kids]
        self._begin = flags_of(strategy, intensity, period, auto_shutdown), specs

    def begin(self):
        kit, self.actor = self.kit, Driven()
        address = kit.kernel.child_address(None, "top")
        kit.loop.run(
            lambda: kit.kernel.spawn(self.actor, self._begin, parent=None, address=address)
        )
        self.top = address
        self.cell = self.actor._myRef

    @property
    def now(self):
        return self.kit.clock.monotonic()

    def exit(self, name, reason):
        cell = (self.cell.children or {}).get(name)
        if cell is not None:
            self.kit.loop.run(self.kit.kernel.exit, cell, reason)

    def shutdown(self, reason):
        self.kit.loop.run(self.kit.kernel.exit, self.cell, reason)

    def ask(self, what, argument):
        request = self._request(what, argument)
        future = self.kit.loop.run(self.kit.base.call, self.top, request, None)
        box = SimpleNamespace(answer=None)
        future.add_done_callback(lambda done: setattr(box, "answer", _word(done)))
        return box

    def _request(self, what, argument):
        if what == "start_child":
            args = (self, argument.manner)
            return (
                StartChild(id=argument.id, args=args)
                if self.pool
                else StartChild(spec_of(argument, args))
            )
        kinds = {
            "terminate_child": TerminateChild,
            "restart_child": RestartChild,
            "delete_child": DeleteChild,
        }
        return kinds[what](argument)

    def settle(self):
        self.kit.settle()

    def advance(self, seconds):
        self.kit.advance(seconds)

    def close(self):
        self.kit.close()

    # What can be seen

    @property
    def alive(self):
        cells = (self.cell.children or {}).values()
        return {(cell.address.name, cell.address.incarnation) for cell in cells}

    @property
    def ending(self):
        return self.cell.exiting is not None

    @property
    def gone(self):
        return self.cell.actor is None

    @property
    def why(self):
        reason = self.cell.exiting
        return reason.kind if reason.detail is None else str(reason.detail)

    @property
    def state(self):
        return self.actor.state

    @property
    def reports(self):
        told = [one.data for one in self.kit.reported("supervisor") if one.data["context"] in TOLD]
        found = []
        for data in told:
            count = data.get("children")  # of a pool that ended: how many left for this reason
            found += [(data["context"], None if count else data["child"])] * (count or 1)
        return found

    @property
    def restart_times(self):
        return [one.at for one in self.kit.reported("supervisor", context="restarted")]


def _word(done):
    if done.exception() is not None:
        return "died"
    match done.result():
        case Started():
            return "started"
        case Ignored():
            return "ignored"
        case True:
            return "ok"
        case refused:
            return refused.why


class CoreDriver:
    """The pure core, its actions carried out on a world in which nothing takes time."""

    tells = ("start_error", "child_terminated", "shutdown")

    def __init__(self, kind, intensity, period, auto_shutdown, kids):
        flags = flags_of(kind, intensity, period, auto_shutdown)
        kids, self.now, self.plans = list(kids), 0.0, {}
        self.pool = kind == POOL
        self.state = SupervisorState(flags, spec_of(kids[0]) if self.pool else None)
        self.journal, self.reports, self.queue, self.signals = [], [], deque(), []
        self.living, self.over = {}, None
        self.first = [] if self.pool else kids

    def begin(self):
        for kid in self.first:
            child = self._add(kid)
            match self._start(child):
                case "fail":
                    self.reports.append(("start_error", child.id))
                    child.status = "stopped"
                    self._end("failed_to_start_child")
                    return
                case "ignore":
                    strategy.forget(self.state, child)

    def _add(self, kid):
        spec = self.state.template if self.pool else spec_of(kid)
        child = Child(spec, kid.id, None, LocalAddress(None, kid.id))
        self.state.children[kid.id] = child
        return child

    def _start(self, child):
        plan = self.plans.get(child.id)
        outcome = plan.popleft()[1] if plan else "ok"
        child.address.incarnation += 1
        if outcome == "ok":
            assert child.id not in self.living, "two living actors with one id"
            self.living[child.id] = child
            strategy.started(child, self.now)
            self.journal.append(("started", child.id))
        return outcome

    def _halt(self, child):
        died = self.living.pop(child.id, None) is None
        if not died:
            self.journal.append(("ended", child.id))

    # What happens to it

    def exit(self, name, reason):
        self.signals.append((self._exit, name, reason))

    def shutdown(self, reason):
        self.signals.append((self._end, reason.kind))

    def ask(self, what, argument):
        box = SimpleNamespace(answer=None)
        self.queue.append((self._answer, box, what, argument))
        return box

    def settle(self):
        signals, self.signals = self.signals, []
        for what, *args in signals:
            what(*args)
        while self.queue:
            what, *args = self.queue.popleft()
            what(*args)

    def advance(self, seconds):
        self.settle()
        self.now += seconds

    def _exit(self, name, reason):
        child = self.living.pop(name, None)
        if child is not None:
            if reason.kind != "killed":
                self.journal.append(("ended", name))
            self.queue.append((self._exited, child, reason))

    def _exited(self, child, reason):
        known = self.over is None and self.state.children.get(child.id) is child
        if known and child.status == "running" and child.id not in self.living:
            self._carry_out(strategy.exited(self.state, child, reason, self.now))

    def _carry_out(self, actions):
        pending = list(actions)
        while pending:
            match pending.pop(0):
                case strategy.Tell(context, child, _):
                    self.reports += [(context, child.id)] if context in self.tells else []
                case strategy.Halt(child):
                    self._halt(child)
                    strategy.halted(self.state, child)
                case strategy.Start(child):
                    outcome = self._start(child)
                    if outcome == "fail":
                        pending = strategy.start_failed(
                            self.state, child, error("planned"), self.now
                        )
                    elif outcome == "ignore":
                        strategy.forget(self.state, child)
                case strategy.Retry(child, attempt):
                    self.queue.append((self._retry, child, attempt))
                case strategy.Escalate(reason):
                    self._end(str(reason.detail) if reason.detail else reason.kind)

    def _retry(self, child, attempt):
        if self.over is None:
            self._carry_out(strategy.retry(self.state, child, self.now, attempt))

    def _end(self, why):
        if self.over is None:
            self.over = why
            for child in [] if why == "killed" else strategy.shutdown_order(self.state):
                self._halt(child)
            self.living.clear()

    def close(self):
        """Nothing is left over."""

    # What it is asked

    def _answer(self, box, what, argument):
        box.answer = "died" if self.over is not None else getattr(self, what)(argument)

    def start_child(self, kid):
        known = self.state.children.get(kid.id)
        if known is not None:
            return "already_started" if strategy.alive(known) else "already_present"
        return self._outcome(self._add(kid), discard=True)

    def _outcome(self, child, *, discard=False):
        outcome = self._start(child)
        if outcome == "ignore":
            strategy.forget(self.state, child)
        if outcome == "fail":
            child.status = "stopped"
            if discard:
                del self.state.children[child.id]
        return {"ok": "started", "ignore": "ignored", "fail": "start_error"}[outcome]

    def terminate_child(self, name):
        child = self.state.children.get(name)
        if child is None:
            return "not_found"
        if strategy.alive(child):
            self._halt(child)
        strategy.forget(self.state, child)
        return "ok"

    def restart_child(self, name):
        return self._refusal(name) or self._outcome(self.state.children[name])

    def delete_child(self, name):
        refusal = self._refusal(name)
        if refusal is None:
            del self.state.children[name]
        return refusal or "ok"

    def _refusal(self, name):
        child = self.state.children.get(name)
        if self.pool:
            return "simple_one_for_one"
        if child is None:
            return "not_found"
        return {"running": "running", "restarting": "restarting"}.get(child.status)

    # What can be seen

    @property
    def alive(self):
        return {(name, child.address.incarnation) for name, child in self.living.items()}

    @property
    def ending(self):
        return self.over is not None

    gone = ending

    @property
    def why(self):
        return self.over

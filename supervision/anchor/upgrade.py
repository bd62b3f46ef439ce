"""The pure core of the anchor with releases: programs, takeovers, probation, commit.

`decide` takes every event. What concerns programs goes to `lifecycle`, what concerns a takeover to
`takeover`; here is what connects them: who ended, what waits for what, when a probation is over.

What runs on probation is guarded like any program, with one difference: what is started in its
place when it ends is the permanent release. The specification always is that release's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from supervision.anchor import committing, lifecycle, takeover, takeover_end
from supervision.anchor.messages import ExitCode
from supervision.anchor.states import (
    Action,
    Begin,
    Event,
    Exited,
    LastWords,
    Mode,
    Phase,
    Pong,
    Ready,
    Restart,
    Spawned,
    Stop,
    Tick,
)
from supervision.anchor.takeover_end import changed, limits_of
from supervision.anchor.upgrade_events import (
    Answer,
    Answered,
    Commit,
    GoOn,
    Kill,
    NotAnswered,
    NotPointed,
    Ordered,
    Pointed,
    SuccessorNotSpawned,
    SuccessorSpawned,
    Told,
    Verdict,
)
from supervision.anchor.upgrade_states import (
    Order,
    Role,
    Stage,
    Step,
)

if TYPE_CHECKING:
    from supervision.anchor.spec import AnchorSpec
    from supervision.anchor.states import AnchorState
    from supervision.anchor.takeover_end import Decision
    from supervision.anchor.upgrade_events import UpgradeEvent

initial = lifecycle.initial


def decide(spec: AnchorSpec, state: AnchorState, event: Event, now: float) -> Decision:
    """What to do about an event.

    Args:
        spec: What is guarded: what the permanent release says.
        state: The state before the event.
        event: What happened.
        now: The time, in monotonic seconds.

    Returns:
        The state after it, and what to do, in order.
    """
    state, actions = _decide(spec, state, event, now)
    if spec.upgrade is None:
        return state, actions
    state, more = _settle(spec, state, now)
    return state, [*actions, *more]


def next_deadline(state: AnchorState) -> float | None:
    """When a Tick is due next, in monotonic seconds; None when only an event changes anything."""
    upgrade = state.upgrade
    deadlines = [lifecycle.next_deadline(state)]
    if upgrade.takeover is not None:
        deadlines.append(upgrade.takeover.deadline)
    if upgrade.leaving is not None:
        deadlines.append(upgrade.leaving.deadline)
    if upgrade.committing is not None:
        deadlines.append(upgrade.committing.deadline)
    elif upgrade.probation is not None and upgrade.takeover is None:
        deadlines.append(upgrade.probation.until)
    return min((item for item in deadlines if item is not None), default=None)


def busy(state: AnchorState, step: Step) -> str:
    """Why no takeover can begin now; empty when one can.

    Args:
        state: The anchor's.
        step: What is wanted: during a probation nothing but the way back.
    """
    upgrade = state.upgrade
    if upgrade.takeover is not None:
        order = upgrade.takeover.order
        return f"the {order.step} to {order.vsn} is under way ({upgrade.takeover.stage})"
    if upgrade.committing is not None:
        return "a commit is under way"
    if upgrade.leaving is not None:
        return "the node before this one is still ending"
    if upgrade.probation is not None and step is not Step.ROLLBACK:
        return f"{upgrade.probation.order.vsn} is on probation: commit it or roll back first"
    if state.mode is not Mode.RUNNING:
        return f"the anchor is {state.mode}"
    return ""


def stop_bound_s(spec: AnchorSpec, state: AnchorState) -> float:
    """The longest a stop takes from now on, in seconds.

    A takeover has to be off or done before: before the switch the program is given time to go on,
    from the switch on the successor is given what is left of its time to serve.

    Args:
        spec: What is guarded.
        state: The anchor's.
    """
    under_way = state.upgrade.takeover is not None
    return spec.stop_bound_s + (limits_of(spec).switch_timeout_s if under_way else 0.0)


def kept(spec: AnchorSpec, state: AnchorState, name: str) -> str:
    """Why a program must not be restarted: its memory is part of something under way.

    Args:
        spec: What is guarded.
        state: The anchor's.
        name: The program.
    """
    if spec.upgrade is None or name != spec.upgrade.program:
        return ""
    if state.upgrade.probation is not None and state.upgrade.takeover is None:
        return busy(state, Step.UPGRADE)
    return busy(state, Step.ROLLBACK) if state.mode is Mode.RUNNING else ""


def _decide(spec: AnchorSpec, state: AnchorState, event: Event, now: float) -> Decision:
    match event:
        case Exited():
            decision = _exited(spec, state, event, now)
        case Stop():
            decision = _stop(spec, state, event, now)
        case Restart(name) if kept(spec, state, name):
            decision = state, []
        case Tick():
            decision = _tick(spec, state, now)
        case Begin() | Spawned() | Ready() | LastWords() | Pong() | Restart():
            decision = lifecycle.decide(spec, state, event, now)
        case _:
            decision = _decide_upgrade(spec, state, event, now)
    return decision


def _decide_upgrade(
    spec: AnchorSpec, state: AnchorState, event: UpgradeEvent, now: float
) -> Decision:
    match event:
        case Ordered(order):
            decision = _ordered(spec, state, order, now)
        case Commit():
            decision = committing.begin(state, event)
        case Verdict(order):
            decision = _verdict(state, order), []
        case Pointed():
            decision = _pointed(spec, state, now)
        case NotPointed(_, why):
            decision = _not_pointed(spec, state, why, now)
        case _:
            decision = _reported(spec, state, event, now)
    return decision


# Takeovers -----------------------------------------------------------------------------------


def _ordered(spec: AnchorSpec, state: AnchorState, order: Order, now: float) -> Decision:
    why = "this anchor keeps no releases" if spec.upgrade is None else busy(state, order.step)
    if why:
        return state, [Answer(order.number, code=ExitCode.TRY_AGAIN, why=why)]
    program = state.programs[limits_of(spec).program]
    if program.phase is not Phase.RUNNING:
        why = f"{limits_of(spec).program} is {program.phase}"
        return state, [Answer(order.number, code=ExitCode.TRY_AGAIN, why=why)]
    return takeover.begin(spec, state, order, now)


_Report = Answered | NotAnswered | SuccessorSpawned | SuccessorNotSpawned | Told


def _reported(spec: AnchorSpec, state: AnchorState, event: _Report, now: float) -> Decision:
    """Something of a process that concerns what is under way; what is late concerns nobody."""
    under_way, ending = state.upgrade.takeover, state.upgrade.committing
    if ending is not None:
        if isinstance(event, Answered | NotAnswered) and event.op == committing.PERMANENT:
            missing = (
                str(event.result.get("missing", "")) if isinstance(event, Answered) else event.why
            )
            return committing.end(state, ending, missing)
        return state, []
    if under_way is None or event.number not in {under_way.order.number, None}:
        return state, []
    match event:
        case Answered(_, op, result):
            decision = takeover.answered(spec, state, op, result, now)
        case NotAnswered(_, op, why):
            decision = takeover.refused(spec, state, op, why, now)
        case SuccessorSpawned(_, pid):
            decision = changed(state, successor=pid), []
        case SuccessorNotSpawned(_, why):
            why = f"the new node cannot be started: {why}"
            decision = takeover_end.abort(spec, state, why, now, blamed=True)
        case Told():
            decision = takeover.told(spec, state, event, now)
    return decision


def _pointed(spec: AnchorSpec, state: AnchorState, now: float) -> Decision:
    upgrade = state.upgrade
    if upgrade.committing is not None:
        return committing.pointed(spec, state, upgrade.committing, now)
    if upgrade.takeover is None or upgrade.takeover.stage is not Stage.FREEZE:
        return state, []
    return takeover_end.switch(spec, state, now)


def _not_pointed(spec: AnchorSpec, state: AnchorState, why: str, now: float) -> Decision:
    upgrade, why = state.upgrade, f"the pointers cannot be written: {why}"
    if upgrade.committing is not None:
        return committing.not_pointed(state, upgrade.committing, why, now)
    if upgrade.takeover is None or upgrade.takeover.stage is not Stage.FREEZE:
        return state, []
    return takeover_end.abort(spec, state, why, now)


def _exited(spec: AnchorSpec, state: AnchorState, event: Exited, now: float) -> Decision:
    """Tell by its process which one of a program's has ended."""
    upgrade = state.upgrade
    if event.pid is not None and spec.upgrade is not None:
        if upgrade.takeover is not None and event.pid == upgrade.takeover.successor:
            return takeover.successor_ended(spec, state, event.reason, now)
        if upgrade.leaving is not None and event.pid == upgrade.leaving.pid:
            return replace(state, upgrade=replace(upgrade, leaving=None)), []
        if event.pid != (state.programs[event.name].pid or event.pid):
            return state, []  # of no interest any more
    state, actions = lifecycle.decide(spec, state, event, now)
    if spec.upgrade is None or event.name != spec.upgrade.program:
        return state, actions
    last = state.programs[event.name].last_exit
    why = last.reason if last is not None else event.reason
    state, more = _program_ended(spec, state, why, now)
    return state, [*actions, *more]


def _program_ended(spec: AnchorSpec, state: AnchorState, why: str, now: float) -> Decision:
    actions, under_way = list[Action](), state.upgrade.takeover
    if under_way is not None and under_way.stage is Stage.SWITCH:
        state = replace(state, upgrade=replace(state.upgrade, takeover=None))
        words = f"the new node ended before it served: {why}"
        actions += takeover_end.failed(under_way, words, now)
        if state.upgrade.leaving is not None:
            actions.append(Kill(Role.LEAVING))
    elif under_way is not None and under_way.stage is Stage.RESUME:
        state, more = takeover_end.over(spec, state, now)
        actions += more
    elif under_way is not None:
        state, more = takeover_end.program_ended(spec, state, why, now)
        actions += more
    elif state.upgrade.leaving is not None:  # nothing is started before it is gone
        actions.append(Kill(Role.LEAVING))
    if state.upgrade.probation is None or state.mode is not Mode.RUNNING:
        return state, actions
    state, more = takeover_end.fall_back(spec, state, f"it ended on probation: {why}", now)
    return state, [*actions, *more]


def _stop(spec: AnchorSpec, state: AnchorState, event: Stop, now: float) -> Decision:
    """Stop once the takeover is off or done: a program that is frozen cannot stop in order."""
    upgrade, actions = state.upgrade, list[Action]()
    if upgrade.takeover is not None:
        stop = upgrade.stop or event.reason
        state = replace(state, upgrade=replace(upgrade, stop=stop))
        return takeover_end.abort(spec, state, f"the anchor stops: {stop}", now)
    if upgrade.committing is not None:
        missing = "the anchor stopped before the node had answered"
        state, actions = committing.end(state, upgrade.committing, missing)
    if state.upgrade.probation is not None:
        state, actions = takeover_end.stop_on_probation(state, event.reason)
    state, more = lifecycle.decide(spec, state, event, now)
    return state, [*actions, *more]


def _tick(spec: AnchorSpec, state: AnchorState, now: float) -> Decision:
    state, actions = lifecycle.decide(spec, state, Tick(), now)
    upgrade = state.upgrade
    if upgrade.leaving is not None and _due(upgrade.leaving.deadline, now):
        leaving = replace(upgrade.leaving, deadline=None)
        state = replace(state, upgrade=replace(upgrade, leaving=leaving))
        actions.append(Kill(Role.LEAVING))
    state, more = _tick_upgrade(spec, state, now)
    return state, [*actions, *more]


def _tick_upgrade(spec: AnchorSpec, state: AnchorState, now: float) -> Decision:
    upgrade = state.upgrade
    if upgrade.takeover is not None:
        due = _due(upgrade.takeover.deadline, now)
        return takeover.late(spec, state, now) if due else (state, [])
    if upgrade.committing is not None:
        if not _due(upgrade.committing.deadline, now):
            return state, []
        limit = limits_of(spec).permanent_timeout_s
        missing = f"the node did not answer within {limit:g} s (permanent_timeout_s)"
        return committing.end(state, upgrade.committing, missing)
    if upgrade.probation is None or not _due(upgrade.probation.until, now):
        return state, []
    why = f"{upgrade.probation.order.seconds:g} s without a complaint"
    return committing.begin(state, Commit(committing.NOBODY, "probation", why))


def _due(deadline: float | None, now: float) -> bool:
    return deadline is not None and now >= deadline


# What waits for something else ---------------------------------------------------------------


def _verdict(state: AnchorState, order: Order) -> AnchorState:
    """Note the way back from what does not stand its probation; `_settle` goes it."""
    upgrade = state.upgrade
    probation = upgrade.probation
    if probation is None or probation.order.vsn != order.origin:
        return state  # it is over
    probation = replace(probation, verdict=probation.verdict or order)
    return replace(state, upgrade=replace(upgrade, probation=probation))


def _settle(spec: AnchorSpec, state: AnchorState, now: float) -> Decision:
    """Do what waited for the end of what has been under way."""
    state = _hold(spec, state, now)
    upgrade = state.upgrade
    if upgrade.takeover is not None:
        return state, []
    if upgrade.stop is not None:
        state = replace(state, upgrade=replace(upgrade, stop=None))
        return _stop(spec, state, Stop(upgrade.stop), now)
    probation = upgrade.probation
    order = None if probation is None else probation.verdict
    if probation is not None and order is not None:
        if busy(state, Step.ROLLBACK):
            return state, []
        upgrade = replace(upgrade, probation=replace(probation, verdict=None))
        return _ordered(spec, replace(state, upgrade=upgrade), order, now)
    return _go_on(state)


def _hold(spec: AnchorSpec, state: AnchorState, now: float) -> AnchorState:
    """No program is started while another process may still have what only one may have."""
    name, upgrade = limits_of(spec).program, state.upgrade
    program = state.programs[name]
    if program.phase is not Phase.BACKOFF:
        return state
    successor = None if upgrade.takeover is None else upgrade.takeover.successor
    if successor is None and upgrade.leaving is None:
        deadline = now if program.deadline is None else program.deadline
    else:
        deadline = None
    return replace(state, programs={**state.programs, name: replace(program, deadline=deadline)})


def _go_on(state: AnchorState) -> Decision:
    upgrade = state.upgrade
    quiet = upgrade.committing is None and upgrade.leaving is None
    if upgrade.go_on is None or not quiet or state.mode is not Mode.RUNNING:
        return state, []
    return replace(state, upgrade=replace(upgrade, go_on=None)), [GoOn(upgrade.go_on)]

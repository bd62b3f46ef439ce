"""How a takeover ends: it is given up and the old process goes on, or the successor is switched."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from supervision.anchor import lifecycle
from supervision.anchor.messages import ExitCode
from supervision.anchor.states import (
    Action,
    AnchorState,
    Phase,
    ProgramState,
    Ready,
    Restart,
    Signal,
)
from supervision.anchor.upgrade_events import (
    Answer,
    Ask,
    Kill,
    Point,
    Record,
    Swap,
)
from supervision.anchor.upgrade_states import (
    Leaving,
    Order,
    Pointing,
    Probation,
    Role,
    Stage,
    Step,
    Takeover,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervision.anchor.spec import AnchorSpec, UpgradeSpec

Decision = tuple[AnchorState, list[Action]]

RESUME, SWITCH, EXIT = "takeover.resume", "takeover.switch", "takeover.exit"


def limits_of(spec: AnchorSpec) -> UpgradeSpec:
    """The limits, which there are."""
    assert spec.upgrade is not None
    return spec.upgrade


def under_way(state: AnchorState) -> Takeover:
    """The takeover, which there is."""
    assert state.upgrade.takeover is not None
    return state.upgrade.takeover


def changed(state: AnchorState, **changes: object) -> AnchorState:
    """The state with another takeover."""
    takeover = replace(under_way(state), **changes)  # type: ignore[arg-type]
    return replace(state, upgrade=replace(state.upgrade, takeover=takeover))


def entry(order: Order, result: str, why: str = "", **more: object) -> dict[str, Any]:
    """A line of the history."""
    line = {"who": order.who, "step": order.step.value, "vsn": order.vsn, "from": order.origin}
    return {**line, "plan": more.pop("plan", ""), "result": result, "why": why, **more}


# Before the switch ---------------------------------------------------------------------------


def abort(
    spec: AnchorSpec, state: AnchorState, why: str, now: float, *, blamed: bool = False
) -> Decision:
    """Give a takeover up; from the switch on that is not possible any more.

    Args:
        spec: What is guarded.
        state: The anchor's.
        why: Why; empty where it has done what it was for.
        now: The time, in monotonic seconds.
        blamed: Whether the new release is to blame.

    Returns:
        The state after it, and what to do.
    """
    takeover = under_way(state)
    if takeover.stage in {Stage.ABORT, Stage.RESUME, Stage.SWITCH}:
        return state, []
    timings = {**takeover.timings, f"{takeover.stage}_s": now - takeover.since}
    state = changed(
        state,
        stage=Stage.ABORT,
        failed_in=takeover.stage,
        since=now,
        deadline=None,
        failure=why,
        blamed=blamed,
        timings=timings,
    )
    if takeover.successor is None:
        return resume(spec, state, now)
    return state, [Kill(Role.SUCCESSOR)]


def program_ended(spec: AnchorSpec, state: AnchorState, why: str, now: float) -> Decision:
    """The program is gone before the switch: whatever its successor said, it is not to blame.

    What is under way is given up. Where that has begun, the cause may have been the program's end,
    which the successor sees in its own way and may tell of first.

    Args:
        spec: What is guarded.
        state: The anchor's.
        why: How the program ended.
        now: The time, in monotonic seconds.

    Returns:
        The state after it, and what to do.
    """
    takeover, ended = under_way(state), f"the running node ended: {why}"
    if takeover.stage is not Stage.ABORT:
        return abort(spec, state, ended, now)
    failure = f"{takeover.failure}; {ended}" if takeover.failure else ""
    return changed(state, failure=failure, blamed=False), []


def resume(spec: AnchorSpec, state: AnchorState, now: float) -> Decision:
    """The successor is gone: have the program go on, where it knows of the takeover."""
    takeover, limits = under_way(state), limits_of(spec)
    phase = state.programs[limits.program].phase
    if not takeover.known or phase is not Phase.RUNNING:
        return over(spec, state, now)
    deadline = now + limits.switch_timeout_s
    state = changed(state, stage=Stage.RESUME, since=now, deadline=deadline)
    return state, [Ask(takeover.order.number, Role.PROGRAM, RESUME, {})]


def not_resumed(spec: AnchorSpec, state: AnchorState, why: str, now: float) -> Decision:
    """The program does not go on: it is started anew."""
    state, actions = kill_program(spec, state, why)
    state, more = over(spec, state, now)
    return state, [*actions, *more]


def over(spec: AnchorSpec, state: AnchorState, now: float) -> Decision:
    """Nothing is left of a takeover: tell whoever asked, and the history."""
    takeover, upgrade = under_way(state), state.upgrade
    order = takeover.order
    state = replace(state, upgrade=replace(upgrade, takeover=None))
    if not takeover.failure:
        return state, _reported(takeover)
    actions = failed(takeover, takeover.failure, now)
    if takeover.blamed and order.provisional and order.step is not Step.SHADOW:
        why = takeover.failure
        actions.append(Point(Pointing.REFUSED, refuse=order.vsn, why=why, anyway=True))
    if not order.insists or upgrade.probation is None or upgrade.stop is not None:
        return state, actions
    why = f"the takeover back failed: {takeover.failure}"
    state, more = restart_permanent(spec, state, why, now)
    return state, [*actions, *more]


def failed(takeover: Takeover, why: str, now: float) -> list[Action]:
    """Tell the history and whoever asked that a takeover came to nothing."""
    order, plan = takeover.order, str(takeover.plan.get("hash", ""))
    timings = {**takeover.timings, "total_s": now - takeover.began}
    stage = (takeover.failed_in or takeover.stage).value
    line = entry(order, "failed", why, plan=plan, stage=stage, timings=timings)
    told = {"plan": takeover.plan, "stage": stage}
    return [Record(line), Answer(order.number, told, ExitCode.FAILED, why)]


def _reported(takeover: Takeover) -> list[Action]:
    order, report = takeover.order, dict(takeover.report or {})
    plan = str(takeover.plan.get("hash", ""))
    line = entry(order, "done", order.why, plan=plan, report=report, timings=takeover.timings)
    answer = {"vsn": order.vsn, "plan": takeover.plan, "report": report}
    return [Record(line), Answer(order.number, answer)]


# From the switch on --------------------------------------------------------------------------


def point(order: Order) -> Point:
    """What the pointers are to say at the switch."""
    if order.provisional:
        return Point(Pointing.CURRENT, vsn=order.vsn)
    return Point(
        Pointing.BACK, vsn=order.vsn, refuse=order.origin if order.blames else "", why=order.why
    )


def switch(spec: AnchorSpec, state: AnchorState, now: float) -> Decision:
    """The pointers are on the disk: the successor is the program now."""
    takeover, limits = under_way(state), limits_of(spec)
    order, old = takeover.order, state.programs[limits.program]
    new = ProgramState(
        phase=Phase.STARTING,
        pid=takeover.successor,
        incarnation=old.incarnation + 1,
        restarts=old.restarts,
        since=now,
        last_exit=old.last_exit,
    )
    state = replace(state, programs={**state.programs, limits.program: new})
    timings = {**takeover.timings, "frozen_ms": (now - takeover.since) * 1000}
    deadline = now + limits.switch_timeout_s
    state = changed(
        state, stage=Stage.SWITCH, since=now, deadline=deadline, successor=None, timings=timings
    )
    plan = str(takeover.plan.get("hash", ""))
    probation = Probation(order, now, plan=plan) if order.provisional else None
    leaving = None if old.pid is None else Leaving(old.pid)
    upgrade = replace(state.upgrade, probation=probation, leaving=leaving)
    args = {"probation_s": order.seconds} if order.provisional else {}
    asked = Ask(order.number, Role.PROGRAM, SWITCH, args)
    return replace(state, upgrade=upgrade), [Swap(), asked]


def switched(
    spec: AnchorSpec, state: AnchorState, result: Mapping[str, Any], now: float
) -> Decision:
    """The successor serves: the old process may go, the probation begins."""
    takeover, upgrade, limits = under_way(state), state.upgrade, limits_of(spec)
    order, leaving, probation = takeover.order, upgrade.leaving, upgrade.probation
    actions: list[Action] = []
    if leaving is not None:
        leaving = replace(leaving, deadline=now + limits.switch_timeout_s)
        actions.append(Ask(order.number, Role.LEAVING, EXIT, {}))
    if probation is not None:
        probation = replace(probation, until=now + order.seconds)
    upgrade = replace(upgrade, takeover=None, leaving=leaving, probation=probation)
    plan, outcome = str(takeover.plan.get("hash", "")), _outcome(takeover, result, now)
    done = "provisional" if order.provisional else "done"
    actions.append(Record(entry(order, done, order.why, plan=plan, **outcome)))
    answer = {"vsn": order.vsn, "from": order.origin, "plan": takeover.plan, **outcome}
    state = replace(state, upgrade=upgrade)
    if state.programs[limits.program].phase is Phase.STARTING:  # that it is ready comes later
        state, more = lifecycle.decide(spec, state, Ready(limits.program, {}), now)
        actions += more
    return state, [*actions, Answer(order.number, answer)]


def kill_program(spec: AnchorSpec, state: AnchorState, why: str) -> Decision:
    """Kill the program; what follows is what follows its end."""
    name = limits_of(spec).program
    program = replace(state.programs[name], killed_for=why, deadline=None, ping_due=None)
    state = replace(state, programs={**state.programs, name: program})
    return state, [Signal(name, signal.SIGKILL)]


def fall_back(spec: AnchorSpec, state: AnchorState, why: str, now: float) -> Decision:
    """What is on probation has ended: what is started now is the permanent release."""
    name = limits_of(spec).program
    state, actions = _leave_probation(state, why, refuse=True)
    program = state.programs[name]
    if program.phase in {Phase.BACKOFF, Phase.FAILED}:
        program = replace(program, phase=Phase.BACKOFF, failures=0, deadline=now)
        state = replace(state, programs={**state.programs, name: program})
    return state, actions


def restart_permanent(spec: AnchorSpec, state: AnchorState, why: str, now: float) -> Decision:
    """Stop what is on probation, then start the permanent release from what is on the disk."""
    state, actions = _leave_probation(state, why, refuse=True)
    state, more = lifecycle.decide(spec, state, Restart(limits_of(spec).program), now)
    return state, [*actions, *more]


def stop_on_probation(state: AnchorState, why: str) -> Decision:
    """The anchor stops: what is started next time is the permanent release."""
    return _leave_probation(state, f"stopped on probation: {why}", refuse=False)


def _leave_probation(state: AnchorState, why: str, *, refuse: bool) -> Decision:
    upgrade = state.upgrade
    assert upgrade.probation is not None
    order = upgrade.probation.order
    back = replace(order, step=Step.FALLBACK, vsn=order.permanent, origin=order.vsn, who="anchor")
    state = replace(state, upgrade=replace(upgrade, probation=None))
    refused = order.vsn if refuse else ""
    return state, [
        Point(Pointing.BACK, vsn=order.permanent, refuse=refused, why=why, anyway=True),
        Record(entry(back, "done" if refuse else "stopped", why, plan=upgrade.probation.plan)),
    ]


def _outcome(takeover: Takeover, result: Mapping[str, Any], now: float) -> dict[str, Any]:
    given = takeover.given or {}
    return {
        "state": "current" if takeover.order.provisional else "permanent",
        "counts": given.get("counts", {}),
        "stragglers": given.get("stragglers", []),
        "timings": _timings(takeover, given, now),
        "pause": {**(given.get("pause") or {}), **(result.get("pause") or {})},
        "switched": dict(result),
    }


def _timings(takeover: Takeover, given: Mapping[str, Any], now: float) -> dict[str, float]:
    """The freeze as it was for peers: without the time in which all but HTTP was served."""
    drain_ms = given.get("drain_ms")
    drain_ms = float(drain_ms) if isinstance(drain_ms, int | float) else 0.0
    timings = dict(takeover.timings)
    freeze_ms = timings.pop("frozen_ms", 0.0) + (now - takeover.since) * 1000 - drain_ms
    timings |= {"drain_ms": drain_ms, "freeze_ms": max(0.0, freeze_ms)}
    return {**timings, "total_s": now - takeover.began}

"""The pure core of a takeover: a successor of another release takes a program's place.

    CHECK -> LISTEN -> SPAWN -> COPY -> FREEZE -> SWITCH      (SHADOW in place of FREEZE: looks on)

Whatever fails before SWITCH ends in ABORT (the successor is killed and gone) and RESUME (the
program, which was told of it, goes on). SWITCH begins when the pointers are on the disk: from there
the successor is the program, and if it ends what is started is the permanent release.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from supervision.anchor.takeover_end import (
    RESUME,
    SWITCH,
    Decision,
    abort,
    changed,
    entry,
    kill_program,
    limits_of,
    not_resumed,
    over,
    point,
    resume,
    switched,
    under_way,
)
from supervision.anchor.upgrade_events import (
    Ask,
    Prepare,
    Record,
    SpawnSuccessor,
    Told,
)
from supervision.anchor.upgrade_states import (
    Order,
    Role,
    Stage,
    Step,
    Takeover,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervision.anchor.spec import AnchorSpec
    from supervision.anchor.states import Action, AnchorState

OPS = {
    Stage.CHECK: "release.check",
    Stage.LISTEN: "takeover.listen",
    Stage.SHADOW: "takeover.report",
    Stage.FREEZE: "takeover.freeze",
    Stage.SWITCH: SWITCH,
    Stage.RESUME: RESUME,
}
"""What is asked in a stage; answers that come after it are of no interest."""

_AIMS = {
    Stage.CHECK: "the check was not done",
    Stage.LISTEN: "the running node did not listen",
    Stage.SPAWN: "the new node did not connect",
    Stage.COPY: "the states were not copied",
    Stage.SHADOW: "the shadow did not report",
    Stage.FREEZE: "what was frozen was not with the new node",
    Stage.SWITCH: "the new node did not serve",
    Stage.RESUME: "the running node did not go on",
}
_LIMITS = {
    Stage.CHECK: "check_timeout_s",
    Stage.LISTEN: "switch_timeout_s",
    Stage.SPAWN: "spawn_timeout_s",
    Stage.COPY: "precopy_timeout_s",
    Stage.SHADOW: "switch_timeout_s",
    Stage.FREEZE: "drain_timeout_s and freeze_timeout_s",
    Stage.SWITCH: "switch_timeout_s",
    Stage.RESUME: "switch_timeout_s",
}
"""Which of the limits of `UpgradeSpec` a stage has; whoever is told may have set it too low."""

_BLAMED = frozenset({Stage.SPAWN, Stage.COPY, Stage.SHADOW, Stage.FREEZE})
"""Stages in which a step that takes too long is the new release's fault."""


def begin(spec: AnchorSpec, state: AnchorState, order: Order, now: float) -> Decision:
    """Begin what is ordered; nothing else is under way.

    Args:
        spec: What is guarded, with its `upgrade`.
        state: The anchor's.
        order: The order.
        now: The time, in monotonic seconds.

    Returns:
        The state after it, and what to do.
    """
    takeover = Takeover(order, Stage.CHECK, began=now, since=now)
    state = replace(state, upgrade=replace(state.upgrade, takeover=takeover))
    begun: list[Action] = [Record(entry(order, "begun", order.why))]
    if order.check is None:
        state, actions = _listen(spec, state, now)
        return state, begun + actions
    state = _stage(state, Stage.CHECK, now, limits_of(spec).check_timeout_s)
    return state, [*begun, Ask(order.number, Role.PROGRAM, OPS[Stage.CHECK], order.check)]


def answered(
    spec: AnchorSpec, state: AnchorState, op: str, result: Mapping[str, Any], now: float
) -> Decision:
    """A process did what it was asked for."""
    stage = under_way(state).stage
    if op != OPS.get(stage):
        return state, []
    match stage:
        case Stage.CHECK:
            decision = _checked(spec, state, result, now)
        case Stage.LISTEN:
            decision = _spawn(spec, state, result, now)
        case Stage.SHADOW:
            decision = abort(spec, changed(state, report=result), "", now)
        case Stage.FREEZE:
            decision = _compared(spec, changed(state, given=result), now)
        case Stage.SWITCH:
            decision = switched(spec, state, result, now)
        case _:
            decision = over(spec, state, now)
    return decision


def refused(spec: AnchorSpec, state: AnchorState, op: str, why: str, now: float) -> Decision:
    """A process refused what it was asked for, or cannot be asked."""
    stage = under_way(state).stage
    if op != OPS.get(stage):
        return state, []
    if stage is Stage.SWITCH:
        return kill_program(spec, state, f"it did not switch: {why}")
    if stage is Stage.RESUME:
        return not_resumed(spec, state, f"it did not go on: {why}", now)
    return abort(spec, state, f"{op}: {why}", now, blamed=stage is Stage.SHADOW)


def told(spec: AnchorSpec, state: AnchorState, event: Told, now: float) -> Decision:
    """A process says how it goes on; only the successor says that a stage is over.

    Args:
        spec: What is guarded.
        state: The anchor's.
        event: Who says ``connected``, ``copied``, ``prepared``, ``failed`` or ``ending``.
        now: The time, in monotonic seconds.

    Returns:
        The state after it, and what to do.
    """
    if event.phase == "failed":
        return _failed(spec, state, event, now)
    if event.number is None:
        return state, []
    decision: Decision = state, []
    match under_way(state).stage, event.phase:
        case Stage.SPAWN, "connected":
            state = _timed(state, "spawn_s", now)
            decision = _stage(state, Stage.COPY, now, limits_of(spec).precopy_timeout_s), []
        case Stage.COPY, "copied":
            decision = _copied(spec, _timed(state, "copy_s", now), now)
        case Stage.FREEZE, "prepared":
            decision = _compared(spec, changed(state, taken=event.info), now)
        case _, "ending":
            decision = changed(state, words=str(event.info.get("reason", ""))), []
    return decision


def late(spec: AnchorSpec, state: AnchorState, now: float) -> Decision:
    """A stage has lasted too long, or a shadow has looked on long enough."""
    takeover = under_way(state)
    lasted = (takeover.deadline or now) - takeover.since
    aim, limit = _AIMS.get(takeover.stage, takeover.stage), _LIMITS.get(takeover.stage, "")
    why = f"{aim} within {lasted:g} s ({limit})"
    state = changed(state, deadline=None)
    match takeover.stage:
        case Stage.SWITCH:
            return kill_program(spec, state, f"killed: {why}")
        case Stage.RESUME:
            return not_resumed(spec, state, f"killed: {why}", now)
        case Stage.SHADOW if takeover.report is None:
            state = _stage(state, Stage.SHADOW, now, limits_of(spec).switch_timeout_s)
            asked = Ask(takeover.order.number, Role.SUCCESSOR, OPS[Stage.SHADOW], {})
            return changed(state, report={}), [asked]
    return abort(spec, state, why, now, blamed=takeover.stage in _BLAMED)


def successor_ended(spec: AnchorSpec, state: AnchorState, reason: str, now: float) -> Decision:
    """The successor is gone before it was switched."""
    takeover = under_way(state)
    state = changed(state, successor=None)
    if takeover.stage is Stage.ABORT:
        return resume(spec, state, now)
    words = f": {takeover.words}" if takeover.words else ""
    return abort(spec, state, f"the new node ended: {reason}{words}", now, blamed=True)


def _stage(state: AnchorState, stage: Stage, now: float, seconds: float) -> AnchorState:
    return changed(state, stage=stage, since=now, deadline=now + seconds)


def _timed(state: AnchorState, name: str, now: float) -> AnchorState:
    takeover = under_way(state)
    return changed(state, timings={**takeover.timings, name: now - takeover.since})


def _checked(spec: AnchorSpec, state: AnchorState, plan: Mapping[str, Any], now: float) -> Decision:
    state = _timed(changed(state, plan=plan), "check_s", now)
    if not plan.get("ok", True):  # what force may override, the node knows
        return abort(spec, state, f"the check says no: {_reasons(plan)}", now)
    return _listen(spec, state, now)


def _reasons(plan: Mapping[str, Any]) -> str:
    reasons = plan.get("why") or plan.get("refused") or "it did not say why"
    return "; ".join(map(str, reasons)) if isinstance(reasons, list) else str(reasons)


def _listen(spec: AnchorSpec, state: AnchorState, now: float) -> Decision:
    order = under_way(state).order
    state = _stage(changed(state, known=True), Stage.LISTEN, now, limits_of(spec).switch_timeout_s)
    args = {"secret": order.secret, "mode": order.mode}
    return state, [Ask(order.number, Role.PROGRAM, OPS[Stage.LISTEN], args)]


def _spawn(spec: AnchorSpec, state: AnchorState, result: Mapping[str, Any], now: float) -> Decision:
    path = result.get("path")
    if not isinstance(path, str) or not path:
        return abort(spec, state, f"{OPS[Stage.LISTEN]}: path: a word is required", now)
    state = _stage(state, Stage.SPAWN, now, limits_of(spec).spawn_timeout_s)
    return state, [SpawnSuccessor(under_way(state).order, path)]


def _copied(spec: AnchorSpec, state: AnchorState, now: float) -> Decision:
    order, limits = under_way(state).order, limits_of(spec)
    if order.step is Step.SHADOW:
        return _stage(state, Stage.SHADOW, now, order.seconds), []
    args = {"drain_s": limits.drain_timeout_s, "freeze_s": limits.freeze_timeout_s}
    bound_s = limits.drain_timeout_s + limits.freeze_timeout_s
    state = _stage(state, Stage.FREEZE, now, bound_s)
    asked = Ask(order.number, Role.PROGRAM, OPS[Stage.FREEZE], args)
    return state, [Prepare(point(order)), asked]  # its sync is no part of the freeze then


def _compared(spec: AnchorSpec, state: AnchorState, now: float) -> Decision:
    """Switch once both have said what there is, and it is the same."""
    takeover = under_way(state)
    if takeover.given is None or takeover.taken is None:
        return state, []
    for key in ("counts", "crc"):
        given, taken = takeover.given.get(key), takeover.taken.get(key)
        if given != taken:
            why = f"{key} differ: {given!r} given, {taken!r} taken"
            return abort(spec, state, why, now, blamed=True)
    return state, [point(takeover.order)]


def _failed(spec: AnchorSpec, state: AnchorState, event: Told, now: float) -> Decision:
    side = "the running node" if event.number is None else "the new node"
    why = str(event.info.get("why", "it did not say why"))
    # Where the old node has died, the new one may say so before the end of its process is seen.
    blamed = event.number is not None and event.info.get("own") is not False
    return abort(spec, state, f"{side}: {why}", now, blamed=blamed)

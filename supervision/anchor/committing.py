"""The pure core of the end of a probation: what runs is made the permanent release.

The pointers come first: what the program keeps in its own schema from then on can be read by what
is started after a crash.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from supervision.anchor.messages import ExitCode
from supervision.anchor.takeover_end import entry, limits_of
from supervision.anchor.upgrade_events import (
    Answer,
    Ask,
    Commit,
    Point,
    Record,
    UseSpec,
)
from supervision.anchor.upgrade_states import (
    Committing,
    Pointing,
    Role,
    Step,
)

if TYPE_CHECKING:
    from supervision.anchor.spec import AnchorSpec
    from supervision.anchor.states import Action, AnchorState
    from supervision.anchor.takeover_end import Decision

NOBODY = 0
"""The number of what nobody waits for."""

AGAIN_S = 30.0
"""When a commit that the disk did not take is tried again, in seconds."""

PERMANENT = "release.permanent"


def begin(state: AnchorState, event: Commit) -> Decision:
    """Have the pointers say that what runs is permanent."""
    upgrade = state.upgrade
    probation = upgrade.probation
    if upgrade.takeover is not None or upgrade.committing is not None:
        why = "a takeover or a commit is under way"
        return state, [Answer(event.number, code=ExitCode.TRY_AGAIN, why=why)]
    if probation is None:
        return state, [Answer(event.number, code=ExitCode.FAILED, why="nothing is on probation")]
    committing = Committing(event.number, event.who, event.why, probation)
    upgrade = replace(upgrade, committing=committing, probation=None)
    return replace(state, upgrade=upgrade), [Point(Pointing.PERMANENT, vsn=probation.order.vsn)]


def pointed(spec: AnchorSpec, state: AnchorState, committing: Committing, now: float) -> Decision:
    """The pointers say so: the program may do what waited for it."""
    deadline = now + limits_of(spec).permanent_timeout_s
    committing = replace(committing, deadline=deadline)
    state = replace(state, upgrade=replace(state.upgrade, committing=committing))
    return state, [
        UseSpec(committing.probation.order.spec),
        Ask(committing.number, Role.PROGRAM, PERMANENT, {}),
    ]


def not_pointed(state: AnchorState, committing: Committing, why: str, now: float) -> Decision:
    """The disk does not take it: the probation goes on."""
    probation = committing.probation
    if committing.number == NOBODY:
        probation = replace(probation, until=now + AGAIN_S)
    upgrade = replace(state.upgrade, committing=None, probation=probation)
    line = _entry(committing, "failed", why)
    return replace(state, upgrade=upgrade), [
        Record(line),
        Answer(committing.number, code=ExitCode.FAILED, why=why),
    ]


def end(state: AnchorState, committing: Committing, missing: str) -> Decision:
    """The release is permanent.

    Args:
        state: The anchor's.
        committing: What ends.
        missing: What the program has not done of what waited; it does so at its next start.

    Returns:
        The state after it, and what to do.
    """
    order = committing.probation.order
    upgrade = replace(state.upgrade, committing=None, go_on=order.spec)
    why = "; ".join(filter(None, [committing.why, missing]))
    answer = {"vsn": order.vsn, "state": "permanent", "missing": missing}
    actions: list[Action] = [Record(_entry(committing, "done", why))]
    return replace(state, upgrade=upgrade), [*actions, Answer(committing.number, answer)]


def _entry(committing: Committing, result: str, why: str) -> dict[str, object]:
    probation = committing.probation
    order = replace(probation.order, step=Step.COMMIT, who=committing.who)
    return entry(order, result, why, plan=probation.plan)

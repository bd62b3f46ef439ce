"""The supervisor's pure core: what to do when a child ends or does not start.

Every function takes the state, an event, the time and where needed a random number, changes the
state and returns the actions that whoever drives it carries out in order. A ``Start`` that fails
ends the list: the driver drops what is left of it and does what ``start_failed`` says. It follows
supervisor.erl (OTP 27); waits before restarts and crash loops are its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervision import intensity
from supervision.actions import (
    Action,
    Delay,
    Escalate,
    Halt,
    Retry,
    Start,
    Tell,
    Watch,
)
from supervision.child import (
    EXITS_KEPT,
    Child,
    ChildStatus,
    SupervisorState,
    Trouble,
)
from supervision.reasons import GAVE_UP, SHUTDOWN, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CRASH_LOOP_AFTER",
    "EXITS_KEPT",
    "Action",
    "Child",
    "ChildStatus",
    "Delay",
    "Escalate",
    "Halt",
    "Retry",
    "Start",
    "SupervisorState",
    "Tell",
    "Watch",
    "alive",
    "comes_back",
    "crash_looping",
    "due",
    "exited",
    "forget",
    "group_of",
    "halted",
    "loop_over",
    "reset_after",
    "retry",
    "shutdown_order",
    "start_failed",
    "started",
    "steady",
]

_WITH_GROUPS = frozenset({"one_for_all", "rest_for_one"})
CRASH_LOOP_AFTER = 3
"""Failures in a row from which a child without a backoff is shown as crash looping."""


# Events


def exited(
    state: SupervisorState, child: Child, reason: Reason, now: float, roll: float = 0.0
) -> list[Action]:
    """A child ended without having been asked to (supervisor.erl, do_restart/3).

    Args:
        state: of the supervisor.
        child: the one that ended.
        reason: why.
        now: monotonic seconds.
        roll: a random number of [0, 1), for the jitter of a wait.
    """
    child.status = "stopped"
    told: list[Action] = []
    if reason == GAVE_UP:
        # OTP says nothing where the child is transient or temporary: a subtree is gone quietly.
        told.append(Tell("escalation", child, reason))
    restart, clean = child.spec.restart, reason.clean
    if restart == "permanent" or (restart == "transient" and not clean):
        told.append(Tell("child_terminated", child, reason))
        told += _failed(state, child, reason, now)
        told += _restart(state, child, now, roll)
        return told
    if not clean:
        told.append(Tell("child_terminated", child, reason))
    if state.template is None and restart != "temporary":
        _note_exit(child, reason, now)
    told += forget(state, child, reason)
    if child.spec.significant:
        told += _auto_shutdown(state, child, reason)
    return told


def start_failed(
    state: SupervisorState, child: Child, reason: Reason, now: float, roll: float = 0.0
) -> list[Action]:
    """A restart did not succeed: it will be tried again, and counts again then."""
    if state.children.get(child.id) is not child:
        return []
    child.status = "restarting"
    told = [Tell("start_error", child, reason), *_failed(state, child, reason, now)]
    if state.backoff_of(child) is not None:
        return told + _restart(state, child, now, roll)
    assert child.trouble is not None  # it has failed
    child.trouble.attempts += 1
    return [*told, Retry(child, child.trouble.attempts)]


def retry(state: SupervisorState, child: Child, now: float, attempt: int) -> list[Action]:
    """Try a failed restart again, unless the child was stopped or removed meanwhile.

    OTP also heeds a retry that comes late, after another failure which has a retry of its own:
    one failure then counts twice.
    """
    waits = child.retry_at is not None
    if child.trouble is None or child.trouble.attempts != attempt:
        return []
    if child.status != "restarting" or waits or state.children.get(child.id) is not child:
        return []
    return _restart(state, child, now, 0.0)


def due(state: SupervisorState, child: Child, until: float | None = None) -> list[Action]:
    """Start a child whose restart waited, with its group; it was counted when it failed.

    Args:
        state: of the supervisor.
        child: the one that waits.
        until: which of its waits is over; None ends the present one early.
    """
    if child.status != "restarting" or state.children.get(child.id) is not child:
        return []
    if until is not None and child.retry_at != until:
        return []
    return _start_group(state, child)


def started(child: Child, now: float) -> list[Action]:
    """A child runs."""
    child.status = "running"
    trouble = child.trouble
    if trouble is None:
        return []
    trouble.started_at, trouble.retry_at = now, None
    if not trouble.looping or trouble.watched:
        return []
    trouble.watched = True
    return [Watch(child, now)]


def steady(child: Child, since: float) -> list[Action]:
    """A child that was crash looping has run long enough, unless it failed meanwhile.

    One that was started again meanwhile is watched from then on: a child is watched once, however
    often it fails.
    """
    trouble = child.trouble
    if trouble is None:
        return []
    trouble.watched = False
    if child.status != "running" or trouble.started_at is None:
        return []
    if trouble.started_at == since:
        return loop_over(child, None)
    trouble.watched = trouble.looping
    return [Watch(child, trouble.started_at)] if trouble.looping else []


def forget(state: SupervisorState, child: Child, reason: Reason = SHUTDOWN) -> list[Action]:
    """A child is not to run for now: it was terminated or asked to be left out (IGNORE).

    Its spec stays, unless it is temporary or in a pool.

    Args:
        state: of the supervisor.
        child: which one.
        reason: why it does not run; told where it was crash looping.
    """
    child.status = "stopped"
    if child.trouble is not None:
        child.trouble.retry_at = None
    if state.owed:
        state.owed.pop(child, None)
    if state.template is not None or child.spec.restart == "temporary":
        state.children.pop(child.id, None)
    return [] if child.trouble is None else loop_over(child, reason)


def loop_over(child: Child, reason: Reason | None) -> list[Action]:
    """End the crash loop of a child, where it is in one; tell it once.

    Args:
        child: which one.
        reason: why nobody tries any more; None where it has come to itself.
    """
    trouble = child.trouble
    if trouble is None:
        return []
    told: list[Action] = [Tell("crash_loop_over", child, reason)] if trouble.looping else []
    trouble.failures, trouble.looping = 0, False
    return told


def halted(state: SupervisorState, child: Child) -> list[Action]:
    """A child was stopped with its group: a temporary one never comes back."""
    child.status = "stopped"
    return forget(state, child) if child.spec.restart == "temporary" else []


# Looking


def shutdown_order(state: SupervisorState) -> list[Child]:
    """The running children, the last started first."""
    return [child for child in reversed(state.children.values()) if alive(child)]


def group_of(state: SupervisorState, child: Child) -> Iterable[Child]:
    """Those that are restarted with a child, itself among them, in start order."""
    match state.flags.strategy:
        case "one_for_all":
            return list(state.children.values())
        case "rest_for_one":
            children = list(state.children.values())
            return children[children.index(child) :]
        case _:
            return (child,)


def alive(child: Child) -> bool:
    """Whether there is an actor to be stopped."""
    return child.status in ("running", "starting", "stopping")


def is_done(state: SupervisorState, child: Child, reason: Reason) -> bool:
    """Whether a member of a pool has ended by itself and in order, and so for good.

    Args:
        state: of the supervisor.
        child: which one; the supervisor has not been told of its end.
        reason: why it ended.
    """
    of_pool = state.template is not None and child.spec.restart == "transient"
    return of_pool and child.status == "running" and reason.clean


def comes_back(child: Child, actions: Iterable[Action]) -> bool:
    """Whether a child that ended is started again by these actions, or later."""
    if child.status == "restarting":
        return True
    return any(isinstance(action, Start) and action.child is child for action in actions)


def crash_looping(child: Child) -> bool:
    """Whether a child has failed again and again without a good run in between."""
    return child.trouble is not None and child.trouble.looping


def reset_after(state: SupervisorState, child: Child) -> float:
    """Seconds that a child has to run to have recovered."""
    backoff = state.backoff_of(child)
    return state.flags.period if backoff is None else backoff.reset_after


# Failures


def _note_exit(child: Child, reason: Reason, now: float) -> Trouble:
    trouble = child.trouble
    if trouble is None:
        trouble = child.trouble = Trouble()
    trouble.exits.append((reason, now))
    return trouble


def _failed(state: SupervisorState, child: Child, reason: Reason, now: float) -> list[Action]:
    """Note an end, or a start that did not succeed; tell where a crash loop begins or is over."""
    trouble = _note_exit(child, reason, now)
    since, trouble.started_at = trouble.started_at, None
    told: list[Action] = []
    if since is not None and now - since >= reset_after(state, child):
        told = loop_over(child, None)
    trouble.failures += 1
    backoff = state.backoff_of(child)
    bound = CRASH_LOOP_AFTER if backoff is None else backoff.crash_loop_after
    if trouble.failures >= bound and not trouble.looping:
        trouble.looping = True
        told.append(Tell("crash_loop", child, reason))
    return told


def _auto_shutdown(state: SupervisorState, child: Child, reason: Reason) -> list[Action]:
    """What the own end of a significant child means (supervisor.erl, do_auto_shutdown/2)."""
    mode = state.flags.auto_shutdown
    if mode == "never":
        return []
    if mode == "all_significant" and _one_counts(state):
        return []
    return [Tell("auto_shutdown", child, reason), Escalate(SHUTDOWN)]


def _one_counts(state: SupervisorState) -> bool:
    """Whether a significant child has not ended: all are looked at once for as many ends."""
    known = state.significant
    while known:
        if _counts(known[-1]):
            return True
        known.pop()
    state.significant = [child for child in state.children.values() if _counts(child)]
    return bool(state.significant)


def _counts(child: Child) -> bool:
    return child.spec.significant and child.status != "stopped"


# Restarts


def _restart(state: SupervisorState, child: Child, now: float, roll: float) -> list[Action]:
    """Restart a child with its group, now or after a wait, unless that is once too often."""
    if state.dynamic and intensity.is_held(state, child):
        assert state.flags.child_backoff is not None  # it holds children
        excess = child.failures - (state.flags.child_intensity or 0)
        return _restart_later(state, child, now + state.flags.child_backoff.delay(excess, roll))
    if state.dynamic and not intensity.charge_child(state, child, now):
        state.children.pop(child.id, None)
        child.status = "stopped"
        return [Tell("child_given_up", child, GAVE_UP)]
    if not intensity.charge(state, now):
        state.children.pop(child.id, None)
        child.status = "stopped"
        return [Tell("shutdown", child, GAVE_UP), Escalate(GAVE_UP)]
    backoff = state.backoff_of(child)
    if backoff is None:
        child.restarts += 1
        return _start_group(state, child)
    return _restart_later(state, child, now + backoff.delay(child.failures, roll))


def _restart_later(state: SupervisorState, child: Child, until: float) -> list[Action]:
    """Stop the group of a child now, and start it when the wait is over."""
    child.restarts += 1
    stops = _stop_group(state, child)
    child.status = "restarting"
    assert child.trouble is not None  # it has failed
    child.trouble.retry_at = until
    return [*stops, Delay(child, until)]


def _start_group(state: SupervisorState, child: Child) -> list[Action]:
    """Stop the group from its end, then start it in order; temporary siblings are dropped."""
    if state.flags.strategy not in _WITH_GROUPS and not alive(child) and not state.owed:
        _wait_no_longer(child)
        return [Start(child)]
    stops = _stop_group(state, child)
    group = _with_owed(state, child) if state.owed else group_of(state, child)
    starts: list[Action] = [
        Start(one) for one in group if one is child or one.spec.restart != "temporary"
    ]
    return stops + starts


def _wait_no_longer(child: Child) -> None:
    """A child starts with its group, not by its own retry."""
    if child.status == "restarting":
        child.status = "stopped"
        if child.trouble is not None:
            child.trouble.retry_at = None


def _stop_group(state: SupervisorState, child: Child) -> list[Action]:
    members = list(group_of(state, child))
    for one in members:
        _wait_no_longer(one)
    return [Halt(one) for one in reversed(members) if alive(one)]


def _with_owed(state: SupervisorState, child: Child) -> list[Child]:
    """The group of a child and those who are owed a start with it, in start order."""
    owed = state.owed or {}
    wanted = set(group_of(state, child))
    for one, by in owed.items():
        if one.status == "stopped" and (by is child or by.status != "restarting"):
            wanted.add(one)
    return [one for one in state.children.values() if one in wanted]

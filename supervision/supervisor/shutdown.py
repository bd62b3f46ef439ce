"""How long the end of a supervisor takes at most, and whether a child ended as it was told."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from supervision.child import SupervisorState
from supervision.reasons import GAVE_UP, KILLED, SHUTDOWN, Reason
from supervision.strategy import alive, shutdown_order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from supervision.child import Child


def shutdown_bound(supervisor: Any) -> float | None:
    """Seconds that the end of a supervisor takes at most, with all that is below it now.

    Children end one after the other: their times add up. The members of a pool end together: the
    longest counts. A child supervisor takes what its own children take, as long as its spec lets
    it; those that do not run count there, for they may be restarted before it is told to end. No
    time that a handler holds the loop is in it.

    Args:
        supervisor: its actor, its cell or its address.

    Returns:
        The seconds; None where nothing bounds them: ``infinity`` for a worker.
    """
    cell = getattr(supervisor, "cell", supervisor)
    actor = getattr(cell, "actor", cell)
    state = getattr(actor, "state", None)
    if not isinstance(state, SupervisorState):
        return 0.0 if actor is None or getattr(actor, "kind", "") == "supervisor" else None
    return _bound(state, shutdown_order(state) if not state.dynamic else _speakers(state))


def _speakers(state: SupervisorState) -> list[Child]:
    """The members of a pool have one spec: where they are workers, one speaks for all of many."""
    members = filter(alive, state.children.values())
    workers = state.template is not None and state.template.type == "worker"
    return list(islice(members, 1) if workers else members)


def _bound(state: SupervisorState, children: Iterable[Child]) -> float | None:
    times = [_bound_of(child) for child in children]
    longest = _most(times) if state.dynamic else _sum(times)
    return least(longest, state.flags.max_shutdown_s)


def _bound_of(child: Child) -> float | None:
    allowed = child.spec.stop_timeout
    if child.spec.type == "worker":
        return allowed
    inner = getattr(getattr(child.address.cell, "actor", None), "state", None)
    if not isinstance(inner, SupervisorState) or inner.dynamic:
        return least(allowed, shutdown_bound(child.address))
    return least(allowed, _bound(inner, inner.children.values()))


def _sum(times: Iterable[float | None]) -> float | None:
    total = 0.0
    for time in times:
        if time is None:
            return None
        total += time
    return total


def _most(times: Iterable[float | None]) -> float | None:
    longest = 0.0
    for time in times:
        if time is None:
            return None
        longest = max(longest, time)
    return longest


def least(one: float | None, other: float | None) -> float | None:
    """The shorter of two times; None is for ever."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def complaint(child: Child, reason: Reason) -> str | None:
    """What there is to report of a child that was told to end (supervisor.erl, shutdown/1).

    Returns:
        ``shutdown_error`` where it did not do as it was told, ``escalation`` where it had just
        given up by itself, None where all is well.
    """
    if reason == GAVE_UP:  # for OTP it is plain ``shutdown``: as asked
        return "escalation"
    killed_as_told = child.spec.stop_timeout == 0 and reason == KILLED
    in_order = reason == SHUTDOWN or (reason.clean and child.spec.restart != "permanent")
    return None if killed_as_told or in_order else "shutdown_error"

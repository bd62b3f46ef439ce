"""How many restarts are too many: OTP's intensity and period, and a bound for each of a pool."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from supervision.child import drop_old

if TYPE_CHECKING:
    from supervision.child import Child, SupervisorState


def charge(state: SupervisorState, now: float) -> bool:
    """Count one restart; False where it is one too many (supervisor.erl, add_restart/1).

    Times are not cut to whole seconds, as OTP's are: a period of 1 s is never almost 2.

    Args:
        state: of the supervisor.
        now: monotonic seconds.
    """
    drop_old(state.restarts, now - state.flags.period)
    state.restarts.append(now)
    return len(state.restarts) <= state.allowed


def charge_child(state: SupervisorState, child: Child, now: float) -> bool:
    """Count a restart of one member of a pool; False where it is one too many for it.

    So one bad child is given up before it costs the others their supervisor; nothing is counted
    where the flags set no such bound.
    """
    allowed, trouble = state.flags.child_intensity, child.trouble
    if allowed is None or state.flags.child_backoff is not None:
        return True
    assert trouble is not None  # it has failed
    recent = trouble.recent = trouble.recent if trouble.recent is not None else deque()
    drop_old(recent, now - state.flags.period)
    recent.append(now)
    return len(recent) <= allowed


def is_held(state: SupervisorState, child: Child) -> bool:
    """Whether a member of a pool has failed so often in a row that it has to wait.

    Unlike ``charge_child`` this counts failures and not times: a child whose waits are longer than
    the period would be as one that had never failed.
    """
    allowed = state.flags.child_intensity
    return state.flags.child_backoff is not None and child.failures > (allowed or 0)

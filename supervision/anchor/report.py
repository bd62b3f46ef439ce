"""What an anchor says about itself: ``status`` and ``info``. Pure."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from supervision.anchor.states import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervision.anchor.spec import AnchorSpec
    from supervision.anchor.states import AnchorState, ProgramState


@dataclass(frozen=True, slots=True)
class Clocks:
    """The same moment on two clocks.

    Attributes:
        monotonic_s: Monotonic seconds, the core's time.
        wall_s: Seconds since the epoch.
    """

    monotonic_s: float
    wall_s: float

    def wall(self, monotonic_s: float) -> float:
        """The epoch time of a moment the core noted."""
        return self.wall_s - (self.monotonic_s - monotonic_s)


def status(state: AnchorState, clocks: Clocks) -> dict[str, Any]:
    """How the anchor and its programs are.

    Args:
        state: The core's state.
        clocks: Now.

    Returns:
        ``{state, reason, programs: {NAME: {state, pid, incarnation, restarts, failures, since,
        next_start_in_s, last_exit: {reason, at} | null}}}``; times are seconds since the epoch.
    """
    programs = {name: _program(item, clocks) for name, item in state.programs.items()}
    return {"state": state.mode.value, "reason": state.reason, "programs": programs}


def info(
    spec: AnchorSpec,
    state: AnchorState,
    addresses: Mapping[str, tuple[str, int]],
    started_at: float,
    clocks: Clocks,
) -> dict[str, Any]:
    """What is running here.

    Args:
        spec: What is guarded.
        state: The core's state.
        addresses: The bound host and port of every listener.
        started_at: When the anchor began, in monotonic seconds.
        clocks: Now.

    Returns:
        ``{anchor: {pid, python, started, uptime_s, stop_bound_s}, programs: {NAME: {pid, state,
        ...what it said when it became ready}}, listeners: {NAME: {host, port}}, directory,
        labels}``.
    """
    return {
        "anchor": {
            "pid": os.getpid(),
            "python": platform.python_version(),
            "started": clocks.wall(started_at),
            "uptime_s": clocks.monotonic_s - started_at,
            "stop_bound_s": spec.stop_bound_s,
        },
        "programs": {
            name: {"pid": item.pid, "state": item.phase.value, **item.info}
            for name, item in state.programs.items()
        },
        "listeners": {
            name: {"host": host, "port": port} for name, (host, port) in addresses.items()
        },
        "directory": spec.directory,
        "labels": dict(spec.labels),
    }


def _program(program: ProgramState, clocks: Clocks) -> dict[str, Any]:
    waits = program.phase is Phase.BACKOFF and program.deadline is not None
    last = program.last_exit
    return {
        "state": program.phase.value,
        "pid": program.pid,
        "incarnation": program.incarnation,
        "restarts": program.restarts,
        "failures": program.failures,
        "since": clocks.wall(program.since),
        "next_start_in_s": (program.deadline or 0.0) - clocks.monotonic_s if waits else None,
        "last_exit": last and {"reason": last.reason, "at": clocks.wall(last.at)},
    }

"""The pure core of the guardian: (spec, state, event, now) -> (state, actions).

It decides which program is started, pinged, told to stop or killed, and when the anchor itself is
started, failed or finished. It has no clock and does nothing: ``now`` is monotonic seconds, the
shell performs the actions in order and reports what came of them as events.

An anchor is starting until every awaited program is ready, then running, then stopping (one program
after the other, last started first), then stopped.
"""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from supervision.anchor.messages import ExitCode
from supervision.anchor.states import (
    Action,
    AnchorState,
    Announce,
    Begin,
    Exit,
    Exited,
    Finish,
    LastWords,
    Mode,
    Phase,
    Ping,
    Pong,
    ProgramEvent,
    ProgramState,
    Ready,
    Restart,
    Signal,
    Spawn,
    Spawned,
    Stop,
    Tick,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervision.anchor.spec import AnchorSpec, ProgramSpec, RestartPolicy


Decision = tuple[AnchorState, list[Action]]

PINGS_PER_HANG_TIMEOUT = 4
"""Pings sent in the time after which a silent program counts as hung."""

_ENDED = frozenset({Phase.BACKOFF, Phase.FAILED})
"""Phases of a program that has ended by itself and has no process."""


def initial(spec: AnchorSpec) -> AnchorState:
    """The state before the first event."""
    return AnchorState(Mode.STARTING, {program.name: ProgramState() for program in spec.programs})


def decide(spec: AnchorSpec, state: AnchorState, event: ProgramEvent, now: float) -> Decision:
    """What to do about an event.

    Args:
        spec: What is guarded.
        state: The state before the event.
        event: What happened.
        now: The time, in monotonic seconds.

    Returns:
        The state after it, and what to do, in order.
    """
    match event:
        case Begin():
            decision = _begin(spec, state, now)
        case Tick():
            decision = _tick(spec, state, now)
        case Spawned(name, pid):
            decision = _update(state, name, pid=pid), []
        case Ready(name, info):
            decision = _ready(spec, state, name, info, now)
        case LastWords(name, words):
            decision = _update(state, name, last_words=words), []
        case Pong(name):
            decision = _update(state, name, ping_sent=None), []
        case Exited():
            decision = _exited(spec, state, event, now)
        case Stop(reason):
            decision = _stop(spec, state, reason, ExitCode.DONE, now)
        case Restart(name):
            decision = _restart(spec, state, name, now)
    return decision


def next_deadline(state: AnchorState) -> float | None:
    """When a Tick is due next, in monotonic seconds; None when only an event changes anything."""
    deadlines = [state.deadline] if state.mode is Mode.STARTING else []
    for program in state.programs.values():
        deadlines += [program.deadline, program.ping_due]
    return min((item for item in deadlines if item is not None), default=None)


def restart_delay(policy: RestartPolicy, failures: int, jitter: float) -> float:
    """How long a program that failed waits for its next start.

    Args:
        policy: The bounds.
        failures: Failures in a row, this one included; at least 1.
        jitter: A random number from 0 up to 1.

    Returns:
        Seconds.
    """
    doublings = min(failures - 1, 64)
    return min(policy.max_s, policy.min_s * 2.0**doublings) * (1.0 - jitter / 2.0)


def _update(state: AnchorState, name: str, **changes: object) -> AnchorState:
    program = replace(state.programs[name], **changes)  # type: ignore[arg-type]
    return replace(state, programs={**state.programs, name: program})


def _begin(spec: AnchorSpec, state: AnchorState, now: float) -> Decision:
    state = replace(state, deadline=now + spec.start_timeout_s)
    actions: list[Action] = []
    for program in spec.programs:
        state, more = _start(spec, state, program.name, now)
        actions += more
    if any(program.awaited for program in spec.programs):
        return state, actions
    return replace(state, mode=Mode.RUNNING, deadline=None), [*actions, Announce()]


def _start(spec: AnchorSpec, state: AnchorState, name: str, now: float) -> Decision:
    program, limit = state.programs[name], spec.program(name).ready_timeout_s
    started = ProgramState(
        phase=Phase.STARTING,
        incarnation=program.incarnation + 1,
        restarts=program.restarts,
        failures=program.failures,
        since=now,
        deadline=None if limit is None else now + limit,
        last_exit=program.last_exit,
    )
    return replace(state, programs={**state.programs, name: started}), [Spawn(name)]


def _ready(
    spec: AnchorSpec, state: AnchorState, name: str, info: Mapping[str, object], now: float
) -> Decision:
    phase = state.programs[name].phase
    if phase is not Phase.STARTING:
        return _update(state, name, info=info), []
    hang = spec.program(name).hang_timeout_s
    state = _update(
        state,
        name,
        phase=Phase.RUNNING,
        since=now,
        deadline=None,
        ping_due=None if hang is None else now + hang / PINGS_PER_HANG_TIMEOUT,
        info=info,
    )
    if state.mode is not Mode.STARTING or not _all_ready(spec, state):
        return state, []
    return replace(state, mode=Mode.RUNNING, deadline=None), [Announce()]


def _all_ready(spec: AnchorSpec, state: AnchorState) -> bool:
    awaited = (program.name for program in spec.programs if program.awaited)
    return all(state.programs[name].phase is Phase.RUNNING for name in awaited)


def _exited(spec: AnchorSpec, state: AnchorState, event: Exited, now: float) -> Decision:
    program = state.programs[event.name]
    reason = program.killed_for or event.reason
    words = f": {program.last_words}" if program.last_words else ""
    last_exit = Exit(f"{reason}{words}", now)
    state = _update(
        state,
        event.name,
        pid=None,
        ping_due=None,
        ping_sent=None,
        last_exit=last_exit,
        killed_for=None,
        last_words="",
        info={},
    )
    if program.phase is not Phase.STOPPING:
        return _failed(spec, state, event, now)
    if program.start_again:
        return _start(spec, state, event.name, now)
    state = _update(state, event.name, phase=Phase.DOWN, since=now, deadline=None)
    return _stop_next(spec, state, now)


def _failed(spec: AnchorSpec, state: AnchorState, event: Exited, now: float) -> Decision:
    program, own = state.programs[event.name], spec.program(event.name)
    healthy = program.phase is Phase.RUNNING and now - program.since >= own.restart.reset_s
    failures = 1 if healthy else program.failures + 1
    state = _update(state, event.name, since=now, deadline=None, failures=failures)
    held = event.exit_code in own.restart_prevent_exit_codes
    if held:
        state = _update(state, event.name, phase=Phase.FAILED)
    else:
        state = _update(
            state,
            event.name,
            phase=Phase.BACKOFF,
            deadline=now + restart_delay(own.restart, failures, event.jitter),
            restarts=program.restarts + 1,
        )
    final = held or event.exit_code in own.final_exit_codes
    hopeless = final or failures >= spec.start_attempts
    if state.mode is Mode.STARTING and own.awaited and hopeless:
        # Whoever starts anchors can tell what another try does not mend.
        code = event.exit_code if final and event.exit_code is not None else ExitCode.FAILED
        return _fail_start(spec, state, event.name, now, code)
    return state, []


def _fail_start(
    spec: AnchorSpec, state: AnchorState, name: str, now: float, code: int = ExitCode.FAILED
) -> Decision:
    program = state.programs[name]
    if program.phase in _ENDED and program.last_exit is not None:
        reason = f"{name} ended before it was ready: {program.last_exit.reason}"
    else:
        reason = f"{name} was not ready within {spec.start_timeout_s:g} s"
    return _stop(spec, replace(state, culprit=name), reason, code, now)


def _tick(spec: AnchorSpec, state: AnchorState, now: float) -> Decision:
    if state.mode is Mode.STARTING and state.deadline is not None and now >= state.deadline:
        waited = [program.name for program in spec.programs if program.awaited]
        late = [name for name in waited if state.programs[name].phase is not Phase.RUNNING]
        return _fail_start(spec, state, late[0], now)
    actions: list[Action] = []
    for own in spec.programs:
        state, more = _tick_program(spec, state, own, now)
        actions += more
    return state, actions


def _tick_program(spec: AnchorSpec, state: AnchorState, own: ProgramSpec, now: float) -> Decision:
    program = state.programs[own.name]
    if program.deadline is not None and now >= program.deadline:
        if program.phase is Phase.BACKOFF:
            return _start(spec, state, own.name, now)
        limit = own.stop_timeout_s if program.phase is Phase.STOPPING else own.ready_timeout_s
        aim = "stopped" if program.phase is Phase.STOPPING else "ready"
        return _kill(state, own.name, f"killed: not {aim} within {limit:g} s")
    if program.ping_due is not None and now >= program.ping_due and own.hang_timeout_s:
        return _tick_ping(state, own.name, own.hang_timeout_s, now)
    return state, []


def _tick_ping(state: AnchorState, name: str, hang_timeout_s: float, now: float) -> Decision:
    sent = state.programs[name].ping_sent
    if sent is not None and now - sent >= hang_timeout_s:
        return _kill(state, name, f"killed: hung, no answer within {hang_timeout_s:g} s")
    if sent is not None:
        return _update(state, name, ping_due=sent + hang_timeout_s), []
    due = now + hang_timeout_s / PINGS_PER_HANG_TIMEOUT
    return _update(state, name, ping_sent=now, ping_due=due), [Ping(name)]


def _kill(state: AnchorState, name: str, reason: str) -> Decision:
    state = _update(state, name, deadline=None, ping_due=None, killed_for=reason)
    return state, [Signal(name, signal.SIGKILL)]


def _stop(
    spec: AnchorSpec, state: AnchorState, reason: str, exit_code: int, now: float
) -> Decision:
    if state.mode in {Mode.STOPPING, Mode.STOPPED}:
        return state, []
    state = replace(state, mode=Mode.STOPPING, deadline=None, reason=reason, exit_code=exit_code)
    return _stop_next(spec, state, now)


def _stop_next(spec: AnchorSpec, state: AnchorState, now: float) -> Decision:
    """Stop the program that was started last of those that still live."""
    if state.mode is not Mode.STOPPING:
        return state, []
    for own in reversed(spec.programs):
        program = state.programs[own.name]
        if program.phase in _ENDED:
            state = _update(state, own.name, phase=Phase.DOWN, since=now, deadline=None)
        elif program.phase is Phase.STOPPING:
            return _update(state, own.name, start_again=False), []
        elif program.phase is not Phase.DOWN:
            return _terminate(state, own, now, start_again=False)
    return replace(state, mode=Mode.STOPPED), [Finish()]


def _terminate(state: AnchorState, own: ProgramSpec, now: float, *, start_again: bool) -> Decision:
    state = _update(
        state,
        own.name,
        phase=Phase.STOPPING,
        since=now,
        deadline=now + own.stop_timeout_s,
        ping_due=None,
        start_again=start_again,
    )
    return state, [Signal(own.name, signal.SIGTERM)]


def _restart(spec: AnchorSpec, state: AnchorState, name: str, now: float) -> Decision:
    phase = state.programs[name].phase
    if state.mode in {Mode.STOPPING, Mode.STOPPED} or phase is Phase.STOPPING:
        return state, []
    state = _update(state, name, failures=0)
    if phase in {Phase.STARTING, Phase.RUNNING}:
        return _terminate(state, spec.program(name), now, start_again=True)
    return _start(spec, state, name, now)

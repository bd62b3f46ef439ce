"""Who is still there: the heartbeats of one end of a link, decided from times passed in.

ICM's rule: any message is a sign of life. When nothing was received, or nothing sent, for an
interval, a heartbeat asks for one; one that nothing follows in time is missed, and a link that
misses a limit of them in a row is dead. A heartbeat can be missed only after it was due to be sent,
so a process that was itself held up never takes all its peers for dead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from protocols.cti.messages import HeartbeatTimes

Verdict = Literal["wait", "ask", "dead"]


class HeartbeatState(Struct):
    """What is known of the other end; times are seconds of the caller's monotonic clock.

    Attributes:
        received: when the last message came.
        sent: when the last message left.
        asked: when the last heartbeat left.
        phase: "idle", "asked" (a heartbeat waits for a sign of life), "missed" (none came).
        since: when the phase began.
        missed: heartbeats missed in a row; none while it is idle.
    """

    received: float
    sent: float
    asked: float
    phase: Literal["idle", "asked", "missed"] = "idle"
    since: float = 0.0
    missed: int = 0


def start(now: float) -> HeartbeatState:
    """Begin to watch at `now`, as if a message had just gone both ways."""
    return HeartbeatState(received=now, sent=now, asked=now)


def note_received(state: HeartbeatState, now: float) -> None:
    """A message came: the other end lives."""
    state.received = now
    state.phase = "idle"
    state.missed = 0


def note_sent(state: HeartbeatState, now: float) -> None:
    """A message left: the other end knows that this one lives."""
    state.sent = now


def note_unheard(state: HeartbeatState, seconds: float) -> None:
    """Nothing was read for some seconds: the other end may well have spoken meanwhile."""
    state.received += seconds
    state.since += seconds


def next_due(state: HeartbeatState, times: HeartbeatTimes) -> float:
    """When `decide` has something to say next, unless messages come or go before."""
    if state.phase == "asked":
        return state.since + times.timeout_ms / 1000
    if state.phase == "missed":
        return state.since + times.retry_ms / 1000
    return max(state.asked, min(state.received, state.sent)) + times.interval_ms / 1000


def decide(state: HeartbeatState, times: HeartbeatTimes, now: float) -> Verdict:
    """Let time pass until `now`.

    Returns:
        "ask" when a heartbeat is to be sent now, "dead" when the limit of missed ones is reached,
        otherwise "wait".
    """
    if now < next_due(state, times):
        return "wait"
    if state.phase != "asked":
        state.phase, state.since, state.asked = "asked", now, now
        return "ask"
    state.missed += 1
    if state.missed >= times.limit:
        return "dead"
    state.phase, state.since = "missed", now
    return "wait"

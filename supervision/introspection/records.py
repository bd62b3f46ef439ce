"""What is shown of an actor, as plain data; times are seconds since the epoch."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

ActorStatus = Literal["running", "suspended", "restarting", "crash_loop", "stopped"]


class Intensity(Struct, frozen=True, kw_only=True):
    """How much of a supervisor's restart intensity is used up."""

    used: int
    max: int
    period_s: float


class LastExit(Struct, frozen=True, kw_only=True):
    """How the incarnation before ended."""

    reason: str
    at: float


class PoolSummary(Struct, frozen=True, kw_only=True):
    """The members of a pool of dynamic children, summed up."""

    count: int
    by_status: dict[str, int]
    mailbox_max: int


class ActorRow(Struct, frozen=True, kw_only=True):
    """One actor in a list.

    Attributes:
        path: its stable path.
        incarnation: 1 for the first life, one more after every restart.
        version: schema version of its state; None where it has none.
        since: when this incarnation started.
        restarts: restarts since its supervisor started.
        intensity: of a supervisor; None for others.
        mailbox: messages that wait.
        handled: messages handled by this incarnation.
        rate: messages handled per second, over this incarnation's life.
        memory: bytes that its state takes, about; None where that is not measured.
    """

    path: str
    name: str
    kind: str
    status: ActorStatus
    incarnation: int
    since: float
    restarts: int
    mailbox: int
    handled: int
    version: int | str | None = None
    intensity: Intensity | None = None
    last_exit: LastExit | None = None
    rate: float = 0.0
    memory: int | None = None


class TreeNode(ActorRow, frozen=True, kw_only=True):
    """One actor with what is below it; a pool of dynamic children is summed up in ``pool``."""

    children: list[TreeNode] = []
    pool: PoolSummary | None = None


class TimerRow(Struct, frozen=True, kw_only=True):
    """A timer that runs."""

    name: str
    after_s: float


class RestartRow(Struct, frozen=True, kw_only=True):
    """One end of an incarnation: which it was, when and why."""

    incarnation: int
    at: float
    reason: str


class ActorDetail(ActorRow, frozen=True, kw_only=True):
    """Everything that is shown of one actor but its state.

    Attributes:
        head_age_s: how long the first message of the mailbox has waited.
        handler_s: quantiles of the time its class's handlers took: ``p50``, ``p99``, ``max``.
        links: paths it is linked to.
        history: its latest ends, the last one first.
    """

    head_age_s: float | None = None
    handler_s: dict[str, float] = {}
    links: list[str] = []
    timers: list[TimerRow] = []
    history: list[RestartRow] = []


class ActorState(Struct, frozen=True, kw_only=True):
    """The state of an actor as its ``format_status`` shows it: without secrets.

    Attributes:
        state: plain data.
        name: the state's name, of a state machine.
    """

    path: str
    incarnation: int
    state: Any
    name: str | None = None


class DeadLetterRow(Struct, frozen=True, kw_only=True):
    """A message that nobody took.

    Attributes:
        number: its number since the node started, from 1.
        target: the path it was sent to.
        sender: the path it came from.
        message: its type; its content may hold secrets.
        reason: why nobody took it.
    """

    number: int
    at: float
    target: str
    sender: str
    message: str
    reason: str

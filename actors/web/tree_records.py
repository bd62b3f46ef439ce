"""What operators are shown of the actor tree; names and meanings are those of the contract.

Times are seconds since the epoch, durations seconds. Producers of these records may be other
types with the same attributes: the API converts what it is given.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct

ActorKind: TypeAlias = Literal["supervisor", "worker", "event_manager", "statem"]
ActorStatus: TypeAlias = Literal["running", "suspended", "restarting", "crash_loop", "stopped"]
ActorAction: TypeAlias = Literal["suspend", "resume", "restart", "kill"]


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
        path: Its stable path, such as `node/callSup/router`.
        incarnation: 1 for the first life, one more after every restart.
        version: Schema version of its state, None where it has none.
        since: When this incarnation started.
        restarts: Restarts since the node started.
        intensity: Of a supervisor, None for others.
        mailbox: Messages waiting.
        handled: Messages handled by this incarnation.
        rate: Messages handled per second, lately.
        memory: Bytes that its state takes, None where that is not measured.
    """

    path: str
    name: str
    kind: ActorKind
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
    """One actor with what is below it; a pool of dynamic children is summed up in `pool`."""

    children: list[TreeNode] = []
    pool: PoolSummary | None = None


class TimerRow(Struct, frozen=True, kw_only=True):
    """A timer that runs."""

    name: str
    after_s: float


class RestartRow(Struct, frozen=True, kw_only=True):
    """One restart: which incarnation ended, when and why."""

    incarnation: int
    at: float
    reason: str


class ActorDetail(ActorRow, frozen=True, kw_only=True):
    """Everything that is shown of one actor but its state.

    Attributes:
        head_age_s: How long the first message of the mailbox has waited.
        handler_s: Quantiles of the time its handlers took: `p50`, `p99`, `max`.
        links: Paths it is linked to.
        history: Its latest restarts, the last one first.
    """

    head_age_s: float | None = None
    handler_s: dict[str, float] = {}
    links: list[str] = []
    timers: list[TimerRow] = []
    history: list[RestartRow] = []


class ActorState(Struct, frozen=True, kw_only=True):
    """The state of an actor as its `format_status` shows it: without secrets.

    Attributes:
        state: Plain data.
        name: The state's name, of a state machine.
    """

    path: str
    incarnation: int
    state: Any
    name: str | None = None


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A message that nobody took.

    Attributes:
        number: Its number since the node started, from 1.
        target: Path or address it was sent to.
        sender: Path or address it came from.
        message: Its type and an excerpt, without secrets.
        reason: Why nobody took it.
    """

    number: int
    at: float
    target: str
    sender: str
    message: str
    reason: str


class ActionDone(Struct, frozen=True, kw_only=True):
    """What was done to an actor, by whom and why."""

    path: str
    action: ActorAction
    reason: str
    by: str
    at: float

"""What is shown of an actor, as plain data; times are seconds since the epoch."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

ActorStatus = Literal["running", "suspended", "restarting", "crash_loop", "stopped"]


class Intensity(Struct, frozen=True, kw_only=True):
    """How much of a supervisor's restart intensity is used up.

    Attributes:
        free_in_s: seconds until the oldest restart counts no longer; None where none counts.
    """

    used: int
    max: int
    period_s: float
    free_in_s: float | None = None


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
        failures: how often in a row it has failed without a good run in between.
        retry_in_s: seconds until its restart is due; None where none waits.
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
    failures: int = 0
    retry_in_s: float | None = None


class TreeNode(ActorRow, frozen=True, kw_only=True):
    """One actor with what is below it; a pool of dynamic children is summed up in ``pool``."""

    children: list[TreeNode] = []
    pool: PoolSummary | None = None


class TimerRow(Struct, frozen=True, kw_only=True):
    """A timer that runs."""

    name: str
    after_s: float


class RestartRow(Struct, frozen=True, kw_only=True):
    """One end of an incarnation: which it was, when, why, and where it crashed if it did."""

    incarnation: int
    at: float
    reason: str
    traceback: str = ""


class SpecRow(Struct, frozen=True, kw_only=True):
    """A child specification without its start arguments, which may be secrets; see ChildSpec."""

    id: str
    start: str
    restart: str
    significant: bool
    shutdown: float | str | None
    type: str
    keep_state: bool
    backoff: dict[str, Any] | None
    on_restart: str
    keep_limit: int


class FlagsRow(Struct, frozen=True, kw_only=True):
    """A supervisor's flags; see SupervisorFlags."""

    strategy: str
    intensity: int
    period: float
    auto_shutdown: str
    backoff: dict[str, Any] | None
    max_shutdown_s: float | None
    pool_ratio: float
    child_intensity: int | None
    child_backoff: dict[str, Any] | None = None


class ChildRow(Struct, frozen=True, kw_only=True):
    """One line of ``which_children``."""

    id: str
    path: str
    status: ActorStatus
    type: str
    restart: str
    restarts: int
    failures: int = 0
    retry_in_s: float | None = None
    last_exit: LastExit | None = None


class ActorDetail(ActorRow, frozen=True, kw_only=True):
    """Everything that is shown of one actor but its state.

    Attributes:
        head_age_s: how long the first message of the mailbox has waited.
        handler_s: quantiles of the time its class's handlers took: ``p50``, ``p99``, ``max``.
        links: paths it is linked to; of this and the next four at most 100 are told.
        history: its latest ends, the last one first.
        monitors: paths it watches.
        watched_by: paths that watch it.
        names: names it is registered under.
        groups: groups it is a member of.
        actor_class: name of its class.
        spec: how its supervisor handles it; None where it has none.
        shutdown_s: seconds that it has to end, a supervisor with all below it; None is for ever.
        flags: of a supervisor.
        children_count: of a supervisor: ``specs``, ``active``, ``supervisors``, ``workers``.
        debug: what it is watched for.
    """

    head_age_s: float | None = None
    handler_s: dict[str, float] = {}
    links: list[str] = []
    timers: list[TimerRow] = []
    history: list[RestartRow] = []
    monitors: list[str] = []
    watched_by: list[str] = []
    names: list[str] = []
    groups: list[str] = []
    actor_class: str | None = None
    spec: SpecRow | None = None
    shutdown_s: float | None = None
    flags: FlagsRow | None = None
    children_count: dict[str, int] | None = None
    debug: list[str] = []


class ActorState(Struct, frozen=True, kw_only=True):
    """The state of an actor as its ``format_status`` shows it: without secrets.

    Attributes:
        state: plain data.
        name: the state's name, of a state machine.
        patchable: fields that a patch of the state may have; of a machine ``state`` and
            ``data.NAME``.
    """

    path: str
    incarnation: int
    state: Any
    name: str | None = None
    patchable: list[str] = []


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

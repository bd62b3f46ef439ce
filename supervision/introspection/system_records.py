"""What sys and recon tell of one actor or of the node, as plain data."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from supervision.introspection.events import SystemEvent
from supervision.introspection.records import ActorRow, ActorStatus

TopAttribute = Literal["mailbox", "rate", "memory", "restarts", "time"]


class SystemStatus(Struct, frozen=True, kw_only=True):
    """What ``sys:get_status/1`` tells.

    Attributes:
        status: whether it takes ordinary messages.
        ancestors: the paths above it, its parent's first.
        debug: what it is watched for.
        state: through its ``format_status``.
    """

    path: str
    actor_class: str
    module: str
    status: Literal["running", "suspended"]
    parent: str | None
    ancestors: list[str]
    debug: list[str]
    state: Any


class InfoMeta(Struct, frozen=True, kw_only=True):
    """Who it is."""

    actor_class: str
    kind: str
    status: ActorStatus
    incarnation: int
    since: float
    names: list[str]
    groups: list[str]
    ancestors: list[str]


class InfoSignals(Struct, frozen=True, kw_only=True):
    """Whom it is tied to."""

    links: list[str]
    monitors: list[str]
    watched_by: list[str]
    trap_exit: bool


class InfoMemory(Struct, frozen=True, kw_only=True):
    """What it takes: bytes of its state, about; messages, timers and children."""

    state: int | None
    mailbox: int
    timers: int
    children: int


class InfoWork(Struct, frozen=True, kw_only=True):
    """What it does: messages handled, per second of its life, and how long its class takes."""

    handled: int
    rate: float
    handler_s: dict[str, float]


class ActorInfo(Struct, frozen=True, kw_only=True):
    """What ``recon:info/1`` tells, in its categories; never what the mailbox holds."""

    path: str
    meta: InfoMeta
    signals: InfoSignals
    memory: InfoMemory
    work: InfoWork


class TopRow(ActorRow, frozen=True, kw_only=True):
    """An actor and what it is ranked by."""

    value: float


class Top(Struct, frozen=True, kw_only=True):
    """The actors with the most of something, the first ahead.

    Attributes:
        seconds: of the window in which they grew; None for what they have now.
        counted: how many were looked at; within a window those that grew.
    """

    attribute: TopAttribute
    seconds: float | None
    counted: int
    items: list[TopRow]


class NodeStatistics(Struct, frozen=True, kw_only=True):
    """How a node is.

    Attributes:
        turns: turns of the scheduler.
        handled: messages handled.
        holds: handlers that held the loop past the limit.
        ready: actors that are ready now.
        waiting: messages in their mailboxes.
        timers: timers that are set.
        late_replies: answers that came after their caller had given up.
        restarts: children restarted by supervisors.
        dead_letters: messages that nobody took.
        overflows: messages that found a full mailbox.
        reports: how many there were of each kind.
        watched: actors that are watched now.
        memory_peak_bytes: the most memory that the process has had.
        collections: runs of the garbage collector, by generation.
    """

    turns: int
    handled: int
    holds: int
    ready: int
    waiting: int
    timers: int
    late_replies: int
    restarts: int
    dead_letters: int
    overflows: int
    reports: dict[str, int]
    watched: int
    memory_peak_bytes: int
    collections: list[int]


class StatisticsRow(Struct, frozen=True, kw_only=True):
    """What an actor has done since its statistics were switched on (``sys:statistics/2``).

    Attributes:
        on: whether they are; where not, OTP says ``no_statistics`` and all else is None.
        start_time: when they were switched on.
        reductions: messages handled; there is no finer measure of work.
        busy_s: seconds that its handlers have held the loop, the waits of coroutines apart.
        messages_in: messages, calls, casts and timers that came.
        messages_out: messages, calls, casts and answers that went.
    """

    path: str
    on: bool
    start_time: float | None = None
    current_time: float | None = None
    reductions: int | None = None
    busy_s: float | None = None
    messages_in: int | None = None
    messages_out: int | None = None


class LogRow(Struct, frozen=True, kw_only=True):
    """The log of one actor's system events (``sys:log/2``).

    Attributes:
        on: whether one is kept.
        size: how many events it keeps.
        file: where they are written as well; None where they are not.
        events: the latest, the oldest first.
    """

    path: str
    on: bool
    size: int = 0
    file: str | None = None
    events: list[SystemEvent] = []


class ProbeRow(Struct, frozen=True, kw_only=True):
    """A probe of an actor.

    Attributes:
        id: its name.
        state: what it has found out, where that is plain data.
    """

    id: str
    state: Any = None

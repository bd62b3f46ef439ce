"""What travels of actors in a takeover, as plain records: no kernel here.

Times are monotonic seconds: both processes run on one machine. Paths are those of the side that
gives. Numbers stand for timers and monitors of one actor, and for callers of the whole node.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from supervision.supervisor.carrying import Past

NOBODY = 0
"""The number of every caller that nobody needs to answer any more."""


class TimerRecord(Struct):
    """A timer of an actor.

    Attributes:
        when: at which it fires; None where it has fired or was cancelled.
        payload: what it says, as messages are written.
        idle: whether any message cancels it.
    """

    when: float | None
    payload: Any = None
    idle: bool = False


class MachineTimer(Struct):
    """A named timer of a state machine, as ``TimerLeft``."""

    name: Any
    at: float
    content: Any = None


class MonitorRecord(Struct):
    """A watch: the path of the one that is watched; empty where nobody is any more."""

    path: str


class EntryRecord(Struct):
    """A message that waits.

    Attributes:
        message: as messages are written.
        sender: path of whoever sent it; None where it is not known.
        arrived: when it came.
    """

    message: Any
    sender: str | None
    arrived: float


class CallRecord(Struct):
    """A request that waits for its answer.

    Attributes:
        caller: path of the actor that asked with ``request``.
        id: the number that it knows the request by.
        deadline: until when it waits; None is for ever.
        request: what it asks, as messages are written; None where nobody will answer.
    """

    caller: str
    id: int
    deadline: float | None = None
    request: Any = None


class MachineRecord(Struct):
    """What a state machine is besides its state and data."""

    timers: list[MachineTimer] = []
    postponed: list[tuple[str, Any]] = []


class ActorRecord(Struct):
    """One actor that travels.

    Attributes:
        path: where it lives.
        was: where it lived in the version before, as this side's code says; or empty.
        kind: by which its state is known, and the ``version`` of what is in ``state``.
        state: plain data; of a state machine a pair of state and data.
        machine: of a state machine, else None.
        whole: whether all of its state travels: then all of its timers and monitors are here, and
            take the place of those that the other side's actor has begun with.
        deferred: numbers of the calls that it answers later.
        names: what it is registered as, and what ties it to each (``cell.NAMED``, ``MEMBER``).
        links: paths of those it is linked to.
        going_on: terms that it goes on with.
    """

    path: str
    was: str
    kind: str
    version: int
    state: Any
    machine: MachineRecord | None = None
    whole: bool = True
    incarnation: int = 1
    suspended: bool = False
    trap_exit: bool = False
    timers: list[TimerRecord] = []
    monitors: list[MonitorRecord] = []
    mailbox: list[EntryRecord] = []
    deferred: list[int] = []
    names: list[tuple[Any, int]] = []
    links: list[str] = []
    going_on: list[Any] | None = None


class WaitingRecord(Struct):
    """Messages for one whose state another part carries, that is down, or that begins anew."""

    path: str
    mailbox: list[EntryRecord]


class CountRecord(Struct, array_like=True):
    """What operators are shown of an actor."""

    path: str
    was: str
    handled: int
    overflows: int
    since: float


class SupervisorRecord(Struct):
    """What a supervisor remembers.

    Attributes:
        path: where it lives; and ``was``, as of an actor.
        restarts: when it restarted children, of those that count.
        children: what is remembered of those that have failed, by id.
        stopped: children that somebody has stopped.
    """

    path: str
    was: str
    restarts: list[float] = []
    children: dict[str, Past] = {}
    stopped: list[str] = []


class NodeCounts(Struct):
    """What the kernel counts; the other side goes on from it."""

    restarts: int = 0
    handled: int = 0
    holds: int = 0
    late_replies: int = 0
    dead_letters: int = 0
    reports: dict[str, int] = field(default_factory=dict)


class Body(Struct):
    """All that travels of a node's actors.

    Attributes:
        requests: the number of the last request that was made.
        lost: requests that nobody answers any more: their callers are told.
        config: a digest of the value of each key of the configuration.
        left: what does not travel, in words, for operators.
    """

    actors: list[ActorRecord]
    calls: list[CallRecord]
    waiting: list[WaitingRecord]
    counts: list[CountRecord]
    supervisors: list[SupervisorRecord]
    node: NodeCounts
    requests: int
    lost: list[CallRecord] = []
    config: dict[str, str] = {}
    left: list[str] = []


Carries = Literal["all", "mailboxes"]
"""What a part for actors carries of a supervisor's children: or only what waits for them."""

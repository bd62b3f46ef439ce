"""Which query runs on which connection: the pure core of connectionRouter.

Every function takes the state, something that happened and the time, changes the state and returns
what is to be done. The order is first come, first served; a query that is run once more goes first.
Its bounds are the number that wait and a deadline for each, waiting and execution together.

Where there are several hosts, what a replica can serve goes to replicas, then to the primary, as
far as their breakers permit; everything else goes to the primary and nowhere else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Literal

from msgspec import Struct, field

from actors.connectors import breaker, host_roles
from actors.connectors.breaker import BreakerLimits
from actors.connectors.host_roles import Hosts, Seen
from actors.connectors.jobs import Action, Answer, Freed, Gone, Job, JobId, Run, Status, Up
from actors.connectors.waiting import Waiting
from actors.database import (
    OUTCOME_UNKNOWN,
    CircuitOpen,
    DatabaseAnswer,
    DatabaseDown,
    QueryFailed,
    QueryTimeout,
    QueueFull,
)

__all__ = ["Action", "Answer", "Dispatch", "Freed", "Gone", "Job", "JobId", "Run", "Status", "Up"]

_STRAINED = ("53", "57", "58")
"""SQLSTATE classes of a server that cannot: out of something, being stopped, its system failing."""


class Dispatch(Struct):
    """What the router knows.

    Attributes:
        limit: Jobs that may wait.
        unusable: Why there is no database at all; empty where one is configured.
        waiting: Jobs that wait, in the order in which they are served.
        running: The job of each busy connection, where it came from this router.
        status: What each connection said last.
        why: What the last connection that went down said.
        told: Why there is no connection, as its users were told; empty when they were not.
        idle: Connections that are free, the longest idle first.
        hosts: What is known of the hosts.
        host_of: Of each connection.
        withdrawn: Connections that are given nothing any more.
    """

    limit: int
    unusable: str = ""
    waiting: Waiting[Job] = field(default_factory=Waiting[Job])
    running: dict[Hashable, Job] = field(default_factory=dict)
    status: dict[Hashable, Status] = field(default_factory=dict)
    why: str = ""
    told: str = ""
    idle: deque[Hashable] = field(default_factory=deque)
    hosts: Hosts = field(default_factory=lambda: host_roles.begin((), BreakerLimits(5, 1.0)))
    host_of: dict[Hashable, str] = field(default_factory=dict)
    withdrawn: set[Hashable] = field(default_factory=set)


def begin(limit: int, unusable: str = "", hosts: Hosts | None = None) -> Dispatch:
    """Return the state of a router that knows no connection yet.

    Args:
        limit: Jobs that may wait.
        unusable: Why every query fails; empty where there is a database.
        hosts: Of the connections; None where there is but one, which has no name.
    """
    state = Dispatch(limit, unusable)
    if hosts is not None:
        state.hosts = hosts
    return state


def down(state: Dispatch) -> str:
    """Return why no connection can be expected soon; empty while one may."""
    if state.unusable:
        return state.unusable
    if state.status and all(status == "down" for status in state.status.values()):
        return state.why
    return ""


def unwritable(state: Dispatch) -> str:
    """Return why nothing can be written soon; empty while something may."""
    if why := down(state) or host_roles.missing(state.hosts):
        return why
    primary = state.hosts.primary
    theirs = [one for name, one in state.status.items() if state.host_of[name] == primary]
    if primary and theirs and all(status == "down" for status in theirs):
        return f"no connection to the primary {primary}: {state.why}"
    return ""


def usable(state: Dispatch) -> bool:
    """Whether there is a connection to the server, to the primary where there are several."""
    anyone = not state.hosts.several
    return any(
        status in ("idle", "busy") and (anyone or state.host_of[name] == state.hosts.primary)
        for name, status in state.status.items()
    )


def readable(state: Dispatch) -> bool:
    """Whether there is a connection to any host."""
    return any(status in ("idle", "busy") for status in state.status.values())


def submit(state: Dispatch, job: Job, now: float) -> list[Action]:
    """Take a new job."""
    if why := down(state) if job.replica else unwritable(state):
        return _answer(job, DatabaseDown(why))
    if job.replica and not _permitted(state, now):
        return _answer(job, _circuit_open(state, now))
    if len(state.waiting) >= state.limit and _place(state, job, now) is None:
        return _answer(job, QueueFull(state.limit))
    state.waiting.add(job.id, job, replica=job.replica)
    return _serve(state, now)


def expired(state: Dispatch, job: Job) -> list[Action]:
    """The deadline of a job passed; the connection that runs it cancels it by itself."""
    if job.answered:
        return []
    job.answered = True
    phase: Literal["wait", "exec"] = "wait" if job.sent is None else "exec"
    state.waiting.pop(job.id)
    answer = Answer(job, QueryTimeout(phase, round(job.deadline - job.arrived, 3)))
    judged = _judge(state, job, well=False, now=job.deadline) if phase == "exec" else []
    return [answer, *judged]


def said(
    state: Dispatch,
    connection: Hashable,
    status: Status,
    now: float,
    why: str = "",
    *,
    host: str | None = None,
) -> list[Action]:
    """A connection told its status, unasked or because the router asked all of them.

    One that says it is idle while a job is on its way to it said so before that job.
    """
    if host is None and not state.hosts.several:
        host = next(iter(state.hosts.by_name))
    host = state.host_of.get(connection) if host is None else host
    if host not in state.hosts.by_name:
        return []  # it will say where it leads to when it has heard that this router is there
    was_usable = usable(state)
    state.status[connection], state.host_of[connection] = status, host
    _take_from_idle(state, connection)
    if status in ("connecting", "down"):
        state.why = why or state.why
        return _give_up(state)
    if status == "idle" and connection in state.running:
        state.status[connection] = "busy"
    elif status == "idle" and connection in state.withdrawn:
        return [Freed(connection)]
    elif status == "idle":
        state.idle.append(connection)
    return _up(state, was_usable) + _serve(state, now)


def host_said(state: Dispatch, name: str, seen: Seen, now: float) -> list[Action]:
    """A connector told what it has seen of its host."""
    was_usable = usable(state)
    if not host_roles.said(state.hosts, name, seen):
        return []
    return _up(state, was_usable) + _give_up(state) + _serve(state, now)


def withdraw(state: Dispatch, connection: Hashable) -> list[Action]:
    """Give a connection nothing any more; what it runs is let end."""
    if connection not in state.status:
        return []
    state.withdrawn.add(connection)
    _take_from_idle(state, connection)
    return [] if connection in state.running else [Freed(connection)]


def lost(
    state: Dispatch, connection: Hashable, job_id: JobId, why: str, now: float
) -> list[Action]:
    """The connection to the server ended while a job ran on it."""
    if not _runs(state, connection, job_id):
        return []
    return _lose(state, connection, why, now)


def refused(state: Dispatch, connection: Hashable, job_id: JobId, now: float) -> list[Action]:
    """A connection was not idle any more when a job reached it: the job was not run."""
    if not _runs(state, connection, job_id):
        return []
    return _again(state, state.running.pop(connection), now)


def done(
    state: Dispatch, connection: Hashable, job_id: JobId, answer: DatabaseAnswer, now: float
) -> list[Action]:
    """A connection has run a job and is free again.

    The next job comes first in what is to be done: the server has nothing to do until it is there.
    """
    if not _runs(state, connection, job_id):
        return said(state, connection, "idle", now)
    job = state.running.pop(connection)
    told = _answer(job, answer) + _judge(state, job, well=_well(answer), now=now)
    if connection in state.withdrawn:
        return told + said(state, connection, "idle", now)
    state.status[connection] = "idle"
    state.idle.append(connection)
    return _serve(state, now) + told


def gone(state: Dispatch, connection: Hashable, why: str, now: float) -> list[Action]:
    """A connection's actor ended; its supervisor starts another one."""
    state.status.pop(connection, None)
    state.host_of.pop(connection, None)
    state.withdrawn.discard(connection)
    _take_from_idle(state, connection)
    return _lose(state, connection, why, now) + _give_up(state)


def _serve(state: Dispatch, now: float) -> list[Action]:
    actions: list[Action] = []
    while state.idle:
        taken = state.waiting.take(lambda job: _place(state, job, now))
        if taken is None:
            break
        job, connection = taken
        if job.caller.settled:
            continue  # nobody waits for it any more
        state.idle.remove(connection)
        state.status[connection] = "busy"
        state.running[connection] = job
        job.sent, job.host, job.judged = now, state.host_of[connection], False
        if job.replica:
            breaker.begun(state.hosts.by_name[job.host].breaker, now)
        actions.append(Run(connection, job))
    return actions


def _place(state: Dispatch, job: Job, now: float) -> Hashable | None:
    """The idle connection that suits a job best, of equal ones the longest idle."""
    best, found = None, None
    for connection in state.idle:
        host = state.host_of[connection]
        rank = host_roles.rank(state.hosts, host, reads=job.replica, avoid=job.lost_on, now=now)
        if rank == 0:
            return connection
        if rank is not None and (best is None or rank < best):
            best, found = rank, connection
    return found


def _permitted(state: Dispatch, now: float) -> bool:
    """Whether the breaker of any host that may be reached permits a read."""
    if not host_roles.open_breakers(state.hosts):
        return True
    there = {state.host_of[name] for name, status in state.status.items() if status != "down"}
    return not there or host_roles.readable(state.hosts, there, now)


def _circuit_open(state: Dispatch, now: float) -> CircuitOpen:
    left = [breaker.left_s(host.breaker, now) for host in state.hosts.by_name.values()]
    return CircuitOpen(round(min(one for one in left if one) if any(left) else 0.0, 3))


def _well(answer: DatabaseAnswer) -> bool:
    """Whether a server did what it could: that a statement is wrong is no fault of it."""
    if isinstance(answer, QueryFailed):
        return not answer.sqlstate.startswith(_STRAINED)
    return not isinstance(answer, QueryTimeout)


def _judge(state: Dispatch, job: Job, *, well: bool, now: float) -> list[Action]:
    """Tell the breaker how a read went; where it opens, reads that no other host can serve fail."""
    if job.judged or not job.replica:
        return []
    job.judged = True
    one = state.hosts.by_name[job.host].breaker
    if well:
        breaker.succeeded(one)
        return []
    if not breaker.failed(one, now) or _permitted(state, now):
        return []
    jobs = state.waiting.clear(replica=True)
    failure = _circuit_open(state, now)
    return [action for job in jobs for action in _answer(job, failure)]


def _up(state: Dispatch, was_usable: bool) -> list[Action]:
    if not usable(state):
        return []
    state.told = ""
    return [] if was_usable else [Up()]


def _runs(state: Dispatch, connection: Hashable, job_id: JobId) -> bool:
    job = state.running.get(connection)
    return job is not None and job.id == job_id


def _lose(state: Dispatch, connection: Hashable, why: str, now: float) -> list[Action]:
    """Decide about the job of a connection that ended."""
    job = state.running.pop(connection, None)
    if job is None:
        return []
    job.lost_on = job.host
    actions = _judge(state, job, well=False, now=now)
    if not job.request.repeatable or job.repeated:
        failure = QueryFailed(OUTCOME_UNKNOWN, f"the connection ended: {why}")
        return [*actions, *_answer(job, failure)]
    job.repeated = True
    return [*actions, *_again(state, job, now)]


def _again(state: Dispatch, job: Job, now: float) -> list[Action]:
    if job.answered:
        return []
    job.sent = None
    if job.replica and not _permitted(state, now):
        return _answer(job, _circuit_open(state, now))
    state.waiting.add(job.id, job, replica=job.replica, first=True)
    return _serve(state, now)


def _give_up(state: Dispatch) -> list[Action]:
    """Where no connection can be expected soon, nobody is kept waiting for one."""
    actions: list[Action] = []
    if why := down(state):
        actions += _all_down(state.waiting.clear(replica=True), why)
    why = unwritable(state)
    if not why:
        return actions
    actions += _all_down(state.waiting.clear(replica=False), why)
    if why == state.told:
        return actions
    state.told = why
    return [*actions, Gone(why)]


def _all_down(jobs: list[Job], why: str) -> list[Action]:
    return [action for job in jobs for action in _answer(job, DatabaseDown(why))]


def _answer(job: Job, answer: DatabaseAnswer) -> list[Action]:
    if job.answered:
        return []
    job.answered = True
    return [Answer(job, answer)]


def _take_from_idle(state: Dispatch, connection: Hashable) -> None:
    if connection in state.idle:
        state.idle.remove(connection)

"""Which query runs on which connection: the pure core of connectionRouter.

Every function takes the state, something that happened and the time, changes the state and returns
what is to be done. The order is first come, first served; a query that is run once more goes first.
Its bounds are the number that wait and a deadline for each, waiting and execution together.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

from actors.database import (
    OUTCOME_UNKNOWN,
    DatabaseAnswer,
    DatabaseDown,
    DatabaseRequest,
    QueryFailed,
    QueryTimeout,
    QueueFull,
)

JobId: TypeAlias = tuple[int, int]
Status: TypeAlias = Literal["connecting", "idle", "busy", "down"]


class Job(Struct, eq=False):
    """One query on its way.

    Attributes:
        id: Incarnation of the router and a number of its own: never met twice.
        request: What is to be run.
        caller: Whoever waits for the answer, opaque here.
        arrived: Monotonic seconds; `deadline` likewise.
        sent: When it was given to a connection; None while it waits.
        repeated: Whether it is run once more.
        answered: Whether the caller has an answer already: the deadline passed while it ran.
    """

    id: JobId
    request: DatabaseRequest
    caller: Any
    arrived: float
    deadline: float
    sent: float | None = None
    repeated: bool = False
    answered: bool = False


class Run(Struct, frozen=True):
    """Have a connection run a job."""

    connection: Hashable
    job: Job


class Answer(Struct, frozen=True):
    """Answer the caller of a job, which is over for it."""

    job: Job
    answer: DatabaseAnswer


class Up(Struct, frozen=True):
    """The database has become usable: tell its users."""


class Gone(Struct, frozen=True):
    """No connection can be expected soon, or for another reason than before: tell its users."""

    why: str


Action: TypeAlias = Run | Answer | Up | Gone


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
    """

    limit: int
    unusable: str = ""
    waiting: OrderedDict[JobId, Job] = field(default_factory=OrderedDict)
    running: dict[Hashable, Job] = field(default_factory=dict)
    status: dict[Hashable, Status] = field(default_factory=dict)
    why: str = ""
    told: str = ""
    idle: deque[Hashable] = field(default_factory=deque)


def begin(limit: int, unusable: str = "") -> Dispatch:
    """Return the state of a router that knows no connection yet.

    Args:
        limit: Jobs that may wait.
        unusable: Why every query fails; empty where there is a database.
    """
    return Dispatch(limit, unusable)


def down(state: Dispatch) -> str:
    """Return why no connection can be expected soon; empty while one may."""
    if state.unusable:
        return state.unusable
    if state.status and all(status == "down" for status in state.status.values()):
        return state.why
    return ""


def usable(state: Dispatch) -> bool:
    """Whether there is a connection to the server."""
    return any(status in ("idle", "busy") for status in state.status.values())


def submit(state: Dispatch, job: Job, now: float) -> list[Action]:
    """Take a new job."""
    if why := down(state):
        return _answer(job, DatabaseDown(why))
    if not state.idle and len(state.waiting) >= state.limit:
        return _answer(job, QueueFull(state.limit))
    state.waiting[job.id] = job
    return _serve(state, now)


def expired(state: Dispatch, job: Job) -> list[Action]:
    """The deadline of a job passed; the connection that runs it cancels it by itself."""
    if job.answered:
        return []
    job.answered = True
    phase: Literal["wait", "exec"] = "wait" if job.sent is None else "exec"
    state.waiting.pop(job.id, None)
    return [Answer(job, QueryTimeout(phase, round(job.deadline - job.arrived, 3)))]


def said(
    state: Dispatch, connection: Hashable, status: Status, now: float, why: str = ""
) -> list[Action]:
    """A connection told its status, unasked or because the router asked all of them.

    One that says it is idle while a job is on its way to it said so before that job.
    """
    was_usable = usable(state)
    state.status[connection] = status
    _take_from_idle(state, connection)
    if status in ("connecting", "down"):
        state.why = why or state.why
        return _give_up(state)
    if status == "idle" and connection in state.running:
        state.status[connection] = "busy"
    elif status == "idle":
        state.idle.append(connection)
    state.told = ""
    return ([] if was_usable else [Up()]) + _serve(state, now)


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
    """A connection has run a job and is free again."""
    actions: list[Action] = []
    if _runs(state, connection, job_id):
        actions += _answer(state.running.pop(connection), answer)
    return actions + said(state, connection, "idle", now)


def gone(state: Dispatch, connection: Hashable, why: str, now: float) -> list[Action]:
    """A connection's actor ended; its supervisor starts another one."""
    state.status.pop(connection, None)
    _take_from_idle(state, connection)
    return _lose(state, connection, why, now) + _give_up(state)


def _serve(state: Dispatch, now: float) -> list[Action]:
    actions: list[Action] = []
    while state.idle and state.waiting:
        _, job = state.waiting.popitem(last=False)
        if job.caller.settled:
            continue  # nobody waits for it any more
        connection = state.idle.popleft()
        state.status[connection] = "busy"
        state.running[connection] = job
        job.sent = now
        actions.append(Run(connection, job))
    return actions


def _runs(state: Dispatch, connection: Hashable, job_id: JobId) -> bool:
    job = state.running.get(connection)
    return job is not None and job.id == job_id


def _lose(state: Dispatch, connection: Hashable, why: str, now: float) -> list[Action]:
    """Decide about the job of a connection that ended."""
    job = state.running.pop(connection, None)
    if job is None:
        return []
    if not job.request.repeatable or job.repeated:
        return _answer(job, QueryFailed(OUTCOME_UNKNOWN, f"the connection ended: {why}"))
    job.repeated = True
    return _again(state, job, now)


def _again(state: Dispatch, job: Job, now: float) -> list[Action]:
    if job.answered:
        return []
    job.sent = None
    state.waiting[job.id] = job
    state.waiting.move_to_end(job.id, last=False)
    return _serve(state, now)


def _give_up(state: Dispatch) -> list[Action]:
    """Where no connection can be expected soon, nobody is kept waiting for one."""
    why = down(state)
    if not why:
        return []
    jobs, state.waiting = state.waiting, OrderedDict()
    answers = [action for job in jobs.values() for action in _answer(job, DatabaseDown(why))]
    if why == state.told:
        return answers
    state.told = why
    return [*answers, Gone(why)]


def _answer(job: Job, answer: DatabaseAnswer) -> list[Action]:
    if job.answered:
        return []
    job.answered = True
    return [Answer(job, answer)]


def _take_from_idle(state: Dispatch, connection: Hashable) -> None:
    if connection in state.idle:
        state.idle.remove(connection)

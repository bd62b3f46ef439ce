"""A query on its way through odbcServer, and what its dispatching has others do."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from actors.database import DatabaseAnswer, DatabaseRequest, Query

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
        host: Where it runs, or ran.
        lost_on: The host on which it was lost; None where it was not.
        judged: Whether its breaker has been told how it went this time.
    """

    id: JobId
    request: DatabaseRequest
    caller: Any
    arrived: float
    deadline: float
    sent: float | None = None
    repeated: bool = False
    answered: bool = False
    host: str = ""
    lost_on: str | None = None
    judged: bool = False

    @property
    def replica(self) -> bool:
        """Whether a replica will do."""
        return isinstance(self.request, Query) and self.request.replica


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


class Freed(Struct, frozen=True):
    """A connection that was withdrawn has nothing to do any more: tell the pool."""

    connection: Hashable


Action: TypeAlias = Run | Answer | Up | Gone | Freed

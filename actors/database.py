"""What is asked of PostgreSQL and what it answers: the contract of connectionRouter.

A request is a call of the actor registered as `connectionRouter`. It is always answered, within its
deadline, with `Rows`, `Executed` or one of the failures; never with an exception of the driver.
The SQL is PostgreSQL's, parameters are `$1`, `$2`, ...; values are what asyncpg converts.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from msgspec import Struct

ROUTER = "connectionRouter"
"""The name that requests are sent to."""

USERS = "database users"
"""The group of the actors that are sent `DatabaseUp` and `DatabaseGone`."""

NOT_CONFIGURED = "no database is configured"
"""Why everything is answered with `DatabaseDown` where `database.dsn` is empty."""

OUTCOME_UNKNOWN = "08007"
"""SQLSTATE transaction_resolution_unknown: the connection ended while the statement ran."""

BAD_ARGUMENTS = "07000"
"""SQLSTATE dynamic_sql_error: the driver found parameters that do not fit the statement."""


UNREADABLE = "22000"
"""SQLSTATE data_exception: a value that was read has no equal in Python."""


class DatabaseUp(Struct, frozen=True):
    """Sent to the members of `USERS` when the database becomes usable, or was so at the start."""


class DatabaseGone(Struct, frozen=True):
    """Sent to the members of `USERS` when no connection is usable any more.

    Attributes:
        why: What the last one that was lost says.
    """

    why: str


class Query(Struct, frozen=True, kw_only=True):
    """A statement that returns rows; answered with `Rows`.

    Attributes:
        sql: One statement.
        args: Its parameters.
        repeatable: Whether running it twice does no harm: it is run once more where its connection
            ended meanwhile. Reads are; so are idempotent writes.
        timeout_ms: Deadline, waiting for a connection included; None is the configured one.
        replica: Whether it only reads, and what a replica has will do, which may be a moment old.
            Such queries are subject to the hosts' circuit breakers.
    """

    sql: str
    args: tuple[Any, ...] = ()
    repeatable: bool = False
    timeout_ms: int | None = None
    replica: bool = False


class Execute(Struct, frozen=True, kw_only=True):
    """A statement that changes something; answered with `Executed`. Attributes as in `Query`.

    Without `args` it may be several statements, which are then one transaction.
    """

    sql: str
    args: tuple[Any, ...] = ()
    repeatable: bool = False
    timeout_ms: int | None = None


class ExecuteMany(Struct, frozen=True, kw_only=True):
    """A statement run for each row of parameters, all or none; answered with `Executed`.

    Attributes:
        sql: One statement.
        rows: Its parameters, one tuple for each run.
        repeatable: As in `Query`.
        timeout_ms: As in `Query`, for all of them together.
    """

    sql: str
    rows: tuple[tuple[Any, ...], ...]
    repeatable: bool = False
    timeout_ms: int | None = None


class Transaction(Struct, frozen=True, kw_only=True):
    """Statements run in order, all or none; answered with `Executed`, the sum of them.

    Attributes:
        statements: Their own `repeatable` and `timeout_ms` do not matter.
        repeatable: As in `Query`.
        timeout_ms: As in `Query`, for all of them together.
    """

    statements: tuple[Execute, ...]
    repeatable: bool = False
    timeout_ms: int | None = None


class Rows(Struct, frozen=True):
    """The rows of a query, each as a mapping of its columns."""

    rows: list[dict[str, Any]]


class Executed(Struct, frozen=True):
    """Done.

    Attributes:
        count: Rows that were inserted, changed or deleted; 0 where PostgreSQL does not tell.
    """

    count: int


class QueueFull(Struct, frozen=True):
    """Failure: `limit` queries wait already (`database.queue_limit`)."""

    limit: int


class QueryTimeout(Struct, frozen=True):
    """Failure: the deadline passed; a statement that ran was cancelled.

    Attributes:
        phase: Whether it waited for a connection or was executed.
        timeout_s: How long it had.
    """

    phase: Literal["wait", "exec"]
    timeout_s: float


class DatabaseDown(Struct, frozen=True):
    """Failure: no connection is usable; nothing was done."""

    why: str


class CircuitOpen(Struct, frozen=True):
    """Failure: the breaker of every host that could be read from is open; nothing was done.

    Attributes:
        retry_s: When it is worth to ask again, seconds from now.
    """

    retry_s: float


class QueryFailed(Struct, frozen=True):
    """Failure: the statement was refused, or its outcome is unknown (`OUTCOME_UNKNOWN`).

    Attributes:
        sqlstate: Five characters (PostgreSQL, appendix A).
        message: PostgreSQL's words, or the driver's.
    """

    sqlstate: str
    message: str


DatabaseRequest: TypeAlias = Query | Execute | ExecuteMany | Transaction
DatabaseFailure: TypeAlias = QueueFull | QueryTimeout | DatabaseDown | CircuitOpen | QueryFailed
DatabaseAnswer: TypeAlias = Rows | Executed | DatabaseFailure

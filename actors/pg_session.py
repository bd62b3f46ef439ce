"""One session with a PostgreSQL server, through asyncpg: the effects of an odbcConnection.

Whatever takes time runs in one task of the loop, so that the actor stays answerable; what comes of
it is told as an event. A session can be abandoned at any moment, also in the middle of a query: the
query is cancelled and the connection closed behind the scenes, within a bound.

The task lives as long as the connection and is handed one job after the other: it sends each as
soon as it is handed, before anything else that the loop has to do.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import asyncpg
from msgspec import Struct

from actors.connectors.baton import Baton
from actors.database import (
    BAD_ARGUMENTS,
    UNREADABLE,
    DatabaseAnswer,
    DatabaseRequest,
    Execute,
    Executed,
    ExecuteMany,
    Query,
    QueryFailed,
    QueryTimeout,
    Rows,
    Transaction,
)
from actors.database_words import said, without_secrets
from actors.dispatch import JobId

RECOVER_S = 1.0
"""How long a session may take to be usable again after a query was cancelled."""
CLOSE_S = 1.0
"""How long each step of closing may take: the cancelled query, then the farewell."""

_CONNECTION_CLASSES = ("08", "57P")

_COUNT = re.compile(r" (\d+)\Z")
_PARAMETER = re.compile(r"invalid input for query argument \$\d+")
"""How the driver begins when it refuses a parameter, which it then quotes."""

_DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_VALUE_ERRORS = (ValueError, ArithmeticError)
"""What Python says of a value of PostgreSQL's that it has none for, such as a date in 20,000."""

# Closing goes on when nobody else holds the task any more.
_closing: set[asyncio.Task[None]] = set()


class Connected(Struct, frozen=True):
    """The session is usable.

    Attributes:
        server: Version of the server and process id of its side.
    """

    server: str


class NotConnected(Struct, frozen=True):
    """The session could not be begun."""

    why: str


class Ran(Struct, frozen=True):
    """A job has ended and the session is usable."""

    id: JobId
    answer: DatabaseAnswer


class Lost(Struct, frozen=True):
    """The session has ended.

    Attributes:
        why: In words.
        id: The job that ran, its outcome unknown; None where none did.
    """

    why: str
    id: JobId | None = None


class Broken(Struct, frozen=True):
    """The session has ended by a mistake in the program, which its actor is to end with."""

    error: BaseException


SessionEvent: TypeAlias = Connected | NotConnected | Ran | Lost | Broken


_Job: TypeAlias = tuple[JobId, DatabaseRequest, float]


class PgSession:
    """A session; one job at a time.

    Args:
        dsn: A URL or keywords as libpq reads them; several hosts are tried in their order.
        connect_timeout_s: For all of them together.
        tell: Is called with each event, on the loop.
        name: What it is called in pg_stat_activity.
    """

    def __init__(
        self,
        dsn: str,
        connect_timeout_s: float,
        tell: Callable[[SessionEvent], None],
        name: str = "vigie",
    ) -> None:
        self._dsn = dsn
        self._connect_timeout_s = connect_timeout_s
        self._tell: Callable[[SessionEvent], None] | None = tell
        self._name = name
        self._connection: Any = None
        self._task: asyncio.Task[None] | None = None
        self._jobs: Baton[_Job] = Baton()
        self._busy = False

    def connect(self) -> None:
        """Begin; `Connected` or `NotConnected` follows."""
        self._jobs, self._busy = Baton(), False
        self._task = asyncio.get_running_loop().create_task(self._live())
        self._task.add_done_callback(self._ended)

    def run(self, job_id: JobId, request: DatabaseRequest, timeout_s: float) -> None:
        """Run a job on an idle session; `Ran` or `Lost` follows.

        Args:
            job_id: What the event will carry.
            request: What is run.
            timeout_s: After this it is cancelled.
        """
        self._busy = True
        self._jobs.hand((job_id, request, timeout_s))

    def abandon(self) -> None:
        """End without waiting; nothing is told any more."""
        self._tell = None
        closing = asyncio.get_running_loop().create_task(self.close())
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)

    async def close(self) -> None:
        """End, cancelling what runs; takes at most twice `CLOSE_S`, and nothing is told."""
        self._tell = None
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CLOSE_S)
        connection, self._connection = self._connection, None
        if connection is not None:
            await _close(connection)

    def _event(self, event: SessionEvent) -> None:
        if self._tell is not None:
            self._tell(event)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._event(Broken(error))

    async def _live(self) -> None:
        """Connect, and run what is handed until the connection is lost."""
        jobs = self._jobs
        await self._connect()
        while self._connection is not None:
            await self._run(*await jobs)

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                self._connection = await asyncpg.connect(
                    self._dsn,
                    timeout=self._connect_timeout_s,
                    server_settings={"application_name": self._name},
                )
        except TimeoutError:
            self._event(NotConnected(f"no answer within {self._connect_timeout_s:g} s"))
        except (OSError, ValueError, *_DRIVER_ERRORS) as error:
            self._event(NotConnected(without_secrets(_words_of_attempt(error), self._dsn)))
        else:
            self._connection.add_termination_listener(self._terminated)
            version = self._connection.get_server_version()
            pid = self._connection.get_server_pid()
            self._event(Connected(f"{version.major}.{version.minor}, process {pid}"))

    def _terminated(self, connection: Any) -> None:
        """Asyncpg has closed a connection, and tells a turn later, when there may be another one.

        Where a job runs, its end tells of it.
        """
        if connection is self._connection and not self._busy:
            self._lose("the server closed the connection")
            if self._task is not None:
                self._task.cancel()

    def _lose(self, why: str, job_id: JobId | None = None) -> None:
        self._busy = False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
            self._event(Lost(why, job_id))

    def _ran(self, job_id: JobId, answer: DatabaseAnswer) -> None:
        self._busy = False
        self._event(Ran(job_id, answer))

    async def _run(self, job_id: JobId, request: DatabaseRequest, timeout_s: float) -> None:
        try:
            answer = await self._answer(request, timeout_s)
        except TimeoutError:
            self._lose("a cancelled query did not end", job_id)
        except (OSError, *_DRIVER_ERRORS) as error:
            self._job_failed(job_id, error)
        except _VALUE_ERRORS as error:
            self._unreadable(job_id, error)
        else:
            self._ran(job_id, answer)
            if self._connection.is_closed():
                self._lose("the server closed the connection")

    async def _answer(self, request: DatabaseRequest, timeout_s: float) -> DatabaseAnswer:
        try:
            return await _carry_out(self._connection, request, timeout_s)
        except TimeoutError:
            # asyncpg has asked the server to cancel it: wait until it has, so that the next query
            # does not pay for this one.
            async with asyncio.timeout(RECOVER_S):
                await self._connection.execute("SELECT 1")
            return QueryTimeout("exec", timeout_s)

    def _job_failed(self, job_id: JobId, error: Exception) -> None:
        sqlstate = getattr(error, "sqlstate", None) or BAD_ARGUMENTS
        lost = isinstance(error, OSError) or sqlstate.startswith(_CONNECTION_CLASSES)
        if lost or self._connection.is_closed():
            self._lose(_words(error), job_id)
        else:
            self._ran(job_id, QueryFailed(sqlstate, _message(error)))

    def _unreadable(self, job_id: JobId, error: Exception) -> None:
        """Tell that Python has no such value; not which one, it is the caller's data."""
        if self._connection.is_closed():
            self._lose(type(error).__name__, job_id)
        else:
            why = f"a value has no equal in Python ({type(error).__name__})"
            self._ran(job_id, QueryFailed(UNREADABLE, why))


async def _carry_out(connection: Any, request: DatabaseRequest, timeout_s: float) -> DatabaseAnswer:
    match request:  # for one statement the driver's own deadline, which costs half of asyncio's
        case Query(sql=sql, args=args):
            records = await connection.fetch(sql, *args, timeout=timeout_s)
            return Rows([dict(record) for record in records])
        case Execute(sql=sql, args=args):
            return Executed(_count(await connection.execute(sql, *args, timeout=timeout_s)))
        case _:
            # What undoes them when the time is over may not end either.
            async with asyncio.timeout(timeout_s + RECOVER_S), asyncio.timeout(timeout_s):
                return await _carry_out_all(connection, request)


async def _carry_out_all(connection: Any, request: ExecuteMany | Transaction) -> Executed:
    if isinstance(request, ExecuteMany):
        await connection.executemany(request.sql, request.rows)
        return Executed(len(request.rows))
    count = 0
    async with connection.transaction():
        for statement in request.statements:
            count += _count(await connection.execute(statement.sql, *statement.args))
    return Executed(count)


def _count(tag: str) -> int:
    found = _COUNT.search(tag)
    return int(found[1]) if found else 0


def _words_of_attempt(error: Exception) -> str:
    """Why there is no session; a DSN that cannot be read is not quoted, it may have a password."""
    if isinstance(error, asyncpg.ClientConfigurationError) or (
        isinstance(error, ValueError) and not isinstance(error, _DRIVER_ERRORS)
    ):
        return f"database.dsn cannot be used as it is ({type(error).__name__})"
    return _words(error)


def _words(error: Exception) -> str:
    sqlstate = getattr(error, "sqlstate", None)
    return said(sqlstate, _message(error)) if sqlstate else _message(error)


def _message(error: Exception) -> str:
    """The words of the server or the driver, without parameters: those are callers' data."""
    if isinstance(error, asyncpg.PostgresError):
        return error.args[0] or type(error).__name__  # str() has the detail, a row that is refused
    text = str(error) or type(error).__name__
    parameter = _PARAMETER.match(text)
    return parameter[0] if parameter else text


async def _close(connection: Any) -> None:
    try:
        await connection.close(timeout=CLOSE_S)
    except (OSError, TimeoutError, *_DRIVER_ERRORS):
        connection.terminate()

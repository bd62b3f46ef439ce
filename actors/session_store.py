"""sessionStore: closed sessions, stored in PostgreSQL and found again by call or number.

Sessions are stored in batches, each once whatever is repeated. While the database is down they wait
in a bound (`database.store_buffer`); they are found there too. Before the first of them is
stored the schema is brought up to date; where that is refused, they wait and operators are told.
"""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from actors import metrics, migrations, store_buffer
from actors.call_messages import StoreSession
from actors.config import DatabaseConfig
from actors.database import (
    NOT_CONFIGURED,
    ROUTER,
    USERS,
    DatabaseAnswer,
    DatabaseDown,
    DatabaseFailure,
    DatabaseUp,
    Executed,
    Query,
    QueryFailed,
    Rows,
)
from actors.etc_files import etc_file
from actors.migrations import Migration, SchemaRefused
from actors.session_api import SessionView
from actors.store_buffer import Buffer, Key
from supervision import NO_REPLY, CallFailed, GenServer, Response, Timeout
from supervision.eventloop.calls import PendingCall
from supervision.eventloop.timers import Timer
from supervision.reasons import Reason

NAME = "sessionStore"
RETRY_S = 1.0
"""Wait before a batch or a migration that failed is tried again, seconds."""
REFUSED_RETRY_S = 60.0
"""Wait before a schema that was refused is looked at again, seconds."""
UNIQUE_VIOLATION = "23505"
SCHEMA_ERRORS = "42"
"""SQLSTATE class syntax error or access rule violation: no such table, no such column."""
MARGIN_S = 5.0
"""By how much the router's deadline, which answers in words, is the shorter one, seconds."""
MAX_FOUND = 1_000
FLUSH_S = 4.0
"""Seconds at the end in which what waits is stored; less than the time of its shutdown."""
REPORT_EVERY = 10_000
"""Of sessions dropped from a full buffer, the first and each of this number is reported."""

_FIND: dict[Key, str] = {
    "session": "SELECT session, view FROM closed_session WHERE session = $1 LIMIT $2",
    "call": "SELECT session, view FROM closed_session WHERE call = $1"
    " ORDER BY opened DESC LIMIT $2",
    "ani": "SELECT session, view FROM closed_session WHERE ani = $1 ORDER BY opened DESC LIMIT $2",
}

Phase: TypeAlias = Literal["waiting", "preparing", "reading", "migrating", "ready", "refused"]


class FindClosed(Struct, frozen=True, kw_only=True):
    """Look closed sessions up; answered with `Closed` or the database's failure.

    Attributes:
        by: What they are looked up by: the session's id, the call's, or the caller's number.
        value: The id, or the number in E.164.
        limit: Greatest number of sessions wanted, the latest opened first; at most 1,000.
    """

    by: Key
    value: str
    limit: int = 100


class Closed(Struct, frozen=True):
    """Closed sessions, the latest opened first, as they were when they closed."""

    views: list[SessionView]


class Storing(Struct, frozen=True):
    """What a response is to: a batch on its way."""


class Migrating(Struct, frozen=True):
    """What a response is to: a step of the migration."""


class Finding(Struct, frozen=True):
    """What a response is to: the query of a finder."""

    call: PendingCall
    wanted: FindClosed


class StoreState(Struct):
    """What the store knows.

    Attributes:
        settings: Its configuration.
        migrations: Those that ship.
        buffer: Sessions that are not stored yet.
        phase: How far the schema is; sessions are stored when it is `ready`.
        why: Why the last step failed.
        asked: What each request to the router was for.
        timer: When a batch that is not full is sent, or what failed is tried again.
        held: Whether something failed and nothing is sent before it is tried again.
    """

    settings: DatabaseConfig
    migrations: list[Migration]
    buffer: Buffer
    phase: Phase = "waiting"
    why: str = ""
    asked: dict[int, Storing | Migrating | Finding] = {}
    timer: Timer | None = None
    held: bool = False


class SessionStore(GenServer):
    """The store; its argument is the `DatabaseConfig`."""

    state: StoreState

    def init(self, args: DatabaseConfig) -> None:
        """Begin with an empty buffer, and with the schema where there is a database."""
        self.state = StoreState(
            args,
            migrations.load(etc_file("sql")),
            store_buffer.begin(args.store_buffer, args.store_batch),
        )
        self.register(NAME)
        self.join(USERS)
        if args.dsn:
            self._migrate()
        else:
            self.state.why = NOT_CONFIGURED

    # What others ask

    def handle_cast(self, request: Any) -> None:
        """Take a closed session."""
        if not isinstance(request, StoreSession):
            super().handle_cast(request)
            return
        if self.state.why == NOT_CONFIGURED:
            metrics.STORE_SESSIONS.labels("dropped").inc()
            return
        buffer = self.state.buffer
        if store_buffer.add(buffer, request):
            metrics.STORE_SESSIONS.labels("dropped").inc()
            if buffer.dropped == 1 or buffer.dropped % REPORT_EVERY == 0:
                self._degraded(f"the buffer is full: {buffer.dropped} sessions were dropped")
        metrics.STORE_BUFFERED.set(len(buffer))
        if self.state.held:
            return
        if len(buffer.waiting) >= buffer.size:
            self._send()
        elif self.state.timer is None:
            self._later(self.state.settings.store_interval_ms / 1000)

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        """Find closed sessions."""
        if not isinstance(request, FindClosed):
            return super().handle_call(request, from_)
        here = store_buffer.found(self.state.buffer, request.by, request.value)
        if request.by == "session" and here:
            return Closed(here)
        if self.state.phase != "ready":
            return DatabaseDown(self.state.why or "the database is not ready yet")
        self._ask(_query(request), Finding(from_, request))
        return NO_REPLY

    def handle_info(self, message: Any, sender: Any) -> None:
        """Hear from the database, or go on after a while."""
        match message:
            case Response(request_id, value, error):
                answer = DatabaseDown(str(error)) if error is not None else value
                self._answered(self.state.asked.pop(request_id), answer)
            case DatabaseUp() | Timeout():
                self._go_on(message)
            case _:
                super().handle_info(message, sender)

    async def terminate(self, reason: Reason) -> None:
        """Store what waits while there is time, and tell of what is left."""
        del reason
        buffer = self.state.buffer
        store_buffer.put_back(buffer)  # its answer is not heard any more; twice does no harm
        if self.state.phase == "ready":
            await self._flush(buffer)
        if buffer.waiting:
            self._degraded(f"{len(buffer)} sessions were not stored before the end")

    async def _flush(self, buffer: Buffer) -> None:
        end = self.now() + FLUSH_S
        while (batch := store_buffer.take(buffer)) and (left_s := end - self.now()) > 0:
            timeout_ms = min(self.state.settings.store_timeout_ms, math.ceil(left_s * 1000))
            answer: Any
            try:
                answer = await self.call(ROUTER, store_buffer.insert(batch, timeout_ms), left_s)
            except CallFailed as failure:
                answer = DatabaseDown(str(failure))
            if isinstance(answer, Executed):
                metrics.STORE_SESSIONS.labels("stored").inc(store_buffer.stored(buffer))
            elif not self._put_back(answer):
                break
        store_buffer.put_back(buffer)

    def format_status(self, state: StoreState) -> dict[str, Any]:
        """Numbers and the schema; not the sessions, which are callers' data."""
        buffer = state.buffer
        return {
            "schema": state.phase,
            "why": state.why,
            "buffered": len(buffer),
            "limit": buffer.limit,
            "stored": buffer.stored,
            "dropped": buffer.dropped,
            "refused": buffer.refused,
        }

    # How it goes on

    def _go_on(self, message: DatabaseUp | Timeout) -> None:
        if isinstance(message, Timeout):
            if message.ref is not self.state.timer:
                return
            self.state.timer = None
        self.state.held = False
        if self.state.phase == "ready":
            self._send()
        elif self.state.phase in ("waiting", "refused") and self.state.why != NOT_CONFIGURED:
            self._migrate()

    def _hold(self, after_s: float) -> None:
        self.state.held = True
        self._later(after_s)

    def _later(self, after_s: float) -> None:
        if self.state.timer is not None:
            self.cancel_timer(self.state.timer)
        self.state.timer = self.start_timer(after_s, "go on")

    def _ask(self, request: Any, purpose: Storing | Migrating | Finding) -> None:
        timeout_ms = request.timeout_ms or self.state.settings.query_timeout_ms
        request_id = self.request(ROUTER, request, timeout_ms / 1000 + MARGIN_S)
        self.state.asked[request_id] = purpose

    def _answered(self, purpose: Storing | Migrating | Finding, answer: DatabaseAnswer) -> None:
        match purpose:
            case Finding(call, wanted):
                self._answer_finder(call, wanted, answer)
            case Storing():
                self._stored(answer)
            case Migrating():
                self._migrated(answer)

    def _degraded(self, why: str) -> None:
        self.kernel.report("degraded", self.address.path, part="session store", why=why)

    # Storing

    def _send(self) -> None:
        if self.state.phase != "ready":
            return
        batch = store_buffer.take(self.state.buffer)
        if batch:
            timeout_ms = self.state.settings.store_timeout_ms
            self._ask(store_buffer.insert(batch, timeout_ms), Storing())

    def _stored(self, answer: DatabaseAnswer) -> None:
        if isinstance(answer, Executed):
            count = store_buffer.stored(self.state.buffer)
            metrics.STORE_SESSIONS.labels("stored").inc(count)
            metrics.STORE_BUFFERED.set(len(self.state.buffer))
            self._tell_recovered()
            self._send()
        else:
            self._not_stored(answer)

    def _not_stored(self, failure: Any) -> None:
        if self._put_back(failure):
            self._send()
            return
        if isinstance(failure, QueryFailed) and failure.sqlstate.startswith(SCHEMA_ERRORS):
            self.state.phase = "waiting"  # another database than before: look at its schema
        self._tell_once(_words(failure))
        self._hold(RETRY_S)

    def _put_back(self, failure: Any) -> bool:
        """The batch waits again; whether it was its data's fault, and others may be stored."""
        refused = store_buffer.failed(self.state.buffer, failure)
        if refused is not None:
            metrics.STORE_SESSIONS.labels("refused").inc()
            self._degraded(f"session {refused.view.session} cannot be stored: {failure.message}")
        return store_buffer.is_data_error(failure)

    def _tell_once(self, why: str) -> None:
        if why != self.state.why:
            self.state.why = why
            self._degraded(why)

    def _tell_recovered(self) -> None:
        if self.state.why:
            self.state.why = ""
            self.kernel.report("recovered", self.address.path, part="session store")

    # The schema

    def _migrate(self) -> None:
        self.state.phase = "preparing"
        self._ask(migrations.prepare(self._migrate_ms), Migrating())

    @property
    def _migrate_ms(self) -> int:
        return round(self.state.settings.migrate_timeout_s * 1000)

    def _migrated(self, answer: DatabaseAnswer) -> None:
        match self.state.phase, answer:
            case ("preparing", Executed()):
                self.state.phase = "reading"
                self._ask(migrations.applied(self._migrate_ms), Migrating())
            case ("reading", Rows(rows)):
                self._apply({row["number"]: row["checksum"] for row in rows})
            case ("migrating", Executed()):
                self._ready()
            case ("migrating", QueryFailed(sqlstate)) if sqlstate == UNIQUE_VIOLATION:
                self._migrate()  # another node was quicker: see what is left
            case (_, failure):
                self.state.phase = "waiting"
                self._tell_once(f"the schema could not be brought up to date: {_words(failure)}")
                self._hold(RETRY_S)

    def _apply(self, applied: dict[int, str]) -> None:
        try:
            left = migrations.pending(self.state.migrations, applied)
        except SchemaRefused as refused:
            self.state.phase = "refused"
            self._tell_once(f"the schema is refused: {refused}")
            self._hold(REFUSED_RETRY_S)
            return
        if not left:
            self._ready()
            return
        self.state.phase = "migrating"
        self._ask(migrations.apply(left, self._migrate_ms), Migrating())

    def _ready(self) -> None:
        self.state.phase = "ready"
        self._tell_recovered()
        self._send()

    # Finding

    def _answer_finder(self, call: PendingCall, wanted: FindClosed, answer: DatabaseAnswer) -> None:
        if not isinstance(answer, Rows):
            self.reply(call, answer)
            return
        views = {row["session"]: self._view(row) for row in answer.rows}
        waiting = store_buffer.found(self.state.buffer, wanted.by, wanted.value)
        here = {view.session: view for view in waiting}
        known = [view for view in {**views, **here}.values() if view is not None]
        known.sort(key=lambda view: view.opened, reverse=True)
        self.reply(call, Closed(known[: wanted.limit]))

    def _view(self, row: dict[str, Any]) -> SessionView | None:
        try:
            return msgspec.json.decode(row["view"], type=SessionView)
        except msgspec.ValidationError as invalid:
            self._degraded(f"session {row['session']} cannot be read: {invalid}")
            return None


def _query(wanted: FindClosed) -> Query:
    return Query(
        sql=_FIND[wanted.by],
        args=(wanted.value, max(1, min(wanted.limit, MAX_FOUND))),
        repeatable=True,
    )


def _words(failure: DatabaseFailure | Any) -> str:
    match failure:
        case DatabaseDown(why):
            return why
        case QueryFailed(sqlstate, message):
            return f"{message} ({sqlstate})"
    return type(failure).__name__

"""sessionStore: brings closed sessions from the journal's outbox to PostgreSQL, once and in order.

The outbox is in the journal, on the disk: what waits there survives whatever is killed. Sessions
are stored in batches and trimmed from the outbox when the database has them; a batch whose outcome
nobody knows is stored again, which changes nothing. Before the first of them the schema is brought
up to date; where that is refused they wait, and so they do while the database is down, slow, full
or read-only: operators are told by an alarm, and it is tried again with growing pauses.
"""

from __future__ import annotations

import random
from collections import deque
from functools import partial
from typing import Any, ClassVar

from actors import (
    backoff,
    closed_sessions,
    metrics,
    outbox_drain,
    outbox_limits,
    outbox_reading,
    schema_upkeep,
)
from actors.database import (
    NOT_CONFIGURED,
    ROUTER,
    USERS,
    DatabaseDown,
    DatabaseGone,
    DatabaseUp,
    Executed,
)
from actors.database_words import is_schema_error, words
from actors.etc_files import etc_file
from actors.journal.records import JournalError
from actors.outbox_records import REFUSED, OutboxRow, refused
from actors.store_alarms import Name, StoreAlarms
from actors.store_records import Asked, Heard, StoreCounts, StoreSettings, StoreState
from supervision import GenServer, Response, Timeout

NAME = "sessionStore"
REFUSED_RETRY_S = 10.0
"""Wait before a schema that was refused is looked at again, seconds."""
UNREAD_RETRY_S = 1.0
"""Greatest wait before the outbox is read again where that failed, seconds."""
MARGIN_S = 5.0
"""By how much the router's deadline, which answers in words, is the shorter one, seconds."""


class SessionStore(GenServer):
    """The store; its argument is the `StoreSettings`."""

    version = 1
    carries_mailbox = False  # who has sent them, or been asked, has not travelled
    carried = StoreCounts
    state: StoreState

    def init(self, args: StoreSettings) -> None:
        """Begin once this process has the outbox."""
        database = args.database
        self.state = StoreState(
            args,
            outbox_drain.begin(database.store_batch),
            schema_upkeep.of(database, etc_file("sql")),
            StoreAlarms(args.alarms, self.kernel, self.address.path),
        )
        self.register(NAME)
        if args.standby.waiting:
            self.at_end(args.standby.when_open(self._teller("begin")))
        else:
            self._begin(None)

    def _begin(self, _: Any) -> None:
        """Begin with what is in the outbox, and with the schema where there is a database."""
        args, upkeep = self.state.settings, self.state.upkeep
        upkeep.provisional, upkeep.known = args.permanence.provisional, args.permanence.known
        if upkeep.provisional:
            self.at_end(args.permanence.when_open(self._teller("permanent")))
        self.join(USERS)
        args.journal.subscribe_outbox(self._outbox_grew)
        # What an earlier incarnation trimmed is durable first: no row is counted twice.
        args.journal.after(self._teller("settled"))
        if args.database.dsn:
            self._schema(schema_upkeep.begin(upkeep))
        else:
            self.state.voice.once(NOT_CONFIGURED)

    def handle_info(self, message: Any, sender: Any) -> None:
        """Hear from the journal and from the database, or go on after a while."""
        match message:
            case Heard(incarnation, what, answer):
                if incarnation == self.address.incarnation:
                    self._HEARD[what](self, answer)
            case Response(request_id, value, error):
                answer = DatabaseDown(str(error)) if error is not None else value
                self._answered(self.state.asked.pop(request_id), answer)
            case DatabaseUp():
                self._up()
            case DatabaseGone(why):
                self._gone(why)
            case Timeout(payload=purpose, ref=timer):
                if self.state.timers.get(purpose) is timer:
                    del self.state.timers[purpose]
                    self._TIMERS[purpose](self)
            case _:
                super().handle_info(message, sender)

    def hand_over(self) -> StoreCounts:
        """What it has done."""
        return StoreCounts(self.state.stored, self.state.refused, self.state.dropped)

    def adopt(self, state: StoreCounts) -> None:
        """Count on."""
        self.state.stored += state.stored
        self.state.refused += state.refused
        self.state.dropped += state.dropped

    def format_status(self, state: StoreState) -> dict[str, Any]:
        """Numbers and the schema; not the sessions, which are callers' data."""
        return {
            "schema": state.upkeep.phase,
            "held": [one.name for one in state.upkeep.held],
            "why": state.voice.why,
            "outbox": state.settings.journal.outbox_rows,
            "limit": state.settings.journal.config.outbox_limit,
            "level": state.voice.level,
            "stored": state.stored,
            "dropped": state.dropped,
            "refused": state.refused,
            "aside": len(state.aside or ()),
        }

    # What the journal tells

    def _outbox_grew(self, rows: int) -> None:
        """Called by the journal after each commit; one message at a time is enough."""
        if not (self.state.grown or outbox_drain.awaited(self.state.drain, rows)):
            self.state.grown = True
            self._teller("grew")()

    def _hear(self, what: Any, incarnation: int, answer: Any = None) -> None:
        self.kernel.send(self.address, Heard(incarnation, what, answer), None)

    def _teller(self, what: Any) -> Any:
        return partial(self._hear, what, self.address.incarnation)

    def _ask_journal(self, question: Any, what: Any) -> None:
        self.state.settings.journal.read(question, self._teller(what))

    def _settled(self, _: Any) -> None:
        self._ask_journal(outbox_reading.kept_aside, "aside")

    def _aside_read(self, answer: list[str] | JournalError) -> None:
        if isinstance(answer, JournalError):  # it is not open yet
            self._later("begin", UNREAD_RETRY_S)
            return
        self.state.aside = deque(answer)
        self._measure()
        self._open()

    def _grew(self, _: Any) -> None:
        self.state.grown = False
        self._measure()
        self._do(outbox_drain.grew(self.state.drain, self.state.settings.journal.outbox_rows))

    def _gathered(self) -> None:
        self._measure()
        self._do(outbox_drain.gathered(self.state.drain))

    def _trimmed(self, count: int) -> None:
        self.state.trimming -= count
        self._measure()

    def _page(self, answer: list[OutboxRow] | JournalError) -> None:
        if isinstance(answer, JournalError):
            self._do(outbox_drain.unread(self.state.drain, answer))
        else:
            self._do(outbox_drain.page(self.state.drain, answer))
            self._see_whether_empty()

    def _measure(self) -> None:
        """See how full the outbox is; tell of it, and let the oldest give way where it has to."""
        state, journal = self.state, self.state.settings.journal
        config = journal.config
        rows = max(0, journal.outbox_rows - state.trimming)
        metrics.OUTBOX_ROWS.set(rows)
        level = outbox_limits.level(rows, config.outbox_limit, state.voice.level)
        state.voice.filled(level, rows, config)
        if state.aside is not None:
            excess = outbox_limits.excess(rows, config)
            self._do(outbox_drain.overfull(state.drain, excess))

    # What is to be done

    def _do(self, actions: list[outbox_drain.Action]) -> None:
        for action in actions:
            self._DO[type(action)](self, action)

    def _read(self, action: outbox_drain.Read) -> None:
        question = partial(outbox_reading.page, after=action.after, limit=action.limit)
        self._ask_journal(question, "page")

    def _gather(self, _: outbox_drain.Gather) -> None:
        self._later("gather", self.state.settings.database.store_interval_ms / 1000)

    def _store(self, action: outbox_drain.Store) -> None:
        rows: Any = action.rows
        timeout_ms = self.state.settings.database.store_timeout_ms
        self._ask(closed_sessions.insert([row.columns for row in rows], timeout_ms), "store")

    def _trim(self, action: outbox_drain.Trim) -> None:
        journal, count = self.state.settings.journal, len(action.seqs)
        journal.trim(action.seqs)
        self.state.trimming += count
        journal.after(partial(self._hear, "trimmed", self.address.incarnation, count))

    def _set_aside(self, action: outbox_drain.SetAside) -> None:
        row: Any = action.row
        why = words(action.failure)
        journal, aside = self.state.settings.journal, self.state.aside
        assert aside is not None
        journal.put(REFUSED, row.session, refused(row, self.wall(), why))
        aside.append(row.session)
        self.state.refused += 1
        metrics.STORE_SESSIONS.labels("refused").inc()
        self.state.voice.degraded(f"session {row.session} is refused and kept aside: {why}")
        while len(aside) > journal.config.refused_limit:
            journal.delete(REFUSED, aside.popleft())
            self._count_dropped(1)

    def _skip(self, action: outbox_drain.Skip) -> None:
        self.state.voice.damaged(f"the outbox: {action.row.damaged}; the row stays where it is")

    def _count_dropped(self, count: int) -> None:
        metrics.STORE_SESSIONS.labels("dropped").inc(count)
        before, self.state.dropped = self.state.dropped, self.state.dropped + count
        self.state.voice.dropped(before, self.state.dropped)

    def _flowing(self, action: outbox_drain.Flowing) -> None:
        self.state.stored += action.count
        metrics.STORE_SESSIONS.labels("stored").inc(action.count)
        self.state.voice.well()

    def _trouble(self, action: outbox_drain.Trouble) -> None:
        failure = action.failure
        if isinstance(failure, JournalError):
            self.state.voice.once(f"the outbox cannot be read: {failure}")
            self._later("retry", UNREAD_RETRY_S)
            return
        schema = is_schema_error(failure)
        if schema:  # another database than before, or other rights: look at its schema again
            self.state.upkeep.phase = "waiting"
            outbox_drain.closed(self.state.drain)
        bad = schema or outbox_drain.is_data_error(failure)
        self.state.voice.raised("schema-refused" if bad else "database-down", words(failure))
        self._later("retry", self._pause(action.failures))

    # The database

    def _ask(self, request: Any, purpose: Asked) -> None:
        request_id = self.request(ROUTER, request, request.timeout_ms / 1000 + MARGIN_S)
        self.state.asked[request_id] = purpose

    def _answered(self, purpose: Asked, answer: Any) -> None:
        if purpose == "schema":
            self._schema(schema_upkeep.answered(self.state.upkeep, answer))
        elif isinstance(answer, Executed):
            self._do(outbox_drain.stored(self.state.drain))
        else:
            self._do(outbox_drain.failed(self.state.drain, answer))

    def _up(self) -> None:
        if not self.state.upkeep.under_way:
            self._schema(schema_upkeep.begin(self.state.upkeep))

    def _permanent(self, _: Any) -> None:
        step = schema_upkeep.permanent(self.state.upkeep)
        if step is not None and self.state.settings.database.dsn:
            self._schema(step)

    def _gone(self, why: str) -> None:
        upkeep = self.state.upkeep
        if not upkeep.under_way:  # else its own answer tells that it failed
            upkeep.phase = "waiting"
        outbox_drain.closed(self.state.drain)
        self.state.voice.raised("database-down", why)

    def _retry(self) -> None:
        upkeep = self.state.upkeep
        if upkeep.phase in ("waiting", "refused") and self.state.settings.database.dsn:
            self._schema(schema_upkeep.begin(upkeep))
        self._do(outbox_drain.resume(self.state.drain))

    def _schema(self, step: schema_upkeep.Step) -> None:
        match step:
            case schema_upkeep.Ask(request):
                self._ask(request, "schema")
            case schema_upkeep.Ready():
                self.state.attempts = 0
                self._open()
            case schema_upkeep.Refused(why):
                outbox_drain.closed(self.state.drain)
                self.state.voice.raised("schema-refused", why)
                self._later("retry", REFUSED_RETRY_S)
            case schema_upkeep.Failed(failure):
                self._schema_failed(failure)

    def _schema_failed(self, failure: Any) -> None:
        outbox_drain.closed(self.state.drain)
        self.state.attempts += 1
        name: Name = "schema-refused" if is_schema_error(failure) else "database-down"
        text = f"the schema could not be brought up to date: {words(failure)}"
        self.state.voice.raised(name, text)
        self._later("retry", self._pause(self.state.attempts))

    def _open(self) -> None:
        """Drain, once the schema is ready and the journal has told what there is."""
        state = self.state
        if state.upkeep.phase != "ready" or state.aside is None:
            return
        self._do(outbox_drain.resume(state.drain))
        self._do(outbox_drain.opened(state.drain))
        self._see_whether_empty()

    def _see_whether_empty(self) -> None:
        if self.state.drain.ready and outbox_drain.empty(self.state.drain):
            self.state.voice.well()

    def _pause(self, failures: int) -> float:
        database = self.state.settings.database
        lot = random.random()  # noqa: S311 - it spreads attempts, it hides nothing
        return backoff.wait_s(failures, database.reconnect_min_s, database.reconnect_max_s, lot)

    def _later(self, purpose: str, after_s: float) -> None:
        timers = self.state.timers
        if purpose in timers:
            self.cancel_timer(timers[purpose])
        timers[purpose] = self.start_timer(after_s, purpose)

    _HEARD: ClassVar[dict[str, Any]] = {
        "grew": _grew,
        "trimmed": _trimmed,
        "page": _page,
        "aside": _aside_read,
        "settled": _settled,
        "begin": _begin,
        "permanent": _permanent,
    }
    _TIMERS: ClassVar[dict[str, Any]] = {
        "begin": lambda self: self._settled(None),
        "gather": _gathered,
        "retry": _retry,
    }
    _DO: ClassVar[dict[type, Any]] = {
        outbox_drain.Read: _read,
        outbox_drain.Gather: _gather,
        outbox_drain.Store: _store,
        outbox_drain.Trim: _trim,
        outbox_drain.SetAside: _set_aside,
        outbox_drain.Skip: _skip,
        outbox_drain.Drop: lambda self, action: self._count_dropped(action.count),
        outbox_drain.Flowing: _flowing,
        outbox_drain.Trouble: _trouble,
    }

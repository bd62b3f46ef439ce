"""customerFacts: looks customers up in PostgreSQL, each number once at a time, and remembers them.

Its queries run on replicas where there are any, and are subject to the hosts' circuit breakers.
While the database cannot tell, what was known before is told as stale. The cache is the node's and
outlives this actor; another version of vigie begins with an empty one.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from actors import metrics
from actors.connectors.fact_cache import CacheStatistics
from actors.connectors.flights import Flights
from actors.customer_lookup import (
    NAME,
    Ask,
    CustomerCache,
    Facts,
    Forget,
    LookUp,
    Outcome,
    Refresh,
    Row,
    cached,
)
from actors.customers_config import CustomersConfig
from actors.database import ROUTER, Query, Rows
from actors.database_words import words
from supervision import NO_REPLY, GenServer, Response
from supervision.eventloop.calls import PendingCall
from supervision.eventloop.cell import LocalAddress

MARGIN_S = 1.0
"""By how much the router's deadline, which answers in words, is the shorter one, seconds."""

NO_QUERY = "customers.table and customers.query are empty"


class CustomersSettings(Struct, frozen=True):
    """What customerFacts is started with: its configuration, and the node's cache."""

    config: CustomersConfig
    cache: CustomerCache


class CustomersStatistics(Struct, frozen=True):
    """How customerFacts does.

    Attributes:
        cache: How its cache does.
        flights: Numbers that the database is asked for now.
        waiting: Look-ups that wait for these.
        asked: Queries so far.
        joined: Look-ups that found theirs asked for already.
        late: Answers that came after their asker's deadline, and were dropped.
        failed: Queries that failed.
        why: Why the last one did; empty when it did not.
    """

    cache: CacheStatistics
    flights: int
    waiting: int
    asked: int
    joined: int
    late: int
    failed: int
    why: str


class CustomersState(Struct):
    """What customerFacts knows; what it counts is as in `CustomersStatistics`.

    Attributes:
        config: Its configuration.
        cache: Of the node.
        flights: Who waits for what.
        sql: What is run; empty where nobody is looked up.
        requests: The number that each query on its way is for, and when it began.
        forgotten: Numbers of these that were forgotten since: what comes of them is not kept.
    """

    config: CustomersConfig
    cache: CustomerCache
    sql: str
    flights: Flights[LookUp]
    requests: dict[int, tuple[str, float]] = {}
    forgotten: set[str] = set()
    asked: int = 0
    joined: int = 0
    late: int = 0
    failed: int = 0
    why: str = ""


class CustomerFacts(GenServer):
    """The actor; its argument is the `CustomersSettings`."""

    carries_mailbox = False  # who asks there has not travelled; the default answer does not wait
    state: CustomersState

    def init(self, args: CustomersSettings) -> None:
        """Begin with what the cache has."""
        config = args.config
        flights: Flights[LookUp] = Flights(config.waiting_limit)
        self.state = CustomersState(config, args.cache, statement(config), flights)
        self.register(NAME)

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        """Look up for who is no actor, or forget and tell how many customers that were."""
        match request:
            case Ask(number, deadline_s):
                self._look_up(LookUp(number, from_, self.now() + deadline_s))
                return NO_REPLY
            case Forget(number):
                return self._forget(number)
        return super().handle_call(request, from_)

    def handle_cast(self, request: Any) -> None:
        """Look up, read anew, or forget."""
        match request:
            case LookUp():
                self._look_up(request)
            case Refresh(number):
                self._refresh(number)
            case Forget(number):
                self._forget(number)
            case _:
                super().handle_cast(request)

    def handle_info(self, message: Any, sender: Any) -> None:
        """The database has answered."""
        match message:
            case Response(request_id, value, error) if request_id in self.state.requests:
                number, began = self.state.requests.pop(request_id)
                metrics.CUSTOMER_SECONDS.observe(self.now() - began)
                self._answered(number, value if error is None else error)
            case _:
                super().handle_info(message, sender)

    def statistics(self) -> CustomersStatistics:
        """How it does; no number and no customer."""
        state = self.state
        return CustomersStatistics(
            state.cache.statistics(),
            len(state.flights),
            state.flights.waiting,
            state.asked,
            state.joined,
            state.late,
            state.failed,
            state.why,
        )

    def format_status(self, state: CustomersState) -> dict[str, Any]:
        """The statistics."""
        del state
        shown: dict[str, Any] = msgspec.to_builtins(self.statistics())
        return shown

    def _forget(self, number: str | None) -> int:
        """Drop what is known; a query on its way may have seen what was before, and is not kept."""
        state, cache = self.state, self.state.cache
        if number is None:
            state.forgotten.update(asked for asked, _ in state.requests.values())
            return cache.clear()
        if any(asked == number for asked, _ in state.requests.values()):
            state.forgotten.add(number)
        return int(cache.forget(number))

    def _refresh(self, number: str) -> None:
        """Have a number asked for that nobody waits for, unless somebody does."""
        state, now = self.state, self.now()
        if cached(state.cache, number, now) is not None or not state.sql:
            return
        request = LookUp(number, None, now + state.config.deadline_ms / 1000)
        if number not in state.flights and state.flights.join(number, request) == "begun":
            self._ask(number, now)

    def _look_up(self, request: LookUp) -> None:
        state, now = self.state, self.now()
        known = cached(state.cache, request.number, now, request.ref)
        if known is not None:
            self._tell(request, known)
            return
        if not state.sql:
            self._tell(request, Facts(request.number, "unavailable", why=NO_QUERY, ref=request.ref))
            return
        match state.flights.join(request.number, request):
            case "begun":
                self._ask(request.number, now)
            case "joined":
                state.joined += 1
            case "full":
                limit = state.flights.limit
                self._fail(request, f"{limit} look-ups wait already (customers.waiting_limit)")

    def _ask(self, number: str, now: float) -> None:
        state, deadline_ms = self.state, self.state.config.deadline_ms
        state.asked += 1
        query = Query(
            sql=state.sql, args=(number,), repeatable=True, timeout_ms=deadline_ms, replica=True
        )
        request_id = self.request(ROUTER, query, deadline_ms / 1000 + MARGIN_S)
        state.requests[request_id] = (number, now)

    def _answered(self, number: str, answer: Any) -> None:
        state, now = self.state, self.now()
        row, why = self._row(answer)
        state.why = why
        if why:
            state.failed += 1
        elif number not in state.forgotten:
            state.cache.put(number, row, now)
        state.forgotten.discard(number)
        outcome: Outcome = "unknown" if row is None else "found"
        for request in state.flights.landed(number):
            if why:
                self._fail(request, why)
            else:
                self._tell(request, Facts(number, outcome, row, ref=request.ref), outcome)

    def _row(self, answer: Any) -> tuple[Row | None, str]:
        """What was found, or why it is not known."""
        if not isinstance(answer, Rows):
            return None, words(answer)
        if not answer.rows:
            return None, ""
        try:
            row: Row = msgspec.to_builtins(answer.rows[0])
            size = len(msgspec.json.encode(row))
        except TypeError as error:  # a type of PostgreSQL's that is no plain data: a range, a point
            return None, f"a customer has a column that cannot be used: {error}"
        most = self.state.config.max_row_bytes
        if size > most:
            return None, f"a customer has {size} bytes, customers.max_row_bytes is {most}"
        return row, ""

    def _fail(self, request: LookUp, why: str) -> None:
        """Tell what was known before, where anything was."""
        hit = self.state.cache.get(request.number, self.now())
        if hit is None:
            facts = Facts(request.number, "unavailable", why=why, ref=request.ref)
            self._tell(request, facts, "unavailable")
            return
        outcome: Outcome = "unknown" if hit.value is None else "found"
        facts = Facts(request.number, outcome, hit.value, hit.age_s, hit.stale, why, request.ref)
        self._tell(request, facts, "stale")

    def _tell(self, request: LookUp, facts: Facts, counted: str = "") -> None:
        if request.asker is None:
            return
        if self.now() > request.deadline:
            self.state.late += 1
            metrics.CUSTOMER_LOOKUPS.labels("late").inc()
            return
        if counted:
            metrics.CUSTOMER_LOOKUPS.labels(counted).inc()
        if isinstance(request.asker, LocalAddress):
            self.send(request.asker, facts)
        elif not request.asker.settled:
            self.reply(request.asker, facts)


def statement(config: CustomersConfig) -> str:
    """Return what is run for a number; empty where nobody is looked up.

    Args:
        config: Whose names are letters, digits and underscores: nothing has to be quoted but for
            words that SQL has taken.
    """
    if config.query or not config.table:
        return config.query
    columns = ", ".join(f'"{column}"' for column in config.columns) or "*"
    table = ".".join(f'"{part}"' for part in config.table.split("."))
    return f'SELECT {columns} FROM {table} WHERE "{config.key}" = $1 LIMIT 1'  # noqa: S608 - checked names

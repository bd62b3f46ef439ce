"""sessionStore and sessionFinder in virtual time, with a database that a test plays."""

import msgspec
import pytest
from journal_kit import journal
from store_kit import CODECS, item, view

from actors import metrics, outbox_drain, outbox_limits
from actors.alarms import Alarms
from actors.closed_sessions import Closed, FindClosed
from actors.config import DatabaseConfig, JournalConfig
from actors.database import (
    ROUTER,
    DatabaseDown,
    DatabaseGone,
    DatabaseUp,
    Execute,
    Executed,
    Query,
    QueryFailed,
    QueryTimeout,
    Rows,
)
from actors.etc_files import etc_file
from actors.journal.records import JournalError
from actors.migrations import load
from actors.session_api import Busy
from actors.session_archive import StoredSessions
from actors.session_finder import FinderSettings, SessionFinder
from actors.session_store import NAME, SessionStore, StoreSettings
from supervision import ChildSpec, SupervisorFlags
from supervision.testing import Kit

DOWN = DatabaseDown("the connection was refused")
APPLIED = [
    {"number": one.number, "name": one.name, "checksum": one.checksum, "serves": None}
    for one in load(etc_file("sql"))
]


class Database:
    """Answers as PostgreSQL would, or as a test wants.

    Attributes:
        failure: what every statement is answered with; None while all is well.
        stored: ids of the sessions that were stored, in order.
        attempts: when sessions were to be stored, seconds.
    """

    def __init__(self, clock):
        self.clock = clock
        self.failure = None
        self.stored = []
        self.attempts = []
        self.bad = set()
        self.found = []

    def __call__(self, request):
        if self.failure is not None:
            self._noted(request)
            return self.failure
        match request:
            case Query(sql=sql) if "vigie_schema" in sql:
                return Rows(APPLIED)
            case Query():
                return Rows([{"session": v.session, "view": self._json(v)} for v in self.found])
            case Execute(args=args):
                self._noted(request)
                sessions = [int(row[0], 16) for row in msgspec.json.decode(args[0])]
                if self.bad & set(sessions):
                    return QueryFailed("23514", "new row violates a check")
                self.stored += sessions
                return Executed(len(sessions))
        raise AssertionError(request)

    def _noted(self, request):
        if isinstance(request, Execute):
            self.attempts.append(self.clock.monotonic())

    @staticmethod
    def _json(one):
        return msgspec.json.encode(one).decode()


class StoreKit(Kit):
    """A store, a finder and a supervisor over them.

    Args:
        writer: of a journal that was there before; None begins a new one.
        dsn: of the database; empty where there is none.
        limits: keys of ``[journal]``.
    """

    def __init__(self, writer=None, dsn="postgresql:///x", **limits):
        super().__init__()
        self.database = Database(self.clock)
        self.router = self.probe(ROUTER, answer=self.database)
        self.journal = journal(self, CODECS, writer, **limits)
        self.writer = self.journal._writer
        self.alarms = Alarms(self.kernel)
        self.config = DatabaseConfig(dsn=dsn, store_batch=10)

    def begin(self, *, opened=True):
        if opened:
            self.run(self.journal.open())
        store = StoreSettings(self.config, self.journal, self.alarms)
        specs = [
            ChildSpec(NAME, SessionStore, store),
            ChildSpec("sessionFinder", SessionFinder, FinderSettings(self.config, self.journal)),
        ]
        self.start_supervisor(SupervisorFlags(intensity=100), specs)
        return self

    def close_sessions(self, *numbers):
        def append():
            for number in numbers:
                self.journal.append(item(view(number)))

        self.advance(self.journal.config.gather_busy_ms / 1000)
        self.loop.run(append)

    def status(self, key):
        return self.actor(NAME).status()[key]

    def find(self, by, value):
        return self.call("sessionFinder", FindClosed(by=by, value=value))

    def active(self):
        return {alarm.name: alarm.text for alarm in self.alarms.active()}

    def drained(self):
        self.until(lambda: not (self.journal.waiting or self.journal.outbox_rows))


@pytest.fixture
def make():
    kits = []

    def making(*args, **limits):
        kits.append(StoreKit(*args, **limits))
        return kits[-1]

    yield making
    for kit in kits:
        kit.close()


# On the way


def test_sessions_are_stored_a_moment_after_they_closed_and_trimmed(make):
    kit = make().begin()
    kit.settle()
    kit.close_sessions(1, 2, 3)
    kit.settle()
    assert kit.database.stored == []
    kit.advance(0.2)
    assert kit.database.stored == [1, 2, 3]
    assert kit.writer.outbox() == []
    assert kit.status("stored") == 3


def test_nothing_polls_while_nothing_closes(make):
    kit = make().begin()
    kit.settle()
    before = kit.statistics().callbacks
    kit.advance(3_600.0)
    assert kit.statistics().callbacks == before


def test_what_was_in_the_outbox_before_is_stored_at_the_start(make):
    first = make()
    first.run(first.journal.open())
    first.close_sessions(*range(25))
    first.settle()
    kit = make(first.writer).begin()
    kit.settle()
    assert kit.database.stored == list(range(25))


def test_a_store_that_starts_before_the_journal_is_open_begins_when_it_is(make):
    kit = make()
    kit.writer.ask = lambda _, then: kit.loop.call_soon(then, JournalError("it is not open"))
    kit.begin(opened=False)
    kit.advance(5.0)
    assert kit.status("why") == ""
    del kit.writer.ask
    kit.run(kit.journal.open())
    kit.close_sessions(1)
    kit.advance(1.5)
    assert kit.database.stored == [1]


def test_a_killed_store_stores_nothing_twice_and_drops_nothing_twice(make):
    kit = make(outbox_limit=20).begin()
    kit.settle()
    kit.close_sessions(*range(5))
    kit.settle()
    kit.writer.hold()
    kit.advance(0.5)
    assert kit.database.stored == list(range(5))
    kit.faults.kill(NAME)
    kit.advance(1.0)
    assert kit.database.stored == list(range(5))
    kit.writer.release()
    kit.close_sessions(*range(5, 10))
    kit.advance(1.0)
    assert kit.database.stored == list(range(10))
    assert (kit.journal.outbox_rows, kit.status("dropped")) == (0, 0)


def test_what_is_trimmed_but_not_committed_is_stored_again_by_the_next_node_and_that_is_all(make):
    kit = make().begin()
    kit.settle()
    kit.close_sessions(*range(5))
    kit.settle()
    kit.writer.hold()
    kit.advance(0.2)
    assert kit.database.stored == list(range(5))
    after = make(kit.writer)
    after.writer.held = False
    after.begin()
    after.drained()
    assert after.database.stored == list(range(5))


# What is wrong


def test_attempts_come_at_growing_intervals_and_at_once_when_the_database_is_up(make):
    kit = make().begin()
    kit.settle()
    kit.database.failure = QueryFailed("53100", "no space left")
    kit.close_sessions(1)
    kit.advance(60.0)
    waits = [b - a for a, b in zip(kit.database.attempts, kit.database.attempts[1:], strict=False)]
    assert waits
    assert max(waits) <= kit.config.reconnect_max_s
    assert 8 <= len(waits) <= 100
    assert kit.active() == {
        "database-down": "closed sessions wait: the server's disk is full: no space left (53100)"
    }
    kit.database.failure = None
    kit.send(kit.base.whereis(NAME), DatabaseUp())
    kit.settle()
    assert kit.database.stored == [1]
    assert kit.active() == {}
    assert kit.reported("recovered", part="session store")


def test_a_database_that_goes_is_an_alarm_though_nothing_waits_for_it(make):
    kit = make().begin()
    kit.settle()
    store = kit.base.whereis(NAME)
    kit.send(store, DatabaseGone("the server closed the connection"))
    kit.settle()
    assert "the server closed the connection" in kit.active()["database-down"]
    kit.send(store, DatabaseUp())
    kit.settle()
    assert kit.active() == {}


def test_reasons_that_take_turns_are_told_once(make):
    kit = make().begin()
    kit.settle()
    for _ in range(50):
        for why in ("refused", "no route"):
            kit.send(kit.base.whereis(NAME), DatabaseGone(why))
    kit.settle()
    assert len(kit.reported("degraded", part="session store")) == 2
    assert len(kit.reported("alarm")) == 1


def test_a_database_that_is_starting_is_no_alarm_until_it_has_had_time_to(make):
    kit = make()
    kit.database.failure = DOWN
    kit.begin()
    kit.send(kit.base.whereis(NAME), DatabaseGone("no such file"))
    kit.close_sessions(1)
    kit.advance(4.5)
    assert kit.active() == {}
    assert kit.reported("degraded", part="session store")
    kit.advance(10.0)
    assert "database-down" in kit.active()


def test_a_database_that_was_up_is_an_alarm_at_once_when_it_is_gone(make):
    kit = make().begin()
    kit.send(kit.base.whereis(NAME), DatabaseUp())
    kit.close_sessions(1)
    kit.drained()
    kit.database.failure = DOWN
    kit.send(kit.base.whereis(NAME), DatabaseGone("it was stopped"))
    kit.settle()
    assert "it was stopped" in kit.active()["database-down"]


def test_where_the_router_is_gone_it_is_tried_again(make):
    kit = make().begin()
    kit.settle()
    kit.stop(kit.router.address)
    kit.close_sessions(1)
    kit.advance(5.0)
    assert "database-down" in kit.active()
    kit.probe(ROUTER, answer=kit.database)
    kit.advance(20.0)
    assert kit.database.stored == [1]


def test_a_schema_that_is_refused_is_looked_at_again_and_sessions_wait(make):
    kit = make()
    strange = {"number": 900, "name": "900_later.sql", "checksum": "x", "serves": None}
    APPLIED.append(strange)
    try:
        kit.begin()
        kit.close_sessions(1)
        kit.advance(60.0)
        assert "900_later.sql was applied by a newer release" in kit.active()["schema-refused"]
        assert kit.database.stored == []
    finally:
        APPLIED.remove(strange)
    kit.advance(10.0)
    assert kit.database.stored == [1]
    assert kit.active() == {}


def test_a_table_of_migrations_that_cannot_be_read_is_refused(make):
    kit = make()
    strange = {"number": "one", "name": 1, "checksum": None}
    APPLIED.append(strange)
    try:
        kit.begin()
        kit.settle()
        assert "vigie_schema cannot be read" in kit.active()["schema-refused"]
    finally:
        APPLIED.remove(strange)


def test_refused_sessions_are_kept_aside_in_a_bound(make):
    dropped = metrics.STORE_SESSIONS.labels("dropped")
    before = dropped._value.get()
    kit = make(refused_limit=2).begin()
    kit.database.bad = {3, 5, 7}
    kit.close_sessions(*range(10))
    kit.drained()
    assert kit.database.stored == [0, 1, 2, 4, 6, 8, 9]
    assert kit.writer.value("refused", view(3).session) is None
    kept = kit.writer.value("refused", view(5).session)
    assert kept["why"] == "new row violates a check (23514)"
    assert dropped._value.get() - before == 1
    assert kit.find("call", "c-7") == Closed([view(7)])


def test_the_next_store_knows_what_is_kept_aside(make):
    kit = make(refused_limit=2).begin()
    kit.database.bad = {1, 2, 3}
    kit.close_sessions(1, 2)
    kit.drained()
    kit.faults.kill(NAME)
    kit.settle()
    kit.close_sessions(3)
    kit.drained()
    kept = [kit.writer.value("refused", view(number).session) is not None for number in (1, 2, 3)]
    assert kept == [False, True, True]


def test_where_all_are_refused_it_slows_down_and_is_an_alarm(make):
    kit = make().begin()
    kit.database.bad = set(range(100))
    kit.close_sessions(*range(100))
    kit.advance(30.0)
    assert "schema-refused" in kit.active()
    assert outbox_drain.PATIENCE <= kit.status("refused") < 100
    kit.database.bad = set()
    kit.drained()
    assert kit.active() == {}


def test_a_damaged_row_is_an_alarm_and_holds_up_nobody(make):
    kit = make()
    kit.run(kit.journal.open())
    kit.close_sessions(1, 2, 3)
    kit.settle()
    kit.writer.connection.execute(
        "UPDATE outbox SET body = CAST(replace(CAST(body AS TEXT), 'fibre', CAST(x'66ff' AS TEXT))"
        " AS BLOB) WHERE seq = 2"
    )
    kit.begin(opened=False)
    kit.advance(0.1)
    assert kit.database.stored == [1, 3]
    assert "row 2 of the outbox is not what was written" in kit.active()["journal-damaged"]
    assert len(kit.writer.connection.execute("SELECT seq FROM outbox").fetchall()) == 1
    answer = kit.find("call", "c-2")
    assert answer == DatabaseDown(f"session {view(2).session}: {damage(2)}")


def damage(seq):
    return f"row {seq} of the outbox is not what was written: its checksum differs"


# How full it is


def test_the_outbox_is_an_alarm_when_it_fills_and_drops_the_oldest_when_it_is_full(make):
    kit = make(outbox_limit=20).begin()
    kit.settle()
    kit.database.failure = DOWN
    kit.close_sessions(*range(15))
    kit.settle()
    assert not any(name.startswith("outbox") for name in kit.active())
    kit.close_sessions(15)
    kit.settle()
    assert "16 closed sessions wait" in kit.active()["outbox-filling"]
    kit.close_sessions(*range(16, 45))
    kit.advance(0.1)
    assert "outbox-full" in kit.active()
    assert "outbox-filling" not in kit.active()
    assert (kit.journal.outbox_rows, kit.status("dropped")) == (20, 25)
    assert kit.find("call", "c-44") == Closed([view(44)], DOWN.why)
    kit.database.failure = None
    kit.drained()
    assert kit.database.stored == list(range(25, 45))
    assert kit.active() == {}


def test_an_alarm_of_a_store_that_was_killed_is_cleared_by_the_next(make):
    kit = make(outbox_limit=20, on_outbox_full="refuse").begin()
    kit.database.failure = DOWN
    kit.close_sessions(*range(20))
    kit.settle()
    assert {"outbox-full", "database-down"} == kit.active().keys()
    kit.faults.kill(NAME)
    kit.database.failure = None
    kit.drained()
    kit.settle()
    assert kit.active() == {}


def test_where_new_sessions_are_refused_nothing_is_dropped(make):
    kit = make(outbox_limit=20, on_outbox_full="refuse").begin()
    kit.database.failure = DOWN
    kit.close_sessions(*range(30))
    kit.settle()
    assert (kit.journal.outbox_rows, kit.status("dropped")) == (30, 0)
    assert "outbox-full" in kit.active()
    config = kit.journal.config
    assert outbox_limits.refusal(kit.journal.outbox_rows, config) == "journal.outbox_limit is 20"
    kit.database.failure = None
    kit.drained()
    assert kit.database.stored == list(range(30))
    assert outbox_limits.refusal(kit.journal.outbox_rows, config) == ""


@pytest.mark.parametrize(
    ("rows", "before", "level"),
    [
        (79, "", ""),
        (80, "", "filling"),
        (79, "filling", "filling"),
        (70, "filling", "filling"),
        (69, "filling", ""),
        (100, "filling", "full"),
        (80, "full", "full"),
        (79, "full", "filling"),
        (0, "full", ""),
    ],
)
def test_an_alarm_of_the_outbox_does_not_come_and_go(rows, before, level):
    assert outbox_limits.level(rows, 100, before) == level


def test_only_what_is_over_the_limit_gives_way():
    assert outbox_limits.excess(10, JournalConfig(outbox_limit=10)) == 0
    assert outbox_limits.excess(13, JournalConfig(outbox_limit=10)) == 3


# Found at every moment


def begin(kit, by, value):
    """Ask without waiting for the answer."""
    wanted = FindClosed(by=by, value=value)
    future = kit.loop.run(kit.base.call, "sessionFinder", wanted, 60.0)
    kit.settle()
    return future


def test_a_session_is_found_when_its_commit_is_done_and_in_the_database(make):
    kit = make().begin()
    kit.settle()
    kit.database.failure = QueryTimeout("exec", 0.12)
    kit.writer.hold()
    kit.close_sessions(1)
    keys = (("session", view(1).session), ("call", "c-1"), ("ani", view(1).ani))
    asked = [begin(kit, by, value) for by, value in keys]
    assert not any(future.done() for future in asked)
    kit.writer.release()
    kit.settle()
    assert [future.result().views for future in asked] == 3 * [[view(1)]]
    for by, value in keys:
        assert kit.find(by, value).views == [view(1)]
    kit.database.failure = None
    kit.drained()
    kit.database.found = [view(1)]
    for by, value in keys:
        assert kit.find(by, value) == Closed([view(1)])


def test_what_is_not_here_is_not_known_while_the_database_is_down(make):
    kit = make().begin()
    kit.database.failure = DOWN
    assert kit.find("session", view(1).session) == DOWN


def test_what_is_found_here_and_in_the_database_is_told_once(make):
    kit = make().begin()
    kit.settle()
    kit.database.failure = DOWN
    kit.close_sessions(1, 2)
    kit.settle()
    kit.database.failure = None
    kit.database.found = [view(2), view(3)]
    assert [one.call for one in kit.find("ani", view(1).ani).views] == ["c-3", "c-2", "c-1"]


@pytest.mark.parametrize("dsn", ["postgresql:///x", ""])
def test_nobody_is_told_of_a_session_that_a_crash_would_open_again(make, dsn):
    kit = make(dsn=dsn).begin()
    kit.settle()
    kit.writer.fail()
    kit.close_sessions(1)
    kit.advance(0.1)
    archive = StoredSessions(kit.kernel)
    for by in ({"session": view(1).session}, {"call": "c-1"}, {"ani": view(1).ani}):
        wanted = {"session": None, "call": None, "ani": None, "limit": 5} | by
        with pytest.raises(Busy):
            kit.run(archive.find(**wanted))
    kit.writer.heal()
    kit.database.found = [view(1)]
    kit.advance(2.0)
    assert kit.run(archive.find(session=None, call="c-1", ani=None, limit=5)) == [view(1)]


def test_where_the_outbox_cannot_be_read_nobody_is_told_that_there_is_nothing(make):
    kit = make().begin()
    kit.settle()
    kit.writer.connection.execute("ALTER TABLE outbox RENAME TO elsewhere")
    assert isinstance(kit.find("session", view(1).session), DatabaseDown)
    kit.database.found = [view(1)]
    assert kit.find("session", view(1).session).views == [view(1)]
    kit.writer.connection.execute("ALTER TABLE elsewhere RENAME TO outbox")


def test_an_answer_to_a_finder_that_was_killed_is_not_its_successors(make):
    kit = make().begin()
    kit.settle()
    future = kit.loop.run(kit.base.call, "sessionFinder", FindClosed(by="call", value="c"), 1.0)
    kit.faults.kill("sessionFinder")
    kit.advance(1.0)
    assert future.exception() is not None
    assert kit.find("call", "c") == Closed([])
    assert kit.actor("sessionFinder").status() == {"looking": 0, "asking": 0, "asked": 1}


def test_the_status_of_both_tells_nothing_of_callers(make):
    kit = make().begin()
    kit.database.failure = DOWN
    kit.close_sessions(1)
    kit.settle()
    shown = f"{kit.actor(NAME).status()}{kit.actor('sessionFinder').status()}"
    assert view(1).ani not in shown
    assert view(1).session not in shown

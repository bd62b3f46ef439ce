"""Closed sessions in a real PostgreSQL: stored once, found again, kept while it is down."""

import asyncio

import pytest

from actors import metrics, session_store, session_sweeper
from actors.call_messages import StoreSession
from actors.config import DatabaseConfig
from actors.database import NOT_CONFIGURED, DatabaseDown
from actors.etc_files import etc_file
from actors.migrations import load
from actors.odbc_server import OdbcServer, OdbcSettings
from actors.session_api import Busy, JourneyStep, Routing, SessionView
from actors.session_archive import StoredSessions
from actors.session_store import NAME, Closed, FindClosed
from actors.time_server import Tick

pytestmark = pytest.mark.system


def view(number, **changes):
    fields = {
        "session": f"{number:020x}",
        "rev": 3,
        "state": "closed",
        "call": f"c-{number}",
        "ani": "+33123456789",
        "opened": 1_750_000_000.25 + number,
        "updated": 1_750_000_060.5 + number,
        "journey": [JourneyStep(ts=1.5, step="menu", data={"choice": [1, None, "é"]})],
        "routing": Routing(
            target="7001", rtype="default", reason="ok", ts=1.0, ms=0.4, why=("open",)
        ),
        "ud": {"offer": "fibre"},
    }
    return SessionView(**{**fields, **changes})


def close(node, *views):
    for one in views:
        node.cast(NAME, StoreSession(one, one.updated, "cleared"))


def settings(dsn, **changes):
    defaults = {
        "connections": 2,
        "query_timeout_ms": 5_000,
        "reconnect_min_s": 0.01,
        "reconnect_max_s": 0.05,
        "store_interval_ms": 5,
    }
    return OdbcSettings(DatabaseConfig(dsn=dsn, **{**defaults, **changes}), intensity=1_000)


async def start(node, dsn, **changes):
    return await node.start(OdbcServer, settings(dsn, **changes), "odbcServer")


def status(node):
    cell = node.kernel.cell_of(NAME)
    return {} if cell is None else cell.actor.status()


async def stored(node, count):
    await node.until(
        lambda: status(node).get("stored", 0) + status(node).get("refused", 0) == count
    )


async def find(node, by, value, limit=100):
    return await node.call(NAME, FindClosed(by=by, value=value, limit=limit))


def test_a_closed_session_is_found_again_by_id_call_and_number_as_it_was(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        await start(node, dsn)
        one = view(1)
        close(node, one)
        await stored(node, 1)
        for by, value in (("session", one.session), ("call", "c-1"), ("ani", "+33123456789")):
            assert await find(node, by, value) == Closed([one])
        assert await find(node, "call", "c-2") == Closed([])

    on_node(scenario)


def test_the_latest_opened_come_first_within_the_limit(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        await start(node, dsn)
        close(node, *(view(number) for number in (2, 0, 3, 1)))
        await stored(node, 4)
        found = await find(node, "ani", "+33123456789", limit=3)
        assert [one.call for one in found.views] == ["c-3", "c-2", "c-1"]

    on_node(scenario)


def test_a_session_that_is_stored_again_stays_as_it_was(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        await start(node, dsn)
        close(node, view(1), view(1, rev=9), view(1, rev=10))
        await stored(node, 3)
        close(node, view(1, rev=11))
        await stored(node, 4)
        assert await find(node, "call", "c-1") == Closed([view(1)])

    on_node(scenario)


def test_what_closes_while_the_database_is_down_is_stored_when_it_is_back(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        await start(node, dsn)
        close(node, view(1))
        await stored(node, 1)
        postgres.kill()
        close(node, *(view(number) for number in range(2, 50)))
        await node.until(lambda: node.reported("degraded", part="session store"))
        answer = await find(node, "call", "c-1")
        assert isinstance(answer, DatabaseDown)
        assert await find(node, "session", view(5).session) == Closed([view(5)])
        await asyncio.to_thread(postgres.start)
        await stored(node, 49)
        assert len((await find(node, "ani", "+33123456789")).views) == 49
        assert status(node)["buffered"] == 0

    on_node(scenario)


def test_a_full_buffer_drops_the_oldest_counts_them_and_says_so(on_node):
    dropped = metrics.STORE_SESSIONS.labels("dropped")
    before = dropped._value.get()

    async def scenario(node):
        await start(node, "postgresql:///x?host=%2Fnowhere", store_buffer=10, store_batch=5)
        close(node, *(view(number) for number in range(15)))
        await node.until(lambda: status(node)["dropped"])
        assert status(node)["buffered"] == 10
        assert await find(node, "session", view(14).session) == Closed([view(14)])
        assert isinstance(await find(node, "session", view(4).session), DatabaseDown)
        told = node.reported("degraded", part="session store")
        assert "the buffer is full: 1 sessions were dropped" in [one.data["why"] for one in told]

    on_node(scenario)
    assert dropped._value.get() - before == 5


def test_a_session_that_the_database_refuses_does_not_hold_up_the_others(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        await start(node, dsn)
        await node.until(lambda: status(node)["schema"] == "ready")
        forbidden = view(3, opened=float("nan"))
        postgres_check = "ALTER TABLE closed_session ADD CHECK (opened <> 'NaN')"
        await asyncio.to_thread(postgres.run, postgres_check, dsn)
        close(node, view(1), view(2), forbidden, view(4), view(5))
        await stored(node, 5)
        assert status(node)["refused"] == 1
        assert [one.call for one in (await find(node, "ani", "+33123456789")).views] == [
            "c-5",
            "c-4",
            "c-2",
            "c-1",
        ]
        (report,) = node.reported("degraded", part="session store")
        assert forbidden.session in report.data["why"]

    on_node(scenario)


def test_a_database_that_lost_its_tables_gets_them_again(on_node, postgres, monkeypatch):
    monkeypatch.setattr(session_store, "RETRY_S", 0.02)
    dsn = postgres.new_database()

    async def scenario(node):
        await start(node, dsn)
        await node.until(lambda: status(node)["schema"] == "ready")
        lost = "DROP TABLE closed_session, vigie_schema"
        await asyncio.to_thread(postgres.run, lost, dsn)
        close(node, view(1))
        await stored(node, 1)
        assert await find(node, "call", "c-1") == Closed([view(1)])

    on_node(scenario)


def test_a_second_node_finds_the_schema_as_the_first_left_it(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        for life in range(2):
            top = await start(node, dsn)
            close(node, view(life))
            await stored(node, 1)
            await node.stop(top)

    on_node(scenario)
    rows = postgres.run("SELECT number, name, checksum FROM vigie_schema ORDER BY number", dsn)
    shipped = load(etc_file("sql"))
    assert [tuple(row) for row in rows] == [(m.number, m.name, m.checksum) for m in shipped]
    assert len(postgres.run("SELECT * FROM closed_session", dsn)) == 2


def test_nodes_that_start_together_migrate_once(on_node, postgres):
    dsn = postgres.new_database()

    async def together(node):
        nodes = [node, *(type(node)() for _ in range(3))]
        for one in nodes:
            await start(one, dsn)
        for one in nodes:
            await one.until(lambda one=one: status(one).get("schema") == "ready")
        for one in nodes[1:]:
            await one.stop_all()

    on_node(together)
    assert len(postgres.run("SELECT * FROM vigie_schema", dsn)) == len(load(etc_file("sql")))


def test_a_migration_that_changed_is_refused_and_sessions_wait(on_node, postgres):
    dsn = postgres.new_database()

    async def first(node):
        await start(node, dsn)
        await node.until(lambda: status(node)["schema"] == "ready")

    async def second(node):
        await start(node, dsn)
        close(node, view(1))
        await node.until(lambda: status(node)["schema"] == "refused")
        (report,) = node.reported("degraded", part="session store")
        assert "001_closed_session.sql has changed since it was applied" in report.data["why"]
        assert isinstance(await find(node, "call", "c-1"), DatabaseDown)
        assert status(node)["buffered"] == 1

    on_node(first)
    postgres.run("UPDATE vigie_schema SET checksum = 'of another file' WHERE number = 1", dsn)
    on_node(second)


def test_a_killed_store_goes_on_with_what_comes_next(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        await start(node, dsn)
        close(node, view(1))
        await stored(node, 1)
        node.kill(NAME)
        await node.until(lambda: node.reported("supervisor", context="restarted"))
        await node.until(lambda: status(node)["schema"] == "ready")
        close(node, view(2))
        await stored(node, 1)
        assert len((await find(node, "ani", "+33123456789")).views) == 2

    on_node(scenario)


def test_a_killed_router_or_connection_costs_no_session(on_node, postgres, monkeypatch):
    dsn = postgres.new_database()

    async def scenario(node):
        await start(node, dsn, store_batch=10)
        victims = ["connectionRouter", "odbcConnection-1", "odbcConnection-2"]
        for number in range(300):
            close(node, view(number))
            if number % 20 == 0:
                await asyncio.sleep(0)
                cell = node.kernel.roots["odbcServer"].children.get(victims[number // 20 % 3])
                if cell is not None:
                    node.kill(cell.address)
        await stored(node, 300)

    monkeypatch.setattr(session_store, "RETRY_S", 0.02)
    on_node(scenario)
    assert len(postgres.run("SELECT * FROM closed_session", dsn)) == 300


def test_without_a_database_nothing_is_kept_and_nothing_found(on_node):
    async def scenario(node):
        await start(node, "")
        close(node, view(1))
        assert await find(node, "call", "c-1") == DatabaseDown(NOT_CONFIGURED)
        assert status(node)["buffered"] == 0
        archive = StoredSessions(node.kernel)
        assert await archive.find(session=None, call="c-1", ani=None, limit=5) == []

    on_node(scenario)


def test_the_api_finds_closed_sessions_and_is_told_to_ask_again_while_it_cannot(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        archive = StoredSessions(node.kernel)
        await start(node, dsn)
        close(node, view(1))
        await stored(node, 1)
        found = await archive.find(session=None, call=None, ani="+33123456789", limit=5)
        assert found == [view(1)]
        postgres.kill()
        with pytest.raises(Busy):
            await archive.find(session=None, call="c-1", ani=None, limit=5)

    on_node(scenario)


def test_a_batch_is_sent_when_it_is_full_without_waiting_for_its_time(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        await start(node, dsn, store_interval_ms=3_600_000, store_batch=100)
        await node.until(lambda: status(node)["schema"] == "ready")
        close(node, *(view(number) for number in range(100)))
        await stored(node, 100)

    on_node(scenario)


def test_sessions_older_than_they_may_be_kept_are_removed_in_batches(
    on_node, postgres, monkeypatch
):
    monkeypatch.setattr(session_sweeper, "BATCH", 2)
    dsn = postgres.new_database()

    async def scenario(node):
        top = await start(node, dsn)
        now = node.kernel.clock.wall()
        close(node, *(view(number, updated=now - 91 * 86_400) for number in range(5)))
        close(node, *(view(number, updated=now - 89 * 86_400) for number in (5, 6)))
        await stored(node, 7)
        sweeper = top.cell.children["sessionSweeper"].address
        node.kernel.send(sweeper, Tick(session_sweeper.PERIOD_S, now, 0), None)
        await node.until(lambda: node.actor(sweeper).state.removed == 5)
        assert len((await find(node, "ani", "+33123456789")).views) == 2

    on_node(scenario)


def test_an_orderly_stop_stores_what_still_waits(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        top = await start(node, dsn, store_interval_ms=3_600_000, store_batch=100)
        await node.until(lambda: status(node)["schema"] == "ready")
        close(node, *(view(number) for number in range(250)))
        await node.until(lambda: status(node)["stored"] + status(node)["buffered"] == 250)
        await node.stop(top)
        assert not node.reported("degraded")

    on_node(scenario)
    assert postgres.run("SELECT count(*) FROM closed_session", dsn)[0][0] == 250


def test_a_stop_stores_the_others_where_the_database_refuses_one(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        top = await start(node, dsn, store_interval_ms=3_600_000)
        await node.until(lambda: status(node)["schema"] == "ready")
        close(node, view(1), view(2, opened=None), view(3))
        await node.until(lambda: status(node)["buffered"] == 3)
        await node.stop(top)
        [told] = node.reported("degraded", part="session store")
        assert view(2).session in told.data["why"]

    on_node(scenario)
    assert postgres.run("SELECT count(*) FROM closed_session", dsn)[0][0] == 2


def test_a_stop_without_a_database_tells_how_many_sessions_are_lost(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        top = await start(node, dsn, store_interval_ms=3_600_000)
        await node.until(lambda: status(node)["schema"] == "ready")
        close(node, view(1), view(2))
        await node.until(lambda: status(node)["buffered"] == 2)
        postgres.kill()
        await node.stop(top)
        why = [told.data["why"] for told in node.reported("degraded", part="session store")]
        assert why[-1] == "2 sessions were not stored before the end"

    on_node(scenario)

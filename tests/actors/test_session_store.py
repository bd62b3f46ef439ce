"""Closed sessions in a real PostgreSQL: stored once, found again, kept while it is down."""

import asyncio
from types import SimpleNamespace

import pytest
from store_kit import Storing, view

from actors import session_sweeper
from actors.closed_sessions import Closed
from actors.database import NOT_CONFIGURED, DatabaseDown
from actors.etc_files import etc_file
from actors.migrations import load
from actors.session_api import Busy, SessionClosed
from actors.session_archive import StoredSessions
from actors.session_store import NAME
from actors.sessions import CallSessions
from actors.time_server import Tick

pytestmark = pytest.mark.system


def test_a_closed_session_is_found_again_by_id_call_and_number_as_it_was(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        store = await Storing(node, dsn).start()
        one = view(1)
        store.close(one)
        await store.drained()
        for by, value in (("session", one.session), ("call", "c-1"), ("ani", "+33123456789")):
            assert await store.find(by, value) == Closed([one])
        assert await store.find("call", "c-2") == Closed([])

    on_node(scenario)


def test_the_latest_opened_come_first_within_the_limit(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        store = await Storing(node, dsn).start()
        store.close(*(view(number) for number in (2, 0, 3, 1)))
        await store.drained()
        found = await store.find("ani", "+33123456789", limit=3)
        assert [one.call for one in found.views] == ["c-3", "c-2", "c-1"]

    on_node(scenario)


def test_a_session_that_is_stored_again_stays_as_it_was(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        store = await Storing(node, dsn).start()
        store.close(view(1), view(1, rev=9), view(1, rev=10))
        await store.drained()
        store.close(view(1, rev=11))
        await store.drained()
        assert await store.find("call", "c-1") == Closed([view(1)])

    on_node(scenario)


def test_what_closes_while_the_database_is_down_is_found_and_stored_when_it_is_back(
    on_node, postgres
):
    dsn = postgres.new_database()

    async def scenario(node):
        store = await Storing(node, dsn).start()
        store.close(view(1))
        await store.drained()
        postgres.kill()
        store.close(*(view(number) for number in range(2, 50)))
        await store.alarmed("database-down")
        assert isinstance(await store.find("call", "c-1"), DatabaseDown)
        assert await store.find("session", view(5).session) == Closed([view(5)])
        found = await store.find("ani", "+33123456789")
        assert len(found.views) == 48
        assert found.missing
        await asyncio.to_thread(postgres.start)
        await store.drained()
        found = await store.find("ani", "+33123456789")
        assert (len(found.views), found.missing) == (49, "")
        await node.until(lambda: "database-down" not in store.alarms)

    on_node(scenario)


def test_a_session_that_the_database_refuses_does_not_hold_up_the_others(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        store = await Storing(node, dsn).ready()
        forbidden = view(3, opened=float("-1e300"))
        check = "ALTER TABLE closed_session ADD CHECK (opened > 0)"
        await asyncio.to_thread(postgres.run, check, dsn)
        store.close(view(1), view(2), forbidden, view(4), view(5))
        await store.drained()
        assert (store.status("refused"), store.status("aside")) == (1, 1)
        in_database = await asyncio.to_thread(
            postgres.run, "SELECT call FROM closed_session ORDER BY call", dsn
        )
        assert [row["call"] for row in in_database] == ["c-1", "c-2", "c-4", "c-5"]
        (why,) = store.why()
        assert forbidden.session in why
        assert forbidden.ani not in why
        kept = store.writer.value("refused", forbidden.session)
        assert kept["record"]["view"]["call"] == "c-3"
        for by, value in (("session", forbidden.session), ("call", "c-3")):
            assert await store.find(by, value) == Closed([forbidden])
        assert len((await store.find("ani", "+33123456789")).views) == 5

    on_node(scenario)


def test_a_database_that_lost_its_tables_gets_them_again(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        store = await Storing(node, dsn).ready()
        lost = "DROP TABLE closed_session, vigie_schema"
        await asyncio.to_thread(postgres.run, lost, dsn)
        store.close(view(1))
        await store.drained()
        assert await store.find("call", "c-1") == Closed([view(1)])
        await node.until(lambda: not store.alarms.active())

    on_node(scenario)


def test_a_second_node_finds_the_schema_as_the_first_left_it(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        for life in range(2):
            store = await Storing(node, dsn).start()
            store.close(view(life))
            await store.drained()
            await node.stop(store.top)

    on_node(scenario)
    rows = postgres.run("SELECT number, name, checksum FROM vigie_schema ORDER BY number", dsn)
    shipped = load(etc_file("sql"))
    assert [tuple(row) for row in rows] == [(m.number, m.name, m.checksum) for m in shipped]
    assert len(postgres.run("SELECT * FROM closed_session", dsn)) == 2


def test_nodes_that_start_together_migrate_once(on_node, postgres):
    dsn = postgres.new_database()

    async def together(node):
        nodes = [node, *(type(node)() for _ in range(3))]
        stores = [await Storing(one, dsn).start() for one in nodes]
        for one, store in zip(nodes, stores, strict=True):
            await one.until(lambda store=store: store.status("schema") == "ready")
        for one in nodes[1:]:
            await one.stop_all()

    on_node(together)
    assert len(postgres.run("SELECT * FROM vigie_schema", dsn)) == len(load(etc_file("sql")))


def test_a_killed_router_or_connection_costs_no_session(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        store = await Storing(node, dsn, store_batch=10).start()
        victims = ["connectionRouter", "odbcConnection-1", "odbcConnection-2", "sessionStore"]
        for number in range(400):
            store.close(view(number))
            if number % 20 == 0:
                await asyncio.sleep(0)
                cell = node.kernel.roots["odbcServer"].children.get(victims[number // 20 % 4])
                if cell is not None:
                    node.kill(cell.address)
        await store.drained()

    on_node(scenario)
    assert len(postgres.run("SELECT * FROM closed_session", dsn)) == 400


def test_without_a_database_sessions_wait_in_the_outbox_and_are_found_there(on_node):
    async def scenario(node):
        store = await Storing(node, "").start()
        store.close(view(1))
        await node.until(lambda: store.journal.outbox_rows == 1)
        assert await store.find("call", "c-2") == DatabaseDown(NOT_CONFIGURED)
        archive = StoredSessions(node.kernel)
        assert await archive.find(session=None, call="c-1", ani=None, limit=5) == [view(1)]
        assert await archive.find(session=None, call="c-2", ani=None, limit=5) == []

    on_node(scenario)


def test_the_api_finds_closed_sessions_and_is_told_to_ask_again_while_it_cannot(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        archive = StoredSessions(node.kernel)
        store = await Storing(node, dsn).start()
        store.close(view(1))
        await store.drained()
        found = await archive.find(session=None, call=None, ani="+33123456789", limit=5)
        assert found == [view(1)]
        postgres.kill()
        store.close(view(2))
        with pytest.raises(Busy):
            await archive.find(session=view(1).session, call=None, ani=None, limit=1)
        assert not node.reported("store", what="closed sessions not searched", why="")
        found = await archive.find(session=view(2).session, call=None, ani=None, limit=1)
        assert found == [view(2)]

    on_node(scenario)


def test_a_batch_is_sent_when_it_is_full_without_waiting_for_its_time(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        store = await Storing(node, dsn, store_interval_ms=3_600_000, store_batch=100).ready()
        store.close(*(view(number) for number in range(100)))
        await store.drained()

    on_node(scenario)


def test_sessions_older_than_they_may_be_kept_are_removed_in_batches(
    on_node, postgres, monkeypatch
):
    monkeypatch.setattr(session_sweeper, "BATCH", 2)
    dsn = postgres.new_database()

    async def scenario(node):
        store = await Storing(node, dsn).start()
        now = node.kernel.clock.wall()
        store.close(*(view(number, updated=now - 91 * 86_400) for number in range(5)))
        store.close(*(view(number, updated=now - 89 * 86_400) for number in (5, 6)))
        await store.drained()
        sweeper = store.top.cell.children["sessionSweeper"].address
        node.kernel.send(sweeper, Tick(session_sweeper.PERIOD_S, now, 0), None)
        await node.until(lambda: node.actor(sweeper).state.removed == 5)
        assert len((await store.find("ani", "+33123456789")).views) == 2

    on_node(scenario)


def test_what_a_stop_leaves_in_the_outbox_the_next_start_stores(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        first = await Storing(node, dsn, store_interval_ms=3_600_000).ready()
        await node.until(lambda: node.kernel.cell_of(NAME).actor.state.drain.more == 0)
        first.close(*(view(number) for number in range(250)))
        await node.until(lambda: first.journal.outbox_rows == 250)
        await node.stop(first.top)
        assert not first.why()
        second = await Storing(node, dsn, first.writer).start()
        assert second.journal.outbox_rows == 250
        await second.drained()

    on_node(scenario)
    assert postgres.run("SELECT count(*) FROM closed_session", dsn)[0][0] == 250


def test_what_closes_while_the_database_is_down_outlives_the_node_on_the_disk(
    on_node, postgres, tmp_path
):
    """With the journal's own threads and files; the next node stores what this one could not."""
    dsn = postgres.new_database()

    async def scenario(node):
        postgres.kill()
        first = await Storing(node, dsn, tmp_path / "journal").start()
        first.close(*(view(number) for number in range(1_000)))
        await first.alarmed("database-down")
        await node.until(lambda: first.journal.outbox_rows == 1_000)
        assert (await first.find("call", "c-999")).views == [view(999)]
        await node.stop(first.top)
        await first.journal.close()
        await asyncio.to_thread(postgres.start)
        second = await Storing(node, dsn, tmp_path / "journal").start()
        assert second.journal.outbox_rows == 1_000
        await second.drained()
        await node.stop(second.top)
        await second.journal.close()

    on_node(scenario)
    assert postgres.run("SELECT count(*) FROM closed_session", dsn)[0][0] == 1_000


class Nobody:
    """In the place of the pool of sessions that live."""

    def address_of(self, _):
        return None


def test_without_a_database_a_closed_session_is_gone_and_of_another_nothing_is_said(
    on_node, postgres
):
    dsn = postgres.new_database()

    async def scenario(node):
        store = await Storing(node, dsn).ready()
        openings = SimpleNamespace(settings=SimpleNamespace(journal=store.journal))
        sessions = CallSessions(node.kernel, Nobody(), StoredSessions(node.kernel), openings)
        await asyncio.to_thread(postgres.kill)
        await store.alarmed("database-down")
        store.close(view(1))
        for _ in range(2):  # before its commit and after it
            with pytest.raises(SessionClosed):
                await sessions.get(view(1).session)
            with pytest.raises(Busy) as busy:
                await sessions.get(view(2).session)
            assert busy.value.retry_after_s > 0
            await node.until(lambda: store.journal.outbox_rows == 1)

    on_node(scenario)

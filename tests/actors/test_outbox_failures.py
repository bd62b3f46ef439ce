"""PostgreSQL killed, stopped, slow, full, locked: sessions wait, arrive once and in order."""

import asyncio
import random

import asyncpg
import pytest
from store_kit import Storing, view

from actors.closed_sessions import Closed
from actors.etc_files import etc_file
from actors.migrations import load
from actors.session_store import NAME
from supervision import KILLED

pytestmark = pytest.mark.system

CHECKSUM = load(etc_file("sql"))[0].checksum
ARRIVALS = """
CREATE TABLE arrival (n serial PRIMARY KEY, session text);
CREATE FUNCTION arrive() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN INSERT INTO arrival (session) VALUES (NEW.session); RETURN NEW; END $$;
CREATE TRIGGER arrive AFTER INSERT ON closed_session FOR EACH ROW EXECUTE FUNCTION arrive();
"""
RAISING = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '{}'; END $$;
CREATE TRIGGER fail BEFORE INSERT ON closed_session EXECUTE FUNCTION fail();
"""


class Arrivals:
    """Writes down in which order sessions come into a database."""

    def __init__(self, postgres, dsn):
        self.postgres = postgres
        self.dsn = dsn

    async def sql(self, statement):
        return await asyncio.to_thread(self.postgres.run, statement, self.dsn)

    async def watch(self):
        await self.script(ARRIVALS)

    async def script(self, statements):
        """Several statements, which asyncpg takes only without parameters."""
        quoted = statements.replace("'", "''")
        await self.sql(f"DO $do$ BEGIN EXECUTE '{quoted}'; END $do$")

    def sessions(self):
        rows = self.postgres.run("SELECT session FROM arrival ORDER BY n", self.dsn)
        return [int(row["session"], 16) for row in rows]

    def stored(self):
        rows = self.postgres.run("SELECT session FROM closed_session ORDER BY session", self.dsn)
        return [int(row["session"], 16) for row in rows]


def play(on_node, postgres, scenario, count, **changes):
    """Play a scenario with a store that watches arrivals; all of ``count`` sessions arrive."""
    database = Arrivals(postgres, postgres.new_database())

    async def whole(node):
        store = await Storing(node, database.dsn, **changes).ready()
        await database.watch()
        await scenario(node, store, database)
        await store.drained()
        await node.until(lambda: not store.alarms.active())
        assert store.status("why") == ""

    on_node(whole)
    assert database.sessions() == list(range(count))
    assert database.stored() == list(range(count))


def close(store, count, first=0):
    store.close(*(view(number) for number in range(first, first + count)))


async def some_stored(node, store, more=1):
    """Wait until some more sessions are stored than now."""
    wanted = (store.status("stored") or 0) + more
    await node.until(lambda: (store.status("stored") or 0) >= wanted)


def test_a_server_that_is_killed_again_and_again_gets_every_session_once_in_order(
    on_node, postgres
):
    async def scenario(node, store, _):
        close(store, 2_000)
        for _ in range(3):
            await some_stored(node, store, 200)
            await asyncio.to_thread(postgres.kill)
            await store.alarmed("database-down")
            await asyncio.to_thread(postgres.start)

    play(on_node, postgres, scenario, 2_000, store_batch=20)


def test_a_server_that_is_stopped_in_order_is_waited_for(on_node, postgres):
    async def scenario(node, store, _):
        close(store, 1_000)
        await some_stored(node, store)
        await asyncio.to_thread(postgres.stop)
        await store.alarmed("database-down")
        await asyncio.to_thread(postgres.start)

    play(on_node, postgres, scenario, 1_000, store_batch=20)


def test_connections_that_the_server_ends_in_the_middle_cost_nothing(on_node, postgres):
    async def scenario(node, store, database):
        ending = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'vigie' AND datname = current_database()"
        )
        for first in range(0, 1_500, 300):
            close(store, 300, first)
            await some_stored(node, store)
            await database.sql(ending)

    play(on_node, postgres, scenario, 1_500, store_batch=10)


def test_the_store_and_its_connections_are_killed_at_random_while_it_drains(on_node, postgres):
    chance = random.Random(7)

    async def scenario(node, store, _):
        close(store, 1_500)
        children = node.kernel.roots["odbcServer"].children
        for _ in range(40):
            await asyncio.sleep(chance.random() * 0.01)
            victim = children.get(
                chance.choice([NAME, NAME, "connectionRouter", "odbcConnection-1"])
            )
            if victim is not None:
                node.kernel.exit(victim, KILLED)

    play(on_node, postgres, scenario, 1_500, store_batch=10)


def test_sessions_that_close_meanwhile_arrive_in_order_whatever_is_killed(
    on_node, postgres, tmp_path
):
    """With the journal's own threads; the server's side of the connections is killed, too."""
    database = Arrivals(postgres, postgres.new_database())
    chance = random.Random(11)

    async def kill_one(node):
        victim = chance.choice([NAME, "connectionRouter", "odbcConnection-2", "server", ""])
        cell = node.kernel.roots["odbcServer"].children.get(victim)
        if victim == "server":
            await end_connections(database)
        elif cell is not None:
            node.kernel.exit(cell, KILLED)

    async def scenario(node):
        store = await Storing(node, database.dsn, tmp_path / "journal", store_batch=7).ready()
        await database.watch()
        for number in range(1_200):
            store.close(view(number))
            if chance.random() < 0.3:
                await asyncio.sleep(chance.random() * 0.004)
            if number % 30 == 0:
                await kill_one(node)
        await store.drained()
        await node.stop(store.top)
        await store.journal.close()

    on_node(scenario)
    assert database.sessions() == list(range(1_200))


def test_a_node_that_is_killed_leaves_the_rest_to_the_next_one(on_node, postgres):
    """The next node opens what the last one has committed; its trims may be lost."""
    database = Arrivals(postgres, postgres.new_database())

    async def life(node, writer):
        store = Storing(node, database.dsn, writer, store_batch=10)
        await store.ready()
        return store

    async def scenario(node):
        store = await life(node, None)
        await database.watch()
        close(store, 500)
        for _ in range(4):
            await some_stored(node, store, 50)
            store.writer.hold()  # what is trimmed from now on is lost
            await some_stored(node, store, 20)
            node.kill(store.top)
            await node.until(lambda: not node.kernel.roots.get("odbcServer"))
            store.writer.held = False
            store = await life(node, store.writer)
        await store.drained()

    on_node(scenario)
    assert database.sessions() == list(range(500))


def test_a_slow_database_is_named_and_waited_for(on_node, postgres):
    async def scenario(node, store, database):
        await node.until(lambda: store.status("outbox") == 0)
        locked, done = asyncio.Event(), asyncio.Event()

        async def lock():
            connection = await asyncpg.connect(database.dsn)
            async with connection.transaction():
                await connection.execute("LOCK TABLE closed_session")
                locked.set()
                await done.wait()
            await connection.close()

        holder = asyncio.ensure_future(lock())
        await locked.wait()
        close(store, 30)
        assert "the database is slow: not done within 0.1 s" in await store.alarmed("database-down")
        assert await store.find("session", view(7).session) == Closed([view(7)])
        done.set()
        await holder

    play(on_node, postgres, scenario, 30, store_timeout_ms=100)


@pytest.mark.parametrize(
    ("sqlstate", "words"),
    [
        ("53100", "the server's disk is full: could not extend file (53100)"),
        ("53200", "the server is out of memory"),
        ("25006", "the database is read-only"),
        ("57014", "the server cancelled it"),
        ("40P01", "could not extend file (40P01)"),
    ],
)
def test_what_is_wrong_with_the_server_is_named_and_waited_for(on_node, postgres, sqlstate, words):
    async def scenario(_, store, database):
        await database.script(RAISING.format(sqlstate))
        close(store, 30)
        assert words in await store.alarmed("database-down")
        assert store.status("refused") == 0
        await database.sql("DROP TRIGGER fail ON closed_session")

    play(on_node, postgres, scenario, 30)


def test_a_database_that_has_become_read_only_is_named_and_waited_for(on_node, postgres):
    async def scenario(node, store, database):
        name = database.dsn.partition("?")[0].rpartition("/")[2]
        close(store, 20)
        await store.drained()
        await database.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        await end_connections(database)
        await node.until(lambda: store.status("schema") == "ready")
        store.close(*(view(number) for number in range(20, 30)))
        assert "the database is read-only" in await store.alarmed("database-down")
        assert await store.find("session", view(3).session) == Closed([view(3)])
        await asyncio.to_thread(
            postgres.run, f"ALTER DATABASE {name} SET default_transaction_read_only = off"
        )
        await end_connections(database)

    play(on_node, postgres, scenario, 30)


async def end_connections(database):
    await asyncio.to_thread(
        database.postgres.run,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vigie'",
    )


def role(postgres, name, options):
    """A user of the server and of a database of its own."""
    postgres.run(f"CREATE ROLE {name} LOGIN {options}")
    dsn = postgres.new_database()
    database = dsn.partition("?")[0].rpartition("/")[2]
    postgres.run(f"ALTER DATABASE {database} OWNER TO {name}")
    return postgres.dsn(database, name)


def test_a_wrong_password_is_told_without_it_and_tried_again(on_node, postgres):
    dsn = role(postgres, "guarded", "PASSWORD 'another'")
    postgres.require_password("guarded")

    async def scenario(node):
        store = await Storing(node, f"{dsn}&password=hush%2Fhush").start()
        close(store, 3)
        told = await store.alarmed("database-down")
        assert "the server refuses the password" in told
        assert await store.find("session", view(1).session) == Closed([view(1)])
        change = "ALTER ROLE guarded PASSWORD 'hush/hush'"
        await asyncio.to_thread(postgres.run, change)
        await store.drained()
        await node.until(lambda: not store.alarms.active())
        for secret in ("hush/hush", "hush%2Fhush"):
            assert not any(secret in str(report) for report in node.reports)

    on_node(scenario)


def test_a_server_that_takes_no_more_connections_is_named_and_waited_for(on_node, postgres):
    dsn = role(postgres, "crowded", "CONNECTION LIMIT 0")

    async def scenario(node):
        store = await Storing(node, dsn).start()
        close(store, 3)
        told = await store.alarmed("database-down")
        assert "the server has too many connections" in told
        await asyncio.to_thread(postgres.run, "ALTER ROLE crowded CONNECTION LIMIT 10")
        await store.drained()

    on_node(scenario)


@pytest.fixture
def _soon(monkeypatch):
    monkeypatch.setattr("actors.session_store.REFUSED_RETRY_S", 0.02)


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize(
    ("spoil", "mend", "words"),
    [
        (
            "INSERT INTO vigie_schema VALUES (900, '900_of_tomorrow.sql', 'x')",
            "DELETE FROM vigie_schema WHERE number = 900",
            "900_of_tomorrow.sql was applied by a newer release",
        ),
        (
            "UPDATE vigie_schema SET checksum = 'of another file' WHERE number = 1",
            f"UPDATE vigie_schema SET checksum = '{CHECKSUM}' WHERE number = 1",
            "001_closed_session.sql has changed since it was applied",
        ),
        (
            "ALTER TABLE vigie_schema RENAME COLUMN checksum TO sum",
            "ALTER TABLE vigie_schema RENAME COLUMN sum TO checksum",
            'column "checksum" does not exist',
        ),
        (
            "ALTER TABLE closed_session RENAME COLUMN why TO reason",
            "ALTER TABLE closed_session RENAME COLUMN reason TO why",
            "a column is missing",
        ),
    ],
)
def test_a_schema_that_does_not_fit_is_refused_and_looked_at_again(
    on_node, postgres, spoil, mend, words
):
    dsn = postgres.new_database()

    async def scenario(node):
        first = await Storing(node, dsn).ready()
        await node.stop(first.top)
        await asyncio.to_thread(postgres.run, spoil, dsn)
        store = await Storing(node, dsn).start()
        close(store, 3)
        assert words in await store.alarmed("schema-refused")
        assert "database-down" not in store.alarms
        assert await store.find("session", view(1).session) == Closed([view(1)])
        await asyncio.to_thread(postgres.run, mend, dsn)
        await store.drained()
        await node.until(lambda: not store.alarms.active())

    on_node(scenario)


def test_a_role_without_the_right_to_store_is_told_and_tried_again(on_node, postgres):
    dsn = role(postgres, "reader", "")

    async def scenario(node):
        first = await Storing(node, dsn).ready()
        await node.stop(first.top)
        await asyncio.to_thread(postgres.run, "REVOKE INSERT ON closed_session FROM reader", dsn)
        store = await Storing(node, dsn).start()
        close(store, 3)
        told = await store.alarmed("schema-refused")
        assert "the user of the database lacks a right" in told
        await asyncio.to_thread(postgres.run, "GRANT INSERT ON closed_session TO reader", dsn)
        await store.drained()

    on_node(scenario)


def test_a_role_that_may_only_read_and_write_needs_no_other_right(on_node, postgres):
    dsn = postgres.new_database()
    postgres.run("CREATE ROLE modest LOGIN")
    name = dsn.partition("?")[0].rpartition("/")[2]

    async def scenario(node):
        first = await Storing(node, dsn).ready()
        await node.stop(first.top)
        for right in ("SELECT ON vigie_schema", "SELECT, INSERT ON closed_session"):
            await asyncio.to_thread(postgres.run, f"GRANT {right} TO modest", dsn)
        store = await Storing(node, postgres.dsn(name, "modest")).start()
        close(store, 3)
        await store.drained()
        assert not store.why()

    on_node(scenario)

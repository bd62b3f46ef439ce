"""Queries against a real PostgreSQL, through kills of everything on the way."""

import asyncio

import pytest

from actors import pg_session
from actors.config import DatabaseConfig
from actors.connection_router import ConnectionRouter
from actors.database import (
    NOT_CONFIGURED,
    OUTCOME_UNKNOWN,
    ROUTER,
    UNREADABLE,
    USERS,
    DatabaseDown,
    DatabaseGone,
    DatabaseUp,
    Execute,
    Executed,
    ExecuteMany,
    Query,
    QueryFailed,
    QueryTimeout,
    QueueFull,
    Rows,
    Transaction,
)
from actors.odbc_server import OdbcServer, OdbcSettings, database_state
from supervision.introspection import Introspection
from supervision.testing import Probe

pytestmark = pytest.mark.system

SLOW = "SELECT pg_sleep(30)"


def settings(dsn, **changes):
    defaults = {
        "connections": 2,
        "query_timeout_ms": 5_000,
        "reconnect_min_s": 0.01,
        "reconnect_max_s": 0.05,
    }
    return OdbcSettings(DatabaseConfig(dsn=dsn, **{**defaults, **changes}), intensity=1_000)


class User(Probe):
    def init(self, args):
        self.join(USERS)


async def up(node, dsn, **changes):
    """Start odbcServer and wait until every connection is usable."""
    args = settings(dsn, **changes)
    top = await node.start(OdbcServer, args, "odbcServer")
    await node.until(lambda: states(node) == ["idle"] * args.database.connections)
    return top


def states(node):
    return sorted(node.actor(ROUTER).status()["connections"].values())


def connection(node, number):
    return node.kernel.roots["odbcServer"].children[f"odbcConnection-{number}"].address


async def run(node, request):
    return await node.call(ROUTER, request)


def begin(node, request):
    return asyncio.ensure_future(run(node, request))


async def running(node, number=1):
    await node.until(lambda: node.actor(ROUTER).status()["running"] == number)


def busy(node):
    """The connection that runs the only query."""
    (address,) = node.actor(ROUTER).state.dispatch.running
    return address


def test_queries_return_rows_and_changes_return_how_many(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        await up(node, dsn)
        assert await run(node, Query(sql="SELECT $1::int AS n", args=(7,))) == Rows([{"n": 7}])
        table = Execute(sql="CREATE TABLE t (n int PRIMARY KEY); CREATE INDEX ON t (n)")
        assert await run(node, table) == Executed(0)
        rows = tuple((n,) for n in range(5))
        assert await run(node, ExecuteMany(sql="INSERT INTO t VALUES ($1)", rows=rows)) == Executed(
            5
        )
        update = Execute(sql="UPDATE t SET n = n + 10 WHERE n > $1", args=(2,))
        assert await run(node, update) == Executed(2)

    on_node(scenario)


def test_a_transaction_is_done_whole_or_not_at_all(on_node, postgres):
    dsn = postgres.new_database()

    async def scenario(node):
        await up(node, dsn)
        await run(node, Execute(sql="CREATE TABLE t (n int PRIMARY KEY)"))
        insert = Execute(sql="INSERT INTO t VALUES ($1)", args=(1,))
        twice = await run(node, Transaction(statements=(insert, insert)))
        assert isinstance(twice, QueryFailed)
        assert twice.sqlstate == "23505"
        assert await run(node, Query(sql="SELECT * FROM t")) == Rows([])
        assert await run(node, Transaction(statements=(insert,))) == Executed(1)

    on_node(scenario)


@pytest.mark.parametrize(
    ("request_", "sqlstate"),
    [
        (Query(sql="SELEC 1"), "42601"),
        (Query(sql="SELECT * FROM nowhere"), "42P01"),
        (Query(sql="SELECT 1 / 0"), "22012"),
        (Query(sql="SELECT $1::int", args=("seven",)), "22000"),
        (Query(sql="SELECT $1::int", args=(1, 2)), "07000"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_server_or_the_driver_refuses_is_told_with_its_sqlstate(
    on_node, postgres, request_, sqlstate
):
    async def scenario(node):
        await up(node, postgres.dsn(), connections=1)
        answer = await run(node, request_)
        assert isinstance(answer, QueryFailed)
        assert answer.sqlstate == sqlstate
        assert isinstance(await run(node, Query(sql="SELECT 1")), Rows)

    on_node(scenario)


def test_a_slow_query_is_cancelled_at_its_deadline_and_its_connection_serves_again(
    on_node, postgres
):
    async def scenario(node):
        await up(node, postgres.dsn(), connections=1)
        answer = await run(node, Query(sql=SLOW, timeout_ms=50))
        assert answer == QueryTimeout("exec", 0.05)
        assert await run(node, Query(sql="SELECT 1 AS n")) == Rows([{"n": 1}])
        assert node.actor(connection(node, 1)).status()["connects"] == 1
        active = "SELECT count(*) AS n FROM pg_stat_activity WHERE query = $1 AND state = 'active'"
        assert await run(node, Query(sql=active, args=(SLOW,))) == Rows([{"n": 0}])

    on_node(scenario)


@pytest.mark.parametrize("value", ["'20000-01-01'::date", "'20000-01-01'::timestamp"])
def test_a_value_that_python_has_no_equal_for_is_told_and_costs_no_connection(
    on_node, postgres, value
):
    async def scenario(node):
        await up(node, postgres.dsn(), connections=1)
        answer = await run(node, Query(sql=f"SELECT {value} AS secret"))
        assert answer.sqlstate == UNREADABLE
        assert "20000" not in answer.message
        assert await run(node, Query(sql="SELECT 1 AS n")) == Rows([{"n": 1}])
        assert node.actor(connection(node, 1)).status()["connects"] == 1

    on_node(scenario)


def test_a_mistake_in_the_program_ends_the_connection_and_another_one_serves(
    on_node, postgres, monkeypatch
):
    async def scenario(node):
        await up(node, postgres.dsn(), connections=1)
        with monkeypatch.context() as patched:
            patched.setattr(pg_session, "Rows", None)
            answer = await run(node, Query(sql="SELECT 1", timeout_ms=1_000))
        assert answer.sqlstate == OUTCOME_UNKNOWN
        assert len(node.reported("crash")) == 1
        await node.until(lambda: states(node) == ["idle"])
        assert isinstance(await run(node, Query(sql="SELECT 1")), Rows)

    on_node(scenario)


def test_an_idle_connection_that_the_server_ends_is_made_anew(on_node, postgres):
    async def scenario(node):
        await up(node, postgres.dsn())
        ended = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'vigie' AND pid <> pg_backend_pid()"
        )
        assert len((await run(node, Query(sql=ended))).rows) == 1
        await node.until(
            lambda: (
                sorted(node.actor(connection(node, n)).status()["connects"] for n in (1, 2))
                == [1, 2]
            )
        )
        await node.until(lambda: states(node) == ["idle", "idle"])
        answers = await asyncio.gather(*(run(node, Query(sql="SELECT 1")) for _ in range(20)))
        assert all(isinstance(answer, Rows) for answer in answers)

    on_node(scenario)


def test_a_query_that_meets_a_connection_which_has_just_ended_is_run_on_another(
    on_node, postgres, monkeypatch
):
    async def scenario(node):
        await up(node, postgres.dsn())
        first = node.actor(ROUTER).state.dispatch.idle[0]
        session = node.actor(first).state.session
        monkeypatch.setattr(session, "run", lambda *_: session._terminated(session._connection))
        answer = await run(node, Query(sql="SELECT 1 AS n", repeatable=True))
        assert answer == Rows([{"n": 1}])
        await node.until(lambda: states(node) == ["idle", "idle"])
        assert node.actor(first).status()["connects"] == 2

    on_node(scenario)


def test_what_is_told_late_of_a_connection_that_is_gone_does_the_next_one_no_harm(
    on_node, postgres
):
    async def scenario(node):
        await up(node, postgres.dsn(), connections=1)
        actor = node.actor(connection(node, 1))
        session, before = actor.state.session, actor.state.session._connection
        before.terminate()
        await node.until(lambda: actor.status()["connects"] == 2 and states(node) == ["idle"])
        session._terminated(before)
        assert await run(node, Query(sql="SELECT 1 AS n")) == Rows([{"n": 1}])
        assert actor.status()["connects"] == 2

    on_node(scenario)


def test_the_deadline_covers_the_wait_and_a_full_queue_refuses_at_once(on_node, postgres):
    async def scenario(node):
        await up(node, postgres.dsn(), connections=1, queue_limit=1)
        slow = begin(node, Query(sql=SLOW, timeout_ms=300))
        await running(node)
        waits = begin(node, Query(sql="SELECT 1", timeout_ms=50))
        await node.until(lambda: node.actor(ROUTER).status()["waiting"])
        assert await run(node, Query(sql="SELECT 1")) == QueueFull(1)
        assert await waits == QueryTimeout("wait", 0.05)
        assert await slow == QueryTimeout("exec", 0.3)

    on_node(scenario)


def test_without_a_dsn_nothing_connects_and_every_query_is_answered_at_once(on_node):
    async def scenario(node):
        await node.start(OdbcServer, settings(""), "odbcServer")
        assert await run(node, Query(sql="SELECT 1")) == DatabaseDown(NOT_CONFIGURED)
        assert set(node.kernel.roots["odbcServer"].children) == {"connectionRouter"}
        assert database_state(node.kernel) == "none"

    on_node(scenario)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql:///x?host=%2Fnowhere",
        "postgresql://127.0.0.1:1/x?user=nobody",
        "postgresql://name.invalid/x?user=nobody",
        "postgresql://host:port/x",
    ],
)
def test_a_server_that_cannot_be_reached_fails_queries_but_no_actor(on_node, dsn):
    async def scenario(node):
        await node.start(OdbcServer, settings(dsn), "odbcServer")
        await node.until(lambda: database_state(node.kernel) == "down")
        answer = await run(node, Query(sql="SELECT 1"))
        assert isinstance(answer, DatabaseDown)
        await node.until(lambda: node.actor(connection(node, 1)).status()["failed_attempts"] > 3)
        assert node.reported("crash") == []
        assert node.kernel.restarts == 0
        assert len(node.reported("degraded", part="database connection")) == 2

    on_node(scenario)


def test_a_server_that_dies_is_told_and_found_again_when_it_is_back(on_node, postgres):
    async def scenario(node):
        await up(node, postgres.dsn())
        user = User()
        address = node.kernel.child_address(None, "user")
        node.kernel.spawn(user, None, parent=None, address=address)
        write = begin(node, Execute(sql=SLOW))
        await running(node)
        postgres.kill()
        answer = await write
        assert isinstance(answer, QueryFailed)
        assert answer.sqlstate == OUTCOME_UNKNOWN
        await node.until(lambda: database_state(node.kernel) == "down")
        assert isinstance(await run(node, Query(sql="SELECT 1")), DatabaseDown)
        await asyncio.to_thread(postgres.start)
        await node.until(lambda: states(node) == ["idle", "idle"])
        *gone, up_again = user.messages
        assert {type(one) for one in gone} == {DatabaseGone}
        assert up_again == DatabaseUp()
        assert await run(node, Query(sql="SELECT 1 AS n")) == Rows([{"n": 1}])
        assert node.kernel.restarts == 0
        await node.stop(address)

    on_node(scenario)


def test_a_read_on_a_killed_connection_is_run_again_on_another_and_a_write_is_not(
    on_node, postgres
):
    async def scenario(node):
        await up(node, postgres.dsn())
        slow_read = "SELECT pg_sleep(0.2), 1 AS n"
        read = begin(node, Query(sql=slow_read, repeatable=True))
        await running(node)
        node.kill(busy(node))
        assert (await read).rows[0]["n"] == 1
        await node.until(lambda: states(node) == ["idle", "idle"])
        write = begin(node, Execute(sql=SLOW))
        await running(node)
        node.kill(busy(node))
        assert (await write).sqlstate == OUTCOME_UNKNOWN
        await node.until(lambda: states(node) == ["idle", "idle"])

    on_node(scenario)


def test_other_queries_do_not_notice_that_a_connection_is_killed(on_node, postgres):
    async def scenario(node):
        await up(node, postgres.dsn())
        victim = begin(node, Execute(sql=SLOW))
        await running(node)
        address = busy(node)
        other = begin(node, Query(sql="SELECT pg_sleep(0.1)"))
        await running(node, 2)
        node.kill(address)
        assert isinstance(await other, Rows)
        assert isinstance(await victim, QueryFailed)

    on_node(scenario)


def test_what_a_killed_connection_ran_is_cancelled_on_the_server_and_its_socket_closed(
    on_node, postgres
):
    async def scenario(node):
        await up(node, postgres.dsn(), connections=1)
        query = begin(node, Execute(sql=SLOW))
        await running(node)
        node.kill(busy(node))
        assert (await query).sqlstate == OUTCOME_UNKNOWN
        await node.until(lambda: states(node) == ["idle"])
        sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'vigie'"
        async with asyncio.timeout(10):
            while (await run(node, Query(sql=sql))).rows != [{"n": 1}]:
                pass

    on_node(scenario)


def test_a_killed_router_finds_its_connections_again_without_connecting_anew(on_node, postgres):
    async def scenario(node):
        await up(node, postgres.dsn())
        slow = begin(node, Query(sql="SELECT pg_sleep(0.1)"))
        await running(node)
        node.kill(ROUTER)
        with pytest.raises(Exception, match="the server ended"):
            await slow
        await node.until(lambda: node.whereis(ROUTER) and states(node) == ["idle", "idle"])
        assert isinstance(await run(node, Query(sql="SELECT 1")), Rows)
        for number in (1, 2):
            assert node.actor(connection(node, number)).status()["connects"] == 1

    on_node(scenario)


def test_the_orderly_end_cancels_what_runs_and_takes_little_time(on_node, postgres):
    async def scenario(node):
        top = await up(node, postgres.dsn())
        query = begin(node, Query(sql=SLOW))
        await running(node)
        async with asyncio.timeout(5):
            await node.stop(top)
        assert (await query).sqlstate == OUTCOME_UNKNOWN

    on_node(scenario)


def test_many_callers_share_few_connections(on_node, postgres):
    async def scenario(node):
        await up(node, postgres.dsn())
        sql = "SELECT $1::int AS n"
        queries = [run(node, Query(sql=sql, args=(n,))) for n in range(500)]
        answers = await asyncio.gather(*queries)
        assert [answer.rows[0]["n"] for answer in answers] == list(range(500))

    on_node(scenario)


def test_the_password_is_not_in_the_status(on_node):
    dsn = "postgresql://vigie:hush@127.0.0.1:1/x"

    async def scenario(node):
        await node.start(OdbcServer, settings(dsn), "odbcServer")
        status = node.actor(connection(node, 1)).status()
        assert status["hosts"] == "127.0.0.1:1"
        assert "hush" not in str(status)
        assert "hush" not in str(node.actor(ROUTER).status())

    on_node(scenario)


def test_operators_see_neither_statements_nor_parameters(on_node, postgres):
    async def scenario(node):
        await up(node, postgres.dsn())
        query = begin(node, Query(sql="SELECT pg_sleep(0.05), $1::text", args=("+33123456789",)))
        await running(node)
        introspection = Introspection(node.kernel, "odbcServer")
        for name in ("connectionRouter", "odbcConnection-1", "odbcConnection-2"):
            path = f"odbcServer/{name}"
            shown = f"{await introspection.actor(path)}{await introspection.state(path)}"
            assert "pg_sleep" not in shown
            assert "+33123456789" not in shown
        await query

    on_node(scenario)


def test_other_requests_to_the_router_are_a_mistake_of_the_caller(on_node):
    async def scenario(node):
        await node.start(ConnectionRouter, DatabaseConfig(), "router")
        with pytest.raises(Exception, match="answers no str"):
            await node.call(ROUTER, "SELECT 1")

    on_node(scenario)

"""Several hosts: real servers with streaming replication, killed, promoted and brought back."""

import asyncio
import os
import signal
import time

import pytest
from postgres_pair import Primary, Replica, pair_dsn

from actors.config import DatabaseConfig
from actors.connection_router import ConnectionRouter
from actors.database import (
    OUTCOME_UNKNOWN,
    ROUTER,
    USERS,
    DatabaseDown,
    DatabaseGone,
    DatabaseUp,
    Execute,
    Executed,
    Query,
    QueryFailed,
    Rows,
)
from actors.odbc_server import OdbcServer, OdbcSettings, database_state
from supervision.testing import Probe

pytestmark = pytest.mark.system

IN_RECOVERY = "SELECT pg_is_in_recovery() AS replica"
FAILOVER_S = 2.0


@pytest.fixture
def servers():
    primary = Primary()
    primary.start()
    replica = Replica(primary)
    replica.start()
    yield primary, replica
    replica.remove()
    primary.remove()


class User(Probe):
    def init(self, args):
        self.join(USERS)


async def up(node, *servers, **changes):
    settings = {
        "connections": 2,
        "query_timeout_ms": 5_000,
        "reconnect_min_s": 0.01,
        "reconnect_max_s": 5.0,
        "probe_ms": 200,
        **changes,
    }
    database = DatabaseConfig(dsn=pair_dsn(*servers), **settings)
    await node.start(OdbcServer, OdbcSettings(database, intensity=1_000), "odbcServer")
    user = User()
    node.kernel.spawn(user, None, parent=None, address=node.kernel.child_address(None, "user"))
    await node.until(lambda: roles(node) == ["primary", "replica"])
    await node.until(lambda: set(status(node)["connections"].values()) == {"idle"})
    return user


def status(node):
    return node.actor(ROUTER).status()


def roles(node):
    return sorted(host["role"] for host in status(node)["hosts"].values())


async def read(node, **options):
    return await node.call(ROUTER, Query(sql=IN_RECOVERY, repeatable=True, **options))


async def make_table(node):
    """Make a table, and wait until the replica has it: it is sent without being waited for."""
    assert await node.call(ROUTER, Execute(sql="CREATE TABLE t (n int)")) == Executed(0)
    there = Query(sql="SELECT to_regclass('t') IS NOT NULL AS there", replica=True)
    async with asyncio.timeout(10):
        while await node.call(ROUTER, there) != Rows([{"there": True}]):
            pass


async def write(node, number):
    return await node.call(ROUTER, Execute(sql="INSERT INTO t VALUES ($1)", args=(number,)))


def test_reads_that_may_go_to_replicas_everything_else_goes_to_the_primary(on_node, servers):
    async def scenario(node):
        await up(node, *reversed(servers))
        assert status(node)["primary"] == servers[0].directory
        assert await read(node) == Rows([{"replica": False}])
        assert await read(node, replica=True) == Rows([{"replica": True}])
        assert await node.call(ROUTER, Execute(sql="CREATE TABLE t (n int)")) == Executed(0)
        assert await write(node, 1) == Executed(1)
        assert len(status(node)["connections"]) == 4

    on_node(scenario)


def test_when_the_primary_is_killed_and_the_replica_promoted_writes_go_on_within_two_seconds(
    on_node, servers
):
    primary, replica = servers

    async def scenario(node):
        user = await up(node, *servers)
        await make_table(node)
        primary.kill()
        await node.until(lambda: database_state(node.kernel) == "read-only")
        assert await read(node, replica=True) == Rows([{"replica": True}])
        failure = await write(node, 1)
        assert isinstance(failure, DatabaseDown)
        assert "primary" in failure.why
        await asyncio.to_thread(replica.promote)
        began = time.monotonic()
        await node.until(lambda: database_state(node.kernel) == "up")
        assert await write(node, 2) == Executed(1)
        assert time.monotonic() - began < FAILOVER_S
        assert {type(one) for one in user.messages[:-1]} == {DatabaseUp, DatabaseGone}
        assert user.messages[-1] == DatabaseUp()
        assert node.kernel.restarts == 0

    on_node(scenario)


def test_an_old_primary_that_comes_back_and_has_not_heard_of_the_promotion_gets_nothing(
    on_node, servers
):
    primary, replica = servers

    async def scenario(node):
        await up(node, *servers)
        primary.kill()
        await asyncio.to_thread(replica.promote)
        await node.until(lambda: status(node)["primary"] == replica.directory)
        await asyncio.to_thread(primary.start)
        await node.until(lambda: roles(node) == ["primary", "primary"])
        await node.until(lambda: set(status(node)["connections"].values()) == {"idle"})
        for options in ({}, {"replica": True}):
            sql = "SELECT current_setting('data_directory') AS place"
            answer = await node.call(ROUTER, Query(sql=sql, **options))
            assert answer.rows[0]["place"].startswith(replica.directory)

    on_node(scenario)


def test_a_promotion_beside_a_living_primary_moves_writes_to_the_younger_timeline(on_node, servers):
    _, replica = servers

    async def scenario(node):
        await up(node, *servers)
        await asyncio.to_thread(replica.promote)
        began = time.monotonic()
        await node.until(lambda: status(node)["primary"] == replica.directory)
        assert time.monotonic() - began < FAILOVER_S
        assert await read(node) == Rows([{"replica": False}])
        assert database_state(node.kernel) == "up"

    on_node(scenario)


def test_when_the_replica_is_killed_its_read_is_run_once_more_on_the_primary(on_node, servers):
    _, replica = servers

    async def scenario(node):
        await up(node, *servers)
        sql = "SELECT pg_sleep(0.3), pg_is_in_recovery() AS replica"
        slow = Query(sql=sql, repeatable=True, replica=True)
        answer = asyncio.ensure_future(node.call(ROUTER, slow))
        await node.until(lambda: status(node)["running"] == 1)
        replica.kill()
        assert (await answer).rows[0]["replica"] is False
        assert isinstance(await read(node, replica=True), Rows)
        await asyncio.to_thread(replica.start)
        await node.until(lambda: roles(node) == ["primary", "replica"])
        await node.until(lambda: set(status(node)["connections"].values()) == {"idle"})
        assert await read(node, replica=True) == Rows([{"replica": True}])

    on_node(scenario)


@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGKILL])
def test_a_backend_that_is_killed_costs_its_own_query_one_more_run_and_the_others_nothing(
    on_node, servers, kill
):
    _, replica = servers

    async def scenario(node):
        await up(node, *servers)
        slow = Query(sql="SELECT pg_sleep(1)", repeatable=True, replica=True)
        victim = asyncio.ensure_future(node.call(ROUTER, slow))
        other = asyncio.ensure_future(node.call(ROUTER, Query(sql="SELECT pg_sleep(2)")))
        await node.until(lambda: status(node)["running"] == 2)
        find = "SELECT pid FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1)'"
        ((pid,),) = await asyncio.to_thread(replica.run, find)
        os.kill(pid, kill)
        assert isinstance(await victim, Rows)
        assert isinstance(await other, Rows)
        await node.until(lambda: roles(node) == ["primary", "replica"])
        await node.until(lambda: set(status(node)["connections"].values()) == {"idle"})
        assert node.kernel.restarts == 0

    on_node(scenario)


def test_a_killed_router_learns_of_the_roles_again(on_node, servers):
    async def scenario(node):
        await up(node, *servers)
        before = node.actor(ROUTER)
        node.kill(ROUTER)
        await node.until(lambda: node.whereis(ROUTER) and node.actor(ROUTER) is not before)
        await node.until(lambda: roles(node) == ["primary", "replica"])
        await node.until(lambda: len(status(node)["connections"]) == 4)
        assert await read(node, replica=True) == Rows([{"replica": True}])

    on_node(scenario)


def test_a_replica_that_times_out_is_asked_for_no_more_until_a_probe_succeeds(on_node, servers):
    async def scenario(node):
        await up(node, *servers, breaker_failures=2, breaker_open_ms=300)
        slow = Query(sql="SELECT pg_sleep(5)", timeout_ms=50, replica=True)
        for _ in range(2):
            await node.call(ROUTER, slow)
        breakers = {name: host["breaker"] for name, host in status(node)["hosts"].items()}
        assert breakers == {servers[0].directory: "closed", servers[1].directory: "open"}
        assert await read(node, replica=True) == Rows([{"replica": False}])
        async with asyncio.timeout(30):
            while await read(node, replica=True) != Rows([{"replica": True}]):
                pass  # a probe of it comes when the breaker has been open for its time
        assert {host["breaker"] for host in status(node)["hosts"].values()} == {"closed"}

    on_node(scenario)


def test_a_write_that_is_lost_with_the_primary_has_an_unknown_outcome(on_node, servers):
    primary, _ = servers

    async def scenario(node):
        await up(node, *servers)
        lost = asyncio.ensure_future(node.call(ROUTER, Execute(sql="SELECT pg_sleep(30)")))
        await node.until(lambda: status(node)["running"] == 1)
        primary.kill()
        answer = await lost
        assert isinstance(answer, QueryFailed)
        assert answer.sqlstate == OUTCOME_UNKNOWN

    on_node(scenario)


def test_operators_see_the_hosts_and_never_a_password(on_node):
    async def scenario(node):
        dsn = "postgresql://vigie:hush@127.0.0.1:1,127.0.0.1:2/x"
        settings = OdbcSettings(DatabaseConfig(dsn=dsn, probe_ms=50), intensity=1_000)
        await node.start(OdbcServer, settings, "odbcServer")
        await node.until(lambda: roles(node) == ["unreachable", "unreachable"])
        children = node.kernel.roots["odbcServer"].children
        shown = [children[f"odbcConnector-{n}"].actor.status() for n in (1, 2)]
        assert [one["host"] for one in shown] == ["127.0.0.1:1", "127.0.0.1:2"]
        assert "hush" not in str((shown, status(node)))
        assert isinstance(node.actor(ROUTER), ConnectionRouter)

    on_node(scenario)

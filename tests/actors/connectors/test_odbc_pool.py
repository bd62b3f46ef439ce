"""The size of the pool, changed while it serves: against a real server."""

import asyncio

import pytest

from actors.alarms import Alarms
from actors.config import DatabaseConfig
from actors.connection_router import ConnectionFreed, HostsStand
from actors.database import ROUTER, DatabaseDown, Query, Rows
from actors.database_desk import DatabaseDesk
from actors.odbc_alarms import OdbcAlarms
from actors.odbc_pool import (
    NAME,
    OdbcPool,
    Pool,
    PoolAsked,
    PoolCarried,
    PoolRefused,
    PoolSettings,
    Resize,
)
from actors.odbc_server import OdbcServer, OdbcSettings, connection_spec
from actors.web.ports import PoolBusy, PoolLimit
from supervision.testing import Kit, Takeover


async def up(node, dsn, **changes):
    database = DatabaseConfig(
        dsn=dsn, connections=2, max_connections=6, query_timeout_ms=5_000, **changes
    )
    settings = OdbcSettings(database, intensity=1_000, alarms=Alarms(node.kernel))
    await node.start(OdbcServer, settings, "odbcServer")
    await size(node, 2)


def connections(node):
    actor = node.whereis(ROUTER) and node.actor(ROUTER)
    return actor.status()["connections"] if actor else {}


def children(node):
    found = node.kernel.roots["odbcServer"].children
    return sorted(name for name in found if name.startswith("odbcConnection-"))


async def size(node, number):
    """Wait until there are so many connections, and each is usable."""
    wanted = [f"odbcConnection-{n}" for n in range(1, number + 1)]
    await node.until(lambda: children(node) == wanted)
    await node.until(lambda: sorted(connections(node)) == wanted)
    await node.until(lambda: set(connections(node).values()) == {"idle"})


async def resize(node, number):
    return await node.call(NAME, Resize(number))


@pytest.mark.system
def test_the_pool_grows_and_shrinks_while_it_serves_and_what_runs_ends_first(on_node, postgres):
    async def scenario(node):
        await up(node, postgres.dsn())
        assert await resize(node, 4) == Pool(4, 2, 6, 1, 0)
        await size(node, 4)
        slow = Query(sql="SELECT pg_sleep(0.5), 1 AS n")
        answers = [asyncio.ensure_future(node.call(ROUTER, slow)) for _ in range(8)]
        await node.until(lambda: node.actor(ROUTER).status()["running"] == 4)
        await resize(node, 1)
        for answer in answers:
            assert isinstance(await answer, Rows)
        await size(node, 1)
        assert node.kernel.restarts == 0

    on_node(scenario)


@pytest.mark.system
@pytest.mark.parametrize("victim", [NAME, ROUTER])
def test_a_change_of_size_is_finished_whoever_is_killed_in_the_middle(on_node, postgres, victim):
    async def scenario(node):
        await up(node, postgres.dsn())
        await resize(node, 5)
        await size(node, 5)
        if victim == NAME:
            before = node.actor(NAME)
            node.kill(NAME)
            await node.until(lambda: node.whereis(NAME) and node.actor(NAME) is not before)
            await node.until(lambda: node.actor(NAME).state.live == 5)
        await resize(node, 3)
        if victim == ROUTER:
            node.kill(ROUTER)
        await size(node, 3)

    on_node(scenario)


@pytest.mark.system
def test_more_than_may_be_and_less_than_one_are_refused(on_node, postgres):
    async def scenario(node):
        await up(node, postgres.dsn())
        for number in (0, 7, -1):
            assert await resize(node, number) == PoolRefused("1 to 6 (database.max_connections)")
        desk = DatabaseDesk(node.kernel)
        with pytest.raises(PoolLimit):
            await desk.resize(7)
        assert (await desk.resize(3)).connections == 3
        await size(node, 3)
        report = await desk.report()
        assert (report.state, report.pool.connections, report.pool.configured) == ("up", 3, 2)
        assert report.customers["asked"] == 0
        assert [host.role for host in report.hosts.values()] == ["unknown"]

    on_node(scenario)


@pytest.mark.system
def test_what_an_operator_wanted_is_wanted_by_the_next_version_too(on_node, postgres):
    async def scenario(node):
        await up(node, postgres.dsn())
        pool = node.actor(NAME)
        assert pool.hand_over() == PoolCarried(None)
        pool.adopt(PoolCarried(9))
        await size(node, 6)
        assert pool.hand_over() == PoolCarried(6)

    on_node(scenario)


def test_the_size_travels_to_another_version_through_a_takeover():
    database = DatabaseConfig(dsn="postgresql://a,b/x", connections=2, max_connections=6)
    settings = PoolSettings(database, connection_spec)
    with Takeover() as node:
        for side in (node.old, node.new):
            side.start(OdbcPool, settings, name=NAME)
        old, new = node.old.address(NAME), node.new.address(NAME)
        assert node.old.call(old, Resize(5)) == Pool(5, 2, 6, 2, 0)
        assert node.new.call(new, PoolAsked()) == Pool(2, 2, 6, 2, 0)
        node.take_over()
        assert node.new.call(new, PoolAsked()) == Pool(5, 2, 6, 2, 0)


def test_without_a_database_there_is_no_pool_to_change(on_node):
    async def scenario(node):
        await node.start(OdbcServer, OdbcSettings(DatabaseConfig()), "odbcServer")
        desk = DatabaseDesk(node.kernel)
        with pytest.raises(PoolBusy):
            await desk.resize(3)
        report = await desk.report()
        assert (report.state, report.pool, report.customers) == ("none", None, {})

    on_node(scenario)


@pytest.mark.system
def test_a_server_that_is_too_slow_opens_the_breaker_with_an_alarm_until_a_probe_succeeds(
    on_node, postgres
):
    async def scenario(node):
        await up(node, postgres.dsn(), breaker_failures=2, breaker_open_ms=200)
        alarms = node.kernel.roots["odbcServer"].children["odbcAlarms"].actor._alarms
        slow = Query(sql="SELECT pg_sleep(5)", timeout_ms=50, replica=True)
        for _ in range(2):
            await node.call(ROUTER, slow)
        await node.until(lambda: "breaker-open" in alarms)
        refused = await node.call(ROUTER, slow)
        assert type(refused).__name__ == "CircuitOpen"
        assert 0 < refused.retry_s <= 0.2
        assert isinstance(await node.call(ROUTER, Query(sql="SELECT 1")), Rows)
        good = Query(sql="SELECT 1", replica=True)
        async with asyncio.timeout(30):
            while not isinstance(await node.call(ROUTER, good), Rows):
                pass  # a probe is let through when the breaker has been open for its time
        await node.until(lambda: "breaker-open" not in alarms)
        assert not isinstance(await node.call(ROUTER, good), DatabaseDown)

    on_node(scenario)


def test_operators_are_told_of_a_missing_primary_and_of_open_breakers_until_they_are_well():
    with Kit() as kit:
        alarms = Alarms(kit.kernel)
        router = kit.probe(ROUTER)
        actor = kit.start(OdbcAlarms, alarms, name="odbcAlarms")
        kit.settle()
        assert len(router.messages) == 1
        kit.send(actor, HostsStand("no primary is reachable (a: refused)", ("a", "")))
        kit.send(actor, ConnectionFreed(actor))
        kit.settle()
        assert [(one.name, one.severity) for one in alarms.active()] == [
            ("primary-missing", "major"),
            ("breaker-open", "minor"),
        ]
        assert "a, the database" in alarms.text("breaker-open")
        kit.send(actor, HostsStand("", ()))
        kit.settle()
        assert alarms.active() == []

"""The node and the pool that `odbc.py` compares; prints what it measured as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg

from actors.config import DatabaseConfig
from actors.customer_lookup import NAME, CustomerCache, Facts, LookUp, cache_of, look_up
from actors.customers_config import CustomersConfig
from actors.database import ROUTER, Query, Rows
from actors.odbc_server import OdbcServer, OdbcSettings, database_state
from supervision import SHUTDOWN, GenServer, actor_system

CONNECTIONS = 8
CALLERS = 64
QUERY_S = 0.02
ROUNDS = 3
CUSTOMERS = 10_000
BURST = 1_000
SLOW = f"SELECT pg_sleep({QUERY_S})"
ONE = "SELECT * FROM bench_customer WHERE number = $1 LIMIT 1"

Once = Callable[[], Awaitable[Any]]


class Asker(GenServer):
    """Asks, and counts the answers."""

    answers: int
    wanted: int
    done: asyncio.Event

    def init(self, args: Any) -> None:
        """Begin with none."""
        del args
        self.answers = self.wanted = 0
        self.done = asyncio.Event()

    def handle_info(self, message: Any, sender: Any) -> None:
        """Count an answer."""
        del sender
        assert isinstance(message, Facts)
        assert message.outcome == "found", message
        self.answers += 1
        if self.answers >= self.wanted:
            self.done.set()

    def expect(self, wanted: int) -> None:
        """Count anew."""
        self.answers, self.wanted = 0, wanted
        self.done.clear()


class Node:
    """odbcServer, and somebody who asks it."""

    def __init__(self, dsn: str) -> None:
        self.base = actor_system(loop=asyncio.get_running_loop())._systemBase  # noqa: SLF001
        self.kernel = self.base.kernel
        customers = CustomersConfig(table="bench_customer", deadline_ms=10_000)
        self.cache: CustomerCache = cache_of(customers)
        database = DatabaseConfig(dsn=dsn, connections=CONNECTIONS, query_timeout_ms=10_000)
        settings = OdbcSettings(database, customers=customers, cache=self.cache)
        self.asker = Asker()
        self._start(OdbcServer(), settings, "odbcServer")
        self._start(self.asker, None, "asker")

    def _start(self, actor: Any, args: Any, name: str) -> None:
        self.kernel.spawn(actor, args, parent=None, address=self.kernel.child_address(None, name))

    async def ready(self) -> None:
        """Wait until every connection is usable."""
        while database_state(self.kernel) != "up" or not self._idle():  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def _idle(self) -> bool:
        status = self.kernel.cell_of(ROUTER).actor.status()["connections"]
        return list(status.values()) == ["idle"] * CONNECTIONS

    async def query(self, sql: str = SLOW) -> None:
        """Run a query."""
        answer = await self.base.call(ROUTER, Query(sql=sql, repeatable=True), 10.0)
        assert isinstance(answer, Rows), answer

    def statistics(self) -> Any:
        """Of customerFacts."""
        return self.kernel.cell_of(NAME).actor.statistics()

    async def stop(self) -> None:
        """Stop in order."""
        gone = self.kernel.stop(self.kernel.roots["odbcServer"], SHUTDOWN, None)
        while not gone.settled:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def rate(once: Once, seconds: float, callers: int = CALLERS) -> float:
    """How often something is done in a second by callers that wait for each other not at all."""
    done, end = 0, time.perf_counter() + seconds

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await once()
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return done / (time.perf_counter() - began)


def cached_rate(node: Node, seconds: float) -> float:
    """Known numbers looked up by ``look_up``, in a second."""
    done, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        for number in range(1_000):
            facts = look_up(node.asker, node.cache, f"+33{number}", 0.1)
            assert facts is not None
        done += 1_000
    return done / took


async def told_rate(node: Node, numbers: list[str]) -> float:
    """Numbers looked up by message to customerFacts, in a second."""
    node.asker.expect(len(numbers))
    began = time.perf_counter()
    deadline = node.asker.now() + 60.0
    for number in numbers:
        node.asker.cast(NAME, LookUp(number, node.asker.address, deadline))
    await node.asker.done.wait()
    return len(numbers) / (time.perf_counter() - began)


async def measured(dsn: str, seconds: float) -> dict[str, float]:
    """Everything."""
    async with pool_of(dsn) as pool, bare(dsn) as connections:
        node = Node(dsn)
        await node.ready()
        slow = await in_turns(node, pool, connections, seconds)
        unknown = [f"+33{number}" for number in range(CUSTOMERS)]
        read = await told_rate(node, unknown)
        numbers = iter(unknown * 1_000)
        read_pool = await rate(lambda: pool.fetchrow(ONE, next(numbers)), seconds)
        figures = {
            **slow,
            "read": read,
            "read_pool": read_pool,
            "cached": cached_rate(node, seconds),
            "told": await told_rate(node, unknown * 5),
            "burst_queries": await burst(node),
        }
        await node.stop()
    return figures


async def in_turns(
    node: Node, pool: Any, connections: list[Any], seconds: float
) -> dict[str, float]:
    """The best of so many rounds, of each way to run queries of 20 ms."""
    ways: dict[str, Callable[[], Awaitable[float]]] = {
        "slow": lambda: rate(node.query, seconds),
        "slow_pool": lambda: rate(lambda: pool.fetch(SLOW), seconds),
        "slow_bare": lambda: kept_busy(connections, seconds),
        "slow_limit": lambda: kept_busy(connections[:1], seconds),
    }
    best = dict.fromkeys(ways, 0.0)
    for _ in range(ROUNDS):
        for name, way in ways.items():
            best[name] = max(best[name], await way())
    best["slow_limit"] *= CONNECTIONS
    return best


async def kept_busy(connections: list[Any], seconds: float) -> float:
    """Queries per second of connections each of which is asked again as soon as it has answered."""
    asked = (functools.partial(one.fetch, SLOW) for one in connections)
    return sum(await asyncio.gather(*(rate(one, seconds, callers=1) for one in asked)))


async def burst(node: Node) -> int:
    """How many queries callers cost that ask for one number at once."""
    before = node.statistics().asked
    node.cache.clear()
    await told_rate(node, ["+337"] * BURST)
    asked: int = node.statistics().asked - before
    return asked


@contextlib.asynccontextmanager
async def bare(dsn: str) -> AsyncIterator[list[Any]]:
    """Connections with nothing around them."""
    connections = [await asyncpg.connect(dsn) for _ in range(CONNECTIONS)]
    try:
        yield connections
    finally:
        for one in connections:
            await one.close()


@contextlib.asynccontextmanager
async def pool_of(dsn: str) -> AsyncIterator[Any]:
    """A plain pool, and the table that is read."""
    pool = await asyncpg.create_pool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS)
    await pool.execute("DROP TABLE IF EXISTS bench_customer")
    await pool.execute("CREATE TABLE bench_customer (number text PRIMARY KEY, segment text)")
    fill = "INSERT INTO bench_customer SELECT '+33' || n, 'gold' FROM generate_series(0, $1) n"
    await pool.execute(fill, CUSTOMERS)
    try:
        yield pool
    finally:
        await pool.execute("DROP TABLE bench_customer")
        await pool.close()


@contextlib.contextmanager
def server(dsn: str) -> Iterator[str]:
    """A server to measure on: the one that is named, or one of its own."""
    if dsn:
        yield dsn
        return
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))
    from postgres_server import PostgresServer

    own = PostgresServer()
    try:
        own.start()
        yield own.dsn()
    finally:
        own.remove()


if __name__ == "__main__":
    with server(sys.argv[2]) as there:
        print(json.dumps(asyncio.run(measured(there, float(sys.argv[1])))))

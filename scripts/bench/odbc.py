#!/usr/bin/env python3
"""odbcServer beside a plain asyncpg pool, on one PostgreSQL server in the same run.

Many callers ask for queries of 20 ms over 8 connections, through connectionRouter and through
``asyncpg.create_pool``, in turns. On paper the server can do 400/s. What it can do here is measured
in the same turns: one connection that is sent the next query as soon as it has answered, times 8
(pg_sleep wakes late, and a way there and back takes its time); and 8 such connections at once, with
nothing between them and the loop, which is the most that any pool in Python could do.

Then look-ups by number: unknown ones, each read from the database, which the pool does too; known
ones, by ``look_up`` and by message to customerFacts. Last, a thousand callers ask for one number at
once.

    scripts/bench/odbc.py [--json] [--seconds S] [--dsn DSN]

Without a DSN a server of its own is started. Ends with 1 where less than 95 % were done of what the
server can do (of 400/s, where it can do more), the cache path is under 50,000/s, or the thousand
took more than one query. 20 s with `--seconds 1`, a minute as it is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from report import Row, publish
from routing import HERE, environment

BEST = 400.0
LEAST_SHARE = 0.95
LEAST_CACHED = 50_000
POOL = "asyncpg pool"


def rows(told: dict[str, float]) -> list[Row]:
    """What was measured, beside the pool."""
    return [
        Row("queries of 20 ms, 8 connections", told["slow"], "1/s", POOL, told["slow_pool"]),
        Row("the same", told["slow"], "1/s", "8 bare connections", told["slow_bare"]),
        Row("the same", told["slow"], "1/s", "8 times one connection", told["slow_limit"]),
        Row("the same, of what the server can do", 100 * told["slow"] / ceiling(told), "%"),
        Row("the same, of 400/s", 100 * told["slow"] / BEST, "%"),
        Row("customers read from the database", told["read"], "1/s", POOL, told["read_pool"]),
        Row("known customers, look_up", told["cached"], "1/s", POOL, told["read_pool"]),
        Row("known customers, by message", told["told"], "1/s", POOL, told["read_pool"]),
        Row("queries for 1000 callers of one number", told["burst_queries"], "queries"),
    ]


def ceiling(told: dict[str, float]) -> float:
    """What the server can do of the queries of 20 ms, per second."""
    return min(BEST, told["slow_limit"])


def shortfalls(told: dict[str, float]) -> list[str]:
    """What is less than promised, in words."""
    slow, cached, queries = told["slow"], told["cached"], told["burst_queries"]
    found = []
    if slow < LEAST_SHARE * ceiling(told):
        found.append(f"{slow:.0f}/s is less than {LEAST_SHARE:.0%} of {ceiling(told):.0f}/s")
    if cached < LEAST_CACHED:
        found.append(f"{cached:.0f} known customers/s are less than {LEAST_CACHED}/s")
    if queries != 1:
        found.append(f"the callers of one number took {queries} queries")
    return found


def main() -> int:
    """Measure, print, and say whether it is enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--dsn", default="")
    options = parser.parse_args()
    done = subprocess.run(
        [sys.executable, "-P", HERE / "odbc_nodes.py", str(options.seconds), options.dsn],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    publish("odbc", rows(told), as_json=options.json)
    missing = shortfalls(told)
    for one in missing:
        sys.stderr.write(f"==> missed: {one}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""odbcServer beside a plain asyncpg pool, on one PostgreSQL server in the same run.

Many callers ask for queries of 20 ms over 8 connections, through connectionRouter and through
``asyncpg.create_pool``, in turns; the server itself can do 400/s. Then look-ups by number: unknown
ones, each read from the database, which the pool does too; known ones, by ``look_up`` and by
message to customerFacts. Last, a thousand callers ask for one number at once.

    scripts/bench/odbc.py [--json] [--seconds S] [--dsn DSN]

Without a DSN a server of its own is started. Ends with 1 where less than 95 % of 400/s were done,
the cache path is under 50,000/s, or the thousand took more than one query.
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
        Row("the same, of 400/s", 100 * told["slow"] / BEST, "%"),
        Row("customers read from the database", told["read"], "1/s", POOL, told["read_pool"]),
        Row("known customers, look_up", told["cached"], "1/s", POOL, told["read_pool"]),
        Row("known customers, by message", told["told"], "1/s", POOL, told["read_pool"]),
        Row("queries for 1000 callers of one number", told["burst_queries"], "queries"),
    ]


def shortfalls(told: dict[str, float]) -> list[str]:
    """What is less than promised, in words."""
    slow, cached, queries = told["slow"], told["cached"], told["burst_queries"]
    found = []
    if slow < LEAST_SHARE * BEST:
        found.append(f"{slow:.0f}/s is less than {LEAST_SHARE:.0%} of {BEST:.0f}/s")
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
        sys.stderr.write(f"{one}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())

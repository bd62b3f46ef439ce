#!/usr/bin/env python3
"""What reference tables cost: bytes a row, time a read, and how long a load holds the loop.

    python scripts/bench/tables.py [--json] [--rows N] [--peer-rows N] [--reads N]

The rows are customers' facts (``msisdnInfos``); the peers are a plain dict of dicts and a table of
SQLite in memory, of the same rows, each in a process of its own. Their bytes a row and microseconds
a read are measured on `--peer-rows`: five million in a dict take gigabytes.
The file is read as refServer reads it, in a process beside the loop, whose longest hold is measured
meanwhile. Numbers are looked for in a list of interceptions with a tenth as many beginnings as the
peer has rows, as routing does for each call.

Ends with 1 where 99 % of the reads are not within 50 microseconds, or rows take more than 800 bytes
each: five million in four gigabytes.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

# The rooms first: a script beside this one has the name of one of them.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from report import Row, publish

from actors.reference.building import Limits
from actors.reference.catalogue import KINDS
from actors.reference.live import Reference
from actors.reference.loading import Loader, LoaderSettings, Prepared, Unusable
from actors.reference.table import Version

PEER = "dict of dicts"
SQLITE = "SQLite in memory"
SLOWEST, SLOWEST_LISTED = "read, 99 % within", "interception looked for, 99 % within"
LIMITS = {SLOWEST: 50.0, SLOWEST_LISTED: 50.0, "memory": 800.0}
TABLE = "msisdnInfos"
FIRST = 600_000_000
STEP = 37
"""Between two numbers: customers have no ranges of their own."""


def main() -> int:
    """Measure, print a row of each figure, and say whether it is enough."""
    options = _options()
    if options.peer:
        print(json.dumps(_PEERS[options.peer](options.rows, options.reads)))
        return 0
    peers = {name: _beside(name, options.peer_rows, options.reads) for name in _PEERS}
    with tempfile.TemporaryDirectory() as name:
        rows = asyncio.run(_measured(Path(name), options.rows, options.reads, peers))
        rows += asyncio.run(_intercepted(Path(name), options.peer_rows, options.reads))
    publish("tables", rows, as_json=options.json)
    missed = [row for row in rows if row.value > LIMITS.get(row.what, row.value)]
    for row in missed:
        sys.stderr.write(f"==> missed: {row.what}: {row.value:.1f} {row.unit}\n")
    return 1 if missed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--peer-rows", type=int, default=500_000)
    parser.add_argument("--reads", type=int, default=200_000)
    parser.add_argument("--peer", choices=_PEERS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _facts(count: int) -> Iterator[dict[str, object]]:
    for number in range(count):
        yield {
            "msisdn": _number(number),
            "customer_id": f"C{number:08}",
            "segment": ("standard", "silver", "gold")[number % 3],
            "offer": f"OFFER-{number % 200}",
            "product": f"PRODUCT-{number % 50}",
            "status": "active",
            "lang": "fr",
            "vip": number % 100 == 0,
            "services": (f"S{number % 20}",),
            "updated": 1_750_000_000.0 + number,
        }


def _number(number: int) -> str:
    return f"+33{FIRST + number * STEP}"


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4_096


# The peers, each in a process of its own


def _beside(peer: str, rows: int, reads: int) -> dict[str, float]:
    command = [sys.executable, __file__, f"--peer={peer}", f"--rows={rows}", f"--reads={reads}"]
    done = subprocess.run(command, capture_output=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _dict(rows: int, reads: int) -> dict[str, float]:
    gc.disable()
    before = _resident()
    table = {facts.pop("msisdn"): facts for facts in _facts(rows)}
    size = _resident() - before
    return {"bytes": size / rows, "us": _read_us(table.get, rows, reads)}


def _sqlite(rows: int, reads: int) -> dict[str, float]:
    before = _resident()
    database = sqlite3.connect(":memory:")
    columns = KINDS[TABLE].header
    names = ", ".join(f'"{name}"' for name in columns)
    database.execute(f"CREATE TABLE t ({names}, PRIMARY KEY (msisdn)) WITHOUT ROWID")
    places = ", ".join("?" * len(columns))
    made = (tuple(map(_plain, facts.values())) for facts in _facts(rows))
    database.executemany(f"INSERT INTO t VALUES ({places})", made)  # noqa: S608 - our own names
    size = _resident() - before

    def get(key: str) -> object:
        return database.execute("SELECT * FROM t WHERE msisdn = ?", (key,)).fetchone()

    return {"bytes": size / rows, "us": _read_us(get, rows, reads)}


def _plain(value: object) -> object:
    return ",".join(value) if isinstance(value, tuple) else value


_PEERS: dict[str, Callable[[int, int], dict[str, float]]] = {PEER: _dict, SQLITE: _sqlite}


def _read_us(get: Callable[[str], object], rows: int, reads: int) -> float:
    rng = random.Random(1)  # noqa: S311 the same keys for both
    keys = [_number(rng.randrange(rows)) for _ in range(reads)]
    started = time.perf_counter()
    for key in keys:
        get(key)
    return (time.perf_counter() - started) / reads * 1e6


def _slowest_us(get: Callable[[str], object], rows: int, reads: int) -> float:
    rng = random.Random(2)  # noqa: S311 the same keys each time
    taken = []
    for _ in range(reads):
        key = _number(rng.randrange(rows))
        started = time.perf_counter()
        get(key)
        taken.append(time.perf_counter() - started)
    taken.sort()
    return taken[int(reads * 0.99)] * 1e6


# Ours


async def _measured(
    directory: Path, rows: int, reads: int, peers: dict[str, dict[str, float]]
) -> list[Row]:
    file = directory / f"{TABLE}.csv"
    _write(file, rows)
    reference = Reference()
    loader = Loader(directory, LoaderSettings("FR", Limits(rows, 2**40), 3_600.0))
    before, started = _resident(), time.perf_counter()
    version = Version(1, source=str(file))
    prepared, hold_ms = await _watched(lambda told: loader.load(TABLE, file, version, told))
    loaded_s = time.perf_counter() - started
    switch_ms = _switch(reference, prepared)
    table = reference.tables.infos
    assert len(table) == rows
    figures = [
        *_beside_peers("memory", (_resident() - before) / rows, "bytes/row", "bytes", peers),
        *_beside_peers("read, mean", _read_us(table.get, rows, reads), "µs", "us", peers),
        Row(SLOWEST, _slowest_us(table.get, rows, reads), "µs"),
        Row("loaded from CSV", loaded_s, "s"),
        Row("longest hold of the loop while it is loaded", hold_ms, "ms"),
        Row("switch", switch_ms, "ms"),
    ]
    started = time.perf_counter()
    again, hold_ms = await _watched(lambda told: loader.reread(TABLE, prepared.version, told))
    figures += [
        Row("read back from its snapshot", time.perf_counter() - started, "s"),
        Row("longest hold of the loop while it is read back", hold_ms, "ms"),
        Row("switch, the version before given back", _switch(reference, again), "ms"),
    ]
    return figures


def _beside_peers(
    name: str, ours: float, unit: str, key: str, peers: dict[str, dict[str, float]]
) -> list[Row]:
    """A figure beside that of each peer."""
    return [
        Row(name if peer == PEER else f"{name}, beside {peer}", ours, unit, peer, found[key])
        for peer, found in peers.items()
    ]


async def _intercepted(directory: Path, rows: int, reads: int) -> list[Row]:
    """What it takes to find the rule that a call falls under, among many beginnings of numbers."""
    file = directory / "msisdnInter.csv"
    rules = "".join(f"{_number(n)[:-2]};prefix;reject;;;;\n" for n in range(0, rows, 10))
    file.write_text(";".join(KINDS["msisdnInter"].header) + "\n" + rules, encoding="utf-8")
    loader = Loader(directory, LoaderSettings("FR", Limits(rows, 2**40), 3_600.0))
    version, reference = Version(1, source=str(file)), Reference()
    prepared, _ = await _watched(lambda told: loader.load("msisdnInter", file, version, told))
    reference.switch("msisdnInter", prepared.rows, prepared.version, 0.0)

    def look_for(number: str) -> object:
        return reference.tables.intercepted(number, "3900", 0.0)

    return [
        Row("interception looked for, mean", _read_us(look_for, rows, reads), "µs"),
        Row(SLOWEST_LISTED, _slowest_us(look_for, rows, reads), "µs"),
    ]


def _switch(reference: Reference, prepared: Prepared) -> float:
    started = time.perf_counter()
    reference.switch(TABLE, prepared.rows, prepared.version, 0.0)
    return (time.perf_counter() - started) * 1e3


async def _watched(begin: Callable[[Callable[..., None]], None]) -> tuple[Prepared, float]:
    """Do a job, and see how long the loop was held at most meanwhile, milliseconds."""
    done: asyncio.Future[Prepared | Unusable] = asyncio.get_running_loop().create_future()
    begin(done.set_result)
    longest, before = 0.0, time.perf_counter()
    while not done.done():
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        longest, before = max(longest, now - before - 0.001), now
    prepared = done.result()
    if not isinstance(prepared, Prepared):
        sys.exit(prepared.why)
    return prepared, longest * 1e3


def _write(file: Path, rows: int) -> None:
    header = KINDS[TABLE].header
    with file.open("w", encoding="utf-8") as out:
        out.write(";".join(header) + "\n")
        for facts in _facts(rows):
            facts |= {"vip": "yes" if facts["vip"] else "no", "services": "S1,S2"}
            facts["updated"] = "2026-01-31T12:00:00+01:00"
            out.write(";".join(str(facts[name]) for name in header) + "\n")


if __name__ == "__main__":
    sys.exit(main())

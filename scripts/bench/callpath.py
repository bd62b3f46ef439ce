#!/usr/bin/env python3
"""The call path under everything at once: routes asked over CTI, sessions read and written by IVRs.

A node with many open sessions answers route requests, each of a new call that is cleared once it
has been answered, while IVR applications read sessions and change their user data over HTTP. Then
a bare aiohttp server with a dictionary gets the same reads and writes, with nothing else to do.
All of them come at random instants, whether or not those before have been answered, and their times
count from the instant at which they were due.

    scripts/bench/callpath.py [--json] [--sessions N] [--rate R] [--reads R] [--writes R]
        [--seconds S]

Ends with 1 when a request or a change was lost, an answer took longer than 300 ms, a percentile was
over its limit, there were fewer sessions than wanted, or less was asked than wanted. About 5
minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# The rooms first: a script beside this one has the name of one of them.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import disk
from programs import ROOT, python, say
from recovery_nodes import TEMPLATES, directory, fill
from report import Row, publish
from upgrade_nodes import Load

PEER = "bare aiohttp dictionary"
ROUTING_P99_MS, READING_P99_MS, LONGEST_MS = 50.0, 20.0, 300.0
REACHED, SPREAD = 0.97, 5.0
"""So much of a rate must have been reached; few arrivals differ more from their mean."""
LINKS = 8
WARM_S = 3.0
SETTINGS = {
    "VIGIE_DATABASE__DSN": "",  # the embedded server, as with the configuration that ships
    "VIGIE_SESSIONS__LINGER_S": "5",  # else there are as many sessions as calls of a minute
}

Report = dict[str, Any]


def applications(port: int, token: str, shape: Mapping[str, Any]) -> subprocess.Popen[str]:
    """Begin reading and writing."""
    process = subprocess.Popen(
        python("callpath_load.py", str(port)),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(f"{token}\n{json.dumps(dict(shape))}\n")
    process.stdin.flush()
    return process


def told(process: subprocess.Popen[str]) -> Report:
    """What came of it."""
    out, _ = process.communicate()
    if process.returncode:
        sys.exit(f"the generator ended with {process.returncode}")
    report: Report = json.loads(out)
    say(f"    {report}")
    return report


def ours(shape: Mapping[str, Any], sessions: int, rate: float) -> tuple[Report, Report]:
    """The applications and the routes of a node under both."""
    with directory(**SETTINGS) as node:
        fill(node, sessions)
        with node.running() as info:
            ivr = node.vigie("token", "create", "--scope", "ivr")["token"]
            rates = (rate, shape["reads"], shape["writes"])
            say("{:,.0f} routes/s, {:,.0f} reads/s, {:,.0f} writes/s".format(*rates))
            routes = Load(info, {"links": LINKS, "rate": rate, "quiet": 0, "http": 0})
            time.sleep(WARM_S)
            routes.period()
            begun = time.monotonic()
            port = int(str(info["http"]).rpartition(":")[2])
            read = told(applications(port, ivr, shape))
            routed = routes.period()
            routed["rate"] = routed["sent"] / (time.monotonic() - begun)
            routed["sessions"] = node.vigie("info")["counts"]["sessions"]
            routed["unanswered"] = routes.end()["unanswered"]
            say(f"    {routed}")
            return read, routed


@contextlib.contextmanager
def bare(sessions: list[str]) -> Iterator[int]:
    """Run the bare server; its port."""
    with subprocess.Popen(
        python("callpath_peer.py"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(sessions) + "\n")
        process.stdin.flush()
        yield int(process.stdout.readline())
        process.stdin.close()


def rows(read: Report, routed: Report, peer: Report) -> Iterator[Row]:
    """What is told."""
    for name in ("p50_ms", "p99_ms", "max_ms"):
        yield Row(f"routing, {name[:3]}", routed[name], "ms")
    for kind in ("reads", "writes"):
        for name in ("p50_ms", "p99_ms", "max_ms"):
            yield Row(f"{kind}, {name[:3]}", read[kind][name], "ms", PEER, peer[kind][name])
        yield Row(f"{kind}, answered", read[kind]["answered"], "", PEER, peer[kind]["answered"])
    yield Row("sessions at the end, the lingering included", routed["sessions"], "")
    yield Row("routes, asked", routed["rate"], "1/s")
    yield Row("routes, answered", routed["answered"], "")
    yield Row("routes, late", routed["late"], "")
    yield Row("routes, refused", sum(routed["refused"].values()), "")
    yield Row("routes, doubled", routed["doubled"], "")
    yield Row("routes, unanswered at the end", routed["unanswered"], "")
    yield Row("changes lost", read["lost"], "", PEER, peer["lost"])


def misses(read: Report, routed: Report, wanted: argparse.Namespace) -> list[str]:
    """Gates that were missed, in words."""
    ivr = {kind: read[kind] for kind in ("reads", "writes")}
    wrong = [one for kind in ivr.values() for one in kind["statuses"] if one != "200"]
    longest = max(one["max_ms"] for one in (routed, *ivr.values()))
    asked = [(routed["rate"], wanted.rate)]
    asked += [(ivr[kind]["answered"] / wanted.seconds, getattr(wanted, kind)) for kind in ivr]
    found = {
        "a change was lost": read["lost"],
        "a route request was not answered": routed["unanswered"],
        "a route request was answered twice": routed["doubled"],
        "a route request was refused": routed["refused"],
        f"reads or writes were answered with {', '.join(wrong)}": wrong,
        f"the p99 of routing is over {ROUTING_P99_MS:g} ms": routed["p99_ms"] > ROUTING_P99_MS,
        f"the p99 of reads is over {READING_P99_MS:g} ms": read["reads"]["p99_ms"] > READING_P99_MS,
        f"something was answered after {longest:g} ms": longest > LONGEST_MS,
        f"there were {routed['sessions']} sessions": routed["sessions"] < wanted.sessions,
        "less was asked than wanted": any(rate < REACHED * aim - SPREAD for rate, aim in asked),
    }
    return [what for what, so in found.items() if so]


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object, no table")
    parser.add_argument("--sessions", type=int, default=20_000, help="open at the beginning")
    parser.add_argument("--rate", type=float, default=1_000.0, help="route requests/s")
    parser.add_argument("--reads", type=float, default=1_000.0, help="of sessions, per second")
    parser.add_argument("--writes", type=float, default=200.0, help="of sessions, per second")
    parser.add_argument("--seconds", type=float, default=120.0, help="of all that")
    return parser.parse_args()


def main() -> int:
    """Measure and print."""
    wanted = options()
    # The first ones are those of which the others were made; there may be fewer than that many.
    known = [f"{number:024x}" for number in range(3 * TEMPLATES, wanted.sessions)]
    shape = {name: getattr(wanted, name) for name in ("reads", "writes", "seconds")}
    shape["sessions"] = known
    commits = disk.commits()
    read, routed = ours(shape, wanted.sessions, wanted.rate)
    commits += disk.commits()
    say(PEER)
    with bare(known) as port:
        peer = told(applications(port, "none", shape))
    found = [*rows(read, routed, peer), *disk.rows(commits)]
    publish("callpath", found, as_json=wanted.json)
    missed = misses(read, routed, wanted)
    for one in missed:
        say(f"missed: {one}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

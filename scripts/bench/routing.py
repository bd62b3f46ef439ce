#!/usr/bin/env python3
"""How fast vigie routes calls, beside a bare asyncio server that answers at once.

Both get the same load from a generator in a process of its own: route requests that arrive as
calls do, at random and whether or not the ones before are answered. First a steady rate, then the
greatest rate that keeps the 99th percentile under 50 ms, doubled until it fails and then halved in.
Latency counts from the instant at which a request was due, so that a stall hides nothing.

    scripts/bench/routing.py [--json] [--rate R] [--seconds S] [--probe-seconds S] [--echo-only]

Ends with 1 when vigie lost or doubled an answer at the steady rate, or was over 50 ms.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from report import Row, publish

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PEER = "bare asyncio msgpack echo"
P99_LIMIT_MS = 50.0
HALVINGS = 4
GREATEST_PROBE = 100_000.0
REACHED = 0.97
"""A rate was reached when this share of it was sent: arrivals are random."""
ANY_PORT = {"VIGIE_HTTP__PORT": "0", "VIGIE_CTI__PORT": "0"}
STOP_LIMIT_S = 60.0

Report = dict[str, Any]


@dataclass(frozen=True)
class Server:
    """Who is measured.

    Attributes:
        name: for the progress.
        port: where it takes CTI links.
        token: what its hello needs.
    """

    name: str
    port: int
    token: str

    def load(self, rate: float, seconds: float) -> Report:
        """Send route requests at a rate; return the generator's report."""
        say(f"{self.name}: {rate:,.0f} requests/s for {seconds:g} s")
        done = subprocess.run(
            [sys.executable, HERE / "route_load.py", str(self.port), str(rate), str(seconds)],
            env=environment(),
            input=self.token,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        report: Report = json.loads(done.stdout)
        say(
            f"    p99 {report['latency_from_schedule']['p99_ms']} ms, lost {report['lost']},"
            f" errors {report['errors']}, rate {report['rate']}, generator {report['cpu_s']} s CPU"
        )
        return report


@contextlib.contextmanager
def echo() -> Iterator[Server]:
    """Run the bare server."""
    process = subprocess.Popen(
        [sys.executable, HERE / "echo.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Server("echo", int(process.stdout.readline()), "any")
        process.stdin.close()


@contextlib.contextmanager
def node() -> Iterator[Server]:
    """Run a node with the configuration that ships, on free ports, in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="vigie-bench-") as data:

        def vigie(*verb: str) -> Any:
            command = [sys.executable, "-m", "actors.cli", *verb, "--data", data, "--json"]
            done = subprocess.run(
                command, env=environment(), stdout=subprocess.PIPE, text=True, check=False
            )
            if done.returncode:
                sys.exit(f"vigie {' '.join(verb)} ended with {done.returncode}:\n{done.stdout}")
            return json.loads(done.stdout)

        vigie("start")
        try:
            token = vigie("token", "create", "--scope", "cti", "--name", "bench")["token"]
            yield Server("vigie", cti_port(vigie("info")), token)
        finally:
            vigie("stop")


def cti_port(info: dict[str, Any]) -> int:
    """The port of `host:port` in what `vigie info` prints."""
    return int(str(info["cti"]).rpartition(":")[2])


def environment() -> dict[str, str]:
    """That of every process: the rooms of this checkout, no port but a free one."""
    return os.environ | ANY_PORT | {"PYTHONPATH": str(ROOT)}


def holds(report: Report, rate: float) -> bool:
    """Whether a run kept its rate, its answers and its 99th percentile."""
    p99_ms = report["latency_from_schedule"]["p99_ms"]
    complete = not (report["lost"] or report["doubled"] or report["skipped"] or report["errors"])
    kept = report["rate"] >= REACHED * rate
    return complete and kept and p99_ms is not None and p99_ms < P99_LIMIT_MS


def greatest_rate(holds_at: Callable[[float], bool], first: float) -> float:
    """Find the greatest rate that holds, to one part in sixteen.

    Args:
        holds_at: tries a rate.
        first: where to begin; doubled while it holds, halved while it does not.
    """
    good, bad = 0.0, 0.0
    rate = first
    while not (good and bad) and 1 <= rate <= GREATEST_PROBE:
        if holds_at(rate):
            good, rate = rate, rate * 2
        else:
            bad, rate = rate, rate / 2
    for _ in range(HALVINGS if good and bad else 0):
        middle = (good + bad) / 2
        good, bad = (middle, bad) if holds_at(middle) else (good, middle)
    return good


def probe(server: Server, seconds: float) -> Callable[[float], bool]:
    """Make what tries a rate; a rate that fails is tried once more before it counts as failed."""

    def holds_at(rate: float) -> bool:
        return any(holds(server.load(rate, seconds), rate) for _ in range(2))

    return holds_at


def steady_rows(rate: float, ours: Report, peers: Report) -> list[Row]:
    """The rows of the steady rate."""
    at = f"at {rate:,.0f} route requests/s"
    latency, peer_latency = ours["latency_from_schedule"], peers["latency_from_schedule"]
    rows = [
        Row(f"{name} {at}", latency[key] or 0.0, "ms", PEER, peer_latency[key])
        for name, key in (("p50", "p50_ms"), ("p99", "p99_ms"), ("max", "max_ms"))
    ]
    rows.append(Row(f"sent {at}", ours["sent"], "requests"))
    counts = ("lost", "doubled", "late")
    rows += [Row(f"{key} {at}", ours[key], "requests", PEER, peers[key]) for key in counts]
    return rows


def say(text: str) -> None:
    """Show where the run is."""
    print(f"==> {text}", file=sys.stderr, flush=True)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object, no table")
    parser.add_argument("--rate", type=float, default=1_000.0, help="steady requests/s")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the steady rate")
    parser.add_argument("--probe-seconds", type=float, default=5.0, help="of each rate tried")
    parser.add_argument("--echo-only", action="store_true", help="measure the echo with itself")
    return parser.parse_args()


def main() -> int:
    """Measure and print."""
    wanted = options()
    with echo() as peer, echo() if wanted.echo_only else node() as ours:
        steady = [server.load(wanted.rate, wanted.seconds) for server in (ours, peer)]
        greatest = [
            greatest_rate(probe(server, wanted.probe_seconds), wanted.rate)
            for server in (ours, peer)
        ]
    rows = steady_rows(wanted.rate, *steady)
    what = f"greatest rate with p99 under {P99_LIMIT_MS:g} ms"
    rows.append(Row(what, round(greatest[0]), "requests/s", PEER, round(greatest[1])))
    publish("routing", rows, as_json=wanted.json)
    return 0 if holds(steady[0], wanted.rate) else 1


if __name__ == "__main__":
    sys.exit(main())

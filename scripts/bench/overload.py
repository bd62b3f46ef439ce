#!/usr/bin/env python3
"""What vigie does with twice the load that it can bear: what it refuses, and what it takes.

First the greatest rate of route requests that is answered whole, with the 99th percentile under 50
ms; then half of it, twice it for a long time, and half of it again. Told are the answers to calls
established before and to new ones, what was refused by which rule, memory and descriptors of the
node, and how long it took until nothing was refused any more and the 99th percentile was back.
An application of HTTP opens a session and asks for ``/readyz`` ten times a second meanwhile.

    scripts/bench/overload.py [--json] [--seconds S] [--probe-seconds S] [--rate R]
        [--calm-seconds S] [--after-seconds S]

Generators and node share the cores of one machine: on two cores the load takes from the node what
it is measured with, so the greatest rate is lower than with generators elsewhere. Ends with 1 where
memory or descriptors were not bounded, established calls were refused more often than new ones,
answers were late, or it did not recover within 10 s.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from report import Row, publish
from routing import HERE, P99_LIMIT_MS, REACHED, cti_port, environment, greatest_rate, say

RECOVERED_S = 10.0
RECOVERED_FOR = 3
LATE_SHARE = 0.02
"""Of what was not refused: late, or so late that nothing was sent any more. The first tenths of a
second of an overload are over before anybody can know."""

DESCRIPTORS_SPARE = 64
MEMORY_GROWTH = 1.5
"""Of the second half's greatest over the first half's: what is bounded has levelled off."""

LINGER = {"VIGIE_SESSIONS__LINGER_S": "2"}
"""Calls that have ended make room within the time of the bench."""

Report = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """The node that is measured."""

    pid: int
    cti: int
    http: str
    cti_token: str
    ivr_token: str

    def load(self, *phases: tuple[float, float]) -> Report:
        """Offer (requests/s, seconds) one after the other; return the generator's report."""
        for rate, seconds in phases:
            say(f"{rate:,.0f} requests/s for {seconds:g} s")
        wanted = json.dumps([{"rate": rate, "seconds": seconds} for rate, seconds in phases])
        done = subprocess.run(
            [sys.executable, HERE / "overload_load.py", str(self.cti), wanted],
            env=environment(),
            input=self.cti_token,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        report: Report = json.loads(done.stdout)
        for phase in report["phases"]:
            say("    " + "; ".join(f"{kind} {phase[kind]}" for kind in ("new", "established")))
        return report

    def memory_mb(self) -> float:
        """Resident memory (proc(5))."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_bytes().split()[1])
        return pages * 4_096 / 1_048_576

    def descriptors(self) -> int:
        """Open descriptors."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())


@contextlib.contextmanager
def running() -> Iterator[Node]:
    """Run a node with the configuration that ships, on free ports, in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="vigie-bench-") as data:

        def vigie(*verb: str) -> Any:
            command = [sys.executable, "-m", "actors.cli", *verb, "--data", data, "--json"]
            done = subprocess.run(
                command, env=environment() | LINGER, stdout=subprocess.PIPE, text=True, check=False
            )
            if done.returncode:
                sys.exit(f"vigie {' '.join(verb)} ended with {done.returncode}:\n{done.stdout}")
            return json.loads(done.stdout)

        vigie("start")
        try:
            tokens = [
                vigie("token", "create", "--scope", scope, "--name", "bench")["token"]
                for scope in ("cti", "ivr")
            ]
            info = vigie("info")
            address = str(info["http"]).partition("://")[2]
            yield Node(info["node"]["pid"], cti_port(info), address, *tokens)
        finally:
            vigie("stop")


@dataclass
class Watch:
    """Memory and descriptors, and what an application of HTTP sees, while something runs."""

    node: Node
    memory_mb: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0

    def __enter__(self) -> Self:
        """Begin."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        connection = http.client.HTTPConnection(self.node.http, timeout=30)
        while not self._ended.wait(0.1):
            self.memory_mb.append(self.node.memory_mb())
            self.descriptors.append(self.node.descriptors())
            body = json.dumps({"call": f"h{time.monotonic_ns()}"})
            self._ask(connection, "POST", "/api/v1/sessions", body)
            self._ask(connection, "GET", "/readyz", None)

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: str | None
    ) -> None:
        headers = {
            "Authorization": f"Bearer {self.node.ivr_token}",
            "Content-Type": "application/json",
        }
        began = time.monotonic()
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        said = "" if answer.status != 429 or answer.headers["retry-after"] else " without a time"  # noqa: PLR2004
        self.statuses[f"{method} {path} {answer.status}{said}"] += 1


def whole(report: Report, rate: float) -> bool:
    """Whether all of a phase's requests were answered, soon, and at the rate that was wanted."""
    (phase,) = report["phases"]
    took = max(1, phase["last"] - phase["first"])
    sent = sum(phase[kind]["sent"] for kind in ("new", "established"))
    return (
        not report["links_lost"]
        and sent >= REACHED * rate * took
        and all(
            not phase[kind]["refused"]
            and not phase[kind]["unanswered"]
            and phase[kind]["p99_ms"] < P99_LIMIT_MS
            for kind in ("new", "established")
        )
    )


def recovered_after(seconds: list[Report], since: int) -> float:
    """Seconds until nothing is refused and the 99th percentile is back, for three of them."""
    good = [
        not tally["refused"] and tally["sent"] and tally["p99_ms"] < P99_LIMIT_MS
        for tally in seconds
    ]
    found = [
        second
        for second in range(since, len(good) - RECOVERED_FOR + 1)
        if all(good[second : second + RECOVERED_FOR])
    ]
    return float((found[0] if found else len(seconds)) - since)


def refused(tally: Report, rule: str = "") -> int:
    """How many were refused, by one rule or by any."""
    return sum(count for name, count in tally["refused"].items() if rule in name)


def in_time(tally: Report) -> bool:
    """Whether what was not refused was answered in time, but for the onset of the overload."""
    taken = tally["answered"] + tally["unanswered"]
    late: int = tally["late"] + tally["unanswered"]
    return late <= LATE_SHARE * taken


def rows_of(rate: float, report: Report, watch: Watch) -> list[Row]:
    """All that is told."""
    before, during, after = report["phases"]
    rows = [Row(f"greatest rate with p99 under {P99_LIMIT_MS:g} ms", round(rate), "requests/s")]
    rows.append(Row("offered under overload", round(during["rate"]), "requests/s"))
    for kind in ("new", "established"):
        tally = during[kind]
        shed = refused(tally, "overload.")
        rows += [
            Row(f"{kind}: sent", tally["sent"], "requests"),
            Row(f"{kind}: answered", tally["answered"], "requests"),
            Row(f"{kind}: refused by overload", shed, "requests"),
            Row(
                f"{kind}: refused by other rules",
                refused(tally) - refused(tally, "overload."),
                "requests",
            ),
            Row(f"{kind}: unanswered", tally["unanswered"], "requests"),
            Row(f"{kind}: answered later than 300 ms", tally["late"], "requests"),
            Row(f"{kind}: p99 under overload", tally["p99_ms"], "ms"),
            Row(f"{kind}: p99 before", before[kind]["p99_ms"], "ms"),
            Row(f"{kind}: p99 after", after[kind]["p99_ms"], "ms"),
        ]
    rows.append(Row("recovered after", recovered_after(report["seconds"], after["first"]), "s"))
    measured = [watch.memory_mb[: len(watch.memory_mb) // 10 or 1], watch.memory_mb]
    for what, values in zip(("before", "greatest"), measured, strict=True):
        rows.append(Row(f"memory {what}", round(max(values), 1), "MiB"))
    rows.append(Row("memory at the end", round(watch.memory_mb[-1], 1), "MiB"))
    for what, count in (("before", watch.descriptors[0]), ("greatest", max(watch.descriptors))):
        rows.append(Row(f"descriptors {what}", count, "descriptors"))
    rows.append(Row("descriptors at the end", watch.descriptors[-1], "descriptors"))
    rows += [
        Row(f"HTTP {name}", count, "answers") for name, count in sorted(watch.statuses.items())
    ]
    rows.append(Row("HTTP slowest answer", round(watch.slowest_s * 1e3), "ms"))
    rows.append(Row("CPU of the generator, on the node's cores", report["cpu_s"], "s"))
    return rows


def faults(report: Report, watch: Watch) -> list[str]:
    """What was not as it is to be."""
    _, during, after = report["phases"]
    new, established = during["new"], during["established"]
    half = len(watch.memory_mb) // 2
    return [
        fault
        for fault, is_so in {
            f"links were lost: {report['links_lost']}": report["links_lost"],
            "too many answers were late": not (in_time(new) and in_time(established)),
            "established calls were refused more often than new ones": (
                refused(established) * new["sent"] > refused(new) * established["sent"]
            ),
            "memory kept growing": (
                max(watch.memory_mb[half:]) > MEMORY_GROWTH * max(watch.memory_mb[:half])
            ),
            "descriptors were not bounded": (
                max(watch.descriptors) > watch.descriptors[0] + DESCRIPTORS_SPARE
            ),
            "it did not recover": (
                recovered_after(report["seconds"], after["first"]) > RECOVERED_S
            ),
            "a refusal did not tell when to ask again": any(
                "without a time" in name for name in watch.statuses
            ),
        }.items()
        if is_so
    ]


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object, no table")
    parser.add_argument("--seconds", type=float, default=300.0, help="of twice the greatest rate")
    parser.add_argument("--probe-seconds", type=float, default=5.0, help="of each rate tried")
    parser.add_argument("--rate", type=float, default=0.0, help="the greatest rate, if known")
    parser.add_argument("--calm-seconds", type=float, default=15.0, help="of half of it, before")
    parser.add_argument("--after-seconds", type=float, default=20.0, help="of half of it, after")
    return parser.parse_args()


def main() -> int:
    """Measure and print."""
    wanted = options()
    with running() as node:

        def holds_at(rate: float) -> bool:
            return any(whole(node.load((rate, wanted.probe_seconds)), rate) for _ in range(2))

        rate = wanted.rate or greatest_rate(holds_at, 500.0)
        with Watch(node) as watch:
            report = node.load(
                (rate / 2, wanted.calm_seconds),
                (rate * 2, wanted.seconds),
                (rate / 2, wanted.after_seconds),
            )
    publish("overload", rows_of(rate, report, watch), as_json=wanted.json)
    wrong = faults(report, watch)
    for fault in wrong:
        say(fault)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

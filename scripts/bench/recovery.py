#!/usr/bin/env python3
"""How long vigie is away when its node is killed, and what it costs that nothing is lost then.

With each number of open sessions: from ``kill -9`` of the node to the first answer to a route
request on a link that has resumed, and to the first 200 of ``/readyz``, with the parts that this is
made of. Then the same loads on a node with its journal and on one that keeps nothing
(``journal.mode``), by turns: added latency at two rates, and how many requests are answered while
the node has never nothing to do.

    scripts/bench/recovery.py [--json] [--sessions 1000,20000,200000] [--rates 200,1000]
        [--seconds S] [--rounds N] [--at-once N]

Ends with 1 when a session was lost or, at a steady rate, an answer was lost or doubled.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

# The rooms first: a script beside this one has the name of one of them.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from recovery_link import Link, connect, request
from recovery_nodes import Node, directory, fill, saturated
from report import Row, publish
from routing import Server, say

from protocols.cti.messages import Error, RouteSelect

OFF = {"VIGIE_JOURNAL__MODE": "off"}
PEER = "no journal"
POLL_S = 0.002
AGAIN_S = 0.01
PATIENCE_S = 60.0
LOGS_S = 2.0
"""The node's log is written by a thread; the last lines come a little later."""


@dataclass(frozen=True)
class Away:
    """When what happened, seconds since the epoch.

    Attributes:
        killed: the node.
        hello: the link has resumed.
        answered: its first request.
        ready: `/readyz` is green.
        refused: requests that were refused before one was answered.
    """

    killed: float
    hello: float
    answered: float
    ready: float
    refused: int


class Caller:
    """Asks over a link until it is answered; refusals are counted."""

    def __init__(self) -> None:
        self.refused = 0
        self._run = f"kill{time.time_ns():x}"
        self._number = 0
        self._answers: asyncio.Queue[tuple[float, RouteSelect | Error]] = asyncio.Queue()

    def take(self, answer: RouteSelect | Error) -> None:
        """Note an answer and when it came."""
        self._answers.put_nowait((time.time(), answer))

    async def answered(self, link: Link) -> float:
        """Return when the first request was answered that was not refused."""
        while True:
            self._number += 1
            link.send(**request(self._number, self._run))
            at, answer = await self._answers.get()
            if isinstance(answer, RouteSelect):
                return at
            self.refused += 1
            await asyncio.sleep(AGAIN_S)


async def kill(info: dict[str, Any], pid: int) -> Away:
    """Kill the node under an open link, and time what comes back."""
    caller, token = Caller(), info["token"]
    link = await connect(info["port"], token, caller.take)
    link.send(t="rp.register", rp=["*"])
    async with asyncio.timeout(PATIENCE_S):
        await caller.answered(link)
        before, killed = caller.refused, time.time()
        os.kill(pid, signal.SIGKILL)
        ready = asyncio.create_task(_ready(info["http"]))
        await link.closed
        session = link.client.session
        link = await connect(info["port"], token, caller.take, session, patience_s=PATIENCE_S)
        hello, answered = time.time(), await caller.answered(link)
        away = Away(killed, hello, answered, await ready, caller.refused - before)
    link.close()
    return away


async def _ready(http: str) -> float:
    """Return when `/readyz` was green; each attempt on a connection of its own."""
    host, _, port = http.removeprefix("http://").rpartition(":")
    ask = f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(ask)
            answer = await reader.read()
            writer.close()
            if answer.startswith(b"HTTP/1.1 200"):
                return time.time()
        await asyncio.sleep(POLL_S)


def recovery_rows(count: int) -> Iterator[Row]:
    """Kill a node with so many open sessions."""
    with directory() as node:
        fill(node, count)
        with node.running() as info:
            before = node.vigie("info")["counts"]["sessions"]
            if before < count:
                sys.exit(f"{before} sessions came back of {count}")
            away = asyncio.run(kill(info, info["node"]["pid"]))
            after = node.vigie("info")["counts"]["sessions"]
            if after < before:
                sys.exit(f"{before - after} sessions were lost")
            time.sleep(LOGS_S)
            yield from _rows(f"with {count:,} sessions", away, parts(node, away))


def _rows(at: str, away: Away, steps: dict[str, float]) -> Iterator[Row]:
    yield Row(f"kill to first answer {at}", ms(away.answered - away.killed), "ms")
    yield Row(f"kill to /readyz 200 {at}", ms(away.ready - away.killed), "ms")
    yield Row(f"refused before {at}", away.refused, "requests")
    for what, seconds in steps.items():
        yield Row(f"- {what} {at}", ms(seconds), "ms")


def parts(node: Node, away: Away) -> dict[str, float]:
    """What the time is made of, by the logs of the anchor and the node, seconds."""
    noticed = _anchor(node, "node: backoff", away.killed)
    begun = _anchor(node, "node: starting", away.killed)
    opened, took = _recovered(node, away.killed)
    return {
        "the anchor notices": noticed - away.killed,
        "the anchor waits": begun - noticed,
        "the process starts": opened - took - begun,
        "the journal is read": took,
        "sessions return, ports accept": away.hello - opened,
        "the first request": away.answered - away.hello,
    }


def _anchor(node: Node, words: str, after: float) -> float:
    for record in node.said("logs/anchor.log"):
        at = datetime.fromisoformat(record["Timestamp"]).timestamp()
        if record["Body"].startswith(words) and at >= after - 0.002:
            return at
    sys.exit(f"the anchor's log does not say {words!r}")


def _recovered(node: Node, after: float) -> tuple[float, float]:
    for record in node.said("traces/vigie.jsonl"):
        at = int(record["Timestamp"]) / 1e9
        if record["Body"].startswith("recovered: ") and at >= after:
            attributes = record["Attributes"]
            if "vigie.rows" in attributes:
                return at, float(attributes["vigie.seconds"])
    sys.exit("the node's log does not say what was recovered")


def ms(seconds: float) -> float:
    """Milliseconds, to a tenth."""
    return round(seconds * 1000, 1)


def cost_rows(wanted: argparse.Namespace) -> Iterator[Row]:
    """The same loads on both nodes, by turns."""
    with contextlib.ExitStack() as stack:
        durable, off = (stack.enter_context(directory(**one)) for one in ({}, OFF))
        infos = stack.enter_context(durable.running()), stack.enter_context(off.running())
        for rate in wanted.rates:
            yield from steady_rows(rate, wanted, durable, infos)
        yield from saturated_rows(wanted, durable, infos)


Infos = tuple[dict[str, Any], dict[str, Any]]


def steady_rows(rate: float, wanted: argparse.Namespace, node: Node, infos: Infos) -> Iterator[Row]:
    """Latency at a rate, and what the journal does meanwhile."""
    reports: tuple[list[dict[str, Any]], ...] = ([], [])
    commits = rows = 0
    for _ in range(wanted.rounds):
        before = node.journal()
        for info, name, said in zip(infos, ("journal", PEER), reports, strict=True):
            said.append(Server(name, info["port"], info["token"]).load(rate, wanted.seconds))
        after = node.journal()
        commits += after["commits"] - before["commits"]
        rows += after["rows"] - before["rows"]
    at = f"at {rate:,.0f} route requests/s"
    for key in ("p50_ms", "p99_ms"):
        ours, theirs = (_median(said, key) for said in reports)
        yield Row(f"{key[:3]} {at}", ours, "ms", PEER, theirs)
        yield Row(f"{key[:3]} added by the journal {at}", round(ours - theirs, 2), "ms")
    seconds = wanted.rounds * wanted.seconds
    yield Row(f"journal commits {at}", round(commits / seconds), "commits/s")
    yield Row(f"journal rows {at}", round(rows / seconds), "rows/s")
    lost = sum(one["lost"] + one["doubled"] for one in reports[0])
    yield Row(f"lost or doubled {at}", lost, "requests")
    refused, refused_there = (sum(sum(one["errors"].values()) for one in said) for said in reports)
    yield Row(f"refused {at}", refused, "requests", PEER, refused_there)


def _median(reports: list[dict[str, Any]], key: str) -> float:
    return statistics.median(one["latency_from_schedule"][key] or 0.0 for one in reports)


def saturated_rows(wanted: argparse.Namespace, node: Node, infos: Infos) -> Iterator[Row]:
    """Answers per second when the node has never nothing to do."""
    rates: tuple[list[float], ...] = ([], [])
    before, began = node.journal(), time.monotonic()
    for number in range(wanted.rounds):
        for info, kept in zip(infos, rates, strict=True):
            kept.append(saturated(info, wanted.at_once, wanted.seconds))
        say(
            f"round {number + 1}: {rates[0][-1]:,.0f} with the journal, {rates[1][-1]:,.0f} without"
        )
    after, took = node.journal(), time.monotonic() - began
    ours, theirs = (statistics.median(kept) for kept in rates)
    at = f"with {wanted.at_once} at once"
    yield Row(f"route requests answered {at}", ours, "requests/s", PEER, theirs)
    yield Row(f"throughput lost to the journal {at}", round(100 * (1 - ours / theirs), 1), "%")
    busy = took / 2
    commits = (after["commits"] - before["commits"]) / busy
    yield Row(f"journal commits {at}", round(commits), "commits/s")
    yield Row(f"journal rows {at}", round((after["rows"] - before["rows"]) / busy), "rows/s")
    yield Row("p50 of a commit, from handing over to durable", after["p50_ms"], "ms")
    yield Row("p99 of a commit, from handing over to durable", after["p99_ms"], "ms")


def numbers(text: str) -> list[int]:
    """Whole numbers, by commas."""
    return [int(word) for word in text.split(",") if word]


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object, no table")
    parser.add_argument("--sessions", type=numbers, default=[1_000, 20_000, 200_000])
    parser.add_argument("--rates", type=numbers, default=[200, 1_000], help="requests/s")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    parser.add_argument("--rounds", type=int, default=5, help="of each load on each node")
    parser.add_argument("--at-once", type=int, default=64, help="requests, to saturate")
    return parser.parse_args()


def main() -> int:
    """Measure and print."""
    wanted = options()
    rows: list[Row] = []
    for count in wanted.sessions:
        rows += recovery_rows(count)
    rows += cost_rows(wanted)
    publish("recovery", rows, as_json=wanted.json)
    return 1 if any(row.value for row in rows if row.what.startswith("lost ")) else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Whether queues behave as theory says, and how long a decision takes: the routing core simulated.

The core that routes calls is driven in virtual time: calls arrive at random (Poisson), agents take
them for times that are distributed exponentially. For such plain cases queueing theory knows the
answers: Erlang's C formula for queues without limit (M/M/c), his B formula where nobody may wait.
The same core then decides with 500 agents and 50 routing points, and is measured.

    scripts/bench/queueing.py [--json] [--calls N] [--seed N] [--decisions N]

Ends with 1 when a result is further from theory than 2 %, or a decision takes longer than 50
microseconds on average.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The rooms first: a bench has the name of one of them.
sys.path[:] = [str(HERE.parents[1]), *(one for one in sys.path if Path(one) != HERE), str(HERE)]

from queueing_floor import (  # noqa: E402
    AGENTS,
    CALLER,
    HANDLE_S,
    POINTS,
    Simulation,
    large_core,
)
from report import Row, publish  # noqa: E402

from actors.routing_core.agents import AgentEvent  # noqa: E402
from actors.routing_core.core import route  # noqa: E402
from actors.routing_core.facts import Customer, Request  # noqa: E402

TOLERANCE = 0.02
LIMIT_US = 50.0
CASES = ((2, 0.6), (5, 0.7), (12, 0.75))
"""Agents, and the share of their time that calls take."""
LOSS_CASE = (10, 0.8)
AT = 1_795_424_400.0


def erlang_b(agents: int, load: float) -> float:
    """The share of calls that find all agents busy and are lost.

    Args:
        agents: how many.
        load: calls arriving in the time that one takes (erlangs).
    """
    lost = 1.0
    for number in range(1, agents + 1):
        lost = load * lost / (number + load * lost)
    return lost


def erlang_c(agents: int, load: float) -> float:
    """The share of calls that find all agents busy and wait.

    Args:
        agents: how many.
        load: calls arriving in the time that one takes (erlangs); less than the agents.
    """
    lost = erlang_b(agents, load)
    return agents * lost / (agents - load * (1 - lost))


def mean_wait_s(agents: int, load: float) -> float:
    """How long calls wait on average, those that do not included.

    Args:
        agents: how many.
        load: calls arriving in the time that one takes (erlangs); less than the agents.
    """
    return erlang_c(agents, load) * HANDLE_S / (agents - load)


def queue_rows(agents: int, share: float, calls: int, seed: int) -> list[Row]:
    """Compare a queue without limit with Erlang's C formula."""
    say(f"{calls:,} calls, {agents} agents busy for {share:.0%} of their time")
    seen = Simulation(agents, share, seed, waiting=True).run(calls)
    load = agents * share
    name, peer = f"{agents} agents at {share:.0%}", "Erlang C"
    waited = max(1, seen.waited)
    return [
        Row(
            f"{name}: calls that wait",
            100 * seen.waited / seen.calls,
            "%",
            peer,
            100 * erlang_c(agents, load),
        ),
        Row(f"{name}: mean wait", seen.wait_s / seen.calls, "s", peer, mean_wait_s(agents, load)),
        Row(
            f"{name}: wait told to those who wait",
            seen.expected_s / waited,
            "s",
            "what they waited",
            seen.wait_s / waited,
        ),
    ]


def loss_rows(agents: int, share: float, calls: int, seed: int) -> list[Row]:
    """Compare a queue in which nobody may wait with Erlang's B formula."""
    say(f"{calls:,} calls, {agents} agents, nobody may wait")
    seen = Simulation(agents, share, seed, waiting=False).run(calls)
    lost = 100 * erlang_b(agents, agents * share)
    what = f"{agents} agents at {share:.0%}: calls turned away"
    return [Row(what, 100 * seen.lost / seen.calls, "%", "Erlang B", lost)]


def decision_rows(decisions: int, seed: int) -> list[Row]:
    """Measure decisions of a large core, agents becoming busy and ready meanwhile."""
    say(f"{decisions:,} decisions, {AGENTS} agents, {POINTS} routing points")
    core = large_core(random.Random(seed))  # noqa: S311 - chance that can be repeated
    customer = Customer(id="c", segment="gold", products=("fibre",))
    routed, told = [], []
    busy: list[str] = []
    for index in range(decisions):
        request = Request(
            call=f"c{index}", rp=f"p{index % POINTS}", number=CALLER, customer=customer
        )
        before = time.thread_time_ns()
        route(core.world, request, AT + index)
        after = time.thread_time_ns()
        routed.append(after - before)
        before = time.thread_time_ns()
        facts = core.decide(request, AT + index)
        if facts.choice.kind == "agent":
            busy.append(facts.choice.agent)
            core.tell(AgentEvent(busy[-1], "busy", AT + index))
        if len(busy) > AGENTS * 3 // 4:
            core.tell(AgentEvent(busy.pop(0), "ready", AT + index))
        told.append(time.thread_time_ns() - before)
    return [
        Row("decision, all steps: mean CPU time", mean_us(routed), "µs"),
        Row(
            "decision, all steps: p99 of CPU time",
            sorted(routed)[len(routed) * 99 // 100] / 1_000,
            "µs",
        ),
        Row("decision, its commit, agent busy and ready", mean_us(told), "µs"),
    ]


def mean_us(times_ns: list[int]) -> float:
    """The mean of times."""
    return sum(times_ns) / len(times_ns) / 1_000


def deviation(row: Row) -> float:
    """How far a result is from theory, as a share of it."""
    return abs(row.value / row.peer_value - 1) if row.peer_value else 0.0


def missed(rows: list[Row]) -> list[str]:
    """Say what is not as it should be."""
    found = [
        f"{row.what}: {row.value:.4g} {row.unit}, {row.peer} says {row.peer_value:.4g}"
        for row in rows
        if row.peer.startswith("Erlang") and deviation(row) > TOLERANCE
    ]
    slow = [row for row in rows if row.what.startswith("decision, all") and "mean" in row.what]
    return found + [f"{row.what}: {row.value:.1f} µs" for row in slow if row.value > LIMIT_US]


def say(text: str) -> None:
    """Show where the run is."""
    print(f"==> {text}", file=sys.stderr, flush=True)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object, no table")
    parser.add_argument("--calls", type=int, default=1_000_000, help="of each case")
    parser.add_argument("--seed", type=int, default=1, help="of all chance")
    parser.add_argument("--decisions", type=int, default=50_000, help="that are measured")
    return parser.parse_args()


def main() -> int:
    """Run the bench."""
    chosen = options()
    rows = []
    for agents, share in CASES:
        rows += queue_rows(agents, share, chosen.calls, chosen.seed)
    rows += loss_rows(*LOSS_CASE, chosen.calls, chosen.seed)
    theory = [row for row in rows if row.peer.startswith("Erlang")]
    rows.append(Row("furthest from theory", 100 * max(map(deviation, theory)), "%"))
    rows += decision_rows(chosen.decisions, chosen.seed)
    publish("queueing", rows, as_json=chosen.json)
    failures = missed(rows)
    for failure in failures:
        say(f"missed: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

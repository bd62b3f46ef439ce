#!/usr/bin/env python3
"""Whether queues behave as theory says, and how long a decision takes: the routing core simulated.

The core that routes calls is driven in virtual time: calls arrive at random (Poisson), agents take
them for times that are distributed exponentially. For such plain cases queueing theory knows the
answers: Erlang's C formula for queues without limit (M/M/c), his B formula where nobody may wait.
That is looked at in two steps, for waits of calls that follow each other depend on each other, and
a mean of a million of them may still be 3 % beside the truth:

1. What becomes of each single call must be what the recursion of Kiefer and Wolfowitz says for the
   same arrivals and handling times, to the last bit.
2. That recursion is quick enough for many more calls. Each case is run several times, with seeds of
   their own; the 95 % confidence interval of the mean (Student's t) must be within 2 % of theory.

The same core then decides with 500 agents and 50 routing points, and is measured.

    scripts/bench/queueing.py [--json] [--calls N] [--runs N] [--many N] [--seed N] [--decisions N]

Ends with 1 when a call is treated otherwise, when an interval is not within 2 % of theory (so that
runs which are too short to tell fail as well), when the core's own mean is further from theory than
2 % and than its interval, or when a decision takes longer than 50 microseconds on average. About 3
minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The rooms first: a bench has the name of one of them.
sys.path[:] = [str(HERE.parents[1]), *(one for one in sys.path if Path(one) != HERE), str(HERE)]

from estimates import estimate  # noqa: E402
from queueing_floor import (  # noqa: E402
    AGENTS,
    CALLER,
    HANDLE_S,
    POINTS,
    Case,
    Simulation,
    Tally,
    large_core,
    recursion,
    tally,
)
from report import Row, publish  # noqa: E402

from actors.routing_core.agents import AgentEvent  # noqa: E402
from actors.routing_core.core import route  # noqa: E402
from actors.routing_core.facts import Customer, Request  # noqa: E402

TOLERANCE = 0.02
LIMIT_US = 50.0
CASES = (Case(2, 0.6), Case(5, 0.7), Case(12, 0.75), Case(10, 0.8, waiting=False))
INTERVAL = ", 95 % interval"
ODD = "calls that the recursion treats otherwise"
LONG = "recursion, "
WARM_UP = 0.02
"""The share of calls at the beginning of a run that is not counted."""
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


Figure = tuple[str, str, Callable[[Tally], float], str, float]
"""What is compared with theory: its name, unit, how it is read off, the formula and its value."""


def figures(case: Case) -> list[Figure]:
    """What theory says of a case."""
    if not case.waiting:
        lost = 100 * erlang_b(case.agents, case.load)
        return [("calls turned away", "%", share_lost, "Erlang B", lost)]
    waits = 100 * erlang_c(case.agents, case.load)
    wait_s = mean_wait_s(case.agents, case.load)
    return [
        ("calls that wait", "%", share_waited, "Erlang C", waits),
        ("mean wait", "s", mean_waited_s, "Erlang C", wait_s),
    ]


def share_lost(seen: Tally) -> float:
    """Calls turned away, per cent."""
    return 100 * seen.lost / seen.calls


def share_waited(seen: Tally) -> float:
    """Calls that waited, per cent."""
    return 100 * seen.waited / seen.calls


def mean_waited_s(seen: Tally) -> float:
    """How long calls waited on average, those that did not included."""
    return seen.wait_s / seen.calls


@dataclass(frozen=True)
class Run:
    """What one run has given.

    Attributes:
        counted: its calls, those at the beginning left out: the floor is empty at first.
        odd: calls that the recursion treats otherwise.
        told_s: how long those who waited had been told that they would, together.
        waited_s: how long they did.
        waited: how many they were.
    """

    counted: Tally
    odd: int = 0
    told_s: float = 0.0
    waited_s: float = 0.0
    waited: int = 0


def simulated(case: Case, seed: int, calls: int) -> Run:
    """Have the core treat calls, and compare each with the recursion."""
    floor = Simulation(case, seed)
    floor.run(calls)
    said = recursion(case, seed, calls)
    odd = sum(ours != theirs for ours, theirs in zip(floor.waits, said, strict=True))
    whole = tally(floor.waits)
    counted = tally(floor.waits[int(calls * WARM_UP) :])
    return Run(counted, odd, floor.expected_s, whole.wait_s, whole.waited)


def recurred(case: Case, seed: int, calls: int) -> Run:
    """Have the recursion treat calls."""
    return Run(tally(islice(recursion(case, seed, calls), int(calls * WARM_UP), None)))


def case_rows(case: Case, chosen: argparse.Namespace, pool: ProcessPoolExecutor) -> Iterator[Row]:
    """Compare a case with the recursion, and that one with theory."""
    name = f"{case.agents} agents at {case.share:.0%}: "
    say(f"{name}{chosen.runs} times {chosen.calls:,} calls, recursion {chosen.many:,}")
    seeds = range(chosen.seed, chosen.seed + chosen.runs)
    begun = [
        [pool.submit(way, case, seed, calls) for seed in seeds]
        for way, calls in ((simulated, chosen.calls), (recurred, chosen.many))
    ]
    ours, said = ([one.result() for one in runs] for runs in begun)
    for what, unit, read, formula, value in figures(case):
        for prefix, runs in ((name, ours), (f"{name}{LONG}", said)):
            found = estimate([read(one.counted) for one in runs])
            yield Row(f"{prefix}{what}", found.mean, unit, formula, value)
            yield Row(f"{prefix}{what}{INTERVAL}", 100 * found.half / value, "± %")
    yield Row(f"{name}{ODD}", sum(one.odd for one in ours), f"of {chosen.runs * chosen.calls:,}")
    if case.waiting:
        yield told_row(name, ours)


def told_row(name: str, runs: list[Run]) -> Row:
    """What those who waited had been told, beside what it was."""
    waited = max(1, sum(one.waited for one in runs))
    told, was = (sum(one.told_s for one in runs), sum(one.waited_s for one in runs))
    what = f"{name}wait told to those who wait"
    return Row(what, told / waited, "s", "what they waited", was / waited)


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
    spread = {row.what.removesuffix(INTERVAL): row.value / 100 for row in rows}
    found = [
        f"{row.what}: {row.value:.4g} {row.unit} ± {spread[row.what]:.2%}, "
        f"{row.peer} says {row.peer_value:.4g}"
        for row in rows
        if row.peer.startswith("Erlang") and not agrees(row, spread[row.what])
    ]
    found += [
        f"{row.what}: {row.value:.0f}" for row in rows if row.what.endswith(ODD) and row.value
    ]
    slow = [row for row in rows if row.what.startswith("decision, all") and "mean" in row.what]
    return found + [f"{row.what}: {row.value:.1f} µs" for row in slow if row.value > LIMIT_US]


def agrees(row: Row, spread: float) -> bool:
    """Whether a mean is near theory: all of its interval, where it is of many calls."""
    if LONG in row.what:
        return deviation(row) + spread <= TOLERANCE
    return deviation(row) <= max(TOLERANCE, spread)


def say(text: str) -> None:
    """Show where the run is."""
    print(f"==> {text}", file=sys.stderr, flush=True)


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object, no table")
    parser.add_argument("--calls", type=int, default=100_000, help="of each run of the core")
    parser.add_argument("--runs", type=int, default=10, help="of each case")
    parser.add_argument("--many", type=int, default=3_000_000, help="of each run of the recursion")
    parser.add_argument("--seed", type=int, default=1, help="of the first run")
    parser.add_argument("--decisions", type=int, default=50_000, help="that are measured")
    return parser.parse_args()


def main() -> int:
    """Run the bench."""
    chosen = options()
    rows: list[Row] = []
    with ProcessPoolExecutor() as pool:
        for case in CASES:
            rows += case_rows(case, chosen, pool)
    theory = [row for row in rows if row.peer.startswith("Erlang") and LONG in row.what]
    rows.append(Row("furthest from theory", 100 * max(map(deviation, theory)), "%"))
    rows += decision_rows(chosen.decisions, chosen.seed)
    publish("queueing", rows, as_json=chosen.json)
    failures = missed(rows)
    for failure in failures:
        say(f"missed: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

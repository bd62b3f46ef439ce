#!/usr/bin/env python3
"""What it takes to hand sessions over from one node to another, beside reading them back.

Each side is measured alone, in a process of its own: what the old node spends on giving while it
serves, what the new one spends on taking in, what is left to be done while both stand still, and
the memory of both. The peer is a node that was killed and starts the same sessions from its
journal. A later version of sessions, with a field more and one renamed, is taken in and given back
as well.

    scripts/bench/handover.py [--json] [--sessions N] [--rounds N]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from statistics import median

from programs import figures, python, say
from report import Row, publish

NODES = "handover_nodes.py"
STEPS = ("recover", "give", "take", "take-later")
RECOVERY = "recovery from the journal"
EACH = "sessions/s"
US, MB = 1e6, 1e6


def rows(count: int, rounds: int) -> list[Row]:
    """Measure so many sessions; of each figure the median of the rounds counts."""
    taken: dict[str, list[list[float]]] = {step: [] for step in STEPS}
    for number in range(rounds):
        say(f"round {number + 1}: {count:,} sessions")
        with tempfile.TemporaryDirectory(prefix="vigie-bench-") as folder:
            figures(python(NODES, "fill"), folder, count)
            for step in STEPS:
                taken[step].append(figures(python(NODES, step), folder, count))
    of = {step: [median(one) for one in zip(*taken[step], strict=True)] for step in STEPS}
    return [*_rates(of), *_standstill(of)]


def _rates(of: dict[str, list[float]]) -> Iterator[Row]:
    read, started, _ = of["recover"]
    recovered = US / (read + started)
    given, _, down, _ = of["give"]
    take, later = of["take"][0], of["take-later"][0]
    yield Row("given, while the node serves", US / given, EACH)
    yield Row("taken in, to live there", US / take, EACH, RECOVERY, recovered)
    yield Row("taken in by a later version", US / later, EACH, RECOVERY, recovered)
    yield Row("given by a later version", US / down, EACH)
    yield Row("conversion upwards, more for each", later - take, "µs")
    yield Row("conversion downwards, more for each", down - given, "µs")
    yield Row("recovery: read from the journal", US / read, EACH)
    yield Row("recovery: started", US / started, EACH)


def _standstill(of: dict[str, list[float]]) -> Iterator[Row]:
    _, given, _, memory = of["give"]
    _, taken, switched, taker = of["take"]
    yield Row("200 that have changed, given at the freeze", given, "ms")
    yield Row("200 that have changed, taken in", taken, "ms")
    yield Row("switch", switched, "ms")
    yield Row("memory of the node that takes", taker / MB, "MB", "that gives", memory / MB)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--sessions", type=int, default=300_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    options = parser.parse_args()
    publish("handover", rows(options.sessions, options.rounds), as_json=options.json)


if __name__ == "__main__":
    main()

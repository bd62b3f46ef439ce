"""The generator of the routing bench: route requests at a rate, in a process of its own.

    route_load.py PORT RATE SECONDS < TOKEN

Everything that can be made before the first request is; prints the feed's report and the CPU time
that it took, as one line of JSON.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time

import msgspec

from protocols.feed.calls import Step
from protocols.feed.run import FeedOptions, run
from protocols.feed.schedule import Load, generate


def steps(rate: float, seconds: float) -> tuple[Step, ...]:
    """Draw the whole load, with times of sending that are right to the second."""
    load = Load(rate=rate, seconds=seconds, life_cycles=False, seed=time.time_ns())
    start = time.time()
    drawn = generate(load, run=f"bench{time.time_ns():x}")
    return tuple(
        Step(step.at, step.frame | {"ts": round(start + step.at, 3)}, step.fill) for step in drawn
    )


def main() -> None:
    """Feed and report."""
    port, rate, seconds = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    options = FeedOptions(
        host="127.0.0.1",
        port=port,
        token=sys.stdin.read().strip(),
        load=steps(rate, seconds),
        wait_s=5.0,
    )
    # The steps stay to the end: looking through them for garbage would only delay what is measured.
    gc.freeze()
    busy = time.process_time()
    report = msgspec.to_builtins(asyncio.run(run(options)))
    report["cpu_s"] = round(time.process_time() - busy, 3)
    print(msgspec.json.encode(report).decode())


if __name__ == "__main__":
    main()

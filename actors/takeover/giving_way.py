"""Whose turn it is on a processor: a node that serves comes before one that only gets ready.

The two compete while the states are copied, with PostgreSQL and whatever else runs there. A batch
process takes its share of the time, but does not interrupt another that has just got something to
do (sched(7), SCHED_BATCH); it needs no privilege, and neither does the way back.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

LEAVING_NICE = 10
"""How far a process that ends stands back: it gets a tenth of a processor that others want."""

ITEMS_PER_S, LONGEST_S = 150_000, 2.0
"""For so many items of state a node that has been taken over from stays a second; and at most."""


def give_way() -> None:
    """Have this thread interrupt no other one; threads that it starts from now on do not either."""
    _schedule("SCHED_BATCH")


def give_way_no_longer() -> None:
    """Be like any other process again."""
    _schedule("SCHED_OTHER")


def stay_s(items: int) -> float:
    """How long a node that has been taken over from keeps its memory before it ends, in seconds.

    What a node of 300,000 sessions had takes the kernel a few tenths of a second to give back, in
    which the next one gets on a third as fast. That is the worst in the first moments, when it
    works off what has waited: the longest answer took 350 to 380 ms, and so, in the same hour, 180
    to 310.

    Args:
        items: of state that the node had.
    """
    return min(LONGEST_S, items / ITEMS_PER_S)


def leave(stay_s: float) -> None:
    """Have this process, which is about to end, hold nobody up: all it has left is memory.

    Args:
        stay_s: seconds that it keeps that, without any descriptor but those of its log.
    """
    for thread in Path("/proc/self/task").glob("*"):  # each has its own, and any may be the last
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpriority(os.PRIO_PROCESS, int(thread.name), LEAVING_NICE)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    time.sleep(stay_s)


def _schedule(policy: str) -> None:
    number = getattr(os, policy, None)
    if number is not None:
        with contextlib.suppress(PermissionError):  # a sandbox forbids it: slower, no worse
            os.sched_setscheduler(0, number, os.sched_param(0))

"""Whose turn it is on a processor: a node that serves comes before one that only gets ready.

The two compete while the states are copied, with PostgreSQL and whatever else runs there. A batch
process takes its share of the time, but does not interrupt another that has just got something to
do (sched(7), SCHED_BATCH); it needs no privilege, and neither does the way back.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

LEAVING_NICE = 10
"""How far a process that ends stands back: it gets a tenth of a processor that others want."""


def give_way() -> None:
    """Have this thread interrupt no other one; threads that it starts from now on do not either."""
    _schedule("SCHED_BATCH")


def give_way_no_longer() -> None:
    """Be like any other process again."""
    _schedule("SCHED_OTHER")


def leave() -> None:
    """Have this process, which is about to end, hold nobody up.

    What a node of 300,000 sessions had takes the kernel a few tenths of a second to give back, in
    the very moment in which the next one works off what has waited. The way back needs a privilege.
    """
    for thread in Path("/proc/self/task").glob("*"):  # each has its own, and any may be the last
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.setpriority(os.PRIO_PROCESS, int(thread.name), LEAVING_NICE)


def _schedule(policy: str) -> None:
    number = getattr(os, policy, None)
    if number is not None:
        with contextlib.suppress(PermissionError):  # a sandbox forbids it: slower, no worse
            os.sched_setscheduler(0, number, os.sched_param(0))

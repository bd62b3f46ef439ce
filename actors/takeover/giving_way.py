"""Whose turn it is on a processor: a node that serves comes before one that only gets ready.

The two compete while the states are copied, with PostgreSQL and whatever else runs there. A batch
process takes its share of the time, but does not interrupt another that has just got something to
do (sched(7), SCHED_BATCH); it needs no privilege, and neither does the way back.
"""

from __future__ import annotations

import contextlib
import os


def give_way() -> None:
    """Have this thread interrupt no other one; threads that it starts from now on do not either."""
    _schedule("SCHED_BATCH")


def give_way_no_longer() -> None:
    """Be like any other process again."""
    _schedule("SCHED_OTHER")


def _schedule(policy: str) -> None:
    number = getattr(os, policy, None)
    if number is not None:
        with contextlib.suppress(PermissionError):  # a sandbox forbids it: slower, no worse
            os.sched_setscheduler(0, number, os.sched_param(0))

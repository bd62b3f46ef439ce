"""How much memory something takes: by the kernel's account and by Python's own."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec


class SmallState(msgspec.Struct):
    """The state of an idle server: a few typed fields."""

    number: int = 0
    name: str = "idle"
    since: float = 0.0


PR_SET_CHILD_SUBREAPER = 36


def adopt_descendants() -> None:
    """Have daemons that descendants start stay in this process's family (prctl(2))."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def resident() -> int:
    """Bytes in memory that belong to this process and its descendants alone."""
    gc.collect()
    return sum(_private(pid) for pid in _family(os.getpid()))


def _family(pid: int) -> list[int]:
    family = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended
            for child in (task / "children").read_text(encoding="ascii").split():
                family += _family(int(child))
    return family


def _private(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it ended since it was listed
    return sum(
        int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Private_")
    )


def by_resident(make: Callable[[], Any]) -> int:
    """Bytes by which the process and its descendants grow when ``make`` is called."""
    before = resident()
    kept = make()
    grown = resident() - before
    del kept
    return grown


def by_tracemalloc(make: Callable[[], Any]) -> int:
    """Bytes that Python allocates and keeps when ``make`` is called."""
    gc.collect()
    tracemalloc.start()
    kept = make()
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return grown


METERS = {"idle": by_resident, "idle-traced": by_tracemalloc}

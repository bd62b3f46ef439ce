"""The disk by itself: what commits would take without a node, in the same run.

Answers leave after their commit, so no node answers faster than its disk. ``TMPDIR`` says on which
file system a bench keeps its data.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence

from report import Row

COMMIT_BYTES = 30_000
"""What a busy node writes in one commit."""

EVERY_S = 0.005
P99 = 0.99


def commits(seconds: float = 3.0) -> list[float]:
    """Append and flush as a journal does, where temporary files are.

    Args:
        seconds: for which it is done.

    Returns:
        Milliseconds of each commit.
    """
    took: list[float] = []
    with tempfile.TemporaryFile(buffering=0) as file:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begun = time.perf_counter()
            file.write(bytes(COMMIT_BYTES))
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - begun) * 1e3)
            time.sleep(EVERY_S)
    return took


def rows(took: Sequence[float]) -> Iterator[Row]:
    """What is told of them."""
    ordered = sorted(took)
    yield Row("the disk by itself: p99 of a commit", ordered[int(len(ordered) * P99)], "ms")
    yield Row("the disk by itself: longest commit", ordered[-1], "ms")

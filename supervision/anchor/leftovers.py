"""The end of server processes that outlived the one that watched them.

Every process of a PostgreSQL server works in the cluster's directory: that is how they are known,
whatever became of pid files and parents.
"""

from __future__ import annotations

import os
import select
import signal
import time
from pathlib import Path

GRACE_S = 5.0
"""What they get to stop by themselves, and again after each signal, in seconds."""


def end(cluster: Path) -> None:
    """Wait for the end of all processes of a cluster, more and more firmly.

    Those whose postmaster died end by themselves, as does a postmaster that got a signal when its
    parent died. Others get SIGQUIT, PostgreSQL's order to stop at once, then SIGKILL.

    Args:
        cluster: The cluster's directory; it may be missing.
    """
    for firmness in (None, signal.SIGQUIT, signal.SIGKILL):
        found = processes(cluster)
        if not found:
            return
        if firmness is not None:
            for pid in found:
                _signal(pid, firmness)
        _wait(found, GRACE_S)


def processes(cluster: Path) -> list[int]:
    """Return the processes of this user that work in a directory.

    Args:
        cluster: The directory; it may be missing.
    """
    if not cluster.exists():
        return []
    wanted = cluster.stat()
    pids = (int(item.name) for item in Path("/proc").iterdir() if item.name.isdecimal())
    return [pid for pid in pids if _works_in(pid, wanted)]


def _works_in(pid: int, wanted: os.stat_result) -> bool:
    try:
        found = os.stat(f"/proc/{pid}/cwd")  # noqa: PTH116 - hundreds of them
    except OSError:  # it is gone, or another user's
        return False
    return (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _wait(pids: list[int], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    for pid in pids:
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        poller = select.poll()
        poller.register(process, select.POLLIN)
        poller.poll(max(0.0, deadline - time.monotonic()) * 1000)
        os.close(process)

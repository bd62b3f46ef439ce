"""Which of two nodes a processor serves first while one takes over from the other."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from actors.takeover.giving_way import LEAVING_NICE, give_way, give_way_no_longer, stay_s

LEAVING = """
import os, threading
from pathlib import Path
from actors.takeover.giving_way import leave
end = threading.Event()
other = threading.Thread(target=end.wait)
other.start()
leave(0.0)
threads = Path("/proc/self/task").iterdir()
print(*(os.getpriority(os.PRIO_PROCESS, int(one.name)) for one in threads))
end.set()
"""


def policies(*steps):
    """How a thread of its own is scheduled after each step."""
    seen = []

    def run():
        for step in steps:
            step()
            seen.append(os.sched_getscheduler(0))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return seen


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="this system has no batch processes")
def test_a_node_in_standby_interrupts_nobody_until_it_is_to_serve():
    assert policies(give_way, give_way_no_longer) == [os.SCHED_BATCH, os.SCHED_OTHER]


def test_a_sandbox_that_forbids_it_changes_nothing_else(monkeypatch):
    def forbidden(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", forbidden, raising=False)
    assert policies(give_way, give_way_no_longer) == [os.SCHED_OTHER] * 2


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads cannot be listed here")
def test_all_threads_of_a_node_that_ends_stand_back():
    before = os.getpriority(os.PRIO_PROCESS, 0)
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", LEAVING],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(max(before, LEAVING_NICE))] * 2


@pytest.mark.parametrize(
    ("items", "expected_s"), [(0, 0.0), (150, 0.001), (150_000, 1.0), (10_000_000, 2.0)]
)
def test_the_more_a_node_had_the_longer_it_keeps_its_memory(items, expected_s):
    assert stay_s(items) == expected_s

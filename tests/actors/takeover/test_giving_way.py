"""Which of two nodes a processor serves first while one takes over from the other."""

import os
import threading

import pytest

from actors.takeover.giving_way import give_way, give_way_no_longer


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

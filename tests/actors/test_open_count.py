import signal
import subprocess
import sys

import pytest
from call_kit import CallKit

from actors.node_reports import count_given_up
from actors.open_count import OpenCount
from actors.session_api import CloseSession
from supervision import CycleChild

CRASH = """
import os, signal, sys
from pathlib import Path
from actors.open_count import OpenCount

count = OpenCount(Path(sys.argv[1]))
count.begin()
for session in ("a", "b", "c"):
    count.opened(session)
count.ended("b")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_had_open_is_told_to_the_next(tmp_path):
    path = tmp_path / "sessions.open"
    done = subprocess.run([sys.executable, "-c", CRASH, str(path)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    count = OpenCount(path)
    count.opened("a")
    assert (OpenCount(path).before, count.before) == (2, 2)  # nothing is written while they return
    count.begin()
    assert (count.lost, count.open) == (1, 1)
    assert OpenCount(path).before == 1


def test_a_new_file_has_lost_nothing_and_is_the_users_alone(tmp_path):
    path = tmp_path / "sessions.open"
    count = OpenCount(path)
    count.begin()
    assert (count.before, count.lost) == (0, 0)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_directory_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        OpenCount(tmp_path / "no" / "sessions.open")
    assert list(tmp_path.iterdir()) == []


def test_a_session_counts_once_however_often_it_is_told_of(tmp_path):
    count = OpenCount(tmp_path / "sessions.open")
    count.opened("a")
    count.opened("a")
    count.opened("b")
    count.ended("b")
    count.ended("b")
    count.ended("ctiListener")
    assert count.open == 1


@pytest.fixture
def kit():
    with CallKit() as kit:
        kit.kernel.reports.subscribe(count_given_up(kit.count))
        yield kit


def crash(kit, session, times=1):
    for _ in range(times):
        kit.faults.kill(session)
        kit.settle()


def test_a_closed_session_that_crashes_again_and_again_is_not_taken_off_twice(kit):
    bad, _good = kit.open("bad"), kit.open("good")
    kit.call(bad, CloseSession())
    crash(kit, bad, 6)
    assert kit.count.open == 1


def test_an_open_session_that_crashes_again_and_again_counts_while_it_waits(kit):
    bad, _good = kit.open("bad"), kit.open("good")
    crash(kit, bad, 6)
    assert bad.cell is None
    assert kit.count.open == 2
    kit.advance(1.0)
    assert bad.cell is not None
    assert kit.count.open == 2


def test_sessions_that_their_pool_takes_down_count_as_long_as_they_come_back(kit):
    sessions = [kit.open(f"c{number}") for number in range(20)]
    for session in sessions * 4:
        if session.cell is not None:
            crash(kit, session)
    assert kit.reported("supervisor", context="shutdown")
    assert kit.count.open == kit.pool.count() > 0


@pytest.mark.parametrize("how", ["kill", "restart"])
def test_sessions_count_under_the_next_supervisor_of_sessions_too(kit, how):
    sessions = [kit.open(f"c{number}") for number in range(3)]
    kit.call(sessions[0], CloseSession())
    if how == "kill":
        kit.faults.kill(kit.sessions)
    else:
        kit.call(kit.top, CycleChild("sessionSup"), timeout=None)
    kit.settle()
    assert kit.count.open == 2
    kit.advance(61.0)
    assert kit.count.open == kit.pool.count() == 2


LIMITED = """
import resource, sys
from pathlib import Path
from actors.open_count import OpenCount

resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
count = OpenCount(Path(sys.argv[1]))
count.begin()
count.opened("a")
print(count.before, count.open)
"""


@pytest.mark.parametrize(("there", "told"), [(b"", "0 1"), (b"\x05" + bytes(7), "5 1")])
def test_a_disk_that_takes_nothing_stops_no_count(tmp_path, there, told):
    path = tmp_path / "sessions.open"
    path.write_bytes(there)
    words = [sys.executable, "-c", LIMITED, str(path)]
    done = subprocess.run(words, timeout=60, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == told

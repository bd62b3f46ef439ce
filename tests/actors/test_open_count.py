import signal
import subprocess
import sys

import pytest

from actors.open_count import OpenCount

CRASH = """
import os, signal, sys
from pathlib import Path
from actors.open_count import OpenCount

count = OpenCount(Path(sys.argv[1]))
for _ in range(3):
    count.opened()
count.ended()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_had_open_is_told_to_the_next(tmp_path):
    path = tmp_path / "sessions.open"
    done = subprocess.run([sys.executable, "-c", CRASH, str(path)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    count = OpenCount(path)
    assert (count.lost, count.open) == (2, 0)
    assert OpenCount(path).lost == 0


def test_a_new_file_has_lost_nothing_and_is_the_users_alone(tmp_path):
    path = tmp_path / "sessions.open"
    assert OpenCount(path).lost == 0
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_directory_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        OpenCount(tmp_path / "no" / "sessions.open")
    assert list(tmp_path.iterdir()) == []

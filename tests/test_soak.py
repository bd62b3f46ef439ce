"""A whole node under calls for minutes: nothing lost, nothing that grows, everything heals."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from supervision.anchor.testing import wait_for, wait_gone

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]
SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"

CONFIG = {
    "VIGIE_HTTP__PORT": "0",
    "VIGIE_CTI__PORT": "0",
    "VIGIE_SESSIONS__LINGER_S": "1",
    "VIGIE_ANCHOR__RESTART_MIN_S": "0.05",
}
RATE = 100
SLICE_S = 60
SLICES = 4
GROWTH = 1.15
"""What memory may grow by after the first slice, in which pools and caches fill."""
KILL_RATE = 50
KILL_S = 60

Vigie = Callable[..., Any]


@pytest.fixture
def vigie(tmp_path: Path) -> Iterator[Vigie]:
    """Run commands on a node that was started for the test; each gives what it prints."""

    def run(*words: str) -> Any:
        command = [sys.executable, "-m", "actors.cli", *words, "--json"]
        environ = os.environ | CONFIG
        done = subprocess.run(
            command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, check=False
        )
        assert done.returncode == 0, (words, done.stdout)
        return json.loads(done.stdout)

    run("start")
    yield run
    run("stop")


@contextlib.contextmanager
def fed(directory: Path, rate: int, seconds: int) -> Iterator[dict[str, Any]]:
    """Feed calls meanwhile; the report is there afterwards."""
    words = ["feed", "--rate", str(rate), "--seconds", str(seconds), "--json"]
    command = [sys.executable, "-m", "actors.cli", *words]
    report: dict[str, Any] = {}
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE) as feed:
        yield report
        out, _ = feed.communicate()
    assert feed.returncode == 0, out
    report.update(json.loads(out))


def memory_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def running(vigie: Vigie) -> dict[str, Any] | None:
    """What `info` tells once all runs."""
    info: dict[str, Any] = vigie("info")
    return info if info["node"]["state"] == info["postgres"]["state"] == "running" else None


def sessions(vigie: Vigie) -> int:
    [pool] = [
        actor
        for part in vigie("tree")["children"]
        for actor in part["children"]
        if actor["name"] == "sessionSup"
    ]
    count: int = pool["pool"]["count"]
    return count


@pytest.mark.long
def test_steady_calls_lose_nothing_and_leave_nothing_behind(vigie, tmp_path):
    pid = wait_for(lambda: running(vigie))["node"]["pid"]
    memory, open_files = [], []
    for _ in range(SLICES):
        with fed(tmp_path, RATE, SLICE_S) as report:
            pass
        assert report["sent"] > 0.8 * RATE * SLICE_S
        assert (report["lost"], report["doubled"], report["errors"]) == (0, 0, {})
        assert report["comparison"]["different"] == 0, report["comparison"]
        wait_for(lambda: sessions(vigie) == 0)
        memory.append(memory_bytes(pid))
        open_files.append(descriptors(pid))
    assert memory[-1] < GROWTH * memory[0], memory
    assert open_files[-1] <= open_files[0], open_files
    assert vigie("info")["restarts"] == {"node": 0, "postgres": 0}


@pytest.mark.long
def test_what_is_killed_under_calls_heals_and_no_answer_contradicts_another(vigie, tmp_path):
    wait_for(lambda: running(vigie))
    with fed(tmp_path, KILL_RATE, KILL_S) as report:
        for path in (
            "node/callSup/router",
            "node/timeServer",
            "node/callSup/ctiSup/ctiListener",
            "node/odbcServer/odbcConnection-1",
            "node/odbcServer/connectionRouter",
            "node/logSup/logWriter",
            "node/callSup/sessionSup",
            "node/webSup/httpServer",
        ):
            vigie("actor", "kill", path)
            wait_for(lambda path=path: vigie("actor", "show", path)["status"] == "running")
        for name in ("postgres", "node", "postgres", "node"):
            before = wait_for(lambda: running(vigie))
            os.kill(before[name]["pid"], signal.SIGKILL)
            wait_gone(before[name]["pid"])
        wait_for(lambda: running(vigie))
    assert report["doubled"] == 0
    assert report["reconnects"] >= 2
    assert report["answered"] + report["given_up"] == report["sent"]
    assert vigie("info")["restarts"] == {"node": 2, "postgres": 2}


def soak(tmp_path: Path, *options: str) -> dict[str, Any]:
    """Run scripts/soak; the promises that it found broken are in the failure."""
    command = [sys.executable, "-m", "soak_parts", "--json", "--data", str(tmp_path / "var")]
    done = subprocess.run(
        [*command, *options],
        env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    broken = [promise for promise in report["promises"] if not promise["kept"]]
    assert (broken, done.returncode) == ([], 0), done.stderr
    return report


def test_everything_is_killed_and_nothing_acknowledged_is_lost_or_doubled(tmp_path):
    few = ("--workers", "4", "--node-every", "7", "--postgres-every", "10", "--actor-every", "0.4")
    report = soak(tmp_path, "--seconds", "16", "--rate", "40", "--seed", "4", *few)
    assert report["facts"]["blows"].keys() >= {"actor", "link cut", "node", "postgres"}
    assert len(report["facts"]["actors struck"]) > 15


@pytest.mark.long
@pytest.mark.parametrize("seed", [11, 12])
def test_minutes_of_everything_being_killed_lose_and_double_nothing(tmp_path, seed):
    soak(tmp_path, "--seconds", "120", "--rate", "100", "--seed", str(seed))

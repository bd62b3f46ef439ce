"""A node that dies on a full disk comes back on it, and says why where it cannot."""

import json
import os
import signal
import subprocess
import urllib.request

import pytest

from actors.cli import main
from supervision.anchor.testing import PATIENCE_S, wait_for, wait_gone

pytestmark = pytest.mark.system

CONFIG = """
[http]
port = 0
[cti]
port = 0
[database]
dsn = "postgresql://nobody@127.0.0.1:1/none"
[journal]
retry_s = 0.1
[anchor]
restart_min_s = 0.02
restart_max_s = 0.2
"""


@pytest.fixture
def disk(tmp_path):
    """A small file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", place], check=False)
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def run(disk, tmp_path, capfd):
    file = tmp_path / "vigie.toml"
    file.write_text(CONFIG)

    def command(*words, code=0, text=False):
        more = ["--config", str(file)] if words[0] == "start" else []
        more += [] if text else ["--json"]
        ended = main([*words, *more, "--data", str(disk / "var")])
        out, err = capfd.readouterr()
        assert ended == code, out + err
        return json.loads(out) if out and not text else out + err

    yield command
    main(["stop", "--data", str(disk / "var")])


def fill(disk):
    with (disk / "ballast").open("ab", buffering=0) as ballast:
        try:
            while ballast.write(b"x" * 4096):
                pass
        except OSError:
            return


def api(info, method, path, body=None):
    request = urllib.request.Request(
        f"{info['http']}/api/v1/{path}",
        None if body is None else json.dumps(body).encode(),
        {
            "Authorization": f"Bearer {info['operator_token']}",
            "Content-Type": "application/json",
        },
        method=method,
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return json.load(answer)


def crash(run):
    """Kill the node and wait for the next one."""
    pid = run("info")["node"]["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    wait_for(lambda: run("status")["programs"]["node"]["state"] == "running")


def test_a_node_that_is_killed_on_a_full_disk_comes_back_with_its_sessions(run, disk):
    info = run("start")
    opened = api(info, "POST", "sessions", {"call": "before"})
    fill(disk)
    for _ in range(3):
        crash(run)
        fill(disk)  # what the start has left
        assert api(info, "GET", f"sessions/{opened['session']}")["call"] == "before"
    (disk / "ballast").unlink()
    wait_for(lambda: "journal-failing" not in [one["name"] for one in run("alarms")["items"]])
    assert api(info, "POST", "sessions", {"call": "after"})["call"] == "after"


def test_a_node_that_was_stopped_is_started_on_a_full_disk(run, disk):
    info = run("start")
    opened = api(info, "POST", "sessions", {"call": "before"})
    run("stop")
    fill(disk)
    again = run("start") | {"operator_token": info["operator_token"]}
    assert api(again, "GET", f"sessions/{opened['session']}")["call"] == "before"


def test_why_a_node_does_not_come_back_is_said_by_status(run, disk):
    run("start")
    marker = disk / "var" / "journal"
    pid = run("info")["node"]["pid"]
    marker.rename(disk / "aside")
    marker.write_text("no directory")
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)

    def told():
        last = run("status")["programs"]["node"]["last_exit"]
        return last is not None and "journal" in last["reason"]

    wait_for(told)
    assert "node ended, and is started again: exit 75: " in run("status", text=True)
    wait_for(lambda: "exit 75: " in (disk / "var" / "logs" / "anchor.log").read_text())


def test_a_start_says_which_file_of_its_own_cannot_be_used(run, disk):
    (disk / "var").mkdir(mode=0o700)
    (disk / "var" / "tokens.json").write_text("{")
    said = run("start", code=1)
    assert "ended before it was ready: exit 1" in str(said)
    assert "tokens.json: Input data was truncated" in str(said).partition("the end of")[0]

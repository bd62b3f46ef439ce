"""A node whose journal is damaged, from the start that is refused to the start that goes on."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from actors.cli import main
from supervision.anchor.messages import ExitCode
from supervision.anchor.testing import wait_for, wait_gone

pytestmark = pytest.mark.system

CONFIG = """
[http]
port = 0
[cti]
port = 0
[database]
dsn = "postgresql://nobody@127.0.0.1:1/none"
[anchor]
restart_min_s = 0.02
restart_max_s = 0.1
"""


@pytest.fixture
def run(tmp_path, capfd):
    """Run a command of the data directory: exit code, stdout, stderr."""
    file = tmp_path / "vigie.toml"
    file.write_text(CONFIG)

    def vigie(*words):
        more = ["--config", str(file)] if words[0] == "start" else []
        code = main([*words, "--data", str(tmp_path / "var"), *more])
        return code, *capfd.readouterr()

    yield vigie
    vigie("stop")


def started(run):
    code, out, err = run("start", "--json")
    assert code == 0, err
    return json.loads(out)


def call(info, method, path, body=None):
    headers = {"Authorization": f"Bearer {info['operator_token']}", "Accept": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(info["http"] + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def opened(run, info, *calls):
    """Open sessions and let the node die; what it answered is in the journal."""
    sessions = [call(info, "POST", "/api/v1/sessions", {"call": one})["session"] for one in calls]
    crash(run)
    return sessions


def crash(run):
    """Kill the anchor and the node at once: when an anchor dies alone its node stops in order."""
    info = json.loads(run("info", "--json")[1])
    os.kill(info["anchor"]["pid"], signal.SIGSTOP)
    for name in ("node", "anchor"):
        os.kill(info[name]["pid"], signal.SIGKILL)
        wait_gone(info[name]["pid"])


def is_there(info, session):
    try:
        return call(info, "GET", f"/api/v1/sessions/{session}")["session"] == session
    except urllib.error.HTTPError:
        return False


def damage(tmp_path, text):
    """Flip a byte of a body wherever it is written, in the database or in its log."""
    found = 0
    for name in ("journal.db", "journal.db-wal"):
        path = tmp_path / "var" / "journal" / name
        data = path.read_bytes() if path.exists() else b""
        found += data.count(text)
        path.write_bytes(data.replace(text, text[:-1] + b"#"))
    assert found


def checkpointed(tmp_path):
    """Bring the log into the database, as any node does sooner or later."""
    from contextlib import closing

    from actors.journal.file import connect

    with closing(connect(tmp_path / "var" / "journal" / "journal.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def test_a_start_on_a_damaged_journal_is_refused_until_it_is_repaired(run, tmp_path):
    info = started(run)
    kept, lost = opened(run, info, "call-kept", "call-lost")
    checkpointed(tmp_path)
    damage(tmp_path, b"call-lost")
    code, out, err = run("start")
    assert (code, out) == (ExitCode.FAILED, "")
    first = err.splitlines()[0]
    assert first.startswith("vigie: not started: node ended before it was ready: exit 65: ")
    assert f"the journal is damaged: session {lost}: its checksum does not match" in first
    assert f"it is mended with: vigie journal repair --data {tmp_path / 'var'}" in first
    assert run("ping")[0] == ExitCode.UNREACHABLE
    assert run("journal", "check")[0] == ExitCode.FAILED
    code, out, _ = run("journal", "repair")
    assert code == 0
    assert f"set aside: session {lost}: its checksum does not match" in out
    info |= {"http": started(run)["http"]}
    assert call(info, "GET", f"/api/v1/sessions/{kept}")["call"] == "call-kept"
    # It is not in memory; the database, which might know it, is none here.
    with pytest.raises(urllib.error.HTTPError, match="503"):
        call(info, "GET", f"/api/v1/sessions/{lost}")


def test_a_node_that_crashes_into_a_damaged_journal_stays_down_and_says_why(run, tmp_path):
    info = started(run)
    (session,) = [call(info, "POST", "/api/v1/sessions", {"call": "call-kept"})["session"]]
    node = json.loads(run("info", "--json")[1])["node"]["pid"]
    # Held while it is killed: the next one must find what the first one has left, damaged.
    path = tmp_path / "var" / "journal" / "journal.db"
    os.kill(node, signal.SIGSTOP)
    data = path.read_bytes()
    path.write_bytes(bytes(100) + data[100:])
    os.kill(node, signal.SIGKILL)
    state = wait_for(lambda: failed(run))
    assert (state["pid"], state["restarts"], state["next_start_in_s"]) == (None, 1, None)
    assert "exit 65: the journal is damaged: " in state["last_exit"]["reason"]
    code, out, _ = run("status")
    assert code == ExitCode.UNREACHABLE
    assert "node has failed and is not started again by itself: exit 65" in out
    code, _, err = run("ping")
    assert code == ExitCode.UNREACHABLE
    assert "the node is failed: exit 65: the journal is damaged: " in err
    with pytest.raises(urllib.error.URLError, match="refused"):
        call(info, "GET", f"/api/v1/sessions/{session}")
    code, _, err = run("restart")
    assert code == ExitCode.FAILED
    assert "node has failed: exit 65" in err
    assert run("journal", "repair")[0] == 0
    assert run("restart")[0] == 0
    assert call(info, "GET", f"/api/v1/sessions/{session}")["call"] == "call-kept"
    assert json.loads(run("status", "--json")[1])["programs"]["node"]["state"] == "running"


def failed(run):
    state = json.loads(run("status", "--json")[1])["programs"]["node"]
    return state if state["state"] == "failed" else None


def test_missing_commits_are_told_everywhere_and_the_node_goes_on(run, tmp_path):
    info = started(run)
    opened(run, info, "call-one", "call-two", "call-three")
    wal = tmp_path / "var" / "journal" / "journal.db-wal"
    data = wal.read_bytes()
    wal.write_bytes(data[: -len(data) // 4])
    missing = json.loads(run("journal", "check", "--json")[1])["missing_commits"]
    assert missing > 0
    text = f"{missing} commits that were acknowledged are not in the journal"
    info |= {"http": started(run)["http"]}
    with urllib.request.urlopen(f"{info['http']}/readyz", timeout=10) as answer:
        assert json.loads(answer.read())["parts"]["journal"] == f"open; {text}"
    assert f"alarm journal-shortfall: {text}" in run("status")[1]
    (alarm,) = [
        item
        for item in call(info, "GET", "/api/v1/alarms")["items"]
        if item["name"] == "journal-shortfall"
    ]
    assert (alarm["text"], alarm["severity"]) == (text, "critical")
    (event,) = [
        item
        for item in call(info, "GET", "/api/v1/events?kinds=alarm")["items"]
        if item["data"]["name"] == "journal-shortfall"
    ]
    assert event["data"]["state"] == "raised"
    log = tmp_path / "var" / "traces" / "vigie.jsonl"
    wait_for(lambda: f"journal-shortfall: raised: {text}" in log.read_text())
    # It is over with the next commit, which has a number after all that are missing.
    opened(run, info, "call-four")
    started(run)
    assert "journal-shortfall" not in run("alarms")[1]


def test_a_log_broken_in_its_middle_refuses_the_start_and_is_mended(run, tmp_path):
    info = started(run)
    sessions = opened(run, info, *(f"call-{number}" for number in range(20)))
    wal = tmp_path / "var" / "journal" / "journal.db-wal"
    data = bytearray(wal.read_bytes())
    data[len(data) // 2] ^= 0xFF
    wal.write_bytes(data)
    checked = run("journal", "check")[1]
    code, _, err = run("start")
    assert code == ExitCode.FAILED
    (words,) = [
        line for line in checked.splitlines() if line.startswith("damaged: the write-ahead")
    ]
    assert words.removeprefix("damaged: ") in err
    code, out, _ = run("journal", "repair")
    assert code == 0
    assert "commits that were acknowledged are missing" not in out
    info |= {"http": started(run)["http"]}
    assert [is_there(info, one) for one in sessions].count(False) <= 1  # whose row that byte is in


def test_a_start_in_the_foreground_tells_a_damaged_journal_apart(run, tmp_path):
    info = started(run)
    opened(run, info, "call-lost")
    checkpointed(tmp_path)
    damage(tmp_path, b"call-lost")
    words = [
        "start",
        "--foreground",
        "--data",
        tmp_path / "var",
        "--config",
        tmp_path / "vigie.toml",
    ]
    command = [sys.executable, "-m", "actors.cli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == ExitCode.DATA_ERROR
    unit = Path(__file__).resolve().parents[2] / "etc" / "vigie.service"
    (line,) = [one for one in unit.read_text().splitlines() if "RestartPreventExitStatus" in one]
    assert str(int(ExitCode.DATA_ERROR)) in line.partition("=")[2].split()


def test_a_journal_that_is_off_is_told_everywhere(run, monkeypatch):
    monkeypatch.setenv("VIGIE_JOURNAL__MODE", "off")
    info = started(run)
    with urllib.request.urlopen(f"{info['http']}/readyz", timeout=10) as answer:
        assert json.loads(answer.read())["parts"]["journal"] == "off"
    alarms = call(info, "GET", "/api/v1/alarms")["items"]
    assert [item["severity"] for item in alarms if item["name"] == "journal-off"] == ["warning"]
    assert "journal    off: nothing that is acknowledged survives the node" in run("info")[1]


def test_a_journal_that_another_process_has_open_is_no_damage(run, tmp_path):
    from actors.journal.file import Files, Lock

    lock = Lock(Files(tmp_path / "var" / "journal"))
    code, _, err = run("start")
    lock.release()
    assert code == ExitCode.FAILED
    assert f"exit 75: {tmp_path / 'var' / 'journal'} is in use by process {os.getpid()}" in err
    started(run)

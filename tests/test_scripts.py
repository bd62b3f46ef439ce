"""scripts/start and what it shares with scripts/test, with stand-ins for Python and vigie."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
BASH = shutil.which("bash")

# Answers what the scripts ask a Python: whether it fits, whether it can make environments, its
# version; notes what it is told to install.
PYTHON = """#!/bin/sh
case "$*" in
  *ensurepip*) exit {ensurepip} ;;
  *'sys.exit'*) exit {supported} ;;
  *'print('*) echo 3.12.1 x86_64 ;;
  *'pip install'*) echo install >>"$LOG" && echo 'Collecting wanted>=1' ;;
esac
"""
# Notes how it is called. Its third status fails, as when the node was stopped meanwhile; its feed
# goes on until it is told to end.
VIGIE = """#!/bin/bash
echo "vigie $*" >>"$LOG"
case $1 in
  ping) [ -e "$LOG.up" ] ;;
  status) [ "$(grep -c status "$LOG")" -lt 3 ] ;;
  feed) trap 'echo fed >>"$LOG"; exit' TERM; while :; do read -rt 60 <><(:) || :; done ;;
esac
"""


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def python(path: Path, *, supported: bool = True, ensurepip: bool = True) -> Path:
    return executable(
        path, PYTHON.format(supported=int(not supported), ensurepip=int(not ensurepip))
    )


@pytest.fixture
def find_python(tmp_path):
    """Find a Python among those of one folder."""

    def find(**environ: str) -> subprocess.CompletedProcess[str]:
        program = f"set -euo pipefail; . {SCRIPTS / 'environment.sh'}; find_python"
        return subprocess.run(
            [BASH, "-c", program],
            env={"PATH": str(tmp_path), **environ},
            capture_output=True,
            text=True,
            check=False,
        )

    return find


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose environment has stand-ins."""
    root = tmp_path / "check out"
    shutil.copytree(SCRIPTS, root / "scripts")
    (root / "pyproject.toml").write_text("[project]")
    python(root / ".venv/bin/python")
    executable(root / ".venv/bin/vigie", VIGIE)
    return root


@pytest.fixture
def start(checkout, tmp_path):
    """Call scripts/start from another folder; give its outcome and what the stand-ins noted."""
    log = tmp_path / "log"

    def call(*options: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        log.write_text("")
        done = subprocess.run(
            [checkout / "scripts/start", *options],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "LOG": str(log)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        return done, log.read_text().splitlines()

    return call


@pytest.fixture
def demo(checkout, tmp_path):
    """Call scripts/demo; give what the stand-in of vigie noted."""
    log = tmp_path / "log"

    def call() -> list[str]:
        log.write_text("")
        environ = {"PATH": os.environ["PATH"], "LOG": str(log)}
        command = [checkout / "scripts/demo", "--data", "var"]
        subprocess.run(command, cwd=tmp_path, env=environ, check=True)
        return log.read_text().splitlines()

    return call


def test_the_newest_supported_python_is_taken(find_python, tmp_path):
    python(tmp_path / "python3.13", supported=False)
    python(tmp_path / "python3.12")
    python(tmp_path / "python3.11")
    assert find_python().stdout.strip() == str(tmp_path / "python3.12")


def test_a_python_that_is_named_wins(find_python, tmp_path):
    python(tmp_path / "python3.13")
    named = python(tmp_path / "elsewhere/python")
    assert find_python(PYTHON=str(named)).stdout.strip() == str(named)


def test_a_python_without_venv_is_passed_over(find_python, tmp_path):
    python(tmp_path / "python3.13", ensurepip=False)
    python(tmp_path / "python3")
    assert find_python().stdout.strip() == str(tmp_path / "python3")


def test_a_machine_whose_only_python_lacks_venv_is_told_the_package(find_python, tmp_path):
    python(tmp_path / "python3.11", ensurepip=False)
    done = find_python()
    assert done.returncode == 1
    assert "python3.11 cannot make virtual environments" in done.stderr
    assert "apt-get install python3-venv" in done.stderr


def test_a_machine_without_a_supported_python_is_told_which_are(find_python, tmp_path):
    python(tmp_path / "python3", supported=False)
    done = find_python()
    assert done.returncode == 1
    assert "vigie needs Python 3.11, 3.12 or 3.13" in done.stderr


def test_start_installs_names_what_it_installs_and_passes_its_options_on(start):
    done, log = start("--config", "my vigie.toml", "--foreground")
    assert log == ["install", "vigie start --config my vigie.toml --foreground"]
    assert "wanted>=1" in done.stderr


def test_start_installs_once(start):
    start()
    _, log = start()
    assert log == ["vigie ping --data ./var", "vigie start"]


def test_start_installs_again_when_the_project_changed(start, checkout):
    start()
    (checkout / "pyproject.toml").write_text("[project]\nversion = '2'")
    _, log = start()
    assert log == ["install", "vigie ping --data ./var", "vigie start"]


def test_a_node_that_runs_already_is_shown(start, tmp_path):
    (tmp_path / "log.up").touch()
    done, log = start("--data", "there")
    assert log[-1] == "vigie info --data there"
    assert "a node runs already" in done.stderr


def test_a_second_node_in_the_foreground_is_left_to_vigie_to_refuse(start, tmp_path):
    (tmp_path / "log.up").touch()
    _, log = start("--foreground")
    assert log[-1] == "vigie start --foreground"


def test_the_demo_is_started_with_the_data_of_the_node(start, checkout, tmp_path):
    executable(checkout / "scripts/demo", '#!/bin/sh\necho "demo $*" >"$LOG.demo"\n')
    os.mkfifo(tmp_path / "log.demo")
    _, log = start("--demo", "--data", "there")
    assert log[-1] == "vigie start --data there"
    assert (tmp_path / "log.demo").read_text() == "demo --data there\n"


def test_the_demo_feeds_until_the_node_is_stopped(demo):
    noted = demo()
    assert [line for line in noted if "status" in line] == ["vigie status --data var"] * 4
    [feed] = [line for line in noted if "feed" in line]
    assert feed.startswith("vigie feed --data var --rate 2 --seconds 600 --seed ")
    assert noted[-2:] == ["fed", "vigie status --data var"]


def test_a_second_demo_of_the_same_node_leaves_at_once(demo, tmp_path):
    lock = tmp_path / "var/demo.lock"
    lock.parent.mkdir()
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert demo() == []


def test_a_folder_that_may_not_be_written_is_named(checkout, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    shutil.rmtree(checkout / ".venv")
    checkout.chmod(0o555)
    done = subprocess.run(
        [checkout / "scripts/start"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    checkout.chmod(0o755)
    assert done.returncode == 1
    assert "is not writable" in done.stderr

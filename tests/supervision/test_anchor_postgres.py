"""The embedded PostgreSQL server with real processes: first start, kills, orphans, users."""

import asyncio
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncpg
import pytest

import supervision
from supervision.anchor import binaries, history, leftovers, pointers, postgres
from supervision.anchor.messages import ExitCode
from supervision.anchor.pointers import Pointers
from supervision.anchor.postgres import ServerSpec
from supervision.anchor.spec import AnchorSpec, RestartPolicy
from supervision.anchor.testing import RunningAnchor, wait_for, wait_gone

pytestmark = pytest.mark.system

ROOT = os.geteuid() == 0
USER = postgres.NOBODY if ROOT else os.geteuid()
"""Who the server runs as."""

# A user with an account: initdb refuses the others.
PLAIN_USER = pwd.getpwnam("daemon").pw_uid
SYSTEM_PYTHON = Path("/usr/bin/python3")
AS_PLAIN_USER = """
import os, subprocess, sys
from pathlib import Path
from supervision.anchor import postgres
from supervision.anchor.spec import AnchorSpec, RestartPolicy
from supervision.anchor.testing import RunningAnchor

directory, binaries = Path(sys.argv[1]), Path(sys.argv[2])
server = postgres.ServerSpec(directory / "postgres", binaries, "vigie", "vigie", 10, 8)
program = postgres.program(server, stop_timeout_s=10.0, restart=RestartPolicy())
anchor = RunningAnchor(AnchorSpec(str(directory), (program,)))
try:
    anchor.wait_program(lambda state: state["state"] == "running", "postgres")
    pid = anchor.ask("info")["programs"]["postgres"]["pid"]
    print(os.stat(f"/proc/{pid}").st_uid, flush=True)
    ask = [binaries / "psql", "-tAc", "SELECT current_database()", postgres.dsn(server, directory)]
    subprocess.run(ask, check=True)
finally:
    anchor.end()
"""
FAST = RestartPolicy(min_s=0.02, max_s=0.1, reset_s=60.0)


def server(directory, **changes):
    settings = {
        "binaries": binaries.find_binaries(os.environ),
        "role": "vigie",
        "database": "vigie",
        "max_connections": 10,
        "shared_buffers_mb": 8,
        "caches": (Path(tempfile.gettempdir()) / "anchor-test-cache",),
    }
    return ServerSpec(directory=directory / "postgres", **{**settings, **changes})


def anchor_spec(directory, **changes):
    guarded = postgres.program(server(directory, **changes), stop_timeout_s=10.0, restart=FAST)
    return AnchorSpec(directory=str(directory), programs=(guarded,))


@pytest.fixture
def data(tmp_path):
    """A data directory below one that nobody else can search."""
    tmp_path.chmod(0o700)
    directory = tmp_path / "var"
    directory.mkdir()
    return directory


@pytest.fixture
def start(data):
    anchors = []

    def begin(directory=data, **changes):
        anchors.append(RunningAnchor(anchor_spec(directory, **changes)))
        return anchors[-1]

    yield begin
    for anchor in anchors:
        anchor.end() if anchor.popen.poll() is None else anchor.clean_up()
    for anchor in anchors:
        for pid in leftovers.processes(anchor.directory / "postgres/cluster"):
            wait_gone(pid)


def record_release(data):
    """A release whose anchor is this one's code."""
    home = data / pointers.DIRECTORY / "1.0"
    home.mkdir(parents=True)
    env = {"PYTHONPATH": os.pathsep.join(sys.path)}
    manifest = {"format": 1, "vsn": "1.0", "compose": {"argv": [sys.executable], "env": env}}
    (home / pointers.MANIFEST).write_text(json.dumps(manifest))
    pointers.write(data, Pointers("1.0", "1.0"))


def ready(anchor):
    """Wait for the server, and return the process id of its postmaster."""
    assert "started" in anchor.announced
    anchor.wait_program(lambda state: state["state"] == "running", "postgres")
    return anchor.ask("info")["programs"]["postgres"]["pid"]


def query(directory, sql, dsn=None):
    async def ask():
        connection = await asyncpg.connect(dsn or postgres.dsn(server(directory), directory))
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_the_first_start_makes_a_cluster_that_clients_reach_without_a_secret_in_the_dsn(
    start, data
):
    ready(start())
    assert query(data, "SHOW server_encoding") == "UTF8"
    assert query(data, "SELECT current_database()") == "vigie"
    assert query(data, "SHOW listen_addresses") == ""
    assert (data / "postgres/pgpass").stat().st_mode & 0o777 == 0o600
    assert (data / "postgres").stat().st_mode & 0o777 == 0o700


def test_without_the_password_nobody_gets_in(start, data):
    ready(start())
    wrong = re.sub("passfile=.*", "password=guess", postgres.dsn(server(data), data))
    with pytest.raises(asyncpg.InvalidPasswordError):
        query(data, "SELECT 1", wrong)


def test_what_was_written_is_there_after_the_postmaster_was_killed(start, data):
    anchor = start()
    postmaster = ready(anchor)
    query(data, "CREATE TABLE facts AS SELECT 42 AS answer")
    os.kill(postmaster, signal.SIGKILL)
    state = anchor.wait_program(lambda state: state["restarts"] == 1, "postgres")
    assert state["last_exit"]["reason"] == "SIGKILL"
    assert ready(anchor) != postmaster
    assert query(data, "SELECT answer FROM facts") == 42


def test_a_killed_shim_takes_its_server_along_and_comes_back(start, data):
    anchor = start()
    postmaster = ready(anchor)
    os.kill(anchor.program("postgres")["pid"], signal.SIGKILL)
    wait_gone(postmaster)
    anchor.wait_program(lambda state: state["restarts"] == 1, "postgres")
    assert ready(anchor) != postmaster
    assert query(data, "SELECT 1") == 1


def test_the_server_of_a_killed_anchor_stops_in_order(start, data):
    anchor = start()
    postmaster = ready(anchor)
    anchor.end(signal.SIGKILL)
    wait_gone(postmaster)
    assert "database system is shut down" in (data / "logs/postgres.log").read_text()
    assert not (data / "postgres/cluster/postmaster.pid").exists()


def test_a_pid_file_of_another_process_does_not_block_a_start(start, data):
    first = start()
    ready(first)
    first.end()
    stale = data / "postgres/cluster/postmaster.pid"
    stale.write_text(f"{os.getpid()}\n/somewhere\n1\n5432\n../run\n\n 1 1\nready   \n")
    ready(start())
    assert query(data, "SELECT 1") == 1


def test_a_lock_of_the_socket_that_names_another_process_does_not_block_a_start(start, data):
    first = start()
    ready(first)
    first.end()
    # After a power cut the lock is there, and its number may be anybody's: of the same user here.
    stale = data / "postgres/run" / postgres.LOCK
    with subprocess.Popen(["sleep", "60"], user=USER) as other:
        cluster = data / "postgres/cluster"
        stale.write_text(f"{other.pid}\n{cluster}\n1\n5432\n{data}/postgres/run\n")
        ready(start())
        other.kill()
    assert query(data, "SELECT 1") == 1


def test_a_cluster_that_was_half_made_is_made_anew(start, data):
    (data / "postgres/cluster.new/base").mkdir(parents=True)
    if ROOT:
        shutil.chown(data / "postgres/cluster.new", postgres.NOBODY)
        shutil.chown(data / "postgres/cluster.new/base", postgres.NOBODY)
    ready(start())
    assert not (data / "postgres/cluster.new").exists()


def test_a_cluster_of_another_version_is_refused_in_words(start, data):
    first = start()
    ready(first)
    first.end()
    (data / "postgres/cluster/PG_VERSION").write_text("9\n")
    second = start()
    second.wait_program(lambda state: state["restarts"] >= 1, "postgres")
    log = data / "logs/postgres.log"
    wait_for(lambda: "the cluster was made by PostgreSQL 9" in log.read_text())


def test_it_works_below_a_very_long_path(start, data, monkeypatch):
    deep = data / ("d" * 60) / ("e" * 60) / "var"
    deep.mkdir(parents=True)
    ready(start(deep))
    monkeypatch.chdir(deep)
    assert "/proc/self/cwd/postgres/run" in postgres.dsn(server(deep), deep).replace("%2F", "/")
    assert query(deep, "SELECT 1") == 1


@pytest.mark.skipif(not ROOT, reason="only root can drop privileges")
def test_the_server_of_root_runs_as_nobody_from_a_copy_where_it_must(start, data, tmp_path):
    found, private = binaries.find_binaries(os.environ), tmp_path / "home"
    if found.is_relative_to(binaries.SYSTEM):
        pytest.skip("a system's PostgreSQL can be executed by all, and cannot be moved")
    root, parts = binaries._needed(found)
    for part in parts:
        shutil.copytree(part, private / part.relative_to(root), symlinks=True, dirs_exist_ok=True)
    private.chmod(0o700)
    cache = Path(tempfile.mkdtemp(dir="/var/tmp"))
    cache.chmod(0o755)
    try:
        postmaster = ready(start(binaries=private / found.relative_to(root), caches=(cache / "p",)))
        assert Path(f"/proc/{postmaster}").stat().st_uid == postgres.NOBODY
        running = Path(f"/proc/{postmaster}/exe").resolve()
        assert running.is_relative_to(cache / "p")
    finally:
        shutil.rmtree(cache)


@pytest.fixture
def plain_directory():
    """A directory of a plain user, reachable by it."""
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    os.chown(directory, PLAIN_USER, PLAIN_USER)
    yield directory
    shutil.rmtree(directory)


@pytest.mark.skipif(not ROOT, reason="a plain user is what the other tests run as")
def test_a_plain_user_runs_it_as_himself(plain_directory):
    caches = (plain_directory.with_name("anchor-test-cache"),)
    found = binaries.find_binaries(os.environ)
    usable = binaries.executable_by(PLAIN_USER, PLAIN_USER, found, caches)
    words = [SYSTEM_PYTHON, "-c", AS_PLAIN_USER, plain_directory, usable]
    as_user = {"user": PLAIN_USER, "group": PLAIN_USER, "extra_groups": [], "cwd": "/"}
    environment = {"PYTHONPATH": str(Path(supervision.__file__).parents[1]), "PATH": "/usr/bin"}
    known = subprocess.run(
        [SYSTEM_PYTHON, "-c", "import supervision.anchor.shim, tomllib"],
        env=environment,
        stderr=subprocess.DEVNULL,
        check=False,
        **as_user,
    )
    if known.returncode:
        pytest.skip("the system's Python is older than 3.11 or may not read this installation")
    done = subprocess.run(
        words, env=environment, capture_output=True, text=True, check=False, **as_user
    )
    assert done.stdout.split() == [str(PLAIN_USER), "vigie"], done.stderr


def test_the_server_goes_on_while_the_anchor_goes_on_in_other_code_and_stops_with_it(start, data):
    record_release(data)
    anchor = start()
    postmaster = ready(anchor)
    query(data, "CREATE TABLE kept (n int)")
    for number in range(2):
        anchor.ask("go_on")
        wait_for(lambda count=number + 1: len(history.read(data)) == count)
        assert history.read(data)[-1]["result"] == "done"
        assert query(data, "SELECT count(*) FROM kept") == 0
    assert ready(anchor) == postmaster
    assert anchor.end() == ExitCode.DONE
    wait_gone(postmaster, 0.0)


def test_a_server_does_not_outlive_an_anchor_that_is_killed_in_its_other_code(start, data):
    record_release(data)
    anchor = start()
    postmaster = ready(anchor)
    anchor.ask("go_on")
    wait_for(lambda: history.read(data))
    anchor.popen.kill()
    anchor.popen.wait()
    wait_gone(postmaster)

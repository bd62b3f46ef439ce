"""Anchors with real programs: kills, hangs, orphans, refused starts."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from supervision.anchor.client import Client
from supervision.anchor.messages import ExitCode, Refusal
from supervision.anchor.spec import AnchorSpec, ListenerSpec, ProgramSpec, RestartPolicy
from supervision.anchor.testing import PATIENCE_S, RunningAnchor, wait_for, wait_gone

pytestmark = pytest.mark.system

PROGRAM = Path(__file__).with_name("anchor_program.py")
FAST = RestartPolicy(min_s=0.02, max_s=0.1, reset_s=60.0)


def program(name="node", mode="serve", **changes):
    settings = {
        "argv": (sys.executable, str(PROGRAM), mode),
        "env": {"PYTHONPATH": os.pathsep.join(sys.path)},
        "awaited": True,
        "ready_timeout_s": 15.0,
        "stop_timeout_s": 5.0,
        "restart": FAST,
    }
    return ProgramSpec(name=name, **{**settings, **changes})


def spec(directory, *programs, **changes):
    settings = {
        "listeners": (ListenerSpec("http", "127.0.0.1", 0),),
        "relays": {"api": "node"},
        "start_timeout_s": 15.0,
    }
    programs = programs or (program(listeners=("http",), hang_timeout_s=10.0),)
    return AnchorSpec(directory=str(directory), programs=programs, **{**settings, **changes})


def greeting(address):
    """What the test program says to a TCP connection: its process id."""
    with socket.create_connection((address["host"], address["port"]), PATIENCE_S) as peer:
        return int(peer.makefile("rb").readline())


@pytest.fixture
def start(tmp_path):
    anchors = []

    def begin(wanted):
        anchors.append(RunningAnchor(wanted))
        return anchors[-1]

    yield begin
    for anchor in anchors:
        anchor.clean_up()


def test_a_start_is_announced_when_the_awaited_program_is_ready(start, tmp_path):
    anchor = start(spec(tmp_path / "var"))
    started = anchor.announced["started"]
    node = started["programs"]["node"]
    assert node["mode"] == "serve"
    assert node["cwd"] == str(tmp_path / "var")
    assert started["anchor"]["pid"] == anchor.popen.pid
    assert greeting(started["listeners"]["http"]) == node["pid"]


def test_a_killed_program_comes_back_and_no_connection_is_refused_meanwhile(start, tmp_path):
    anchor = start(spec(tmp_path / "var"))
    http, before = anchor.announced["started"]["listeners"]["http"], anchor.program()
    os.kill(before["pid"], signal.SIGKILL)
    assert greeting(http) != before["pid"]
    after = anchor.wait_program(lambda state: state["state"] == "running")
    assert after["restarts"] == 1
    assert after["incarnation"] == before["incarnation"] + 1
    assert after["last_exit"]["reason"] == "SIGKILL"
    assert abs(after["last_exit"]["at"] - time.time()) < 60


def test_a_program_that_keeps_dying_waits_longer_each_time_and_is_shown(start, tmp_path):
    flaky = program("flaky", "fail", awaited=False)
    anchor = start(spec(tmp_path / "var", program(), flaky))
    state = anchor.wait_program(lambda state: state["restarts"] >= 4, "flaky")
    assert state["failures"] == state["restarts"]
    assert state["last_exit"]["reason"] == "exit 1"
    assert "no table is laid" in (tmp_path / "var/logs/flaky.log").read_text()


def test_a_program_whose_loop_hangs_is_killed_and_comes_back(start, tmp_path):
    anchor = start(spec(tmp_path / "var", program(hang_timeout_s=0.5)))
    anchor.ask("api", do="hang")
    state = anchor.wait_program(lambda state: state["restarts"] == 1)
    assert state["last_exit"]["reason"] == "killed: hung, no answer within 0.5 s"


def test_a_program_that_never_gets_ready_fails_the_start_with_a_reason(start, tmp_path):
    anchor = start(spec(tmp_path / "var", program(mode="mute"), start_timeout_s=1.0))
    failed = anchor.announced["failed"]
    assert failed["reason"] == "node was not ready within 1 s"
    assert failed["log"][0] == "started mute"
    assert anchor.popen.wait(20) == ExitCode.FAILED


def test_a_program_that_dies_at_every_attempt_fails_the_start_with_its_last_words(start, tmp_path):
    anchor = start(spec(tmp_path / "var", program(mode="fail")))
    failed = anchor.announced["failed"]
    assert failed["reason"] == "node ended before it was ready: exit 1"
    assert failed["log"] == ["no table is laid"] * 3
    assert failed["log_file"] == str(tmp_path / "var/logs/node.log")
    assert anchor.popen.wait(20) == ExitCode.FAILED


def test_an_exit_code_declared_final_fails_the_start_at_the_first_attempt(start, tmp_path):
    anchor = start(spec(tmp_path / "var", program(mode="hopeless", final_exit_codes=(64,))))
    assert anchor.announced["failed"]["reason"] == "node ended before it was ready: exit 64"
    assert anchor.popen.wait(20) == ExitCode.USAGE


def test_a_program_that_ends_for_good_fails_the_start_with_its_last_words(start, tmp_path):
    torn = program(mode="torn", restart_prevent_exit_codes=(ExitCode.DATA_ERROR,))
    failed = start(spec(tmp_path / "var", torn)).announced["failed"]
    assert failed["reason"] == "node ended before it was ready: exit 65: the ledger is torn"


def test_a_program_that_fails_for_good_stays_down_and_whoever_asks_is_told_why(start, tmp_path):
    tears = program(mode="tears", restart_prevent_exit_codes=(ExitCode.DATA_ERROR,))
    anchor = start(spec(tmp_path / "var", tears))
    os.kill(anchor.program()["pid"], signal.SIGKILL)
    state = anchor.wait_program(lambda state: state["state"] == "failed")
    assert (state["incarnation"], state["next_start_in_s"]) == (2, None)
    assert state["last_exit"]["reason"] == "exit 65: the ledger is torn"
    for ask, code in (
        (lambda: anchor.ask("api"), ExitCode.UNREACHABLE),
        (lambda: anchor.ask("restart", program="node"), ExitCode.FAILED),
    ):
        with pytest.raises(Refusal, match="node has failed: exit 65: the ledger is torn") as caught:
            ask()
        assert caught.value.code is code
    assert anchor.program()["incarnation"] == 3
    assert anchor.ask("ping")["state"] == "running"


def test_a_program_that_does_not_exist_fails_the_start(start, tmp_path):
    anchor = start(spec(tmp_path / "var", program(argv=("/nonexistent/program",))))
    assert "No such file" in anchor.announced["failed"]["reason"]


def test_an_anchor_whose_directory_is_gone_says_so_and_ends_with_its_programs(
    start, tmp_path, capfd
):
    anchor = start(spec(tmp_path / "var", program("store"), program(listeners=("http",))))
    programs = anchor.announced["started"]["programs"]
    shutil.rmtree(tmp_path / "var")
    os.kill(programs["node"]["pid"], signal.SIGKILL)
    assert anchor.popen.wait(PATIENCE_S) == ExitCode.DONE
    wait_gone(programs["store"]["pid"])
    assert f"{tmp_path}/var is gone" in capfd.readouterr().err
    assert not (tmp_path / "var").exists()


def test_the_programs_of_a_killed_anchor_stop_cleanly(start, tmp_path):
    anchor = start(spec(tmp_path / "var", program("store"), program(listeners=("http",))))
    anchor.end(signal.SIGKILL)
    for pid in anchor.pids():
        wait_gone(pid)
    assert "stopped" in (tmp_path / "var/logs/node.log").read_text()


def test_a_hung_program_of_a_killed_anchor_is_killed_too(start, tmp_path):
    anchor = start(spec(tmp_path / "var", program(stop_timeout_s=0.3)))
    anchor.ask("api", do="hang")
    anchor.end(signal.SIGKILL)
    for pid in anchor.pids():
        wait_gone(pid)


def test_a_killed_anchor_leaves_nothing_that_blocks_the_next_start(start, tmp_path):
    wanted = spec(tmp_path / "var")
    first = start(wanted)
    first.end(signal.SIGKILL)
    assert (tmp_path / "var/anchor.sock").exists()
    second = start(wanted)
    assert second.announced["started"]["anchor"]["pid"] == second.popen.pid


def test_a_start_outlives_stopped_programs_of_a_killed_anchor_by_killing_them(start, tmp_path):
    wanted = spec(tmp_path / "var", program(stop_timeout_s=0.5))
    first = start(wanted)
    os.kill(first.pids()[0], signal.SIGSTOP)
    first.end(signal.SIGKILL)
    second = start(wanted)
    assert "started" in second.announced
    wait_gone(first.pids()[0])


def test_a_second_anchor_of_the_same_directory_is_refused(start, tmp_path):
    first = start(spec(tmp_path / "var"))
    second = start(spec(tmp_path / "var"))
    reason = second.announced["failed"]["reason"]
    assert f"another anchor (process {first.popen.pid}) guards" in reason
    assert second.popen.wait(20) == ExitCode.FAILED
    assert first.ask("ping")["pid"] == first.popen.pid


def test_a_port_that_is_taken_fails_the_start_and_is_named(start, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        taken = (ListenerSpec("http", "127.0.0.1", port),)
        anchor = start(spec(tmp_path / "var", listeners=taken))
    reason = anchor.announced["failed"]["reason"]
    assert reason == f"http: 127.0.0.1 port {port} is in use by another program"


def test_sigterm_stops_the_programs_one_by_one_last_started_first(start, tmp_path):
    anchor = start(spec(tmp_path / "var", program("store"), program("node")))
    assert anchor.end() == ExitCode.DONE
    times = {}
    for name in ("store", "node"):
        words = (tmp_path / f"var/logs/{name}.log").read_text().split()
        assert words[-2] == "asked"
        times[name] = float(words[-1])
    assert times["node"] < times["store"]
    assert not (tmp_path / "var/anchor.sock").exists()


def test_a_program_that_ignores_sigterm_is_killed_within_the_bound(start, tmp_path):
    anchor = start(spec(tmp_path / "var", program(mode="stubborn", stop_timeout_s=0.3)))
    begun = time.monotonic()
    assert anchor.end() == ExitCode.DONE
    assert time.monotonic() - begun < 5
    wait_gone(anchor.pids()[0])


def test_stop_over_the_control_socket_ends_the_anchor(start, tmp_path):
    anchor = start(spec(tmp_path / "var"))
    with Client(tmp_path / "var") as client:
        assert client.call("stop")["pid"] == anchor.popen.pid
        assert client.wait_for_end(20)
    assert anchor.popen.wait(20) == ExitCode.DONE


def test_restart_returns_when_the_next_incarnation_serves_the_same_sockets(start, tmp_path):
    anchor = start(spec(tmp_path / "var"))
    before = anchor.program()
    after = anchor.ask("restart", program="node")
    assert after["pid"] != before["pid"]
    assert after["incarnation"] == before["incarnation"] + 1
    assert greeting(anchor.announced["started"]["listeners"]["http"]) == after["pid"]
    assert anchor.program()["restarts"] == 0


def test_a_request_is_relayed_unread_and_answered(start, tmp_path):
    anchor = start(spec(tmp_path / "var"))
    args = {"do": "echo", "any": [1, {"thing": None}]}
    assert anchor.ask("api", **args) == {"op": "api", "args": args}


@pytest.mark.parametrize(
    ("what", "code", "words"),
    [
        ("refuse", ExitCode.NOT_PERMITTED, "not today"),
        ("crash", ExitCode.FAILED, "api failed: ZeroDivisionError: a bug"),
        ("flood", ExitCode.FAILED, "the answer is longer than"),
    ],
)
def test_what_a_program_refuses_reaches_the_client(start, tmp_path, what, code, words):
    anchor = start(spec(tmp_path / "var"))
    with pytest.raises(Refusal, match=words) as refused:
        anchor.ask("api", do=what)
    assert refused.value.code == code
    assert anchor.program()["restarts"] == 0


def test_a_request_for_a_program_that_is_down_is_refused_as_unreachable(start, tmp_path):
    slow = RestartPolicy(min_s=30, max_s=30)
    anchor = start(spec(tmp_path / "var", program(restart=slow)))
    os.kill(anchor.pids()[0], signal.SIGKILL)
    state = anchor.wait_program(lambda state: state["state"] == "backoff")
    assert 10 < state["next_start_in_s"] <= 30
    with pytest.raises(Refusal, match="node is not running") as refused:
        anchor.ask("api", do="echo")
    assert refused.value.code == ExitCode.UNREACHABLE


def test_a_control_socket_below_a_very_long_path_works(start, tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60) / "var"
    deep.mkdir(parents=True)
    anchor = start(spec(deep))
    assert anchor.ask("ping")["state"] == "running"
    assert (deep / "anchor.sock").stat().st_mode & 0o777 == 0o600


def test_a_log_is_rotated_when_a_program_starts(start, tmp_path):
    log = tmp_path / "var/logs/node.log"
    log.parent.mkdir(parents=True)
    log.write_text("old\n" * 2000)
    start(spec(tmp_path / "var", log_max_bytes=4096))
    assert log.with_name("node.log.1").read_text().startswith("old")
    wait_for(lambda: log.read_text() == "started serve\n")


def test_a_stop_during_the_start_is_announced_as_a_failure(tmp_path):
    def stop_it():
        wait_for(lambda: state_of(tmp_path / "var") == "starting")
        with Client(tmp_path / "var") as client:
            client.call("stop")

    stopper = threading.Thread(target=stop_it)
    stopper.start()
    anchor = RunningAnchor(spec(tmp_path / "var", program(mode="mute")))
    stopper.join()
    assert anchor.announced["failed"]["reason"] == "stopped while it started: a client asked"
    assert anchor.popen.wait(PATIENCE_S) == ExitCode.DONE


def test_an_anchor_goes_on_when_whoever_started_it_is_gone(tmp_path):
    wanted = spec(tmp_path / "var")
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "supervision.anchor", "--announce-fd", str(write)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    anchor = subprocess.Popen(
        command, stdin=subprocess.PIPE, pass_fds=[write], env=environment, start_new_session=True
    )
    os.close(write)
    with anchor.stdin as pipe:
        pipe.write(wanted.to_json().encode())
    wait_for(lambda: state_of(tmp_path / "var") == "running")
    anchor.terminate()
    assert anchor.wait(PATIENCE_S) == ExitCode.DONE


def state_of(directory):
    with contextlib.suppress(Refusal), Client(directory) as client:
        return client.call("ping")["state"]

"""An anchor goes on in other code, in the same process; nobody it serves or guards notices."""

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from anchor_upgrade_kit import Upgradable
from other_pythons import others

import supervision
from supervision.anchor import history, pointers, unixpath
from supervision.anchor.client import Client
from supervision.anchor.lease import Held, Lease
from supervision.anchor.messages import ExitCode, Refusal
from supervision.anchor.pointers import Pointers
from supervision.anchor.spec import (
    AnchorSpec,
    ListenerSpec,
    ProgramSpec,
    RestartPolicy,
    UpgradeSpec,
)
from supervision.anchor.testing import PATIENCE_S, RunningAnchor, wait_for, wait_gone

pytestmark = pytest.mark.system

PROGRAM = Path(__file__).with_name("anchor_program.py")
ENV = {"PYTHONPATH": os.pathsep.join(sys.path)}


def spec(directory, mode="serve", limit_s=20.0, **changes):
    settings = {
        "env": ENV,
        "awaited": True,
        "ready_timeout_s": 20.0,
        "stop_timeout_s": 5.0,
        "hang_timeout_s": 20.0,
        "restart": RestartPolicy(min_s=0.02, max_s=0.1, reset_s=60.0),
        "listeners": ("http",),
    }
    argv = (sys.executable, str(PROGRAM), mode)
    node = ProgramSpec("node", argv, **{**settings, **changes})
    return AnchorSpec(
        str(directory),
        (node,),
        (ListenerSpec("http", "127.0.0.1", 0),),
        {"api": "node"},
        start_timeout_s=20.0,
        upgrade=UpgradeSpec("node", spawn_timeout_s=limit_s),
    )


class Anchor(RunningAnchor):
    """An anchor whose code can be replaced."""

    def __init__(self, directory, **changes):
        self.release(directory, "1.0")
        pointers.write(directory, Pointers("1.0", "1.0"))
        super().__init__(spec(directory, **changes))

    def release(self, directory, vsn, python=sys.executable, env=ENV):
        home = directory / pointers.DIRECTORY / vsn
        home.mkdir(parents=True, exist_ok=True)
        compose = {"argv": [str(python)], "env": env}
        manifest = {"format": 1, "vsn": vsn, "origin": "archive", "compose": compose}
        (home / pointers.MANIFEST).write_text(json.dumps(manifest))

    def results(self):
        lines = history.read(self.directory)
        return [(item["result"], item["why"]) for item in lines if item["step"] == "anchor"]

    def go_on(self):
        """Have the code replaced; return what the history says of it."""
        before = len(self.results())
        self.ask("go_on")
        return wait_for(lambda: self.results()[before:])[0]

    def api(self, **args):
        return self.ask("api", **args)

    def code(self):
        """The command line of the anchor's process."""
        return Path(f"/proc/{self.popen.pid}/cmdline").read_bytes().split(b"\0")

    def greeting(self):
        address = self.announced["started"]["listeners"]["http"]
        with socket.create_connection((address["host"], address["port"]), PATIENCE_S) as peer:
            return int(peer.makefile("rb").readline())


@pytest.fixture
def start(tmp_path):
    anchors = []

    def begin(**changes):
        anchors.append(Anchor(tmp_path, **changes))
        return anchors[-1]

    yield begin
    for anchor in anchors:
        anchor.clean_up()


def connected(anchor):
    peer = unixpath.connect(anchor.directory / "anchor.sock", PATIENCE_S)
    return peer, peer.makefile("rb")


def asking(number, **args):
    return json.dumps({"id": number, "op": "api", "args": args}).encode() + b"\n"


def test_process_programs_and_addresses_stay_what_they_are(start):
    anchor = start()
    before, pid = anchor.ask("info"), anchor.greeting()
    assert anchor.go_on() == ("done", "")
    after = anchor.ask("info")
    assert anchor.popen.poll() is None
    assert anchor.code()[3:4] == [b"supervision.anchor"]
    assert anchor.code()[4].startswith(b"--go-on-fd=")
    for part in ("listeners", "programs", "directory", "labels"):
        assert after[part] == before[part]
    assert after["anchor"]["pid"] == before["anchor"]["pid"] == anchor.popen.pid
    assert after["anchor"]["started"] == pytest.approx(before["anchor"]["started"], abs=1.0)
    assert anchor.greeting() == pid
    assert anchor.program()["restarts"] == 0


def test_the_directory_stays_taken(start):
    anchor = start()
    anchor.go_on()
    with pytest.raises(Held, match=f"process {anchor.popen.pid}"):
        Lease(anchor.directory)


def test_a_program_that_dies_afterwards_is_noticed_and_started_again(start):
    anchor = start()
    anchor.go_on()
    pid = anchor.program()["pid"]
    os.kill(pid, signal.SIGKILL)
    state = anchor.wait_program(lambda item: item["state"] == "running" and item["pid"] != pid)
    assert (state["restarts"], state["last_exit"]["reason"]) == (1, "SIGKILL")
    assert anchor.greeting() == state["pid"]
    anchor.go_on()
    assert anchor.program()["pid"] == state["pid"]


def test_it_stops_in_order_afterwards(start):
    anchor = start()
    anchor.go_on()
    pid = anchor.program()["pid"]
    assert anchor.end() == ExitCode.DONE
    wait_gone(pid, 0.0)
    assert "stopped asked" in (anchor.directory / "logs" / "node.log").read_text()
    assert not (anchor.directory / "anchor.sock").exists()


def test_a_request_that_waits_for_a_program_is_answered_by_the_other_code(start, tmp_path):
    anchor = start()
    peer, answers = connected(anchor)
    peer.sendall(asking(7, do="wait", file=str(tmp_path / "now")))
    anchor.api(do="echo")  # what was sent before has reached the program by now
    anchor.go_on()
    anchor.go_on()
    (tmp_path / "now").touch()
    answer = json.loads(answers.readline())
    assert answer == {"id": 7, "ok": True, "result": {"waited": str(tmp_path / "now")}}
    peer.sendall(asking(8, do="echo"))
    assert json.loads(answers.readline())["id"] == 8
    peer.close()


def test_requests_that_came_in_pieces_or_behind_others_are_not_lost(start, tmp_path):
    anchor = start()
    peer, answers = connected(anchor)
    third = asking(3, do="echo", word="three")
    first = asking(1, do="wait", file=str(tmp_path / "now"))
    peer.sendall(first + asking(2, do="echo") + third[:20])
    pieces, piece_answers = connected(anchor)
    pieces.sendall(third[:11])
    anchor.api(do="echo")
    anchor.go_on()
    peer.sendall(third[20:])
    pieces.sendall(third[11:])
    (tmp_path / "now").touch()
    assert [json.loads(answers.readline())["id"] for _ in range(3)] == [1, 2, 3]
    assert json.loads(piece_answers.readline())["result"]["args"]["word"] == "three"
    peer.close()
    pieces.close()


def test_a_client_that_reads_late_gets_all_of_its_answers(start):
    anchor = start()
    peer, answers = connected(anchor)
    lines = [asking(number, do="echo", word="x" * 60_000) for number in range(32)]
    sending = threading.Thread(target=peer.sendall, args=(b"".join(lines),))
    sending.start()
    anchor.go_on()  # by now more has been answered than a socket holds
    for number in range(32):
        answer = json.loads(answers.readline())
        assert (answer["id"], len(answer["result"]["args"]["word"])) == (number, 60_000)
    sending.join(PATIENCE_S)
    peer.close()


def test_a_request_that_is_not_answered_in_time_is_refused_all_the_same(start, tmp_path):
    anchor = start()
    peer, answers = connected(anchor)
    peer.sendall(asking(1, do="wait", file=str(tmp_path / "never")))
    anchor.api(do="echo")
    anchor.go_on()
    os.kill(anchor.program()["pid"], signal.SIGKILL)
    assert json.loads(answers.readline())["error"]["code"] == ExitCode.UNREACHABLE
    peer.close()


def test_nobody_loses_an_answer_under_traffic_while_the_code_is_replaced_again_and_again(start):
    anchor = start()
    wrong, done, over = [], [0] * 6, threading.Event()

    def ask(index):
        try:
            while not over.is_set():
                with Client(anchor.directory, PATIENCE_S) as client:
                    for number in range(20):
                        word = f"{index} {number}"
                        if client.call("api", {"do": "echo", "word": word})["args"]["word"] != word:
                            wrong.append(word)
                        client.call("ping")
                        done[index] += 1
        except (Refusal, OSError) as error:
            wrong.append(repr(error))

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(done))]
    for thread in threads:
        thread.start()
    for _ in range(8):
        assert anchor.go_on() == ("done", "")
    over.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert wrong == []
    assert min(done) > 0
    assert anchor.program()["incarnation"] == 1


def test_connections_are_accepted_all_the_while(start):
    anchor = start()
    pids, over = set(), threading.Event()

    def connect():
        while not over.is_set():
            pids.add(anchor.greeting())

    thread = threading.Thread(target=connect)
    thread.start()
    for _ in range(4):
        anchor.go_on()
    over.set()
    thread.join(PATIENCE_S)
    assert pids == {anchor.program()["pid"]}


def test_descriptors_do_not_pile_up(start):
    anchor = start()
    anchor.go_on()
    place = Path(f"/proc/{anchor.popen.pid}/fd")
    before = len(list(place.iterdir()))
    for _ in range(5):
        anchor.go_on()
    wait_for(lambda: len(list(place.iterdir())) <= before)
    program = Path(f"/proc/{anchor.program()['pid']}/fd")
    inherited = len(list(program.iterdir()))
    os.kill(anchor.program()["pid"], signal.SIGKILL)
    anchor.wait_program(lambda item: item["state"] == "running" and item["incarnation"] == 2)
    program = Path(f"/proc/{anchor.program()['pid']}/fd")
    assert len(list(program.iterdir())) == inherited


def test_pings_that_are_under_way_are_no_hang_and_a_hang_afterwards_is_one(start):
    anchor = start(hang_timeout_s=1.0)
    began = time.monotonic()
    while time.monotonic() < began + 3.0:
        assert anchor.go_on() == ("done", "")
    assert anchor.program()["incarnation"] == 1
    anchor.api(do="hang")
    state = anchor.wait_program(lambda item: item["restarts"] == 1)
    assert "hung" in state["last_exit"]["reason"]


def test_a_program_that_waits_for_its_next_start_gets_it(start):
    anchor = start(restart=RestartPolicy(min_s=1.5, max_s=1.5, reset_s=60.0))
    os.kill(anchor.program()["pid"], signal.SIGKILL)
    anchor.wait_program(lambda item: item["state"] == "backoff")
    anchor.go_on()
    assert anchor.program()["state"] in {"backoff", "starting", "running"}
    anchor.wait_program(lambda item: item["state"] == "running" and item["incarnation"] == 2)


def test_all_that_a_killed_anchor_had_ends_and_the_directory_is_free(start, tmp_path):
    anchor = start()
    pid = anchor.program()["pid"]
    anchor.go_on()
    anchor.popen.kill()
    wait_gone(pid)
    again = start()
    assert again.announced["started"]["programs"]["node"]["pid"] != pid


def test_an_anchor_killed_at_any_moment_of_it_leaves_a_directory_that_starts(start):
    for delay_s in (0.0, 0.1, 0.2, 0.3, 0.4):
        anchor = start()
        pid = anchor.program()["pid"]
        anchor.ask("go_on")
        with contextlib.suppress(TimeoutError):
            wait_for_change(anchor, delay_s)
        anchor.popen.kill()
        anchor.popen.wait(PATIENCE_S)
        wait_gone(pid)


def wait_for_change(anchor, seconds):
    """Wait until the code has changed, but no longer than that."""
    deadline = time.monotonic() + seconds
    while b"--go-on-fd" not in b" ".join(anchor.code()):
        if time.monotonic() >= deadline:
            raise TimeoutError


@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.2, 0.3, 0.5, 0.8])
def test_a_signal_at_any_moment_of_it_stops_the_anchor_in_order(start, delay_s):
    anchor = start()
    pid = anchor.program()["pid"]
    anchor.ask("go_on")
    with contextlib.suppress(TimeoutError):
        wait_for_change(anchor, delay_s)
    assert anchor.end() == ExitCode.DONE
    wait_gone(pid, 0.0)
    assert "stopped asked" in (anchor.directory / "logs" / "node.log").read_text()


def wrapper(tmp_path, text):
    """A stand-in for the interpreter of a release."""
    file = tmp_path / "python"
    file.write_text(
        f"#!{sys.executable}\nimport os, sys\nargv, last = sys.argv, sys.argv[-1]\n{text}"
    )
    file.chmod(0o700)
    return file


REAL = f"os.execv({sys.executable!r}, [{sys.executable!r}, *argv[1:]])\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sys.exit('no module named x')", "exit 1: no module named x"),
        ("os.kill(os.getpid(), 11)", "exit -11"),
        ("sys.stderr.write('format 1; this release goes on from 7'); sys.exit(65)", "exit 65: for"),
        ("import time; time.sleep(600)", "it did not say within"),
    ],
)
def test_a_release_whose_anchor_cannot_go_on_leaves_the_old_one_running(start, tmp_path, text, why):
    anchor = start(limit_s=0.5 if "sleep" in text else 20.0)
    anchor.release(tmp_path, "1.0", wrapper(tmp_path, text))
    before = anchor.ask("info")
    result, said = anchor.go_on()
    assert (result, said.startswith(why)) == ("kept", True)
    assert b"--go-on-fd" not in b" ".join(anchor.code())
    assert anchor.ask("info")["programs"] == before["programs"]
    assert anchor.api(do="echo")


def test_a_release_that_is_not_there_leaves_the_old_one_running(start, tmp_path):
    anchor = start()
    anchor.release(tmp_path, "1.0", tmp_path / "gone")
    assert anchor.go_on()[0] == "kept"
    assert anchor.api(do="echo")


def test_what_fails_only_after_the_replacement_has_the_old_code_go_on_again(start, tmp_path):
    anchor = start()
    peer, answers = connected(anchor)
    peer.sendall(asking(1, do="wait", file=str(tmp_path / "now")))
    pid = anchor.program()["pid"]
    fails = (
        "if '--check-fd' in last: sys.exit(0)\n"
        "from supervision.anchor import __main__, handing_on\n"
        "handing_on.FORMAT = 7\n"
        "sys.argv = ['anchor', last]\n"
        "sys.exit(__main__.main())\n"
    )
    anchor.release(tmp_path, "1.0", wrapper(tmp_path, fails))
    assert anchor.go_on() == ("kept", "format 1; this release goes on from 7")
    assert anchor.code()[0] == sys.executable.encode()
    assert anchor.program()["pid"] == pid
    (tmp_path / "now").touch()
    assert json.loads(answers.readline())["id"] == 1
    peer.close()
    anchor.release(tmp_path, "1.0")
    assert anchor.go_on() == ("done", "")


def test_a_restart_that_somebody_waits_for_comes_first(start):
    anchor = start()
    pid = anchor.program()["pid"]
    answers = []
    thread = threading.Thread(target=lambda: answers.append(anchor.ask("restart", program="node")))
    thread.start()
    assert anchor.go_on() == ("done", "")
    thread.join(PATIENCE_S)
    assert answers[0]["incarnation"] == 2
    assert answers[0]["pid"] != pid


CODE_ONLY = {"PYTHONPATH": str(Path(supervision.__file__).parents[1])}


def test_another_interpreter_goes_on_and_back(start, tmp_path):
    found = others()
    if not found:
        pytest.skip("no other interpreter is installed")
    anchor = start()
    pid = anchor.greeting()
    for python in found:
        anchor.release(tmp_path, "1.0", python, CODE_ONLY)
        assert anchor.go_on() == ("done", "")
        assert anchor.code()[0] == python.encode()
        anchor.release(tmp_path, "1.0")
        assert anchor.go_on() == ("done", "")
    assert anchor.greeting() == pid
    assert anchor.program()["incarnation"] == 1


@pytest.fixture
def upgradable(tmp_path):
    anchor = Upgradable(tmp_path)
    yield anchor
    anchor.clean_up()


def steps(anchor):
    lines = history.read(anchor.directory)
    return [(item["step"], item["vsn"], item["result"]) for item in lines]


def test_after_a_commit_the_anchor_is_of_the_release_that_it_guards(upgradable):
    anchor = upgradable
    pid = anchor.popen.pid
    for number, vsn in enumerate(("2.0", "3.0", "4.0"), start=1):
        anchor.install(vsn)
        anchor.upgrade(vsn)
        node = anchor.node()
        assert anchor.ask("release.commit", who="ann")["state"] == "permanent"
        wait_for(lambda vsn=vsn: ("anchor", vsn, "done") in steps(anchor))
        assert (anchor.node()["pid"], anchor.node()["vsn"]) == (node["pid"], vsn)
        assert anchor.ask("ping")["pid"] == pid
        assert len([step for step, _, _ in steps(anchor) if step == "anchor"]) == number


def test_a_rollback_leads_back_from_a_release_in_whose_code_the_anchor_goes_on(upgradable):
    anchor = upgradable
    anchor.node(do="remember", word="call 17")
    anchor.install("2.0")
    anchor.upgrade("2.0")
    anchor.ask("release.commit", who="ann")
    wait_for(lambda: ("anchor", "2.0", "done") in steps(anchor))
    assert anchor.ask("release.rollback", who="ann")["state"] == "current"
    assert (anchor.node()["vsn"], anchor.node()["memory"]) == ("1.0", "call 17")
    assert anchor.ask("release.commit", who="ann")["state"] == "permanent"
    wait_for(lambda: ("anchor", "1.0", "done") in steps(anchor))
    assert anchor.node()["vsn"] == "1.0"


def test_a_node_that_dies_after_that_is_started_again_in_its_release(upgradable):
    anchor = upgradable
    anchor.install("2.0")
    anchor.upgrade("2.0")
    anchor.ask("release.commit", who="ann")
    wait_for(lambda: ("anchor", "2.0", "done") in steps(anchor))
    pid = anchor.node()["pid"]
    os.kill(pid, signal.SIGKILL)
    anchor.wait_program(lambda item: item["state"] == "running" and item["pid"] != pid)
    assert anchor.serving("2.0")["release"]["permanent"] == "2.0"


def test_an_upgrade_that_comes_while_the_anchor_goes_on_is_done_before_or_after(upgradable):
    anchor = upgradable
    anchor.install("2.0")
    anchor.install("3.0")
    anchor.upgrade("2.0")
    anchor.ask("release.commit", who="ann")
    assert anchor.upgrade("3.0")["state"] == "current"
    assert anchor.node()["vsn"] == "3.0"
    assert anchor.ask("release.commit", who="ann")["state"] == "permanent"
    wait_for(lambda: ("anchor", "3.0", "done") in steps(anchor))

"""The operator's own programs judge a version; whatever they do, the node goes on."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from actors.release_probes import Prober
from supervision.anchor.testing import wait_for, wait_gone


def run(tmp_path, *words, timeout_s=20.0):
    """Run one program and return what it told."""

    async def go():
        heard = asyncio.Event()
        told = []

        def hear(name, why):
            told.append((name, why))
            heard.set()

        prober = Prober(tmp_path, {"VIGIE_VSN": "2.0.0"})
        prober.run("calls", words, timeout_s, hear)
        prober.run("calls", words, timeout_s, hear)  # it runs already
        async with asyncio.timeout(30.0):
            await heard.wait()
        return told

    return asyncio.run(go())


def python(code):
    return (sys.executable, "-c", code)


def test_a_program_that_ends_with_0_agrees(tmp_path):
    assert run(tmp_path, *python("print('fine')")) == [("calls", "")]


def test_a_program_that_says_no_is_quoted(tmp_path):
    told = run(tmp_path, *python("print('two'); print('agents missing'); raise SystemExit(3)"))
    assert told == [("calls", "exit 3: two / agents missing")]


def test_a_program_is_told_the_version_and_runs_in_the_data_directory(tmp_path):
    code = "import os; open('told', 'w').write(os.environ['VIGIE_VSN'])"
    assert run(tmp_path, *python(code)) == [("calls", "")]
    assert (tmp_path / "told").read_text() == "2.0.0"


def test_the_channel_of_the_node_is_nobody_elses(tmp_path, monkeypatch):
    monkeypatch.setenv("ANCHOR_CONTROL_FD", "7")
    code = "import os; raise SystemExit('ANCHOR_CONTROL_FD' in os.environ)"
    assert run(tmp_path, *python(code)) == [("calls", "")]


def test_a_program_that_does_not_exist_says_no(tmp_path):
    ((_, why),) = run(tmp_path, "/nowhere/check")
    assert why == "exit 127: /nowhere/check cannot be run: No such file or directory"


def test_a_program_that_does_not_end_is_killed_with_all_that_it_started(tmp_path):
    pids = tmp_path / "pids"
    code = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(600)\n"
    )
    assert run(tmp_path, *python(code), timeout_s=3.0) == [("calls", "no end within 3 s")]
    for pid in pids.read_text().split():
        wait_gone(int(pid))


def test_much_output_is_cut_to_its_end(tmp_path):
    code = "print('x' * 5_000_000); print('the end'); raise SystemExit(1)"
    ((_, why),) = run(tmp_path, *python(code))
    assert why.endswith("the end")
    assert len(why) < 400


def test_stopping_ends_a_program_that_runs(tmp_path):
    pid = tmp_path / "pid"
    code = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(600)"

    async def go():
        prober = Prober(tmp_path, {})
        prober.run("calls", python(code), 600.0, pytest.fail)
        await asyncio.to_thread(wait_for, lambda: pid.exists() and pid.read_text())
        prober.stop()
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})

    asyncio.run(go())
    wait_gone(int(pid.read_text()))


def test_a_program_begins_with_the_signals_of_any_other_one(tmp_path):
    words = ("/bin/sh", "-c", "yes | head -c 1; grep SigIgn /proc/self/status; exit 1")
    ((_, why),) = run(tmp_path, *words)
    assert int(why.split()[-1], 16) & (1 << (signal.SIGPIPE - 1)) == 0


NODE = """
import asyncio, os, sys
from pathlib import Path
from actors.release_probes import Prober, end_all

async def main():
    words = ("/bin/sh", "-c", f"sleep 600 & echo $$ $! > {sys.argv[1]}; wait")
    Prober(Path.cwd(), {}).run("calls", words, 600.0, print)
    await asyncio.to_thread(sys.stdin.readline)
    end_all()
    os._exit(0)

asyncio.run(main())
"""


@pytest.mark.parametrize("end", ["exit", "killed"])
def test_no_program_outlives_a_node_however_that_ends(tmp_path, end):
    pids = tmp_path / "pids"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", NODE, str(pids)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, env=environ) as node:
        program, child = wait_for(lambda: pids.exists() and pids.read_text().split())
        if end == "exit":
            node.communicate(b"now\n", timeout=30)
        else:
            node.kill()
    wait_gone(int(program))
    if end == "exit":
        wait_gone(int(child))
    else:  # it is nobody's: a process group ends with the node only where that can still act
        os.kill(int(child), signal.SIGKILL)

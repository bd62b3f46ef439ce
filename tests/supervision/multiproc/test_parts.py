"""The parts of the adapter that need no process."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from process_children import Fixed, LateSupervisor, Waits, Worker

from supervision import CallFailed, CallTimeout, GenServer, NoProc, ServerDied
from supervision.multiproc import NotSupported
from supervision.multiproc.calls import ArrivedCall, DepartedCalls, failure_of, packed
from supervision.multiproc.loop import SteppedLoop
from supervision.multiproc.messages import Answer
from supervision.multiproc.osprocess import OsProcess
from supervision.multiproc.support import NoNames, Unserved, refusal
from supervision.reasons import KILLED, error

ROOT = Path(__file__).resolve().parents[3]


def test_synchronous_servers_and_supervisors_are_carried():
    assert refusal(Worker) is None
    assert refusal(Fixed) is None
    assert refusal(GenServer) is None


def test_what_waits_is_named_with_its_handler():
    assert refusal(Waits) == ("async_handlers_not_supported", "Waits.handle_call")
    assert refusal(LateSupervisor) == ("async_handlers_not_supported", "LateSupervisor.init")


def test_what_is_neither_server_nor_supervisor_is_named():
    assert refusal(int) == ("behaviour_not_supported", "int")
    assert refusal("text") == ("behaviour_not_supported", "'text'")


def test_names_and_thespian_s_services_are_refused_by_name():
    with pytest.raises(NotSupported, match="register does not reach"):
        NoNames().register("me", None)
    with pytest.raises(NotSupported) as caught:
        Unserved().create_child(None, None, None, None, None)
    assert caught.value.what == "createActor"


# Calls


def heard_by(call_for):
    heard = []
    call = call_for(lambda value, failure: heard.append((value, failure)))
    return call, heard


def test_only_the_first_answer_of_an_arrived_call_is_sent():
    call, heard = heard_by(lambda answer: ArrivedCall("request", None, answer))
    assert call.reply(1)
    assert not call.reply(2)
    call.fail(NoProc("x"))
    assert heard == [(1, None)]


def test_an_arrived_call_whose_deadline_passed_is_answered_by_nobody():
    call, heard = heard_by(lambda answer: ArrivedCall("request", 1.0, answer))
    call.expire()
    assert not call.reply(1)
    assert heard == []


def test_departed_calls_that_were_given_up_do_not_gather():
    calls = DepartedCalls()
    for _ in range(1000):
        calls.add(given_up := ArrivedCall("request", None, lambda *_: None))
        given_up.expire()
    assert len(calls._open) <= 64


def test_an_answer_finds_its_call_once():
    call, heard = heard_by(lambda answer: ArrivedCall("request", None, answer))
    calls = DepartedCalls()
    ask = calls.add(call)
    assert calls.answered(Answer(ask.id, 5))
    assert not calls.answered(Answer(ask.id, 6))
    assert heard == [(5, None)]


@pytest.mark.parametrize(
    "failure",
    [ServerDied(error("x")), NoProc("there"), CallTimeout("Ask"), CallFailed("full", error("y"))],
    ids=lambda failure: type(failure).__name__,
)
def test_a_failure_travels_with_its_kind_and_reason(failure):
    arrived = failure_of(packed(failure))
    assert type(arrived) is type(failure)
    assert arrived.reason == failure.reason


# The loop


def test_a_step_ends_when_nothing_is_ready():
    loop, done = SteppedLoop(), []
    loop.call_soon(done.append, 1)
    loop.call_later(3600, done.append, 2)
    assert loop.step(1.0) is False
    assert done == [1]
    assert loop.next_due is not None
    loop.close()


def test_a_step_ends_in_time_where_something_wakes_itself_for_ever():
    loop = SteppedLoop()

    def again():
        loop.call_soon(again)

    again()
    assert loop.step(0.01) is True
    loop.close()


# Processes


@pytest.fixture
def sleeper():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


class _Forked:
    """A subprocess with the face of a multiprocessing one."""

    def __init__(self, process):
        self._process = process

    @property
    def pid(self):
        return self._process.pid

    @property
    def exitcode(self):
        return self._process.poll()


@pytest.mark.system
def test_a_killed_process_is_dead_when_end_returns(sleeper):
    process = OsProcess(sleeper.pid, _Forked(sleeper))
    assert process.alive
    process.end()
    assert not process.alive
    assert process.fd is None
    assert process.reason() == KILLED


@pytest.mark.system
def test_a_process_that_another_has_forked_is_watched_by_its_descriptor(sleeper):
    process = OsProcess(sleeper.pid)
    assert process.alive
    sleeper.kill()
    ready, _, _ = select.select([process.fd], [], [], 20)
    assert ready
    assert not process.alive
    assert process.reason() == error("lost")
    process.end()


@pytest.mark.system
def test_without_descriptors_a_process_is_asked_for(sleeper, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")
    process = OsProcess(sleeper.pid, _Forked(sleeper))
    assert process.fd is None
    assert OsProcess(sleeper.pid).alive
    before = time.monotonic()
    process.end()
    assert not process.alive
    assert time.monotonic() - before < 20


# The table


def test_every_case_of_the_table_is_held_by_the_tests_that_it_names():
    table = (ROOT / "tests/conformance/otp_supervisor_multiproc.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:4] for line in table.splitlines() if line.startswith("| S-")]
    assert rows
    named = set()
    for cases, test, bases in rows:
        name = test.strip().strip("`")
        named.add(name)
        for case in cases.split(","):
            assert f"{case.strip().replace('-', '').lower()}_" in name
        assert (bases.strip() == "both") == (name in names_in("test_cases.py"))
    held = names_in("test_cases.py") | names_in("test_processes.py")
    assert named == {name for name in held if name.startswith("test_s")}


def names_in(file: str) -> set[str]:
    text = Path(__file__).with_name(file).read_text(encoding="utf-8")
    return {line[4:].partition("(")[0] for line in text.splitlines() if line.startswith("def test")}


def test_the_adapter_is_made_for_the_thespian_that_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pinned = [one for one in project["project"]["dependencies"] if one.startswith("thespian")]
    # It holds back ActorManager._actorExit and empties the wakeups of the transport: read both
    # again before this is changed.
    assert pinned == ["thespian==4.0.1"]

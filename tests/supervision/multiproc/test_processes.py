"""What is true of processes only: they die without a word, hang, and must leave nobody behind."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest
from process_children import CANNOT, Fixed, LateSupervisor, Part, Unpicklable, Waits, Worker, note
from process_trees import PATIENCE_S, Processes, ProcessTree

from supervision import (
    CallFailed,
    CallTimeout,
    ChildSpec,
    CountChildren,
    NoProc,
    Refused,
    ServerDied,
    StartChild,
    Started,
    StateMachine,
    SupervisorFlags,
    TerminateChild,
    WhichChildren,
)
from supervision.anchor.testing import wait_for, wait_gone
from supervision.multiproc import Options, osprocess
from supervision.portal import NotStarted
from supervision.reasons import KILLED, SHUTDOWN

pytestmark = [
    pytest.mark.system,
    # Thespian leaves sockets to the collector of garbage.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


@pytest.fixture
def tree(on_processes: ProcessTree) -> ProcessTree:
    return on_processes


def flags(strategy="one_for_one", intensity=5, **more):
    return SupervisorFlags(strategy=strategy, intensity=intensity, period=3600.0, **more)


def sub(name, *specs, **options):
    return ChildSpec(name, Fixed, (flags(), list(specs)), type="supervisor", **options)


# How a process ends


def test_each_child_has_a_process_of_its_own(tree):
    tree.start(flags(), tree.child("one"), tree.child("two"))
    assert len({tree.pid("one"), tree.pid("two"), os.getpid()}) == 3


def test_the_kill_of_a_process_is_noticed_and_told_as_killed(tree):
    tree.start(flags(), tree.child("one"))
    before = tree.pid("one")
    os.kill(before, signal.SIGKILL)
    assert tree.until_restarted("one").last_exit[0] == KILLED
    assert tree.pid("one") != before


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda tree, pid: tree.act("one", "exit"), "error: lost: exit status 3"),
        (lambda tree, pid: os.kill(pid, signal.SIGSEGV), "error: lost: SIGSEGV"),
    ],
    ids=["exit", "segmentation fault"],
)
def test_a_process_that_ends_without_a_word_is_lost_and_its_status_told(tree, end, reason):
    tree.start(flags(), tree.child("one", restart="transient"))
    pid = tree.pid("one")
    if reason.endswith("SIGSEGV"):
        tree.ask(("do", "default_segv"), tree.where("one"))
    end(tree, pid)
    assert str(tree.until_restarted("one").last_exit[0]) == reason


def test_kills_of_many_processes_at_once_are_all_noticed(tree):
    names = [f"c{number}" for number in range(12)]
    tree.start(flags(intensity=100), *map(tree.child, names))
    for pid in [tree.pid(name) for name in names]:
        os.kill(pid, signal.SIGKILL)
    tree.until(lambda: [info.restarts for info in tree.infos().values()] == [1] * len(names))
    tree.until(lambda: tree.counts() == [12, 12, 0, 12])
    assert {info.last_exit[0] for info in tree.infos().values()} == {KILLED}


def test_a_stopped_process_is_killed_when_its_time_is_over(tree):
    tree.start(flags(), tree.child("one", shutdown=0.2))
    pid = tree.pid("one")
    os.kill(pid, signal.SIGSTOP)
    assert tree.ask(TerminateChild("one")) is True
    wait_gone(pid, 0.0)


def test_a_termination_signal_ends_a_child_in_order(tree):
    tree.start(flags(), tree.child("one", restart="transient"))
    os.kill(tree.pid("one"), signal.SIGTERM)
    assert tree.until_is("one", "stopped").last_exit[0] == SHUTDOWN
    assert tree.lines()[-1] == "end one shutdown"


def test_an_exception_is_a_death_and_its_message_is_not_handled_again(tree):
    tree.start(flags(), tree.child("one"))
    with pytest.raises(ServerDied, match="RuntimeError: boom"):
        tree.ask("boom", tree.where("one"))
    tree.until_restarted("one")
    assert tree.lines() == ["start one", "end one error", "start one"]
    crashes = [report for report in tree.reports if report.kind == "crash"]
    assert [report.data["reason"] for report in crashes] == ["error: RuntimeError: boom"]


def test_a_dead_incarnation_is_nobody_and_the_next_one_has_another_address(tree):
    tree.start(flags(), tree.child("one"))
    old = tree.where("one")
    tree.kill("one")
    tree.until_restarted("one")
    with pytest.raises(NoProc):
        tree.ask("who", old)
    assert tree.where("one") != old


def test_a_child_that_is_killed_while_it_starts_did_not_start(tree):
    tree.start(flags())
    before = tree.processes.pids()
    tree.system.tell(tree.top, StartChild(tree.child("one", "hang")))
    wait_for(lambda: "hangs one" in tree.lines())
    (starting,) = tree.processes.pids() - before
    os.kill(starting, signal.SIGKILL)
    assert tree.system.listen(PATIENCE_S) == Refused("start_error", KILLED)
    assert tree.listed() == []


def test_restarts_leave_one_descriptor_of_the_child_that_lives(tree):
    tree.start(flags(), tree.child("one"))
    for times in (1, 2, 3):
        tree.kill("one")
        tree.until_restarted("one", times)
    assert pidfds(parent_of(tree.pid("one"))) == 1
    assert pidfds(tree.pid("one")) == 0  # what it has inherited is closed


def pidfds(pid: int) -> int:
    """How many descriptors of processes a process has open."""
    count = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            count += "pidfd" in str(descriptor.readlink())
    return count


# Ends that are asked for


def test_s17_a_stuck_child_is_killed_when_its_time_is_over(tree):
    tree.start(flags(), tree.child("stuck", shutdown=0.3), tree.child("polite"))
    tree.act("stuck", "busy")
    wait_for(lambda: "busy stuck" in tree.lines())
    assert tree.stop() == SHUTDOWN
    assert tree.lines()[-1] == "end polite shutdown"
    tree.until(lambda: tree.told("shutdown_error") == [("stuck", "killed")])


def test_s18_a_stuck_member_of_a_pool_is_killed_when_its_time_is_over(tree):
    tree.start(flags("simple_one_for_one"), tree.child("any", shutdown=0.3))
    tree.start_child("stuck")
    tree.start_child("polite")
    tree.act("stuck", "busy")
    wait_for(lambda: "busy stuck" in tree.lines())
    assert tree.stop() == SHUTDOWN
    assert "end polite shutdown" in tree.lines()


def test_s36_members_of_a_pool_end_side_by_side(tree):
    tree.start(flags("simple_one_for_one"), tree.child("any", shutdown=1.0))
    for name, slow_s in (("a", 0.4), ("b", 0.4), ("c", 600.0)):
        tree.start_child(name, slow_s=slow_s)
    before = os.times().elapsed
    assert tree.stop() == SHUTDOWN
    assert 0.4 <= os.times().elapsed - before < 1.0 + PATIENCE_S / 2
    tree.until(lambda: tree.told("shutdown_error"))
    assert [reason for _, reason in tree.told("shutdown_error")] == ["killed"]


def test_brutal_kill_ends_a_stuck_child_at_once(tree):
    tree.start(flags(), tree.child("stuck", shutdown="brutal_kill"))
    pid = tree.pid("stuck")
    tree.act("stuck", "busy")
    wait_for(lambda: "busy stuck" in tree.lines())
    assert tree.ask(TerminateChild("stuck")) is True
    wait_gone(pid, 0.0)


def test_a_group_restart_kills_a_stuck_sibling_before_it_starts_it_again(tree):
    tree.start(flags("one_for_all"), tree.child("one"), tree.child("stuck", shutdown=0.2))
    old = tree.pid("stuck")
    tree.act("stuck", "busy")
    wait_for(lambda: "busy stuck" in tree.lines())
    tree.act("one", "die")
    tree.until(lambda: tree.lines().count("start stuck") == 2)
    wait_gone(old, 0.0)
    assert tree.until(lambda: tree.pid("stuck")) != old


def test_a_child_that_does_not_come_up_in_time_is_given_up(tree):
    tree.options = Options(start_timeout_s=0.5, reports=tree.options.reports)
    tree.start(flags())
    refused = tree.ask(StartChild(tree.child("one", "hang")))
    assert refused.why == "start_error"
    assert str(refused.detail) == "noproc: not started within 0.5 s"
    assert tree.listed() == []


# Nobody is left behind


def test_the_children_of_a_killed_supervisor_die_with_it_and_it_is_restarted(tree):
    tree.start(flags(), sub("sub", tree.child("one"), sub("deep", tree.child("two"))))
    old = [tree.pid("sub/one"), tree.pid("sub/deep/two")]
    tree.act("sub/one", "busy")  # a handler that hangs keeps nobody alive
    wait_for(lambda: "busy one" in tree.lines())
    os.kill(parent_of(old[0]), signal.SIGKILL)
    for pid in old:
        wait_gone(pid)
    assert tree.until_restarted("sub").last_exit[0] == KILLED
    new = tree.until(lambda: [tree.pid("sub/one"), tree.pid("sub/deep/two")])
    assert not set(old) & set(new)


def test_the_children_of_a_killed_root_die_with_it(tree):
    tree.start(flags(), sub("sub", tree.child("one")), tree.child("two"))
    pids = [tree.pid("sub/one"), tree.pid("two")]
    os.kill(parent_of(pids[1]), signal.SIGKILL)
    for pid in pids:
        wait_gone(pid)
    tree.processes.until_alone()


def test_a_supervisor_that_crashes_ends_its_children_in_order(tree):
    tree.start(flags(), sub("sub", tree.child("one"), tree.child("two")))
    before = tree.pid("sub/one")
    os.kill(parent_of(before), signal.SIGTERM)
    tree.until_restarted("sub")
    wait_gone(before, 0.0)
    assert tree.lines()[2:4] == ["end two shutdown", "end one shutdown"]


def test_the_end_of_the_system_ends_a_tree_in_order_and_leaves_no_process(tmp_path):
    processes = Processes()
    tree = ProcessTree(tmp_path / "log", processes)
    tree.start(flags(), tree.child("one"), sub("sub", tree.child("two"), tree.child("three")))
    processes.close()
    assert tree.lines()[3:] == ["end three shutdown", "end two shutdown", "end one shutdown"]


def test_nothing_outlives_the_system_s_own_process(tmp_path):
    processes = Processes()
    tree = ProcessTree(tmp_path / "log", processes)
    tree.start(flags(), sub("sub", tree.child("one")))
    session = tree.ask("session", tree.where("sub/one"))
    admin = next(pid for pid in processes.own if parent_of(pid) not in processes.own)
    assert session
    os.kill(admin, signal.SIGKILL)
    ours = processes.pids() - processes.own
    for pid in ours:
        wait_gone(pid)
    for pid in processes.pids():  # Thespian's logger and our collector of reports, which it left
        os.kill(pid, signal.SIGKILL)
    processes.forget()


@pytest.mark.parametrize("missing", ["pidfd", "death signal"])
def test_deaths_are_noticed_where_the_system_lacks_something(tmp_path, monkeypatch, missing):
    if missing == "pidfd":
        monkeypatch.delattr(os, "pidfd_open")
    else:
        monkeypatch.setattr(osprocess, "die_with_parent", lambda: False)
    processes = Processes()  # its processes are forked from this one
    monkeypatch.undo()
    tree = ProcessTree(tmp_path / "log", processes)
    tree.start(flags(), sub("sub", tree.child("one")))
    old = tree.pid("sub/one")
    os.kill(parent_of(old), signal.SIGKILL)
    wait_gone(old)
    assert tree.until_restarted("sub").last_exit[0] == KILLED
    tree.until(lambda: tree.pid("sub/one"))
    tree.kill("sub/one")
    tree.until(lambda: tree.pid("sub/one"))
    processes.close()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


# Messages between processes


def test_a_server_asks_a_server_in_another_process(tree):
    tree.start(flags(), tree.child("one"), tree.child("two"))
    one, two = tree.where("one"), tree.where("two")
    value, error = tree.ask(("relay", two, "pid"), one)
    assert (value, error) == (tree.pid("two"), "None")
    value, error = tree.ask(("relay", two, "boom"), one)
    assert value is None
    assert "RuntimeError: boom" in error


def test_an_address_that_is_sent_away_leads_back(tree):
    tree.start(flags(), tree.child("one"))
    address = tree.ask("address", tree.where("one"))
    assert tree.ask("pid", address) == tree.pid("one")


def test_plain_messages_and_their_answers_are_thespian_s_own(tree):
    tree.start(flags(), tree.child("one"))
    answer = tree.system.ask(tree.where("one"), ("echo", 1), PATIENCE_S)
    assert answer == ("echoed", 1)


def test_management_calls_can_be_asked_in_thespian_s_way(tree):
    tree.start(flags(), tree.child("one"))
    assert tree.system.ask(tree.top, CountChildren(), PATIENCE_S)["active"] == 1
    (info,) = tree.system.ask(tree.top, WhichChildren(), PATIENCE_S)
    assert info.id == "one"
    assert isinstance(tree.system.ask(tree.top, StartChild(tree.child("two")), 20), Started)


def test_timers_fire_and_those_that_were_cancelled_do_not(tree):
    tree.start(flags(), tree.child("one"))
    assert tree.ask(("after", 0.2), tree.where("one")) == "fired"


def test_a_call_that_gets_no_answer_ends_at_its_deadline(tree):
    tree.start(flags(), tree.child("one", shutdown="brutal_kill"))
    one = tree.where("one")
    tree.tell(one, "busy")
    with pytest.raises(CallTimeout):
        tree.ask("who", one, timeout=0.3)


def test_an_answer_that_cannot_be_pickled_fails_the_call(tree):
    tree.start(flags(), tree.child("one"))
    with pytest.raises(CallFailed, match="cannot be pickled"):
        tree.ask("unpicklable", tree.where("one"))
    assert tree.who("one")


def test_a_request_that_cannot_be_pickled_fails_the_asker_s_call_alone(tree):
    tree.start(flags(), tree.child("one"), tree.child("two"))
    _, error = tree.ask(("relay unpicklable", tree.where("two")), tree.where("one"))
    assert error == "the request cannot be pickled"


def test_a_program_is_told_what_it_cannot_send(tree):
    tree.start(flags(), tree.child("one"))
    with pytest.raises(CallFailed, match="not_picklable function: "):
        tree.ask(lambda: None, tree.where("one"))
    with pytest.raises(NotStarted, match="not_picklable Begin: "):
        tree.start(lambda: None, supervisor=Unpicklable)
    assert tree.who("one")


def test_arguments_that_cannot_be_pickled_are_why_a_child_does_not_start(tree):
    with pytest.raises(NotStarted) as caught:
        tree.start(None, supervisor=Unpicklable)
    assert str(caught.value.outcome.reason) == (
        "shutdown: failed_to_start_child one: error: not_picklable: Begin"
    )


def test_a_reason_that_cannot_be_pickled_is_told_as_text(tree):
    tree.start(flags(), tree.child("one"))
    tree.act("one", "stop unpicklable")
    assert "<lambda>" in tree.until_restarted("one").last_exit[0].detail


def test_a_report_that_cannot_be_pickled_is_told_as_text(tree):
    tree.start(flags(), tree.child("one"))
    tree.act("one", "crash unpicklable")
    tree.until_restarted("one")
    tree.until(lambda: [report for report in tree.reports if report.kind == "crash"])


# What is refused


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (ChildSpec("one", Waits), ("async_handlers_not_supported", "Waits.handle_call")),
        (
            ChildSpec("one", LateSupervisor, type="supervisor"),
            ("async_handlers_not_supported", "LateSupervisor.init"),
        ),
        (ChildSpec("one", StateMachine), ("behaviour_not_supported", "StateMachine")),
        (
            ChildSpec("one", Worker, Part("one", ""), on_restart="keep"),
            ("on_restart_keep_not_supported", "one"),
        ),
    ],
    ids=["server", "supervisor", "state machine", "kept mailbox"],
)
def test_what_a_process_cannot_carry_is_refused_before_there_is_one(tree, spec, why):
    with pytest.raises(NotStarted) as caught:
        tree.start(flags(), spec)
    _, child_id, reason = caught.value.outcome.reason.detail
    assert (child_id, reason.detail) == ("one", why)
    tree.start(flags())
    if spec.on_restart == "drop":
        answer = tree.ask(StartChild(spec))
        assert (answer.why, answer.detail.detail) == ("start_error", why)


def test_a_root_that_cannot_be_carried_is_refused(tree):
    with pytest.raises(NotStarted) as caught:
        tree.start(None, supervisor=LateSupervisor)
    why = ("async_handlers_not_supported", "LateSupervisor.init")
    assert caught.value.outcome.reason.detail == why


@pytest.mark.parametrize(
    ("name", "args"), [("register", ["me"]), ("whereis", ["me"]), ("join", ["us"]), ("call", [])]
)
def test_what_does_not_reach_other_processes_says_so(tree, name, args):
    tree.start(flags(), tree.child("one"))
    arguments = args or [tree.top, CountChildren()]
    with pytest.raises(ServerDied, match=f"NotSupported: {name} does not reach"):
        tree.ask(("do", name, *arguments), tree.where("one"))


def test_a_request_to_another_process_needs_a_deadline(tree):
    tree.start(flags(), tree.child("one"), tree.child("two"))
    with pytest.raises(ServerDied, match="NotSupported: a request without a deadline"):
        tree.ask(("do", "request", tree.where("two"), "who", None), tree.where("one"))


def test_there_is_no_monitor_of_another_process(tree):
    tree.start(flags(), tree.child("one"), tree.child("two"))
    with pytest.raises(ServerDied, match="NotSupported: link or monitor"):
        tree.ask(("do", "monitor", tree.where("two")), tree.where("one"))


def test_nobody_answers_for_a_tree_that_has_ended(tree):
    tree.start(flags(), tree.child("one"))
    tree.stop()
    with pytest.raises(NoProc):
        tree.ask(CountChildren())


def test_a_child_that_cannot_start_leaves_no_process(tree):
    tree.start(flags())
    assert tree.ask(StartChild(tree.child("one", "fail"))) == Refused("start_error", CANNOT)
    note(str(tree.log), "asked")
    assert len(tree.processes.pids() - tree.processes.own) == 1

"""OTP's supervisor cases S-44 to S-54: what the end of a child means, by its type and reason."""

from __future__ import annotations

import pytest
from supervisor_children import Plain, SlowStop
from supervisor_steps import (
    INFO,
    child,
    counts,
    flags,
    has_ended,
    leave,
    listed,
    pids,
    start_child,
    told,
)

from supervision import ChildSpec, Reason, RestartChild, Started, Supervisor, reasons
from supervision.testing import NotStarted

RESTARTED = [("child1", "running")], [1, 1, 0, 1]
STOPPED = [("child1", "stopped")], [1, 0, 0, 1]
FORGOTTEN = [], [0, 0, 0, 0]


@pytest.fixture
def top(kit):
    return kit.start_supervisor(flags())


def after(kit, top, how):
    """What is left of the only child when it has left so, and what was reported of that."""
    kit.reports.clear()
    [actor] = pids(kit, top).values()
    leave(kit, actor.address, how)
    assert has_ended(actor)
    return listed(kit, top), counts(kit, top)


def contexts(kit):
    return [context for context, *_ in told(kit)]


# normal


def progress(kit):
    return [report.data["child"] for report in kit.reported("progress")]


def test_s44_external_start_no_progress_log_tells_no_progress_of_an_added_child(kit):
    """With progress reports on, what StartChild starts is not reported: its caller knows."""
    kit.kernel.reports.progress = True
    top = kit.start_supervisor(flags())
    address = start_child(kit, top, child("child1"))
    assert kit.reports == []
    leave(kit, address, "normal")
    first = kit.reports[0]
    assert (first.kind, first.data["context"]) == ("supervisor", "child_terminated")
    assert listed(kit, top) == [("child1", "running")]


def test_s44_external_start_no_progress_log_is_about_added_children_only(kit):
    """Those of init are told, and those that come back."""
    kit.kernel.reports.progress = True
    top = kit.start_supervisor(flags(), [child("child1"), child("child2")])
    assert progress(kit) == ["child1", "child2"]
    start_child(kit, top, child("child3"))
    assert progress(kit) == ["child1", "child2"]
    leave(kit, kit.address("top/child1"), "abnormal")
    assert progress(kit) == ["child1", "child2", "child1"]


def test_s44_external_start_no_progress_log_is_silent_unless_asked_for_progress(kit):
    """By default no start is reported as progress, whoever asked for it."""
    top = kit.start_supervisor(flags(), [child("child1")])
    start_child(kit, top, child("child2"))
    leave(kit, kit.address("top/child1"), "normal")
    assert kit.reported("progress") == []


def test_s45_permanent_normal_is_restarted_and_logged(kit, top):
    """Even a normal end is an error of a child that is to run for ever."""
    start_child(kit, top, child("child1"))
    assert after(kit, top, "normal") == RESTARTED
    assert told(kit, "child_terminated") == [("child_terminated", "child1", "normal")]


def test_s46_transient_normal_is_left_stopped_in_silence(kit, top):
    """Its work is done; its spec stays."""
    start_child(kit, top, child("child1", restart="transient"))
    assert after(kit, top, "normal") == STOPPED
    assert told(kit) == []


def test_s47_temporary_normal_is_forgotten_in_silence(kit, top):
    """Its work is done; nothing of it stays."""
    start_child(kit, top, child("child1", restart="temporary"))
    assert after(kit, top, "normal") == FORGOTTEN
    assert told(kit) == []


# shutdown

every_shutdown = pytest.mark.parametrize("reason", [reasons.SHUTDOWN, INFO], ids=str)


def test_s48_permanent_shutdown_is_restarted_and_logged(kit, top):
    """A shutdown that nobody asked for is an error, with or without a word of explanation."""
    start_child(kit, top, child("child1"))
    for reason in (reasons.SHUTDOWN, INFO):
        assert after(kit, top, reason) == RESTARTED
        assert told(kit, "child_terminated") == [("child_terminated", "child1", str(reason))]


def test_s49_transient_shutdown_is_left_stopped_and_can_be_restarted(kit, top):
    """Both shutdowns are orderly ends; RestartChild starts it again in between."""
    start_child(kit, top, child("child1", restart="transient"))
    assert after(kit, top, reasons.SHUTDOWN) == STOPPED
    assert told(kit) == []
    assert isinstance(kit.call(top, RestartChild("child1")), Started)
    assert after(kit, top, INFO) == STOPPED
    assert told(kit) == []


@every_shutdown
def test_s50_temporary_shutdown_is_forgotten_and_its_name_is_free(kit, top, reason):
    """It can be started anew under the same name at once."""
    for _ in range(2):
        start_child(kit, top, child("child1", restart="temporary"))
        assert after(kit, top, reason) == FORGOTTEN
        assert told(kit) == []


class FaultyServer(Plain):
    """Its init calls what is not there."""

    def init(self, args):
        import an_undefined_module

        an_undefined_module.an_undefined_function("argument1", "argument2")


class FaultyApplication(Supervisor):
    """The supervisor of an application that is not complete."""

    def init(self, args):
        return flags(), [ChildSpec("app_faulty", FaultyServer)]


def failed_to_start(reason, name):
    """Why the named child did not start, out of the reason why its supervisor did not."""
    assert reason.kind == "shutdown"
    what, child_name, inner = reason.detail
    assert (what, child_name) == ("failed_to_start_child", name)
    assert isinstance(inner, Reason)
    return inner


def test_s51_faulty_application_shutdown_hands_the_whole_chain_up(kit):
    """Why a start failed deep in an application is in the reason that its starter gets."""
    before = [child(name, 1.0, SlowStop, shutdown=5.0) for name in ("kernel", "stdlib")]
    faulty = ChildSpec("application", FaultyApplication, type="supervisor")
    with pytest.raises(NotStarted) as failure:
        kit.start_supervisor(flags(), [*before, faulty, child("never")])
    assert kit.clock.elapsed == 2.0  # those before it were ended in order, one by one
    application = failed_to_start(failure.value.outcome.reason, "application")
    root_cause = failed_to_start(application, "app_faulty")
    assert root_cause.kind == "error"
    assert root_cause.detail == "ModuleNotFoundError: No module named 'an_undefined_module'"
    assert "import an_undefined_module" in root_cause.traceback
    assert str(failure.value.outcome.reason) == (
        "shutdown: failed_to_start_child application: shutdown: "
        f"failed_to_start_child app_faulty: {root_cause}"
    )
    assert [(context, name) for context, name, _ in told(kit)] == [
        ("start_error", "app_faulty"),
        ("start_error", "application"),
    ]
    assert kit.statistics().actors == 0


# abnormal

every_failure = pytest.mark.parametrize("how", ["abnormal", "kill"])


@every_failure
def test_s52_permanent_abnormal_is_restarted_and_logged(kit, top, how):
    """A failure is an error of any child; this one comes back."""
    start_child(kit, top, child("child1"))
    assert after(kit, top, how) == RESTARTED
    assert contexts(kit)[0] == "child_terminated"


@every_failure
def test_s53_transient_abnormal_is_restarted_and_logged(kit, top, how):
    """Its work is not done."""
    start_child(kit, top, child("child1", restart="transient"))
    assert after(kit, top, how) == RESTARTED
    assert contexts(kit)[0] == "child_terminated"


@every_failure
def test_s54_temporary_abnormal_is_forgotten_and_logged(kit, top, how):
    """It never comes back, but its failure is told."""
    start_child(kit, top, child("child1", restart="temporary"))
    assert after(kit, top, how) == FORGOTTEN
    assert contexts(kit) == ["child_terminated"]

"""OTP's supervisor cases about order, lookups and the text of reports.

S-74, S-87, S-89, S-90, S-92 and S-93.
"""

from __future__ import annotations

import pytest
from supervisor_children import Plain
from supervisor_steps import (
    child,
    counts,
    ends,
    flags,
    leave,
    listed,
    pids,
    start_child,
    watching,
)

from supervision import (
    ChildInfo,
    DeleteChild,
    GetCallbackModule,
    Refused,
    RestartChild,
    Started,
    Supervisor,
    TerminateChild,
    WhichChild,
    WhichChildren,
    reasons,
)
from supervision.report_text import format_report
from supervision.testing.children import Polite, specs

SHUTDOWN = reasons.SHUTDOWN


class Own(Supervisor):
    def init(self, args):
        return flags(), []


def test_s74_get_callback_module_is_the_class_of_the_supervisor(kit):
    """A release finds the code of a supervisor by asking it."""
    assert kit.call(kit.start(Own), GetCallbackModule()) is Own


# Order

NAMES = ["ch7", "ch3", "ch10", "ch2", "ch5"]


def test_s87_order_of_children_is_that_of_their_specs_and_its_reverse(kit):
    """Starts follow the specs, also in a restart; ends go the other way, one after the other."""
    journal = []
    top = kit.start_supervisor(flags("rest_for_one"), specs(NAMES, Polite, journal))
    assert journal == [("started", name) for name in NAMES]
    assert [name for name, _ in listed(kit, top)] == NAMES[::-1]

    journal.clear()
    before = pids(kit, top)
    kit.faults.kill(kit.address("top/ch10"))
    kit.settle()
    assert journal == [
        ("ended", "ch5"),
        ("ended", "ch2"),
        ("started", "ch10"),
        ("started", "ch2"),
        ("started", "ch5"),
    ]
    after = pids(kit, top)
    assert [name for name in NAMES if after[name] is before[name]] == ["ch7", "ch3"]

    journal.clear()
    watch = watching(kit, *(kit.address(f"top/{name}") for name in NAMES))
    assert kit.stop(top) == SHUTDOWN
    assert journal == [("ended", name) for name in NAMES[::-1]]
    assert list(ends(watch).items()) == [(name, SHUTDOWN) for name in NAMES[::-1]]


# Lookups


def which(kit, top, named):
    return kit.call(top, WhichChild(named))


def test_s92_which_children_tells_of_each_child_what_it_is_and_where(kit):
    """All at once or one by its name, through start, termination, restart and deletion."""
    top = kit.start_supervisor(flags())
    assert kit.call(top, WhichChildren()) == []
    assert which(kit, top, "one") == Refused("not_found", "one")

    one = start_child(kit, top, child("one"))
    two = start_child(kit, top, child("two", modules="dynamic"))
    [second, first] = kit.call(top, WhichChildren())
    assert (first.id, first.address, first.status, first.type) == ("one", one, "running", "worker")
    assert (second.id, second.address, second.modules) == ("two", two, "dynamic")
    assert list(first.modules) == [Plain.__module__]
    assert which(kit, top, "one") == first
    assert which(kit, top, "two") == second

    assert kit.call(top, TerminateChild("one")) is True
    assert listed(kit, top) == [("two", "running"), ("one", "stopped")]
    assert which(kit, top, "one").status == "stopped"
    assert kit.call(top, RestartChild("one")) == Started(one)
    assert which(kit, top, "one").status == "running"
    assert kit.call(top, TerminateChild("one")) is True
    assert kit.call(top, DeleteChild("one")) is True
    assert which(kit, top, "one") == Refused("not_found", "one")
    assert listed(kit, top) == [("two", "running")]


def test_s93_which_children_simple_one_for_one_tells_of_each_member(kit):
    """A member is looked up by its address; one that is gone, or a stranger, is not found."""
    top = kit.start_supervisor(flags("simple_one_for_one"), [child("child")])
    stranger = kit.start(Plain)
    assert kit.call(top, WhichChildren()) == []
    one, two = (start_child(kit, top, name) for name in ("one", "two"))
    assert [info.address for info in kit.call(top, WhichChildren())] == [two, one]
    assert isinstance(which(kit, top, one), ChildInfo)
    assert which(kit, top, one) == which(kit, top, "one")
    assert which(kit, top, stranger) == Refused("not_found", stranger)

    assert kit.call(top, TerminateChild(one)) is True
    assert which(kit, top, one) == Refused("not_found", one)
    assert [info.address for info in kit.call(top, WhichChildren())] == [two]
    assert counts(kit, top) == [1, 1, 0, 1]


# The text of reports


@pytest.fixture
def reports(kit):
    """One report of each context that a supervisor of OTP's has, and a progress report."""
    kit.kernel.reports.progress = True
    top = kit.start_supervisor(flags(intensity=1), [child("child1"), child("child2", "error")])
    kit.cast(kit.address("top/child1"), ("busy", 50.0))
    kit.settle()
    leave(kit, kit.address("top/child2"), "abnormal")
    kit.advance(2.0)
    assert not kit.alive(top)
    found = {report.data["context"]: report for report in kit.reported("supervisor")}
    assert {"child_terminated", "start_error", "shutdown", "shutdown_error"} <= set(found)
    [first, *_] = kit.reported("progress")
    return {**found, "progress": first}


def test_s89_format_log_1_says_all_that_a_report_has(reports):
    """The text names the supervisor, the child, what happened and why, field by field."""
    for context, report in reports.items():
        text = format_report(report)
        head, *fields = text.splitlines()
        kind = "PROGRESS" if context == "progress" else "SUPERVISOR"
        assert head.startswith(f"{kind} REPORT top")
        assert report.data["child"] in head
        said = dict(line.strip().split(": ", 1) for line in fields)
        assert set(said) == {key for key, one in report.data.items() if one not in (None, "")}
        assert said["child"] == report.data["child"]
    assert "error: died" in format_report(reports["child_terminated"])
    assert "can start but once" in format_report(reports["start_error"])
    assert "killed" in format_report(reports["shutdown_error"])
    assert "reached_max_restart_intensity" in format_report(reports["shutdown"])


def test_s90_format_log_2_fits_a_line_a_depth_and_a_size(reports):
    """A single line has no line break; what is too deep or too long is cut, visibly."""
    for report in reports.values():
        line = format_report(report, single_line=True)
        assert "\n" not in line
        assert report.data["child"] in line
        assert len(line) <= len(format_report(report)) + len(" []") + 2 * len(report.data)
        for limit in (20, 40, 80):
            for single_line in (False, True):
                text = format_report(report, single_line=single_line, chars_limit=limit)
                assert len(text) <= limit
                assert text[:10] == line[:10]


def test_s90_format_log_2_shows_terms_down_to_a_depth(kit):
    """A reason may be any term; ``depth`` bounds how much of it is shown."""
    kit.kernel.report("supervisor", "top", context="start_error", child="a", reason=[[["deep"]]])
    [report] = kit.reported("supervisor")
    whole = format_report(report, single_line=True)
    cut = format_report(report, single_line=True, depth=2)
    assert "[[[deep]]]" in whole
    assert "deep" not in cut

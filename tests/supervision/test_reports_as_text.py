"""Reports as text: what people read of each kind (supervisor_SUITE's format_log cases too)."""

from __future__ import annotations

import pytest

from supervision import ChildSpec, GenServer, Report, SupervisorFlags
from supervision.report_text import format_report, headline
from supervision.testing.children import Polite, specs

CRASH = Report(
    "crash",
    "node/a",
    0.0,
    {
        "actor": "Server",
        "incarnation": 2,
        "message": "Open",
        "reason": "error: LookupError: lost",
        "traceback": "Traceback\n  line 7\nLookupError: lost\n",
        "client": None,
        "names": [],
        "ancestors": ["node"],
        "state": {"calls": [{"id": 1}], "open": True},
    },
)


def test_a_report_has_a_headline_and_a_line_for_each_field():
    assert format_report(CRASH).split("\n") == [
        "CRASH REPORT node/a: Server crashed on Open: error: LookupError: lost",
        "  actor: Server",
        "  incarnation: 2",
        "  message: Open",
        "  reason: error: LookupError: lost",
        "  ancestors: [node]",
        "  state: {calls: [{id: 1}], open: True}",
        "  traceback:",
        "    Traceback",
        "      line 7",
        "    LookupError: lost",
    ]


def test_a_single_line_has_no_line_breaks_and_no_traceback():
    assert format_report(CRASH, single_line=True) == (
        "CRASH REPORT node/a: Server crashed on Open: error: LookupError: lost"
        " [actor: Server, incarnation: 2, message: Open, reason: error: LookupError: lost,"
        " ancestors: [node], state: {calls: [{id: 1}], open: True}]"
    )


@pytest.mark.parametrize(
    ("depth", "shown"),
    [
        (0, "..."),
        (1, "{calls: ..., open: True}"),
        (2, "{calls: [...], open: True}"),
        (3, "{calls: [{id: 1}], open: True}"),
        (None, "{calls: [{id: 1}], open: True}"),
    ],
)
def test_containers_are_shown_down_to_a_depth(depth, shown):
    assert f"  state: {shown}\n" in format_report(CRASH, depth=depth)


@pytest.mark.parametrize("single_line", [False, True])
@pytest.mark.parametrize("limit", [0, 2, 20, 70])
def test_a_text_is_no_longer_than_its_limit(limit, single_line):
    text = format_report(CRASH, chars_limit=limit, single_line=single_line)
    assert len(text) == limit
    assert text.endswith("..."[:limit])
    assert format_report(CRASH, chars_limit=10_000) == format_report(CRASH)


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("crash", {"actor": "A", "message": "init", "reason": "no"}, "A did not start: no"),
        (
            "crash",
            {"actor": "A", "message": "terminate", "reason": "x"},
            "A crashed as it ended: x",
        ),
        ("crash", {"handler": "h", "reason": "no"}, "h crashed: no"),
        (
            "hold",
            {"handler": "A", "seconds": 0.2, "message": "M"},
            "A held the loop for 0.2 s with M",
        ),
        (
            "overflow",
            {"limit": 3, "policy": "reject", "count": 4},
            "full mailbox at 3 messages: reject, 4 times so far",
        ),
        ("unexpected", {"message": "int", "sender": "a"}, "int from a was not expected"),
        ("unexpected", {"error": "odd"}, "odd"),
        ("operator", {"action": "restart", "reason": "test"}, "restart: test"),
        ("progress", {"child": "a"}, "a was started"),
        (
            "supervisor",
            {"context": "start_error", "child": "a", "reason": "x"},
            "a did not start: x",
        ),
        ("supervisor", {"context": "child_terminated", "child": "a", "reason": "x"}, "a ended: x"),
        (
            "supervisor",
            {"context": "shutdown_error", "child": "a", "reason": "x"},
            "a did not end as it was told to: x",
        ),
        (
            "supervisor",
            {"context": "shutdown", "child": "a", "reason": "x"},
            "gives up, as a failed too often: x",
        ),
        ("supervisor", {"context": "restarted", "child": "a"}, "a was started again"),
        ("supervisor", {"context": "child_given_up", "child": "a", "reason": "x"}, "gives a up: x"),
        (
            "supervisor",
            {"context": "crash_loop", "child": "a", "reason": "x"},
            "a fails again and again: x",
        ),
        ("supervisor", {"context": "crash_loop_over", "child": "a"}, "a has come to itself"),
        (
            "supervisor",
            {"context": "crash_loop_over", "child": "a", "reason": "shutdown"},
            "a is not tried any more: shutdown",
        ),
        (
            "supervisor",
            {"context": "starts_with", "child": "a", "with": "b"},
            "a still starts when b does",
        ),
        ("supervisor", {"context": "escalation", "child": "a", "reason": "x"}, "a gave up: x"),
        (
            "supervisor",
            {"context": "auto_shutdown", "child": "a", "reason": "x"},
            "ends, as a has ended: x",
        ),
        ("supervisor", {"context": "new", "child": "a", "reason": "x"}, "new of a: x"),
        ("supervisor", {}, "<no context> of <no child>: <no reason>"),
        ("something else", {"a": 1}, ""),
    ],
)
def test_every_kind_has_its_sentence(kind, data, said):
    assert headline(Report(kind, "node/a", 0.0, data)) == said


def test_a_kind_that_is_not_known_is_written_down_as_it_is():
    report = Report("store", "node/a", 0.0, {"what": "full", "why": ""})
    assert format_report(report) == "STORE REPORT node/a\n  what: full"


def test_a_brace_in_what_is_told_does_no_harm():
    report = Report("operator", "node/a", 0.0, {"action": "{reason}", "reason": "{0} {x}"})
    assert headline(report) == "{reason}: {0} {x}"


def test_every_report_that_a_node_makes_can_be_written(kit):
    class Failing(Polite):
        def handle_info(self, message, sender):
            raise LookupError("lost")

    kit.kernel.reports.progress = True
    kit.start_supervisor(SupervisorFlags(), [*specs("a"), ChildSpec("b", Failing)])
    plain = kit.start(GenServer)
    kit.send(plain, "unexpected")
    for _ in range(2):
        kit.send(kit.address("top/b"), "boom")
        kit.settle()
    texts = [format_report(report, single_line=True) for report in kit.reports]
    assert {report.kind for report in kit.reports} >= {"crash", "supervisor", "unexpected"}
    assert not [text for text in texts if "<no" in text]

"""Outcomes of the same requests on two versions, compared."""

from actors.session_api import Busy, Done, RevConflict, RouteAnswer
from actors.takeover import application_calls
from actors.takeover.application_calls import ApplicationCalls, outcome_of


def route(target="7001", session="a", rev=1):
    value = RouteAnswer(target=target, rtype="direct", session=session, rev=rev, reason="rp")
    return outcome_of(Done(value))


def compared(live, shadow, *, first="live"):
    calls, settled = ApplicationCalls(), []
    calls.asked(1, "route", "call-1")
    sides = {
        "live": lambda: calls.live(1, live, settled.append),
        "shadow": lambda: calls.shadow(1, shadow),
    }
    sides.pop(first)()
    assert settled == []
    sides.popitem()[1]()
    return calls.report(), settled


def test_ids_times_and_revisions_are_each_nodes_own():
    for first in ("live", "shadow"):
        report, settled = compared(route(), route(session="b", rev=2), first=first)
        assert (report["same"], report["different"], settled) == (1, 0, [True])


def test_fields_that_differ_are_told_of_both_and_no_others():
    report, settled = compared(route(), route("9009"))
    assert (report["same"], report["different"], settled) == (0, 1, [False])
    assert report["fields"] == {"target": 1}
    told = {"live": {"target": "7001"}, "shadow": {"target": "9009"}}
    assert report["differences"] == [{"request": "route", "call": "call-1", **told}]


def test_a_refusal_on_one_side_is_a_difference_and_the_same_on_both_is_none():
    refused = outcome_of(RevConflict(3))
    report, _ = compared(route(), refused)
    assert report["fields"]["error"] == 1
    report, _ = compared(outcome_of(RevConflict(4)), refused)
    assert report["same"] == 1


def test_a_side_that_was_too_busy_says_nothing_of_its_version():
    report, settled = compared(outcome_of(Busy(0.2)), route())
    assert (report["undecided"], report["different"], settled) == (1, 0, [False])


def test_an_answer_to_what_was_asked_before_anybody_looked_on_is_only_taken():
    calls, settled = ApplicationCalls(), []
    calls.live(7, route(), settled.append)
    calls.shadow(8, route())
    assert settled == [False]
    assert calls.report()["same"] == 0


def test_no_more_requests_than_some_are_remembered(monkeypatch):
    monkeypatch.setattr(application_calls, "MOST_OPEN", 3)
    calls = ApplicationCalls()
    for number in range(5):
        calls.asked(number, "patch", "c")
    report = calls.report()
    assert (report["under_way"], report["forgotten"]) == (3, 2)
    assert report["requests"] == {"patch": 5}

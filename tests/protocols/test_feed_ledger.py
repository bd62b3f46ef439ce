import pytest
from msgspec import structs

from protocols.cti.messages import Error, RouteEnd, RouteSelect
from protocols.feed import ledger as books
from protocols.feed.comparison import Difference, compare
from protocols.feed.latency import Latencies, add, quantile, summary
from protocols.feed.records import CallEntry, Ledger
from protocols.feed.report import make_comparison, make_report


def new_ledger(**limits) -> Ledger:
    return Ledger(late_s=0.2, wait_s=2.0, **limits)


def request(xref: str, call: str = "c") -> dict:
    return {"t": "route.request", "xref": xref, "call": call, "rp": "sales", "ani": "+331"}


def select(xref: str, target: str = "7001") -> RouteSelect:
    return RouteSelect(
        xref=xref, target=target, rtype="direct", session="5" * 20, rev=1, reason="configured"
    )


def report(ledger: Ledger):
    return make_report(ledger, seconds=1.0, reconnects=0, comparison=None, with_answers=True)


def test_an_answer_is_timed_from_its_write_and_from_its_schedule():
    ledger = new_ledger()
    books.note_sent(ledger, request("x"), due=9.9, now=10.0)
    books.note_select(ledger, select("x"), now=10.05)
    assert (ledger.requests, ledger.answered, ledger.late) == (1, 1, 0)
    assert report(ledger).latency.max_ms == 50
    assert report(ledger).latency_from_schedule.max_ms == 150


def test_an_answer_after_the_mark_is_late():
    ledger = new_ledger()
    books.note_sent(ledger, request("x"), due=10.0, now=10.0)
    books.note_select(ledger, select("x"), now=10.21)
    assert ledger.late == 1


def test_the_same_answer_again_is_repeated_and_another_one_doubled():
    ledger = new_ledger()
    books.note_sent(ledger, request("x"), due=0, now=0)
    for target in ("7001", "7001", "7002"):
        books.note_select(ledger, select("x", target), now=0.1)
    assert (ledger.answered, ledger.repeated, ledger.doubled) == (1, 1, 1)


def test_another_target_after_a_reroute_is_an_answer_not_a_double():
    ledger = new_ledger()
    books.note_sent(ledger, request("x"), due=0, now=0)
    books.note_select(ledger, select("x"), now=0.1)
    books.note_sent(ledger, {"t": "reroute.request", "xref": "x"}, due=1, now=1)
    books.note_select(ledger, select("x", "7002"), now=1.1)
    assert (ledger.requests, ledger.answered, ledger.doubled) == (2, 2, 0)
    assert ledger.calls["c"].target == "7002"


def test_a_request_without_an_answer_is_lost_after_its_wait_and_an_answer_then_is_unasked():
    ledger = new_ledger()
    books.note_sent(ledger, request("x"), due=0, now=0)
    books.note_sent(ledger, request("y"), due=0, now=1)
    books.expire(ledger, now=1.99)
    assert ledger.lost == 0
    books.expire(ledger, now=2.0)
    assert (ledger.lost, list(ledger.open)) == (1, ["y"])
    books.note_select(ledger, select("x"), now=2.1)
    assert (ledger.answered, ledger.unasked) == (0, 1)


def test_what_waits_when_the_link_ends_is_answered_after_the_resume_or_given_up():
    ledger = new_ledger()
    for xref in "xyz":
        books.note_sent(ledger, request(xref), due=0, now=0)
    books.note_select(ledger, select("y"), now=0.1)
    books.note_disconnected(ledger)
    books.note_select(ledger, select("z"), now=1)
    assert books.expire(ledger, now=3) == ["x"]
    assert (ledger.answered, ledger.answered_after_resume) == (2, 1)
    assert (ledger.lost, ledger.given_up) == (0, 1)


def event(ev: str, call: str = "c") -> dict:
    return {"t": "call.event", "call": call, "ev": ev, "ts": 1.0}


def with_events(*events: str) -> Ledger:
    """A ledger with one call, whose request is frame 1 and whose events follow."""
    ledger = new_ledger()
    for frame in (request("x"), *map(event, events)):
        books.note_sent(ledger, frame, due=0, now=0)
    for i in range(1, len(events) + 2):
        books.note_numbered(ledger, i)
    return ledger


def test_a_call_knows_its_events_and_how_many_of_them_are_acknowledged():
    ledger = with_events("queued", "delivered")
    books.note_acked(ledger, 2)
    call = ledger.calls["c"]
    assert (call.events, call.acked, call.last_event) == (["queued", "delivered"], 1, "delivered")
    assert (ledger.acked, list(ledger.unacked)) == (2, [3])


@pytest.mark.parametrize("acked_before", [True, False])
def test_a_refused_event_is_none_of_the_call_whenever_the_refusal_comes(acked_before):
    ledger = with_events("queued", "delivered")
    if acked_before:
        books.note_acked(ledger, 3)
    books.note_error(ledger, Error(code=429, ref=3, msg="no"), None, now=0)
    books.note_acked(ledger, 3)
    call = ledger.calls["c"]
    assert (call.applied, call.acked, call.last_event) == (1, 1, "queued")


def test_what_is_not_acknowledged_is_sent_again_after_a_resume():
    ledger = with_events("queued", "delivered")
    books.note_sent(ledger, event("established"), due=0, now=0, held=True)
    books.note_resumed(ledger, 1)
    assert (ledger.resumed, ledger.resent, ledger.held) == (1, 2, 1)
    books.note_resumed(ledger, 1)
    assert ledger.resent == 5


def test_what_is_not_acknowledged_gets_new_numbers_in_a_new_session():
    ledger = with_events("queued", "delivered")
    books.note_acked(ledger, 2)
    lost = books.note_resume_lost(ledger)
    assert [sent.frame["ev"] for sent in lost] == ["delivered"]
    for i, sent in enumerate(lost, 1):
        books.note_sent_again(ledger, sent)
        books.note_numbered(ledger, i)
    books.note_acked(ledger, 1)
    assert (ledger.resume_lost, ledger.resent, ledger.calls["c"].acked) == (1, 1, 2)


def test_a_late_answer_to_what_was_given_up_is_vigies_decision_all_the_same():
    ledger = new_ledger()
    books.note_sent(ledger, request("x"), due=0, now=0, held=True)
    books.expire(ledger, now=3)
    books.note_select(ledger, select("x"), now=3.1)
    assert (ledger.given_up, ledger.unasked, ledger.calls["c"].target) == (1, 1, "7001")
    books.note_select(ledger, select("x", "7002"), now=3.2)
    assert ledger.doubled == 1


def test_the_answer_before_a_reroute_repeated_is_not_the_reroutes():
    ledger = new_ledger()
    books.note_sent(ledger, request("x"), due=0, now=0)
    books.note_select(ledger, select("x"), now=0.1)
    books.note_sent(ledger, {"t": "reroute.request", "xref": "x"}, due=1, now=1)
    books.note_select(ledger, select("x"), now=1.1)
    assert (ledger.repeated, list(ledger.open)) == (1, ["x"])
    books.note_select(ledger, select("x", "7002"), now=1.2)
    assert (ledger.answered, ledger.doubled) == (2, 0)


def without_promise(ledger: Ledger, kind: str) -> None:
    """Ask for a target, and answer so that a killed node may forget it."""
    books.note_sent(ledger, request("x"), due=0, now=0)
    if kind == "select":
        answer = structs.replace(select("x"), durable=False)
        books.note_select(ledger, answer, now=0.1)
    else:
        books.note_end(ledger, RouteEnd(xref="x", cause="timeout"), now=0.1)


@pytest.mark.parametrize("kind", ["select", "end"])
def test_another_answer_after_one_without_promise_and_a_break_is_no_double(kind):
    ledger = new_ledger()
    without_promise(ledger, kind)
    assert ledger.calls["c"].target is None
    books.note_resumed(ledger, 0)
    books.note_select(ledger, select("x", "7002"), now=1)
    assert (ledger.doubled, ledger.redecided, ledger.calls["c"].target) == (0, 1, "7002")
    books.note_select(ledger, select("x", "7001"), now=2)
    assert ledger.contradictions == ["x: 7002, then 7001"]


@pytest.mark.parametrize("kind", ["select", "end"])
def test_another_answer_on_the_same_connection_is_a_double_whatever_was_promised(kind):
    ledger = new_ledger()
    without_promise(ledger, kind)
    books.note_select(ledger, select("x", "7002"), now=1)
    assert (ledger.doubled, ledger.redecided) == (1, 0)


def test_a_call_whose_request_was_refused_need_have_no_session():
    ledger = new_ledger()
    books.note_sent(ledger, request("x"), due=0, now=0)
    books.note_numbered(ledger, 1)
    books.note_error(ledger, Error(code=429, ref=1, msg="no"), "x", now=0)
    assert (ledger.refused, compare(ledger.calls.values(), {})) == (1, [])


@pytest.mark.parametrize("refused", [True, False])
def test_events_of_a_call_that_was_refused_are_told_apart_from_those_of_one_that_is_lost(refused):
    ledger = new_ledger()
    books.note_sent(ledger, request("x"), due=0, now=0)
    books.note_numbered(ledger, 1)
    if refused:
        books.note_error(ledger, Error(code=429, ref=1, msg="no"), "x", now=0)
    else:
        books.note_select(ledger, select("x"), now=0)
    used = {"t": "route.used", "xref": "x", "dest": "7001"}
    for i, frame in enumerate((used, event("queued"), event("cleared")), 2):
        books.note_sent(ledger, frame, due=0, now=0)
        books.note_numbered(ledger, i)
        books.note_error(ledger, Error(code=404, ref=i, msg="no session"), None, now=0)
    assert ledger.errors["404"] == 3
    assert report(ledger).about_refused == (3 if refused else 0)


def test_only_the_latest_acknowledged_frames_are_remembered():
    ledger = with_events(*["queued"] * (books.MAX_RECENT + 10))
    books.note_acked(ledger, 10**6)
    assert len(ledger.recent) == books.MAX_RECENT


def test_an_error_or_an_end_is_an_answer_too():
    ledger = new_ledger()
    for xref in "xy":
        books.note_sent(ledger, request(xref), due=0, now=0)
    books.note_error(ledger, Error(code=503, ref=1, msg="no"), "x", now=0.1)
    books.note_error(ledger, Error(code=400, ref=9, msg="no"), None, now=0.1)
    books.note_end(ledger, RouteEnd(xref="y", cause="no-agent"), now=0.1)
    books.note_end(ledger, RouteEnd(xref="y", cause="no-agent"), now=0.1)
    assert (ledger.answered, ledger.unasked, ledger.errors) == (2, 1, {"503": 1, "400": 1})


def test_the_same_xref_sent_again_before_its_answer_counts_the_first_as_lost():
    ledger = new_ledger()
    for now in (0, 1):
        books.note_sent(ledger, request("x"), due=now, now=now)
    books.note_select(ledger, select("x"), now=1.1)
    assert (ledger.requests, ledger.lost, ledger.answered) == (2, 1, 1)


def test_what_is_remembered_is_bounded_and_the_sums_stay_right():
    ledger = new_ledger(keep=10)
    for number in range(100):
        books.note_sent(ledger, request(f"x{number}", f"c{number}"), due=0, now=0)
    assert len(ledger.calls) == len(ledger.dialogues) == len(ledger.open) == 10
    assert ledger.requests == ledger.lost + len(ledger.open)


def test_answers_are_counted_by_kind_the_most_frequent_first():
    ledger = new_ledger()
    for number, target in enumerate(("7002", "7001", "7001")):
        books.note_sent(ledger, request(f"x{number}"), due=0, now=number)
        books.note_select(ledger, select(f"x{number}", target), now=number)
    counts = [(row.target, row.rtype, row.reason, row.count) for row in report(ledger).answers]
    assert counts == [("7001", "direct", "configured", 2), ("7002", "direct", "configured", 1)]
    assert report(ledger).rate == 1.0


def test_an_empty_report_has_no_latencies():
    empty = report(new_ledger())
    assert (empty.sent, empty.rate, empty.latency.p99_ms, empty.latency.max_ms) == (
        0,
        0,
        None,
        None,
    )


# Latencies


def test_quantiles_are_at_most_one_per_cent_too_long():
    latencies = Latencies()
    for ms in range(1, 1_001):
        add(latencies, ms / 1000)
    assert 0.5 <= quantile(latencies, 0.5) <= 0.505
    assert 0.99 <= quantile(latencies, 0.99) <= 1.0
    assert quantile(latencies, 1.0) == 1.0
    assert summary(latencies).max_ms == 1000


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1e-9, 1e6])
def test_any_length_is_counted(seconds):
    latencies = Latencies()
    add(latencies, seconds)
    assert latencies.count == 1
    assert quantile(latencies, 0.5) is not None


# Comparison

SESSION = {"ani": "+331", "rp": "sales", "routing": {"target": "7001"}, "state": "connected"}


def entry(**changes) -> CallEntry:
    last = changes.pop("last_event", "established")
    fields = {"ani": "+331", "rp": "sales", "target": "7001", "events": [last] if last else []}
    return CallEntry(call="c", **(fields | changes))


def test_a_session_that_agrees_gives_no_difference():
    assert compare([entry()], {"c": SESSION}) == []


def test_a_call_without_a_session_is_a_difference():
    assert compare([entry()], {}) == [Difference("c", "session", "open or closed", None)]


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"ani": "+332"}, ("ani", "+331", "+332")),
        ({"ani": None}, ("ani", "+331", "")),
        ({"rp": "support"}, ("rp", "sales", "support")),
        ({"routing": {"target": "7002"}}, ("target", "7001", "7002")),
        ({"routing": None}, ("target", "7001", None)),
        ({"state": "held"}, ("state", "connected", "held")),
    ],
)
def test_each_field_that_differs_is_named_with_both_values(change, difference):
    assert compare([entry()], {"c": SESSION | change}) == [Difference("c", *difference)]


def test_a_withheld_number_agrees_with_none():
    assert compare([entry(ani="")], {"c": SESSION | {"ani": None}}) == []


@pytest.mark.parametrize(
    ("event", "state"),
    [("cleared", "closed"), ("cleared", "wrapup"), ("held", "held"), ("diverted", "ringing")],
)
def test_a_state_agrees_with_the_last_event(event, state):
    assert compare([entry(last_event=event)], {"c": SESSION | {"state": state}}) == []


def test_a_number_is_compared_as_the_plan_of_the_region_reads_it():
    session = SESSION | {"ani": "+33142345678"}
    national = entry(ani="01 42 34 56 78")
    assert compare([national], {"c": session}, "FR") == []
    [difference] = compare([national], {"c": session}, "DE")
    assert difference.field == "ani"


@pytest.mark.parametrize(
    ("events", "acked", "applied", "right"),
    [
        (["queued", "established"], 2, 2, True),
        (["queued", "established"], 1, 2, True),
        (["queued", "", "established"], 2, 2, True),
        (["queued", "established"], 2, 1, False),
        (["queued", "established"], 2, 3, False),
        (["queued", "established"], 0, 0, True),
    ],
)
def test_events_agree_when_each_that_was_acknowledged_was_applied_once(
    events, acked, applied, right
):
    timings = {"queued": 1.0, "established": 2.0}
    session = SESSION | {"events": applied, "timings": timings}
    found = compare([entry(events=events, acked=acked)], {"c": session})
    assert [difference.field for difference in found] == ([] if right else ["events"])


def test_an_acknowledged_event_that_has_no_time_is_missing():
    session = SESSION | {"events": 2, "timings": {"queued": 1.0}}
    [found] = compare([entry(events=["queued", "established"], acked=2)], {"c": session})
    assert (found.field, found.sent, found.known) == ("timings", "established", "queued")


def test_a_call_that_was_not_answered_is_compared_without_its_target():
    assert compare([entry(target=None, last_event=None)], {"c": SESSION | {"state": "new"}}) == []


def test_only_the_first_differences_are_listed_but_all_are_counted():
    differences = compare([CallEntry(call=str(n), ani="", rp="r") for n in range(150)], {})
    comparison = make_comparison(150, differences)
    assert (comparison.compared, comparison.different) == (150, 150)
    assert len(comparison.differences) == 100

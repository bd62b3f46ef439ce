"""Interception lists: which entry holds for a number."""

from hypothesis import given
from hypothesis import strategies as st
from routing_kit import AT, core_of, request

LISTS = """
[interception.first]
dnis = ["2020"]
exact."+33142345678" = { action = "route", target = "first" }

[interception.second]
exact."+33142345678" = { action = "route", target = "whole" }
exact."+33142345679" = { action = "route", target = "over", until = 2026-11-23T10:00:00+01:00 }
prefix."+33" = { action = "message", target = "ann", message = "country" }
prefix."+3314" = { action = "reject" }
prefix."+33140" = { action = "route", target = "later", until = 2026-11-23T10:00:01+01:00 }
prefix."31" = { action = "route", target = "short", rtype = "label" }
"""
CORE = core_of(LISTS)


def decided(ani, at=AT, **more):
    return CORE.explain(request("sales", ani=ani, **more), at).decision


def test_a_whole_number_goes_before_a_beginning_and_a_longer_one_before_a_shorter_one():
    assert decided("0142345678").target == "whole"
    assert decided("0140000000").target == "later"
    assert decided("0141000000").rtype == "reject"
    assert decided("0241000000").target == "ann"


def test_an_entry_holds_until_its_moment_and_then_the_next_one_does():
    assert decided("0142345679", AT - 1).target == "over"
    assert decided("0142345679").rtype == "reject"
    assert decided("0140000000", AT + 1).rtype == "reject"


def test_a_list_holds_for_the_numbers_dialled_that_it_names():
    assert decided("0142345678", dnis="2020").target == "first"
    assert decided("0142345678", dnis="2021").target == "whole"


def test_a_message_is_an_announcement_with_its_text():
    explanation = CORE.explain(request(ani="0241000000"), AT)
    assert explanation.decision.rtype == "announcement"
    assert explanation.decision.reason == "intercepted"
    assert explanation.facts.treat == {"announcement": "country"}
    assert "list second, +33: message" in explanation.decision.why[-1]


def test_a_number_that_is_rejected_gets_a_target_all_the_same():
    assert (decided("0141000000").target, decided("0141000000").alt) == ("reject", ())


def test_short_numbers_are_matched_as_they_are_dialled():
    assert (decided("3105").target, decided("3105").rtype) == ("short", "label")


def test_nobody_is_on_a_list_whose_number_is_withheld():
    assert decided("").reason == "rp-default"
    assert decided("anonymous").reason == "rp-default"


def test_a_number_whose_target_was_tried_is_let_through_to_no_other():
    decision = decided("0142345678", tried=("whole",))
    assert (decision.target, decision.reason) == ("", "no-target-left")


@given(
    st.dictionaries(st.text("+0123", min_size=1, max_size=4), st.none(), max_size=8),
    st.text("+0123", max_size=6),
)
def test_the_longest_beginning_that_fits_is_the_one_that_holds(beginnings, number):
    from actors.routing_core.interception import look_up, numbers
    from actors.routing_core.rules import Interception, InterceptionList

    entries = {one: Interception(action="reject") for one in beginnings}
    hit = look_up([numbers("l", InterceptionList(prefix=entries))], number, "", AT)
    fitting = [one for one in beginnings if number.startswith(one)]
    assert (hit.match if hit else None) == max(fitting, key=len, default=None)

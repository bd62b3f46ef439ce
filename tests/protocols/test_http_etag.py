import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.http import etag
from protocols.http.problem import HttpProblem


def attempt(function, *args):
    """The value, or the problem raised instead."""
    try:
        return function(*args)
    except HttpProblem as error:
        return error


@given(st.integers(0, 10**17))
def test_the_tag_of_a_revision_reads_back(revision):
    assert etag.if_match(etag.tag(revision)) == revision


def test_a_change_without_if_match_is_428():
    with pytest.raises(HttpProblem) as raised:
        etag.if_match(None)
    assert (raised.value.status, raised.value.problem.field) == (428, "If-Match")


@pytest.mark.parametrize(
    "header", ["*", 'W/"7"', "7", '"7', '"7", "8"', "", '""7"', "'7'", '"7" "8"', '"a b"']
)
def test_what_is_not_one_strong_tag_is_400(header):
    with pytest.raises(HttpProblem) as raised:
        etag.if_match(header)
    assert (raised.value.status, raised.value.problem.field) == (400, "If-Match")


@pytest.mark.parametrize("header", ['"abc"', '"007"', '""', '"-1"', '"9999999999999999999"'])
def test_a_tag_that_was_never_given_out_matches_no_revision(header):
    assert etag.if_match(header) == etag.FOREIGN


@given(st.text())
def test_any_header_is_a_revision_or_a_problem(header):
    outcome = attempt(etag.if_match, header)
    assert outcome.status == 400 if isinstance(outcome, HttpProblem) else outcome >= etag.FOREIGN


def test_a_stale_revision_is_412_with_the_current_one_in_body_and_etag():
    error = etag.stale(9)
    assert error.status == 412
    assert error.members()["rev"] == 9
    assert error.headers == {"ETag": '"9"'}

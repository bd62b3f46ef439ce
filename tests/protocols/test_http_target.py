from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.http import target
from protocols.http.problem import HttpProblem

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def attempt(function, *args):
    """The value, or the problem raised instead."""
    try:
        return function(*args)
    except HttpProblem as error:
        return error


@given(st.lists(words, min_size=1))
def test_segments_of_any_text_come_back_decoded(parts):
    assert target.segments("/" + "/".join(quote(part, safe="") for part in parts)) == tuple(parts)


def test_an_encoded_slash_belongs_to_its_segment():
    assert target.segments("/actors/node%2FcallSup/state") == ("actors", "node/callSup", "state")


@given(st.dictionaries(words, words, max_size=target.MAX_PARAMETERS))
def test_parameters_of_any_text_come_back_decoded(parameters):
    assert target.query(urlencode(parameters)) == parameters


@pytest.mark.parametrize("path", ["", "api", "/%", "/%4", "/%zz", "/%ff", "/a%00b", "/\u00e9"])
def test_a_path_that_cannot_be_decoded_is_400(path):
    error = attempt(target.segments, path)
    assert (error.status, error.problem.field) == (400, "path")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("a", "query"),
        ("a=1&", "query"),
        ("a=%zz", "query"),
        ("a=%ff", "query"),
        ("a=1&b=2&a=3", "a"),
        ("call=a%00", "call"),
        ("&".join(f"p{n}=1" for n in range(33)), "query"),
    ],
)
def test_a_query_that_breaks_a_rule_is_400_and_the_parameter_is_named(query, field):
    error = attempt(target.query, query)
    assert (error.status, error.problem.field) == (400, field)


@given(st.text())
def test_any_text_is_decoded_or_a_problem(text):
    for function in (target.segments, target.query):
        outcome = attempt(function, text)
        assert isinstance(outcome, tuple | dict) or outcome.status == 400

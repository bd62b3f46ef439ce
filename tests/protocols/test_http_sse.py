import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.http import sse
from protocols.http.problem import HttpProblem


def test_an_event_has_id_name_and_data_and_ends_with_an_empty_line():
    assert sse.event("crash", '{"a":1}', event_id="1f-7") == (
        b'id: 1f-7\nevent: crash\ndata: {"a":1}\n\n'
    )


def test_an_event_without_id_leaves_the_position_of_the_client():
    assert sse.event("gap", "{}") == b"event: gap\ndata: {}\n\n"


@given(st.text())
def test_data_of_any_text_stays_within_its_event(data):
    packed = sse.event("node", data).decode()
    assert packed.endswith("\n\n")
    assert packed.count("\n\n") == 1
    lines = packed.removesuffix("\n\n").split("\n")
    assert lines[0] == "event: node"
    assert all(line.startswith("data: ") for line in lines[1:])


@pytest.mark.parametrize("name", ["", "a\nb", "A", "a:b", "a" * 65])
def test_a_name_that_breaks_the_framing_is_refused(name):
    with pytest.raises(ValueError, match="not a name"):
        sse.event(name, "")


def test_an_id_that_breaks_the_framing_is_refused():
    with pytest.raises(ValueError, match="not an id"):
        sse.event("node", "", event_id="1\n2")


def test_keepalive_is_a_comment_and_retry_is_in_milliseconds():
    assert sse.KEEPALIVE == b":\n\n"
    assert sse.retry(1500) == b"retry: 1500\n\n"


def test_the_last_event_id_reads_back():
    assert sse.last_event_id(sse.make_id("ab12", 41)) == ("ab12", 41)


@pytest.mark.parametrize("header", [None, ""])
def test_a_client_without_a_position_has_none(header):
    assert sse.last_event_id(header) is None


@given(st.text(min_size=1))
def test_another_last_event_id_is_a_problem_that_names_the_header(header):
    with pytest.raises(HttpProblem) as raised:
        sse.last_event_id(header)
    assert (raised.value.status, raised.value.problem.field) == (400, "Last-Event-ID")

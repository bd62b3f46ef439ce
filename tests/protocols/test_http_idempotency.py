import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.http import idempotency
from protocols.http.problem import HttpProblem

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255)
TOKENS = st.text("!#$%&'()*+,-./0Az:;<=>?@[\\]^_`{|}~", min_size=1, max_size=255)


def quoted(key):
    """A structured field string (RFC 8941, 4.1.6)."""
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(PRINTABLE)
def test_a_structured_string_reads_back(key):
    assert idempotency.key(quoted(key)) == key


@given(TOKENS)
def test_a_plain_token_is_the_same_key_as_it_is_in_quotes(token):
    assert idempotency.key(f" {token} ") == idempotency.key(quoted(token)) == token


def test_without_the_header_there_is_no_key():
    assert idempotency.key(None) is None


NO_KEYS = ["", " ", '""', '"', '"open', 'open"', "a b", "a, b", '"a", "b"', '"\\x"', '"a";p', "ä"]
NO_KEYS += ["\x7f", '"tab\t"', "x" * 256, quoted("x" * 256)]


@pytest.mark.parametrize("header", NO_KEYS)
def test_anything_else_is_400_and_names_header_and_rule(header):
    with pytest.raises(HttpProblem) as raised:
        idempotency.key(header)
    problem = raised.value.problem
    assert (problem.status, problem.field) == (400, "Idempotency-Key")
    assert "1 to 255 printable" in problem.rule


@given(st.text(max_size=300))
def test_whatever_is_sent_is_a_key_or_a_problem(header):
    try:
        key = idempotency.key(header)
    except HttpProblem:
        return  # and nothing else
    assert 1 <= len(key) <= 255
    assert key.isascii()

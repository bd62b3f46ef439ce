import json
from random import Random
from typing import Annotated, Literal

import msgpack
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocols.http import media
from protocols.http.media import JSON, MSGPACK
from protocols.http.problem import HttpProblem


class Step(msgspec.Struct):
    step: Annotated[str, msgspec.Meta(min_length=1, max_length=4)]
    data: dict[str, int] = {}
    tags: list[str] = []


def attempt(function, *args):
    """The value, or the problem raised instead."""
    try:
        return function(*args)
    except HttpProblem as error:
        return error


def refusal(*args, **kwargs):
    with pytest.raises(HttpProblem) as raised:
        media.decode(*args, **kwargs)
    return raised.value


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/msgpack", MSGPACK),
        ("APPLICATION/MsgPack", MSGPACK),
        ("application/json;q=0.5, application/msgpack", MSGPACK),
        ("application/msgpack;q=0.5, */*;q=0.4", MSGPACK),
        ("application/json;q=0, */*", MSGPACK),
        ("application/json; charset=utf-8", JSON),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
    ],
)
def test_the_acceptable_type_of_greatest_quality_is_chosen(accept, chosen):
    assert media.negotiate(accept, (JSON, MSGPACK)) == chosen


@pytest.mark.parametrize("accept", ["text/html", "*/*;q=0", "application/json;q=0"])
def test_when_nothing_offered_is_acceptable_the_answer_is_406_and_tells_the_offer(accept):
    with pytest.raises(HttpProblem) as raised:
        media.negotiate(accept, (JSON,))
    assert raised.value.status == 406
    assert raised.value.extra == {"offered": [JSON]}


@pytest.mark.parametrize(
    "accept", ["json", "application/", "a/b;q=2", "a/b;q=0.1234", "a b/c", "a/b;q="]
)
def test_a_malformed_accept_header_is_400_and_named(accept):
    with pytest.raises(HttpProblem) as raised:
        media.negotiate(accept, (JSON,))
    assert (raised.value.status, raised.value.problem.field) == (400, "Accept")


@given(st.text())
def test_any_accept_header_chooses_an_offer_or_is_a_problem(accept):
    outcome = attempt(media.negotiate, accept, (JSON, MSGPACK))
    if isinstance(outcome, HttpProblem):
        assert outcome.status in (400, 406)
    else:
        assert outcome in (JSON, MSGPACK)


@pytest.mark.parametrize(
    ("header", "media_type"),
    [
        (None, JSON),
        ("application/json", JSON),
        ('Application/JSON; Charset="UTF-8"', JSON),
        ("application/msgpack", MSGPACK),
    ],
)
def test_the_content_type_tells_how_to_decode(header, media_type):
    assert media.body_type(header) == media_type


@pytest.mark.parametrize("header", ["text/plain", "", "application/x-www-form-urlencoded"])
def test_another_content_type_is_415_and_the_answer_lists_the_understood_ones(header):
    with pytest.raises(HttpProblem) as raised:
        media.body_type(header)
    assert raised.value.status == 415
    assert raised.value.headers == {"Accept": "application/json, application/msgpack"}


def test_a_charset_other_than_utf_8_is_400():
    with pytest.raises(HttpProblem) as raised:
        media.body_type("application/json; charset=latin-1")
    assert (raised.value.status, raised.value.problem.field) == (400, "Content-Type")


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", "a body is required"),
        (b"{", "one complete value of application/json"),
        (b"{} {}", "one complete value of application/json"),
        (b'{"step": "\xff"}', "text is UTF-8"),
        (b'{"step": "a", "step": "b"}', "names within an object are unique"),
        (b'{"x": {"a": 1, "a": 1}}', "names within an object are unique"),
        (b"[NaN]", "numbers are finite"),
        (b"[-Infinity]", "numbers are finite"),
        (b"1e999", "numbers are finite"),
        (b"18446744073709551616", "integers fit in 64 bits"),
        (b"1" * 5000, "one complete value of application/json"),
        (b'"\\ud800"', "text has no lone surrogates"),
        (b'{"\\ud800": 1}', "text has no lone surrogates"),
        (b'"a\\u0000"', "text has no U+0000"),
        (b"[" * 17 + b"]" * 17, "at most 16 nested arrays and objects"),
        (b"[" * 100_000, "at most 16 nested arrays and objects"),
    ],
)
def test_json_that_breaks_a_rule_is_400_and_the_rule_is_named(body, rule):
    error = refusal(body, JSON, dict)
    assert (error.status, error.problem.field, error.problem.rule) == (400, "body", rule)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"\xc1", "one complete value of application/msgpack"),
        (b"\x81\xa1a", "one complete value of application/msgpack"),
        (b"\xc0\xc0", "one complete value of application/msgpack"),
        (b"\xdd\xff\xff\xff\xff", "one complete value of application/msgpack"),
        (b"\xa1\xff", "text is UTF-8"),
        (b"\x82\xa1a\x01\xa1a\x02", "names within an object are unique"),
        (b"\x81\xc4\x01a\x01", "names within an object are text"),
        (b"\xc4\x01a", "values are text, numbers, booleans, null, arrays and objects"),
        (b"\xd6\xff\0\0\0\0", "values are text, numbers, booleans, null, arrays and objects"),
        (b"\xcb\x7f\xf8\0\0\0\0\0\0", "numbers are finite"),
        (b"\x91" * 17 + b"\xc0", "at most 16 nested arrays and objects"),
        (b"\x91" * 100_000 + b"\xc0", "at most 16 nested arrays and objects"),
    ],
)
def test_msgpack_that_breaks_a_rule_is_400_and_the_rule_is_named(body, rule):
    error = refusal(body, MSGPACK, dict)
    assert (error.status, error.problem.field, error.problem.rule) == (400, "body", rule)


@pytest.mark.parametrize(
    ("value", "field", "rule"),
    [
        ([], "body", "expected object, got array"),
        ({}, "step", "given"),
        ({"step": 1}, "step", "expected str, got int"),
        ({"step": ""}, "step", "expected str of length >= 1"),
        ({"step": "abcde"}, "step", "expected str of length <= 4"),
        ({"step": "a", "tags": ["a", 1]}, "tags[1]", "expected str, got int"),
        ({"step": "a", "data": {"k": "x"}}, "data[...]", "expected int, got str"),
    ],
)
def test_a_value_of_the_wrong_type_is_400_naming_field_and_rule(value, field, rule):
    for packed, media_type in ((json.dumps(value).encode(), JSON), (msgpack.packb(value), MSGPACK)):
        error = refusal(packed, media_type, Step)
        assert (error.status, error.problem.field, error.problem.rule) == (400, field, rule)


def test_a_missing_field_of_a_nested_record_is_named_with_its_place():
    error = refusal(b'{"steps": [{}]}', JSON, msgspec.defstruct("Steps", [("steps", list[Step])]))
    assert (error.problem.field, error.problem.rule) == ("steps[0].step", "given")


def test_a_value_that_is_not_one_of_a_list_is_refused_with_the_list():
    colour = Literal["red", "green"]
    fields = [("of", colour | None, None), ("all", list[colour], []), ("by", dict[str, colour], {})]
    record = msgspec.defstruct("Coloured", fields)
    for body, field in (
        ({"of": "blue"}, "of"),
        ({"all": ["red", "blue"]}, "all[1]"),
        ({"by": {"x": "blue"}}, "by[...]"),
    ):
        error = refusal(json.dumps(body).encode(), JSON, record)
        assert (error.problem.field, error.problem.rule) == (field, "one of green, red")
        assert error.problem.detail == f"{field} must be one of green, red"


def test_unknown_fields_are_ignored():
    assert media.decode(b'{"step": "a", "later": 1}', JSON, Step) == Step("a")


def test_parameters_of_a_query_are_converted_from_text():
    record = msgspec.defstruct("Query", [("depth", int)])
    assert media.convert({"depth": "3"}, record, strict=False).depth == 3


@given(st.binary())
@example(b"\xdf\xff\xff\xff\xff")
@example(b"{" * 2000)
def test_no_bytes_do_anything_but_decode_or_raise_a_problem(body):
    for media_type in (JSON, MSGPACK):
        outcome = attempt(media.plain, body, media_type)
        if isinstance(outcome, HttpProblem):
            assert outcome.status == 400
        else:
            assert media.encode(outcome, JSON)
            assert media.encode(outcome, MSGPACK)


plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_characters="\0", codec="utf-8")), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(plain_values, st.sampled_from([JSON, MSGPACK]))
def test_what_is_encoded_is_decoded_to_the_same(value, media_type):
    assert media.plain(media.encode(value, media_type), media_type, max_depth=32) == value


@pytest.mark.parametrize("media_type", [JSON, MSGPACK])
def test_10_000_random_byte_strings_are_decoded_or_refused(media_type):
    random = Random(media_type)
    for _ in range(10_000):
        outcome = attempt(media.plain, random.randbytes(random.randrange(64)), media_type)
        assert not isinstance(outcome, HttpProblem) or outcome.status == 400

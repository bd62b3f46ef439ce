"""Whatever a peer sends by framing A gives events and named errors, never an exception.

`tests/support/cti_fuzz.py` has the cases, and runs a million of them.
"""

import cti_fuzz
import pytest
from cti_fuzz import HELLO, TEMPLATES, case, survives
from fuzz_run import run
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.cti.events import Received, Refused
from protocols.cti.framing import encode
from protocols.cti.link import Link
from protocols.cti.link_state import LinkConfig
from protocols.cti.parsing import FrameRefused, parse


@pytest.mark.parametrize("frame", TEMPLATES, ids=lambda frame: frame["t"])
def test_what_cases_are_made_of_is_understood(frame):
    assert parse({"i": 1} | frame).i == 1


def refusal(frame):
    """How a frame is refused; None where it is taken."""
    try:
        parse(frame)
    except FrameRefused as refused:
        return refused
    return None


@pytest.mark.parametrize("frame", TEMPLATES, ids=lambda frame: frame["t"])
def test_any_value_in_any_field_is_taken_or_refused_by_its_name(frame):
    for key in frame:
        for value in cti_fuzz.VALUES:
            refused = refusal({"i": 1} | frame | {key: value})
            assert refused is None or (refused.msg and refused.field and refused.ref == 1)


@pytest.mark.parametrize("tag", [{}, [], {"t": "hb"}, None, 5, "route.select"])
def test_a_type_that_is_none_is_refused_and_the_link_goes_on(tag):
    link = Link(LinkConfig(), now=0.0, wall=1e9)
    link.receive(encode(HELLO), 0.0)
    link.accept("0" * 24, 0.0)
    (refused,) = (
        event
        for event in link.receive(encode({"i": 1, "t": tag}), 0.0)
        if isinstance(event, Refused)
    )
    assert (refused.code, refused.field, refused.ref) == (400, "t", 1)
    (taken,) = link.receive(encode({"i": 2, "t": "resync"}), 0.0)
    assert isinstance(taken, Received)


def test_a_small_corpus_of_mutated_frames_is_survived():
    for number in range(1_500):
        case(number)


@settings(max_examples=150)
@given(st.lists(st.binary(max_size=60), max_size=4), st.booleans())
def test_any_bytes_are_survived(reads, opened):
    survives([read for read in reads if read], opened=opened)


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_a_large_corpus_of_mutated_frames_is_survived(tmp_path):
    run(case, 0, 100_000, tmp_path / "state")
    assert (tmp_path / "state").read_text() == "100000\n"

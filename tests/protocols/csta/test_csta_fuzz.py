"""Whatever a peer sends gives events and named errors, never an exception.

`VIGIE_FUZZ_CASES` says how many cases the long run takes, `VIGIE_FUZZ_FIRST` from which on; the
traceback has the number of one that fails. `tests/support/csta_fuzz.py` runs the same cases, and
goes on where it was ended.
"""

import os

import csta_fuzz
import pytest
from csta_fuzz import PIECES, mutated, survives
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.csta import header
from protocols.csta.services import VOCABULARY

FIRST = int(os.environ.get("VIGIE_FUZZ_FIRST", "0"))
CASES = int(os.environ.get("VIGIE_FUZZ_CASES", "20000"))


@pytest.fixture(autouse=True)
def _forget_names():
    yield
    VOCABULARY._learnt.clear()


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join), st.booleans())
def test_documents_of_any_pieces_are_survived(document, opened):
    survives(header.encode(7, document), opened=opened)


@settings(max_examples=150)
@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_survived(stream, opened):
    survives(stream, opened=opened)


@pytest.mark.parametrize("opened", [True, False])
def test_a_small_corpus_of_mutated_services_is_survived(opened):
    for seed in range(400):
        survives(mutated(seed), opened=opened)


@pytest.mark.long
@pytest.mark.timeout(7_200)
def test_a_large_corpus_of_mutated_services_is_survived():
    for number in range(FIRST, FIRST + CASES):
        csta_fuzz.case(number)

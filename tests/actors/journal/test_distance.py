from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.journal.distance import BUSY_PER_S, distance_s

LEAST_S, MOST_S = 0.005, 0.02


@pytest.mark.parametrize(
    ("records", "since_s", "expected_s"),
    [
        (1, 0.005, LEAST_S),  # 200 records a second
        (15, 0.01, 0.01),
        (15, 0.005, MOST_S),
        (1_000, 0.02, MOST_S),
        (1_000, 3_600.0, LEAST_S),  # at once, after a rest
        (0, 0.0, LEAST_S),
    ],
)
def test_commits_are_the_further_apart_the_more_there_is_to_write(records, since_s, expected_s):
    assert distance_s(records, since_s, LEAST_S, MOST_S) == pytest.approx(expected_s)


@given(st.integers(0, 10**9), st.floats(0, 1e6), st.floats(0, 0.05), st.floats(0, 0.05))
def test_no_distance_is_out_of_bounds(records, since_s, least_s, most_s):
    assert least_s <= distance_s(records, since_s, least_s, most_s) <= max(least_s, most_s)


def test_from_so_many_records_on_the_distance_is_the_greatest():
    assert distance_s(int(BUSY_PER_S), 1.0, LEAST_S, MOST_S) == MOST_S
    assert distance_s(int(BUSY_PER_S) - 30, 1.0, LEAST_S, MOST_S) < MOST_S

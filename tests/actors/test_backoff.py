"""Waits between attempts."""

from hypothesis import given
from hypothesis import strategies as st

from actors.backoff import wait_s


@given(st.integers(1, 10_000), st.floats(0.01, 10), st.floats(10, 100), st.floats(0, 1))
def test_a_wait_is_always_within_its_bounds(attempt, least, most, chance):
    assert least <= wait_s(attempt, least, most, chance) <= most


def test_the_longest_wait_doubles_until_it_meets_its_bound():
    assert [wait_s(attempt, 0.5, 5.0, 1.0) for attempt in range(1, 6)] == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_the_lot_spreads_waits_over_the_whole_range():
    assert [wait_s(2, 1.0, 60.0, chance) for chance in (0.0, 0.5, 1.0)] == [1.0, 2.5, 4.0]

"""Histograms of what handlers take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.eventloop.latency import BUCKETS, Histogram


@given(st.lists(st.floats(0.0, 30.0), min_size=1), st.floats(0.01, 1.0))
def test_a_quantile_is_the_bound_of_the_bucket_it_falls_into(durations, fraction):
    histogram = Histogram()
    for duration in durations:
        histogram.add(duration)
    wanted = sorted(durations)[max(0, -(-int(len(durations) * fraction * 1e9) // 10**9) - 1)]
    assert histogram.quantile(fraction) >= wanted - 1e-6
    assert histogram.quantile(1.0) <= max(2e-6, 2.0 * max(durations) + 2e-6)
    assert histogram.count == len(durations)
    assert histogram.total_s == pytest.approx(sum(durations))


def test_the_longest_durations_share_the_last_bucket():
    histogram = Histogram()
    histogram.add(1e9)
    assert histogram.counts[BUCKETS - 1] == 1


def test_an_empty_histogram_has_no_quantiles():
    assert Histogram().quantile(0.5) == 0.0


def test_cumulative_counts_end_with_all_of_them():
    histogram = Histogram()
    for duration in (0.0, 1e-6, 0.001, 5.0):
        histogram.add(duration)
    pairs = histogram.cumulative()
    assert pairs[-1][1] == 4
    assert [bound for bound, _ in pairs] == sorted(bound for bound, _ in pairs)


def test_a_node_samples_what_the_handlers_of_a_class_take(kit):
    probe = kit.probe(answer=lambda _: kit.clock.advance(0.001))
    for _ in range(200):
        kit.call(probe.address, "work")
    histogram = kit.kernel.latencies[type(probe)]
    assert 0 < histogram.count <= 200
    assert histogram.quantile(0.5) == pytest.approx(0.001024)

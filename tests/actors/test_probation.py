"""A new version is held against its limits; what cannot mean anything means nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actors import probation
from actors.config import ProbationConfig
from actors.probation import Counts, Sample

LIMITS = ProbationConfig(settle_s=0.0, window_s=10.0, min_requests=100)
BOUNDS = (0.1, 0.2, 0.5)


def counts(answered=0, **more):
    routes = more.pop("routes", 0)
    waits = more.pop("waits", (routes, routes, routes, routes))
    return Counts(answered=answered, waits=waits, **more)


def after(*samples, limits=LIMITS):
    """A probation that saw these counts, one second apart."""
    under_way = probation.begin(Sample(0.0, counts()))
    for at, given_counts in enumerate(samples, start=1):
        under_way = probation.advance(under_way, Sample(float(at), given_counts), BOUNDS, limits)
    return under_way


def test_a_quiet_version_has_no_verdict():
    under_way = after(counts(1_000, routes=1_000), counts(2_000, routes=2_000))
    assert under_way.verdict == ""
    assert under_way.measures.requests == 2_000
    assert under_way.measures.p99_ms == pytest.approx(99)


@pytest.mark.parametrize(
    ("bad", "key"),
    [
        (counts(1_000, crashes=21), "max_crashes"),
        (counts(1_000, failed=11), "max_failed_share"),
        (counts(1_000, refused=112), "max_refused_share"),
        (counts(1_000, routes=1_000, late=21), "max_late_share"),
        (counts(1_000, waits=(900, 950, 1_000, 1_000)), "max_p99_ms"),
        (counts(1_000, waits=(980, 980, 980, 1_000)), "max_p99_ms"),
    ],
)
def test_each_limit_fails_a_version_that_is_over_it_and_the_verdict_names_its_key(bad, key):
    assert f"release.probation.{key} is " in after(bad).verdict


@pytest.mark.parametrize(
    "good",
    [
        counts(1_000, crashes=20),
        counts(1_000, failed=10),
        counts(900, refused=100),
        counts(1_000, routes=1_000, late=20),
        counts(1_000, waits=(1_000, 1_000, 1_000, 1_000)),
    ],
)
def test_what_is_just_within_a_limit_passes(good):
    assert after(good).verdict == ""


def test_shares_of_few_requests_mean_nothing_but_crashes_do():
    assert after(counts(99, routes=99, failed=99, late=99)).verdict == ""
    assert after(counts(99, crashes=21)).verdict


def test_what_is_older_than_the_window_is_forgotten():
    bursts = [counts(crashes=15)] + [counts(crashes=15)] * 11 + [counts(crashes=30)]
    under_way = after(*bursts)
    assert (under_way.verdict, under_way.crashed, under_way.measures.crashes) == ("", 30, 15)
    assert len(under_way.samples) <= LIMITS.window_s + 2


def test_crashes_within_the_window_add_up():
    assert after(counts(crashes=15), counts(crashes=15), counts(crashes=30)).verdict


def test_what_waited_for_the_switch_counts_for_nothing_and_crashes_do_from_the_first_moment():
    limits = replace(LIMITS, settle_s=2.5)
    late = counts(1_000, routes=1_000, late=500, failed=500)
    assert after(late, late, limits=limits).verdict == ""
    calm = counts(2_000, routes=2_000, late=500, failed=500)
    assert after(late, late, calm, calm, limits=limits).verdict == ""
    assert after(counts(crashes=21), limits=limits).verdict
    again = after(counts(crashes=15), counts(crashes=15), counts(crashes=30), limits=limits)
    assert again.verdict


def test_a_verdict_stays():
    failed = after(counts(1_000, crashes=21))
    later = probation.advance(failed, Sample(500.0, counts(1_000, crashes=21)), BOUNDS, LIMITS)
    assert later.verdict == failed.verdict


def test_a_counter_that_begins_anew_is_no_failure():
    before = counts(1_000, routes=1_000, late=10, crashes=3)
    assert after(before, counts(0)).verdict == ""


def test_a_probe_fails_the_version_when_it_says_no_often_enough_in_a_row():
    under_way = after(counts())
    for why in ("exit 1", "exit 1", "", "exit 1", "exit 1"):
        under_way = probation.probed(under_way, "calls", why, LIMITS)
    assert (under_way.verdict, under_way.probes) == ("", {"calls": 2})
    under_way = probation.probed(under_way, "calls", "exit 7: no", LIMITS)
    assert under_way.verdict == "probe calls failed 3 times in a row: exit 7: no"


def test_probes_are_counted_each_for_itself():
    under_way = after(counts())
    for name in ("a", "b", "a", "b"):
        under_way = probation.probed(under_way, name, "exit 1", LIMITS)
    assert (under_way.verdict, under_way.probes) == ("", {"a": 2, "b": 2})


@given(st.lists(st.floats(0.0, 0.499), min_size=1, max_size=200))
def test_the_quantile_lies_in_the_bucket_of_the_real_one(waits):
    within = (*(sum(wait <= bound for wait in waits) for bound in BOUNDS), len(waits))
    found = probation.quantile(0.99, BOUNDS, within)
    assert found is not None
    real = sorted(waits)[max(0, -(-99 * len(waits) // 100) - 1)]
    bucket = next(index for index, bound in enumerate(BOUNDS) if real <= bound)
    assert (0.0, *BOUNDS)[bucket] <= found <= BOUNDS[bucket]


def test_a_quantile_over_the_last_bound_is_that_bound_and_of_nothing_there_is_none():
    assert probation.quantile(0.99, BOUNDS, (0, 0, 0, 5)) == 0.5
    assert probation.quantile(0.99, BOUNDS, (0, 0, 0, 0)) is None
    assert probation.quantile(0.99, BOUNDS, ()) is None


@given(st.lists(st.tuples(*[st.integers(0, 500)] * 5), max_size=40))
def test_any_course_of_counts_is_measured_within_bounds(steps):
    under_way = probation.begin(Sample(0.0, counts()))
    for at, (crashes, answered, failed, late, refused) in enumerate(steps):
        given_counts = counts(
            answered, crashes=crashes, failed=failed, late=late, refused=refused, routes=answered
        )
        under_way = probation.advance(under_way, Sample(at * 0.7, given_counts), BOUNDS, LIMITS)
        measures = under_way.measures
        shares = (measures.failed_share, measures.late_share, measures.refused_share)
        assert all(0 <= share <= 1 for share in shares)
        assert min(measures.crashes, measures.requests, measures.routes) >= 0
        assert len(under_way.samples) <= LIMITS.window_s / 0.7 + 3

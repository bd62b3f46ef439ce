"""The circuit breaker: when it opens, what a probe does, and what never happens."""

from hypothesis import given
from hypothesis import strategies as st

from actors.connectors import breaker
from actors.connectors.breaker import LONGEST, Breaker, BreakerLimits

LIMITS = BreakerLimits(3, 1.0)


def opened(at=0.0):
    one = Breaker(LIMITS)
    for _ in range(LIMITS.failures):
        breaker.failed(one, at)
    return one


def test_it_opens_with_the_last_of_so_many_failures_in_a_row():
    one = Breaker(LIMITS)
    assert [breaker.failed(one, 0.0) for _ in range(3)] == [False, False, True]
    assert not breaker.permits(one, 0.9)
    assert breaker.left_s(one, 0.25) == 0.75


def test_a_success_in_between_begins_the_count_anew():
    one = Breaker(LIMITS)
    breaker.failed(one, 0.0)
    breaker.failed(one, 0.0)
    assert not breaker.succeeded(one)
    assert [breaker.failed(one, 0.0) for _ in range(3)] == [False, False, True]


def test_after_the_pause_one_probe_is_permitted_and_its_success_closes_it():
    one = opened()
    assert breaker.permits(one, 1.0)
    breaker.begun(one, 1.0)
    assert one.state == "half-open"
    assert not breaker.permits(one, 1.5)
    assert breaker.succeeded(one)
    assert breaker.permits(one, 1.5)


def test_each_probe_that_fails_doubles_the_pause_up_to_a_bound():
    one, now, pauses = opened(), 0.0, []
    for _ in range(6):
        now = one.until
        breaker.begun(one, now)
        assert breaker.failed(one, now)
        pauses.append(one.until - now)
    assert pauses == [2.0, 4.0, LONGEST, LONGEST, LONGEST, LONGEST]


def test_a_probe_that_nothing_is_heard_of_gives_way_to_another():
    one = opened()
    breaker.begun(one, 1.0)
    assert not breaker.permits(one, 1.9)
    assert breaker.permits(one, 2.0)


def test_what_was_begun_before_it_opened_neither_closes_it_nor_opens_it_for_longer():
    one = opened()
    assert not breaker.succeeded(one)
    assert not breaker.failed(one, 0.5)
    assert (one.state, one.until, one.opened) == ("open", 1.0, 1)


@given(st.lists(st.tuples(st.sampled_from(["try", "ok", "fail"]), st.floats(0, 3)), max_size=60))
def test_whatever_happens_it_is_open_for_a_bounded_time_and_lets_one_probe_through(events):
    one, now = Breaker(LIMITS), 0.0
    for what, later in events:
        now += later
        match what:
            case "try" if breaker.permits(one, now):
                breaker.begun(one, now)
                assert breaker.permits(one, now) == (one.state == "closed")
            case "ok":
                breaker.succeeded(one)
            case "fail":
                breaker.failed(one, now)
        assert breaker.left_s(one, now) <= LONGEST * LIMITS.open_s
        assert (one.state == "closed") <= breaker.permits(one, now)
        assert one.failed < LIMITS.failures or one.state != "closed"

"""When ticks are due, on a clock that is set forward and back."""

from hypothesis import example, given
from hypothesis import strategies as st

from actors import ticks
from actors.ticks import Due

HOUR = 3_600.0
DAY = 86_400.0
MIDNIGHT = 20_000 * DAY


class Clock:
    """Both readings, and a schedule that is looked at whenever time has passed."""

    def __init__(self, period_s, wall=MIDNIGHT):
        self.wall, self.now = wall, 50.0
        self.schedule = ticks.begin(period_s, self.wall, self.now)
        self.dues = []

    def go(self, seconds, step_s=1.0):
        end = self.now + seconds
        while self.now < end:
            self.wall += step_s
            self.now += step_s
            due = ticks.advance(self.schedule, self.wall, self.now)
            if due is not None:
                self.dues.append(due)
        return self

    def set_forward(self, seconds):
        self.wall += seconds
        return self

    def told(self):
        dues, self.dues = self.dues, []
        return dues


def test_a_period_begins_at_a_multiple_of_itself():
    clock = Clock(60.0, MIDNIGHT + 7).go(120)
    assert clock.told() == [Due(MIDNIGHT + 60, 0), Due(MIDNIGHT + 120, 0)]


def test_the_period_that_runs_already_is_not_told():
    assert Clock(HOUR, MIDNIGHT + 1).go(HOUR - 2).told() == []


def test_periods_that_nobody_looked_at_are_one_tick_that_counts_them():
    assert Clock(10.0).go(60, step_s=35.0).told() == [
        Due(MIDNIGHT + 30, 2),
        Due(MIDNIGHT + 70, 3),
    ]


def test_a_day_is_told_once_though_the_clock_is_set_back_an_hour_after_midnight():
    clock = Clock(DAY, MIDNIGHT - 60).go(1_800)
    assert clock.told() == [Due(MIDNIGHT, 0)]
    assert clock.set_forward(-HOUR).go(2 * HOUR).told() == []
    assert clock.go(DAY).told() == [Due(MIDNIGHT + DAY, 0)]


def test_an_hour_is_told_once_though_the_clock_is_set_back_an_hour():
    clock = Clock(HOUR, MIDNIGHT - 60).go(600)
    assert clock.told() == [Due(MIDNIGHT, 0)]
    assert clock.set_forward(-HOUR).go(HOUR + 600).told() == []
    assert clock.go(HOUR).told() == [Due(MIDNIGHT + HOUR, 0)]


def test_a_clock_set_forward_an_hour_tells_the_last_period_only():
    clock = Clock(10.0).go(10)
    clock.told()
    assert clock.set_forward(HOUR).go(5).told() == [Due(MIDNIGHT + 10 + HOUR, 359)]


def test_a_step_forward_that_is_taken_back_tells_nothing_twice():
    clock = Clock(HOUR, MIDNIGHT + 600).set_forward(HOUR).go(1)
    assert clock.told() == [Due(MIDNIGHT + HOUR, 0)]
    assert clock.set_forward(-HOUR).go(HOUR).told() == []
    assert clock.go(HOUR).told() == [Due(MIDNIGHT + 2 * HOUR, 0)]


def test_short_periods_go_on_after_the_clock_was_set_back():
    clock = Clock(10.0, MIDNIGHT + 5).go(10)
    clock.told()
    due = clock.set_forward(-HOUR).go(30).told()
    assert [one.at for one in due] == [MIDNIGHT - HOUR + 30, MIDNIGHT - HOUR + 40]


@example(10.0, [(1.0, 49.0), (1.0, 0.0), (1.0, 0.0), (8.0, -11.0), (1.0, 0.0)])
@given(
    st.sampled_from([1.0, 10.0, 60.0, HOUR]),
    st.lists(st.tuples(st.floats(0.1, 200.0), st.floats(-50.0, 50.0)), max_size=60),
)
def test_whatever_the_clock_does_no_tick_repeats_the_one_before(period_s, moves):
    clock, last = Clock(period_s), None
    for seconds, step in moves:
        for due in clock.set_forward(step).go(seconds, step_s=seconds).told():
            assert due.at != last
            assert due.at % period_s == 0
            last = due.at


@given(st.floats(0.1, DAY), st.floats(0.0, 4e9))
def test_the_wait_ends_when_the_next_period_has_begun_or_all_but(period_s, wall):
    schedule = ticks.begin(period_s, wall, 0.0)
    wait = ticks.wait_s(schedule, wall)
    assert 0 < wait <= period_s + 1e-3
    assert ticks.advance(schedule, wall + wait + 1e-3, wait) is not None

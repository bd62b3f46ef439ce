"""Overload: the level is a pure function of what was measured; the shell measures and refuses."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.alarms import Alarms
from actors.config import OverloadConfig
from actors.overload import (
    CALM,
    INTERVAL_S,
    Interval,
    Level,
    Overload,
    advance,
    too_much_memory,
    used_mb,
)
from supervision.testing import Kit

LIMITS = OverloadConfig(new_after_ms=50, all_after_ms=150)


def after(level, *intervals, limits=LIMITS):
    for wait_ms, load in intervals:
        level = advance(level, Interval(INTERVAL_S, wait_ms / 1_000, load), limits)
    return level


def test_nothing_is_refused_while_the_wait_is_short():
    level = after(CALM, *[(49, 0.4)] * 100)
    assert level.shed == level.share("new") == level.share("established") == 0


def test_one_long_interval_is_a_burst_and_no_overload():
    assert after(CALM, (1, 0), (900, 0), (1, 0)).shed == 0


def test_a_wait_that_stands_refuses_a_growing_share_of_new_calls_and_nothing_else():
    levels = [after(CALM, *[(60, 0)] * n) for n in range(1, 61)]
    shares = [level.share("new") for level in levels]
    assert shares[0] == 0
    assert 0 < shares[1] < shares[5] < shares[15]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert {level.share("established") for level in levels} == {0}


def test_established_calls_are_refused_only_when_all_new_ones_are_and_the_wait_is_longer_still():
    level = after(CALM, *[(149, 0)] * 200)
    assert (level.share("new"), level.share("established")) == (1, 0)
    level = after(level, *[(300, 0)] * 5)
    assert level.share("new") == 1
    assert 0 < level.share("established") < 1
    assert after(level, *[(300, 0)] * 50).share("established") == 1


def test_the_worst_is_over_within_the_time_to_recover_once_the_wait_is_short():
    level = after(CALM, *[(2_000, 0)] * 100)
    assert level.shed == 2
    needed = math.ceil(LIMITS.recover_s / INTERVAL_S) + 2
    assert after(level, *[(1, 0)] * needed).shed == 0
    assert after(level, *[(1, 0)] * (needed // 2)).share("new") > 0


def test_established_calls_are_taken_again_before_new_ones():
    level = after(Level(2.0, 0.1), *[(100, 0)] * 100)
    assert (level.share("new"), level.share("established")) == (1, 0)


def test_a_long_queue_of_the_journal_counts_like_a_long_wait():
    level = after(CALM, *[(1, 0.6)] * 300)
    assert (level.share("new"), level.share("established"), level.why) == (1, 0, "journal")
    assert after(level, *[(1, 1.2)] * 300).share("established") == 1


@given(st.lists(st.tuples(st.floats(0, 5_000), st.floats(0, 2)), max_size=60))
def test_whatever_is_measured_established_calls_are_refused_only_when_all_new_ones_are(measured):
    level = CALM
    for one in measured:
        level = after(level, one)
        assert 0 <= level.shed <= 2
        assert level.share("established") == 0 or level.share("new") == 1
    assert after(level, *[(0, 0)] * 90).shed == 0


def test_memory_is_too_much_above_its_limit_and_until_it_is_clearly_under_it():
    assert not too_much_memory(False, 100, 0)
    assert not too_much_memory(False, 100, 100)
    assert too_much_memory(False, 101, 100)
    assert too_much_memory(True, 96, 100)
    assert not too_much_memory(True, 94, 100)


def test_the_memory_of_this_process_is_known():
    assert 5 < used_mb() < 100_000


class Node:
    """An overload on a node in virtual time."""

    def __init__(self, kit, journal_load=0.0, **limits):
        self.kit = kit
        self.load = journal_load
        self.alarms = Alarms(kit.kernel)
        config = OverloadConfig(new_after_ms=50, all_after_ms=150, **limits)
        self.overload = Overload(kit.kernel, config, self.alarms, lambda: self.load)
        self.overload.begin()

    def pass_s(self, seconds, age_s=0.0):
        for _ in range(round(seconds / INTERVAL_S)):
            self.overload.note(age_s)
            self.kit.advance(INTERVAL_S)

    def refused(self, who, of=100):
        return [rule for rule in (self.overload.refuses(who) for _ in range(of)) if rule]

    def told(self):
        return [report.data["state"] for report in self.kit.reported("alarm", name="overload")]


@pytest.fixture
def kit():
    with Kit() as made:
        yield made


def test_a_node_that_keeps_up_refuses_nobody_and_raises_no_alarm(kit):
    node = Node(kit)
    node.pass_s(5, age_s=0.02)
    assert node.refused("new") == node.refused("established") == node.told() == []


def test_a_node_that_falls_behind_refuses_new_calls_by_name_of_the_rule_and_recovers(kit):
    node = Node(kit)
    node.pass_s(0.8, age_s=0.06)
    some = node.refused("new")
    assert 0 < len(some) < 100
    assert set(some) == {"overload.new_after_ms is 50"}
    assert node.refused("established") == []
    assert node.told() == ["raised"]
    node.pass_s(6)
    assert node.refused("new") == []
    assert node.told() == ["raised", "cleared"]
    assert node.alarms.active() == []


def test_the_share_that_is_refused_is_spread_evenly(kit):
    node = Node(kit)
    node.pass_s(0.8, age_s=0.06)
    share = node.overload.level.share("new")
    gap = max(2, math.ceil(1 / share))
    marks = "".join("x" if node.overload.refuses("new") else "." for _ in range(1_000))
    assert marks.count("x") == pytest.approx(1_000 * share, abs=1)
    assert "." * gap not in marks


def test_everything_is_refused_where_the_wait_grows_all_the_same(kit):
    node = Node(kit)
    node.pass_s(3, age_s=1.0)
    assert len(node.refused("new")) == len(node.refused("established")) == 100
    assert set(node.refused("established")) == {"overload.all_after_ms is 150"}


def test_under_overload_a_new_call_that_has_waited_too_long_itself_is_refused(kit):
    node = Node(kit)
    assert node.overload.refuses("new", 10.0) == ""
    node.pass_s(0.3, age_s=0.055)
    assert 0 < node.overload.level.shed < 0.5
    assert node.overload.refuses("new", 0.151) == "overload.new_after_ms is 50"
    assert node.overload.refuses("established", 10.0) == ""


def test_a_journal_that_cannot_keep_up_refuses_by_its_own_rule(kit):
    node = Node(kit, journal_load=0.8)
    node.pass_s(5)
    assert set(node.refused("new")) == {"overload.new_above_journal_load is 0.5"}
    assert node.refused("established") == []


def test_a_node_that_takes_too_much_memory_begins_nothing_new(kit, monkeypatch):
    used = [200.0]
    monkeypatch.setattr("actors.overload.used_mb", lambda: used[0])
    node = Node(kit, max_memory_mb=100)
    node.pass_s(1.5)
    assert set(node.refused("new")) == {"overload.max_memory_mb is 100"}
    assert node.refused("established") == []
    used[0] = 50.0
    node.pass_s(1.5)
    assert node.refused("new") == []


def test_what_waits_for_the_loop_is_seen_without_anybody_telling(kit):
    node = Node(kit)
    probe = kit.probe()
    kit.settle()

    def flood():  # a message that has been waiting for the loop since long ago
        kit.send(probe.address, "late")
        kit.kernel.cell_of(probe.address).mailbox = (("late", None, kit.kernel.now - 1.0),)

    kit.loop.run(flood)
    assert kit.kernel.next_wait_s(kit.clock.monotonic()) == pytest.approx(1.0)
    kit.settle()
    assert kit.kernel.next_wait_s(kit.clock.monotonic()) == 0
    assert node.overload.level.shed == 0


def test_it_begins_once_however_often_it_is_told(kit):
    node = Node(kit)
    node.overload.begin()
    node.pass_s(1)
    assert len(kit.kernel.timers) == 1

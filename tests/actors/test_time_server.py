"""timeServer in virtual time: who gets which ticks."""

import pytest

from actors.time_server import (
    NAME,
    ClockStarted,
    PeriodRefused,
    Subscribe,
    Tick,
    TimeServer,
    Unsubscribe,
    subscribe,
)
from supervision import ChildSpec, SupervisorFlags
from supervision.testing import Kit, Probe

START = 1_750_000_000.0


class Subscriber(Probe):
    def init(self, args):
        super().init(args)
        subscribe(self, args)

    def handle_info(self, message, sender):
        super().handle_info(message, sender)
        if message == ClockStarted():
            subscribe(self, 10.0)


@pytest.fixture
def kit():
    with Kit() as kit:
        yield kit


def subscriber(kit, period_s=10.0):
    actor = Subscriber()
    kit.start(actor, period_s)
    return actor


def ticks_of(actor):
    return [(tick.at - START, tick.missed) for tick in actor.take() if isinstance(tick, Tick)]


def test_all_subscribers_of_a_period_are_told_when_it_begins(kit):
    kit.start(TimeServer)
    first, second = subscriber(kit), subscriber(kit)
    kit.advance(25)
    assert ticks_of(first) == ticks_of(second) == [(10, 0), (20, 0)]


def test_subscribing_again_does_not_double_the_ticks(kit):
    kit.start(TimeServer)
    actor = subscriber(kit)
    due = kit.call(NAME, Subscribe(actor.address, 10.0))
    assert due == START + 10
    kit.advance(10)
    assert ticks_of(actor) == [(10, 0)]


def test_who_unsubscribes_or_ends_gets_no_more_and_costs_nothing(kit):
    kit.start(TimeServer)
    leaver, dead = subscriber(kit), subscriber(kit)
    assert kit.call(NAME, Unsubscribe(leaver.address, 10.0)) is True
    kit.stop(dead.address)
    kit.advance(30)
    assert ticks_of(leaver) == []
    assert kit.actor(NAME).status() == {}
    assert kit.statistics().dead_letters == 0


@pytest.mark.parametrize("period_s", [0.0, -1.0, 0.01, 86_401.0, float("nan"), "soon", None])
def test_a_period_that_breaks_the_rule_is_refused_in_words(kit, period_s):
    kit.start(TimeServer)
    actor = subscriber(kit)
    assert isinstance(kit.call(NAME, Subscribe(actor.address, period_s)), PeriodRefused)
    kit.cast(NAME, Subscribe(actor.address, period_s))
    kit.settle()
    assert kit.reported("unexpected")
    assert list(kit.actor(NAME).status()) == ["10"]


def test_ticks_missed_by_a_busy_node_come_as_one_that_counts_them(kit):
    kit.start(TimeServer)
    actor = subscriber(kit)
    kit.clock.advance(45)
    kit.settle()
    assert ticks_of(actor) == [(40, 3)]


def test_a_step_of_the_wall_clock_is_noticed_within_a_second(kit):
    kit.start(TimeServer)
    actor = subscriber(kit, 3_600.0)
    kit.advance(1)
    kit.clock.set_wall(kit.clock.wall() + 3_600)
    kit.advance(1)
    assert len(ticks_of(actor)) == 1
    kit.clock.set_wall(kit.clock.wall() - 3_600)
    kit.advance(1_800)
    assert ticks_of(actor) == []


def test_subscribers_come_back_by_themselves_when_the_clock_restarts(kit):
    early = subscriber(kit)
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("timeServer", TimeServer)])
    kit.faults.kill(NAME)
    kit.settle()
    kit.advance(20)
    assert ticks_of(early) == [(10, 0), (20, 0)]

"""timeServer in virtual time: who is told when a calendar opens and closes."""

from zoneinfo import ZoneInfo

import pytest

from actors.calendars.hours import Calendar, Interval
from actors.calendars.watching import AGAIN_S, CalendarRefused, Opening
from actors.time_server import (
    NAME,
    ClockStarted,
    SubscribeOpening,
    TimeServer,
    UnsubscribeOpening,
    UseCalendars,
    subscribe_opening,
)
from supervision import ChildSpec, SupervisorFlags
from supervision.testing import Kit, Probe

# 15 June 2025, a Sunday, 15:06:40 UTC
START = 1_750_000_000.0
OPENS = START - START % 86_400 + 16 * 3_600
HOUR = 3_600.0


def calendar(*intervals, name="shop"):
    plan = tuple(Interval(start * 60, end * 60) for start, end in intervals)
    return Calendar(name=name, zone=ZoneInfo("UTC"), week=(plan,) * 7)


class Subscriber(Probe):
    def init(self, args):
        super().init(args)
        subscribe_opening(self, args)

    def handle_info(self, message, sender):
        super().handle_info(message, sender)
        if message == ClockStarted():
            subscribe_opening(self, "shop")


@pytest.fixture
def kit():
    with Kit() as kit:
        yield kit


@pytest.fixture
def shop(kit):
    """A shop that opens from 16 to 18 hours."""
    kit.start(TimeServer, {"shop": calendar((16, 18))})
    return subscriber(kit)


def subscriber(kit, name="shop"):
    actor = Subscriber()
    kit.start(actor, name)
    kit.settle()
    return actor


def told(actor):
    return [one for one in actor.take() if isinstance(one, Opening)]


def states(actor):
    return [(one.open, one.at - OPENS) for one in told(actor)]


def test_who_subscribes_is_told_at_once_how_it_is_and_then_of_each_change(kit, shop):
    assert told(shop) == [Opening("shop", False, START, OPENS)]
    kit.advance(OPENS - START - 1)
    assert told(shop) == []
    kit.advance(1)
    (opening,) = told(shop)
    assert (opening.open, opening.until) == (True, OPENS + 2 * HOUR)
    assert opening.at == pytest.approx(OPENS, abs=0.01)
    kit.advance(2 * HOUR)
    assert [(is_open, round(at)) for is_open, at in states(shop)] == [(False, 2 * HOUR)]


def test_a_call_is_answered_with_how_it_is(kit, shop):
    assert kit.call(NAME, SubscribeOpening(shop.address, "shop")) == Opening(
        "shop", False, START, OPENS
    )


@pytest.mark.parametrize("name", ["none", "", None, 5])
def test_a_calendar_that_there_is_not_is_refused_in_words(kit, shop, name):
    answer = kit.call(NAME, SubscribeOpening(shop.address, name))
    assert answer == CalendarRefused("calendar: must be one of: shop")
    kit.cast(NAME, SubscribeOpening(shop.address, name))
    kit.settle()
    assert kit.reported("unexpected")


def test_a_clock_that_is_set_forward_over_a_change_tells_it_once(kit, shop):
    told(shop)
    kit.clock.set_wall(OPENS + HOUR)
    kit.advance(1.5)
    assert [is_open for is_open, _ in states(shop)] == [True]
    kit.clock.set_wall(OPENS + 25 * HOUR)
    kit.advance(1.5)
    assert told(shop) == []  # it is open again, as everybody thinks


def test_a_clock_that_is_set_back_over_a_change_takes_it_back(kit, shop):
    kit.advance(OPENS - START + 10)
    told(shop)
    kit.clock.set_wall(OPENS - HOUR)
    kit.advance(1.5)
    assert [is_open for is_open, _ in states(shop)] == [False]
    kit.advance(HOUR)
    assert [is_open for is_open, _ in states(shop)] == [True]


def test_changes_that_a_busy_node_has_slept_through_come_as_one(kit, shop):
    told(shop)
    kit.clock.advance(OPENS - START + 25 * HOUR)
    kit.settle()
    assert [is_open for is_open, _ in states(shop)] == [True]


def test_who_unsubscribes_or_ends_is_told_no_more_and_costs_nothing(kit, shop):
    dead = subscriber(kit)
    told(shop)
    assert kit.call(NAME, UnsubscribeOpening(shop.address, "shop")) is True
    assert list(kit.actor(NAME).status()) == ["calendar shop"]
    kit.stop(dead.address)
    kit.advance(3 * HOUR)
    assert told(shop) == []
    assert kit.actor(NAME).status() == {}
    assert kit.statistics().dead_letters == 0


def test_subscribers_come_back_by_themselves_when_the_clock_restarts(kit):
    early = subscriber(kit)
    calendars = {"shop": calendar((16, 18))}
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("timeServer", TimeServer, calendars)])
    kit.faults.kill(NAME)
    kit.settle()
    told(early)
    kit.advance(HOUR)
    assert [is_open for is_open, _ in states(early)] == [True]


def test_other_calendars_are_gone_by_at_once(kit, shop):
    told(shop)
    assert kit.call(NAME, UseCalendars({"shop": calendar((9, 17))})) is True
    (opening,) = told(shop)
    assert (opening.open, opening.until) == (True, OPENS + HOUR)
    refused = kit.call(NAME, UseCalendars({}))
    assert refused == CalendarRefused("calendars: must have those in use: shop")


def test_what_never_changes_is_looked_at_again_some_day(kit):
    kit.start(TimeServer, {"shop": calendar()})
    actor = subscriber(kit)
    assert told(actor) == [Opening("shop", False, START, None)]
    server = kit.actor(NAME)
    before = server.state.openings.watched["shop"].status
    kit.clock.advance(AGAIN_S + 2)
    kit.settle()
    assert server.state.openings.watched["shop"].status.at > before.at
    assert told(actor) == []

"""A customer's journey across calls: what is linked, how far back, and what is said of the rest."""

import asyncio

import pytest
from call_kit import CallKit, frame
from hypothesis import given
from hypothesis import strategies as st
from store_kit import Storing, view

from actors import past_calls
from actors.call_messages import CallTold
from actors.closed_sessions import FindClosed
from actors.journey_config import JourneyConfig
from actors.journeys import Journeys
from actors.past_calls import FindPast, Past
from actors.session_api import (
    AddJourneyStep,
    Busy,
    JourneyStep,
    NoSuchSession,
    OpenSession,
    SessionClosed,
)
from actors.session_archive import StoredSessions
from actors.session_finder import NAME as FINDER
from actors.session_record import WAYS
from actors.sessions import CallSessions
from protocols.cti.messages import CallEvent

ANI = "+33612345678"


class Store:
    """Closed sessions as a test lays them down, and why some may be missing."""

    def __init__(self):
        self.views, self.missing, self.asked = [], "", []
        self.gate = self.reached = None

    async def find(self, *, session, call, ani, limit):
        return [one for one in self.views if one.session == session]

    async def past(self, wanted):
        self.asked.append(wanted)
        if self.gate is not None:
            self.reached.set()
            await self.gate.wait()
        found = [
            past_calls.of_view(one, wanted)
            for one in self.views
            if getattr(one, wanted.by) == wanted.value
        ]
        return Past([one for one in found if one], self.missing)


class World(CallKit):
    """Sessions that live, and a store of closed ones."""

    def __init__(self, **config):
        super().__init__()
        self.store = Store()
        sessions = CallSessions(self.kernel, self.pool, self.store, self.openings)
        self.journeys = Journeys(self.kernel, sessions, self.store, JourneyConfig(**config))

    def begin(self, call, ani=ANI, *steps, **fields):
        """A call, and what is done in it; each a second after the one before."""
        self.advance(1)
        session = self.open(call, ani=ani, ani_type=None, **fields)
        for step in steps:
            self.call(session, AddJourneyStep(ev="in", step=step))
        return str(session.name)

    def across(self, session, calls=None):
        return self.run(self.journeys.of(session, across=True, calls=calls))


@pytest.fixture
def world():
    with World() as made:
        yield made


def stored(world, number, **fields):
    """A call that ended so many seconds ago."""
    at = world.clock.wall() - number
    one = view(number, opened=at, updated=at, ani=ANI, **fields)
    world.store.views.append(one)
    return one


def calls(journey):
    return [(one.call, one.link) for one in journey.previous]


def test_a_journey_is_that_of_the_call_alone_unless_more_is_wanted(world):
    world.begin("c1", ANI, "menu")
    session = world.begin("c2", ANI, "menu", "balance")
    found = world.run(world.journeys.of(session, across=False))
    assert [step.step for step in found.journey] == ["menu", "balance"]
    assert (found.call, found.previous, found.complete) == ("c2", [], True)
    assert world.store.asked == []


def test_calls_of_the_same_number_are_linked_the_latest_first(world):
    stored(world, 100)
    world.begin("c1", ANI, "menu")
    world.begin("other", "+33698765432", "menu")
    world.begin("c2", ANI, "balance")
    found = world.across(world.begin("c3"))
    assert calls(found) == [("c2", "ani"), ("c1", "ani"), ("c-100", "ani")]
    assert [[step.step for step in one.journey] for one in found.previous] == [
        ["balance"],
        ["menu"],
        ["menu"],
    ]
    assert (found.complete, found.missing) == (True, "")


def test_calls_that_began_later_are_not_previous_ones(world):
    session = world.begin("c1")
    world.begin("c2")
    assert calls(world.across(session)) == []


@pytest.mark.parametrize("ani", [None, "anonymous", "4711", "*21#"])
def test_a_number_that_may_be_anybodys_links_nothing(world, ani):
    world.begin("c1", ani)
    assert calls(world.across(world.begin("c2", ani))) == []
    assert world.store.asked == []


def test_the_call_that_this_one_comes_of_is_linked_whatever_the_number(world):
    world.begin("c1", "+33698765432", "menu")
    stored(world, 50)
    assert calls(world.across(world.begin("c2", None, prev_call="c1"))) == [("c1", "prev_call")]
    assert calls(world.across(world.begin("c3", None, prev_call="c-50"))) == [("c-50", "prev_call")]


def test_legs_of_one_universal_call_are_linked(world):
    world.begin("c1", "4711", "menu", ucid="u-1")
    world.begin("c2", "4712", ucid="u-2")
    assert calls(world.across(world.begin("c3", None, ucid="u-1"))) == [("c1", "ucid")]


def test_a_call_that_is_linked_twice_is_told_once_by_the_surest_link(world):
    world.begin("c1", ANI, ucid="u-1")
    found = world.across(world.begin("c2", ANI, ucid="u-1", prev_call="c1"))
    assert calls(found) == [("c1", "prev_call")]


def test_a_session_that_closed_a_moment_ago_is_told_once(world):
    session = world.begin("c1", ANI, "menu")
    event = CallEvent(i=frame(), call="c1", ev="cleared", ts=1.0)
    world.send(world.pool.address_of(session), CallTold(event, "link-1"))
    world.settle()
    world.store.views.append(world.run(world.journeys._sessions.get(session)))
    [one] = world.across(world.begin("c2")).previous
    assert (one.call, one.state) == ("c1", "closed")


def test_calls_are_bounded_by_number_and_by_what_is_asked():
    with World(max_calls=3) as world:
        for number in range(6):
            world.begin(f"c{number}")
        session = world.begin("last")
        assert [one.call for one in world.across(session).previous] == ["c5", "c4", "c3"]
        assert [one.call for one in world.across(session, 100).previous] == ["c5", "c4", "c3"]
        assert [one.call for one in world.across(session, 1).previous] == ["c5"]


def test_calls_are_bounded_by_age():
    with World(max_age_days=1) as world:
        stored(world, 86_390)
        stored(world, 86_410)
        assert calls(world.across(world.begin("c1"))) == [("c-86390", "ani")]


def test_of_a_long_call_the_latest_steps_are_told_and_that_some_are_cut():
    with World(max_steps=2) as world:
        world.begin("c1", ANI, "a", "b", "c")
        world.begin("c2", ANI, "a", "b")
        found = world.across(world.begin("c3")).previous
        assert [[step.step for step in one.journey] for one in found] == [["a", "b"], ["b", "c"]]
        assert [one.cut for one in found] == [False, True]


def test_calls_further_back_come_without_steps_where_there_is_no_room():
    with World(max_bytes=1_024) as world:
        for number in (3, 2, 1):
            steps = [JourneyStep(ts=1.0, step="s", data={"d": "x" * 600})]
            stored(world, number, journey=steps if number > 1 else [])
        found = world.across(world.begin("c1")).previous
        assert [(len(one.journey), one.cut) for one in found] == [(0, False), (1, False), (0, True)]


def test_with_the_database_down_what_is_in_memory_is_told_and_that_more_may_be(world):
    world.begin("c1")
    world.store.missing = "the connection was refused"
    found = world.across(world.begin("c2", prev_call="c9"))
    assert calls(found) == [("c1", "ani")]
    assert (found.complete, found.missing) == (False, "the connection was refused")


def test_no_more_is_asked_of_the_database_at_once_than_may_be():
    with World(reads=1) as world:
        world.begin("c1")
        session = world.begin("c2")

        async def both():
            world.store.gate, world.store.reached = asyncio.Event(), asyncio.Event()
            first = asyncio.create_task(world.journeys.of(session, across=True))
            await world.store.reached.wait()
            second = await world.journeys.of(session, across=True)
            world.store.gate.set()
            return await first, second

        first, second = world.run(both())
        assert first.complete
        assert calls(second) == [("c1", "ani")]
        assert (second.complete, second.missing) == (False, "journey.reads is 1")


def test_a_session_that_does_not_answer_leaves_a_journey_incomplete(world, monkeypatch):
    world.begin("c1")
    session = world.begin("c2")

    async def busy(_):
        raise Busy(0.2)

    monkeypatch.setattr(world.journeys._sessions, "views", busy)
    found = world.across(session)
    assert not found.complete
    assert "do not answer" in found.missing


def test_of_no_session_and_of_one_that_is_over_there_is_no_journey(world):
    with pytest.raises(NoSuchSession):
        world.across("d" * 24)
    world.store.views.append(view(7))
    with pytest.raises(SessionClosed):
        world.across(view(7).session)


def test_an_application_may_say_what_a_call_comes_of(world):
    world.begin("c1", "4711", ucid="u-1")
    opening = world.openings.for_application(
        OpenSession(call="c2", ucid="u-1", prev_call="c1"), world.clock.wall()
    )
    session = world.call("sessionSup", opening.request).address
    assert calls(world.across(str(session.name))) == []  # within the same moment
    assert world.actor(session).data.ucid == "u-1"


def test_a_killed_session_is_found_by_its_universal_id_again(world):
    first = world.begin("c1", "4711", ucid="u-1")
    session = world.begin("c2", None, ucid="u-1")
    world.faults.kill(world.pool.address_of(first))
    world.settle()
    assert calls(world.across(session)) == [("c1", "ucid")]


@given(st.lists(st.integers(min_value=0, max_value=20_000), max_size=12), st.integers(1, 5))
def test_previous_calls_are_those_before_within_the_time_and_the_number(ages, most):
    with World(max_calls=most, max_age_days=1) as world:
        ages = sorted({10 * age + 1 for age in ages})
        for age in ages:
            stored(world, age)
        found = world.across(world.begin("now")).previous
        assert [one.call for one in found] == [f"c-{age}" for age in ages if age < 86_399][:most]


def test_a_release_that_knows_no_links_reads_sessions_without_them():
    plain = ["new", {"session": "s", "call": "c", "prev_call": "b", "ucid": "u"}]
    assert WAYS.convert("session", plain, 3, 2) == ["new", {"session": "s", "call": "c"}]


# In PostgreSQL


def past(by="ani", value="+33123456789", **changes):
    return FindPast(by=by, value=value, before=2e9, **changes)


async def storing(node, postgres, *views):
    dsn = await asyncio.to_thread(postgres.new_database)
    store = await Storing(node, dsn).ready()
    store.close(*views)
    await store.drained()
    return store


@pytest.mark.system
def test_closed_calls_are_found_by_number_call_and_universal_id(on_node, postgres):
    async def scenario(node):
        await storing(node, postgres, view(1, ucid="u-1"), view(2), view(3, ani=None, ucid="u-1"))
        for wanted, calls_ in (
            (past(), ["c-2", "c-1"]),
            (past("call", "c-3"), ["c-3"]),
            (past("ucid", "u-1"), ["c-3", "c-1"]),
            (past(calls=1), ["c-2"]),
            (past(since=view(2).opened), ["c-2"]),
            (past("ucid", "nobody's"), []),
        ):
            found = await node.call(FINDER, wanted)
            assert ([one.call for one in found.calls], found.missing) == (calls_, "")
        [known] = (await node.call(FINDER, FindClosed(by="session", value=view(1).session))).views
        assert known.ucid == "u-1"

    on_node(scenario)


@pytest.mark.system
def test_the_database_cuts_what_is_long(on_node, postgres):
    steps = [JourneyStep(ts=float(n), step=f"s{n}", data={"d": "é" * 100}) for n in range(5)]

    async def scenario(node):
        await storing(
            node, postgres, view(1, journey=steps), view(2, journey=[]), view(3, journey=steps)
        )
        found = (await node.call(FINDER, past(steps=2))).calls
        assert [[step.step for step in one.journey] for one in found] == [
            ["s3", "s4"],
            [],
            ["s3", "s4"],
        ]
        assert [one.cut for one in found] == [True, False, True]
        assert found[0].journey[0] == steps[3]
        assert found[0].routing == view(3).routing
        found = (await node.call(FINDER, past(steps=5, max_bytes=1_800))).calls
        assert [(len(one.journey), one.cut) for one in found] == [(5, False), (0, False), (0, True)]

    on_node(scenario)


@pytest.mark.system
def test_what_has_not_come_to_the_database_is_found_in_the_journal(on_node, postgres):
    async def scenario(node):
        store = await storing(node, postgres, view(1))
        await asyncio.to_thread(postgres.kill)
        store.close(view(2), view(3, opened=2.5e9))
        await node.until(lambda: not store.journal.waiting)
        found = await StoredSessions(node.kernel).past(past())
        assert [one.call for one in found.calls] == ["c-2"]
        assert found.missing
        await asyncio.to_thread(postgres.start)
        await store.drained()
        found = await StoredSessions(node.kernel).past(past())
        assert ([one.call for one in found.calls], found.missing) == (["c-2", "c-1"], "")

    on_node(scenario)


@pytest.mark.system
def test_a_stored_session_that_cannot_be_read_is_left_out_and_told(on_node, postgres):
    async def scenario(node):
        store = await storing(node, postgres, view(1), view(2))
        bad = "UPDATE closed_session SET view = '{\"session\": 1}' WHERE call = 'c-1'"
        await asyncio.to_thread(postgres.run, bad, store.settings.database.dsn)
        found = await node.call(FINDER, past())
        assert [one.call for one in found.calls] == ["c-2"]
        assert node.reported("degraded", part="session finder")

    on_node(scenario)

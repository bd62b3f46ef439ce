"""Sessions as the API finds them, while they come and go."""

import asyncio

import pytest
from call_kit import CallKit

from actors.session_api import AddJourneyStep, FindSessions, StepDataLimit
from actors.sessions import GATHER, CallSessions
from supervision import KILLED, NORMAL

NUMBER = "0612345678"


class EmptyArchive:
    async def find(self, **_wanted):
        return []


@pytest.fixture
def kit():
    with CallKit() as kit:
        yield kit


def find(kit, meanwhile=lambda: None):
    """Find the sessions of the number; ``meanwhile`` runs when they have been asked."""
    sessions = CallSessions(kit.kernel, kit.pool, EmptyArchive(), kit.openings)

    async def search():
        found = asyncio.ensure_future(sessions.find(FindSessions(ani=NUMBER)))
        await asyncio.sleep(0)
        meanwhile()
        return await found

    return [view.call for view in kit.run(search())]


def test_a_session_that_ends_while_sessions_are_found_is_left_out(kit):
    _first, second, _third = (kit.open(f"c{number}", ani=NUMBER) for number in range(3))
    assert find(kit, lambda: kit.kernel.exit(second.cell, NORMAL)) == ["c0", "c2"]


def test_a_session_that_comes_back_answers_in_its_next_life(kit):
    session = kit.open("c0", ani=NUMBER)
    assert find(kit, lambda: kit.kernel.exit(session.cell, KILLED)) == ["c0"]
    assert session.incarnation == 2


def test_more_sessions_than_are_asked_at_once_are_found_in_their_order(kit):
    calls = [f"c{number}" for number in range(2 * GATHER + 3)]
    for call in calls:
        kit.open(call, ani=NUMBER)
    assert find(kit) == calls


def test_the_data_of_a_step_has_a_bound_of_its_own():
    with CallKit(max_step_data_bytes=1_024) as kit:
        session = str(kit.open().name)
        sessions = CallSessions(kit.kernel, kit.pool, EmptyArchive(), kit.openings)
        step = AddJourneyStep(ev="in", step="menu", data={"k": "x" * 1_000})
        assert len(kit.run(sessions.add_step(session, step)).value.journey) == 1
        step.data["more"] = "x" * 100
        with pytest.raises(StepDataLimit, match="1024"):
            kit.run(sessions.add_step(session, step))

"""A session is read without a message only where a message would be answered the same, at once."""

import pytest
from call_kit import CallKit

from actors.call_messages import ContextAsked
from actors.session_api import GetSession, PatchSession
from actors.sessions import CallSessions
from supervision import KILLED
from supervision.introspection import Introspection


class EmptyArchive:
    async def find(self, **_wanted):
        return []


@pytest.fixture
def kit():
    with CallKit() as kit:
        yield kit


def seen(kit, session):
    sessions = CallSessions(kit.kernel, kit.pool, EmptyArchive(), kit.openings)
    return sessions.seen(str(session.name))


def test_what_is_seen_is_what_a_message_is_answered(kit):
    session = kit.open("c0", ani="0612345678")
    kit.call(session, PatchSession(rev=1, set={"ud.a": "1", "lang": "fr"}))
    handled = session.cell.handled
    view = seen(kit, session)
    assert view.ud == {"a": "1"}
    assert session.cell.handled == handled + 1
    assert view == kit.call(session, GetSession())


def test_what_is_not_saved_is_not_seen(kit):
    session = kit.open()
    kit.disk.hold()
    change = PatchSession(rev=1, set={"lang": "fr"})
    asked = kit.loop.run(kit.base.call, session, change, 60.0)
    kit.settle()
    assert seen(kit, session) is None
    kit.disk.release()
    kit.settle()
    assert asked.result() == seen(kit, session)


def test_a_session_that_has_something_to_handle_is_asked(kit):
    session = kit.open()
    kit.kernel.send(session, ContextAsked("link-1", 1), None)
    assert seen(kit, session) is None


def test_a_suspended_session_is_asked(kit):
    session = kit.open()
    session.cell.suspended = True
    assert seen(kit, session) is None


def test_a_session_is_seen_in_its_next_life_not_between_two(kit):
    session = kit.open()
    before = session.cell
    kit.kernel.exit(before, KILLED)
    kit.settle()
    assert session.cell is not before
    assert seen(kit, session) is not None
    session.cell = None
    assert seen(kit, session) is None


def test_nothing_is_seen_while_the_node_stands_still(kit):
    session = kit.open()
    kit.kernel.freeze()
    assert seen(kit, session) is None
    kit.kernel.thaw()
    assert seen(kit, session) is not None


def test_who_watches_a_session_sees_each_message(kit):
    session = kit.open()
    Introspection(kit.kernel, "callSup").statistics(session.path, "on")
    assert seen(kit, session) is None


def test_nobody_is_seen_where_no_session_is(kit):
    session = kit.open()
    del kit.pool.children[str(session.name)]
    assert seen(kit, session) is None

"""What others read of a session while the journal does not take what it is."""

import msgspec
import pytest
from call_kit import CallKit, frame

from actors.call_messages import CallTold
from actors.session_api import GetSession, NotDurable
from protocols.cti.messages import CallEvent


def change(kit, session):
    event = CallEvent(i=frame(), call="c1", ev="queued", ts=1.0)
    kit.send(session, CallTold(event, "link-1"))
    kit.settle()


def shown(view):
    return msgspec.to_builtins(view)


def test_a_session_that_is_not_saved_is_shown_at_once_and_marked_while_commits_fail():
    with CallKit() as kit:
        session = kit.open()
        before = kit.call(session, GetSession())
        kit.disk.fail()
        change(kit, session)
        began = kit.clock.monotonic()
        view = kit.call(session, GetSession())
        assert kit.clock.monotonic() == began
        assert (view.events, view.durable) == (before.events + 1, False)
        assert shown(view)["durable"] is False
        kit.disk.heal()
        kit.advance(1.0)
        assert "durable" not in shown(kit.call(session, GetSession()))


def test_a_session_that_is_saved_is_shown_without_a_mark_while_commits_fail():
    with CallKit() as kit:
        session, other = kit.open(), kit.open(call="c2")
        kit.disk.fail()
        change(kit, other)
        assert kit.journal.failing
        assert "durable" not in shown(kit.call(session, GetSession()))


def test_where_refusing_is_configured_what_is_not_saved_is_not_shown():
    with CallKit(on_stall="refuse") as kit:
        session = kit.open()
        kit.disk.fail()
        change(kit, session)
        began = kit.clock.monotonic()
        assert kit.call(session, GetSession()) == NotDurable()
        assert kit.clock.monotonic() == began


@pytest.mark.parametrize("on_stall", ["answer", "refuse"])
def test_a_view_waits_for_a_commit_that_takes_long_but_does_not_fail(on_stall):
    with CallKit(on_stall=on_stall) as kit:
        session = kit.open()
        kit.disk.hold()
        change(kit, session)
        asked = kit.loop.run(kit.base.call, session, GetSession(), 60.0)
        kit.settle()
        assert not asked.done()
        kit.disk.release()
        kit.settle()
        assert "durable" not in shown(asked.result())

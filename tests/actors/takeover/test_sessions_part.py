"""Sessions go from one node to another: each as it was, and none does anything before."""

import pytest
from takeover_kit import NUMBER, Two, ask, busy, introspection, kept, names, same, timers

from actors.call_messages import CallTold
from actors.call_names import ani_group, call_name, once_name, xref_name
from actors.call_session import CallSession
from actors.open_count import OpenCount
from actors.session_api import IdempotentKey, OpenSession, PatchSession, RouteFromIvr
from actors.session_data import Session
from actors.session_record import VERSION
from protocols.cti.messages import CallEvent
from supervision.management import TerminateChild
from supervision.release.carrier import NotCarried, Slice
from supervision.supervisor.carrying import past_of


def cleared(call):
    return CallTold(CallEvent(i=990, call=call, ev="cleared", ts=9.0), "link-1")


def test_every_session_is_there_as_it_was_with_its_names_groups_and_timers():
    with Two() as two:
        for number in range(5):
            busy(two.old, number)
            two.old.advance(1.5)
        two.begin()
        two.freeze()
        same(two)
        members = two.new.kernel.registry.members(ani_group(NUMBER))
        assert sorted(str(one.name) for one in members) == sorted(two.old.pool.children)


def test_what_changes_meanwhile_goes_again_what_is_new_comes_and_what_has_ended_goes():
    with Two(linger_s=5) as two:
        changes, ends = busy(two.old, 1), busy(two.old, 2)
        two.begin()
        two.old.call(changes, PatchSession(rev=1, set={"lang": "de"}, delete=()))
        two.old.send(ends, cleared("c2"))
        born = busy(two.old, 3)
        two.old.settle()
        assert two.gives.due == 3
        two.copy()
        assert two.new.pool.address_of(str(changes.name))
        two.old.advance(6)
        assert two.gives.due >= 1
        two.freeze()
        assert set(two.new.pool.children) == {str(changes.name), str(born.name)}
        same(two)


def test_a_name_that_moves_to_another_session_while_they_are_copied_is_the_others():
    with Two(linger_s=1) as two:
        first = two.old.open("c1")
        two.begin()
        two.old.send(first, cleared("c1"))
        two.old.advance(2)
        second = two.old.open("c1")
        two.freeze()
        assert two.new.kernel.registry.whereis(call_name("c1")).name == second.name
        same(two)


def test_a_session_that_has_ended_is_not_counted_though_its_supervisor_does_not_know_yet():
    with Two(linger_s=1) as two:
        busy(two.old, 1)
        two.old.open("c2")
        two.begin()
        two.old.run(introspection(two.old).suspend("callSup/sessionSup"))
        two.old.send(two.old.kernel.registry.whereis(call_name("c2")), cleared("c2"))
        two.old.advance(2)
        assert len(two.old.pool.children) == 2
        two.old.run(two.gives.stop())
        two.copy()
        assert two.gives.count() == two.takes.count() == 1


def test_nothing_is_due_of_a_session_that_does_not_change():
    with Two() as two:
        busy(two.old, 1)
        two.begin()
        two.old.advance(60)
        assert two.gives.due == 0


def test_a_dialogue_that_is_not_decided_is_decided_after_the_switch_in_time():
    with Two() as two:
        session = two.old.open("c1")
        two.old.base.whereis("router").cell.suspended = True
        ask(two.old, session, reply_ms=None)
        two.begin()
        two.freeze()
        assert not two.new.answers()
        two.switch()
        [answer] = two.new.answers()
        assert (answer.target, answer.reason) == ("7001", "rp-default")
        assert names(two.new)[xref_name("x1")] == session.name


def test_the_default_answer_of_a_carried_dialogue_leaves_at_its_time():
    with Two() as two:
        session = two.old.open("c1")
        two.old.base.whereis("router").cell.suspended = True
        two.new.base.whereis("router").cell.suspended = True
        ask(two.old, session)
        two.old.advance(0.1)
        two.begin()
        two.switch()
        two.new.advance(0.1)
        assert not two.new.answers()
        two.new.advance(0.06)
        [answer] = two.new.answers()
        assert answer.reason == "late-default"


def test_a_session_goes_on_being_idle_and_ends_when_it_would_have_ended():
    with Two(idle_expiry_s=100, linger_s=10) as two:
        idle, closed = two.old.open("c1"), two.old.open("c2")
        two.old.advance(40)
        two.old.send(closed, cleared("c2"))
        two.old.advance(4)
        two.begin()
        two.switch()
        two.new.advance(5.9)
        assert str(closed.name) in two.new.pool.children
        two.new.advance(0.2)
        assert str(closed.name) not in two.new.pool.children
        two.new.advance(49.8)
        assert two.new.state(two.new.pool.address_of(str(idle.name))) == "new"
        two.new.advance(0.2)
        assert two.new.state(two.new.pool.address_of(str(idle.name))) == "closed"
        assert two.new.count.open == 0


def test_a_session_between_two_lives_is_so_on_the_other_side_and_comes_back_there():
    with Two() as two:
        session = two.old.open("c1")
        path = session.path
        two.begin()
        two.old.faults.refuse_starts(path, None)
        two.old.faults.kill(session)
        two.old.settle()
        child = two.old.pool.children[str(session.name)]
        assert child.status == "restarting"
        two.freeze()
        other = two.new.pool.children[str(session.name)]
        assert (other.status, other.restarts, other.failures) == (
            child.status,
            child.restarts,
            child.failures,
        )
        assert other.retry_at == child.retry_at
        assert [str(reason) for reason, _ in other.exits] == [str(one) for one, _ in child.exits]
        assert other.address.cell is None
        assert two.new.kernel.held.awaits(call_name("c1"))
        two.switch()
        two.new.until(lambda: other.status == "running")
        assert other.address.incarnation == child.address.incarnation + 1


def test_a_dialogue_that_nobody_speaks_of_is_abandoned_when_it_would_have_been():
    with Two() as two:
        session = two.old.open("c1")
        ask(two.old, session)
        two.old.advance(2)
        two.begin()
        same(two)
        two.switch()
        two.new.advance(2.9)
        assert not two.new.reported("abandoned")
        two.new.advance(0.2)
        assert two.new.reported("abandoned")


def test_a_crash_loop_is_over_on_the_other_side_after_a_good_run():
    with Two() as two:
        session = two.old.open("c1")
        for _ in range(3):
            two.old.faults.kill(session)
            two.old.settle()
        assert two.old.reported("supervisor", context="crash_loop")
        two.begin()
        two.switch()
        two.new.advance(600)
        assert two.new.reported("supervisor", context="crash_loop_over")
        assert past_of(two.new.pool.children[str(session.name)]).failures == 0


def test_a_supervisor_of_sessions_that_dies_in_standby_does_not_come_back_without_them():
    with Two() as two:
        busy(two.old, 1)
        two.begin()
        two.new.faults.kill(two.new.sessions)
        two.new.settle()
        assert not two.new.alive("sessionSup")
        assert not two.new.pool.ready


def test_a_session_that_has_been_restarted_has_its_number_and_counters():
    with Two() as two:
        session = two.old.open("c1")
        two.begin()
        two.old.faults.kill(session)
        two.old.settle()
        two.freeze()
        child, other = (kit.pool.children[str(session.name)] for kit in (two.old, two.new))
        assert other.address.incarnation == child.address.incarnation == 2
        assert (other.restarts, other.failures) == (child.restarts, child.failures) == (1, 1)
        same(two)


def test_a_suspended_session_is_suspended_until_somebody_resumes_it():
    with Two() as two:
        session = two.old.open("c1")
        two.begin()
        two.old.run(introspection(two.old).suspend(session.path))
        assert [cell.address for cell in two.gives.suspended()] == [session]
        two.switch()
        cell = two.new.pool.children[str(session.name)].address.cell
        assert cell.suspended
        two.old.run(introspection(two.old).resume(session.path))
        assert two.gives.suspended() == []


def test_what_waits_for_a_suspended_session_is_handled_when_it_is_resumed_there():
    with Two() as two:
        session = two.old.open("c1")
        two.begin()
        two.old.run(introspection(two.old).suspend(session.path))
        event = CallEvent(i=3, call="c1", ev="queued", ts=2.0)
        two.old.send(session, CallTold(event, "link-1"))
        two.switch(actors=True)
        address = two.new.pool.address_of(str(session.name))
        assert two.new.state(address) == "new"
        two.new.run(introspection(two.new).resume(address.path))
        two.new.settle()
        assert two.new.state(address) == "queued"


def test_what_waits_for_a_session_between_two_lives_is_handled_when_it_is_back():
    with Two() as two:
        session = two.old.open("c1")
        two.begin()
        two.old.faults.refuse_starts(session.path, None)
        two.old.faults.kill(session)
        two.old.settle()
        event = CallEvent(i=3, call="c1", ev="queued", ts=2.0)
        two.old.send(session, CallTold(event, "link-1"))
        assert two.old.kernel.held.waiting(session) == 1
        two.switch(actors=True)
        address = two.new.pool.address_of(str(session.name))
        assert two.new.kernel.held.waiting(address) == 1
        two.new.until(lambda: address.cell is not None)
        two.new.settle()
        assert two.new.state(address) == "queued"


def test_a_session_between_two_lives_that_ends_meanwhile_is_forgotten_there():
    with Two() as two:
        session = two.old.open("c1")
        two.old.faults.refuse_starts(session.path, None)
        two.old.faults.kill(session)
        two.old.settle()
        two.begin()
        assert two.new.kernel.held.awaits(call_name("c1"))
        two.old.call("sessionSup", TerminateChild(str(session.name)))
        two.freeze()
        assert not two.new.pool.children
        assert not two.new.kernel.held.awaits(call_name("c1"))


def test_an_application_that_waits_for_its_route_is_not_carried_and_its_dialogue_is_over():
    with Two() as two:
        session = two.old.open("c1")
        two.old.base.whereis("router").cell.suspended = True
        asked = two.old.kernel.call(session, RouteFromIvr("sales"))
        two.old.settle()
        two.begin()
        two.switch()
        assert not asked.done()
        [(_, data)] = kept(two.new).values()
        assert data.dialogues == ()
        assert set(timers(two.new)[str(session.name)]) == {"idle"}


def test_a_session_that_hibernates_comes_awake_with_what_it_knew(monkeypatch):
    monkeypatch.setattr(CallSession, "state_type", Session)
    with Two() as two:
        session = busy(two.old, 1)
        two.old.actor(session).hibernate()
        two.old.settle()
        assert two.old.actor(session).hibernating
        two.begin()
        [(_, data)] = kept(two.new).values()
        assert data == two.old.actor(session).unpacked()


def test_the_count_of_open_sessions_says_that_none_was_lost(tmp_path):
    path = tmp_path / "open"
    with Two(count=lambda: OpenCount(path)) as two:
        two.old.count.begin()
        busy(two.old, 1)
        two.begin()
        busy(two.old, 2)
        two.freeze()
        assert two.new.count.open == two.old.count.open == 2
        assert OpenCount(path).before == 2
        two.old.run(two.gives.resume())
        two.old.open("c3")
        assert OpenCount(path).before == 3


def test_a_decision_that_nobody_has_been_told_of_stops_the_takeover():
    with Two() as two:
        session = two.old.open("c1")
        two.old.settle()
        two.old.disk.hold()
        ask(two.old, session)
        two.old.settle()
        two.begin()
        two.old.run(two.gives.stop())
        with pytest.raises(NotCarried, match=str(session.name)):
            two.copy()


def test_after_an_abort_the_old_node_goes_on_and_notes_nothing_any_more():
    with Two() as two:
        session = busy(two.old, 1)
        two.begin()
        two.freeze()
        two.old.run(two.gives.resume())
        assert "put" not in vars(two.old.journal)
        assert two.gives.due == 0
        two.old.call(session, PatchSession(rev=1, set={"lang": "de"}, delete=()))
        assert two.gives.due == 0
        two.begin()
        assert two.gives.count() == 1


def test_a_slice_that_comes_before_the_supervisor_of_sessions_waits_for_it():
    with Two() as two:
        session = busy(two.old, 1)
        two.gives.begin()
        some = two.gives.take(10, VERSION)
        two.new.kernel.registry.unregister("sessionSup", two.new.sessions)
        done = two.takes.give(VERSION, some)
        assert not done.done()
        two.new.kernel.registry.register("sessionSup", two.new.sessions)
        for then in two.new.pool.when_up:
            then()
        assert done.done()
        assert set(two.new.pool.children) == {str(session.name)}


def test_what_is_no_session_is_refused():
    with Two() as two, pytest.raises(ValueError, match="Expected"):
        two.takes.give(VERSION, Slice((("s", b"\x93\x01"),)))


def test_an_application_that_opens_again_finds_its_session_on_the_other_side():
    with Two() as two:
        key = IdempotentKey("open-1", "f")
        opening = two.old.openings.for_application(
            OpenSession(call="c7", app="ivr", once=key), two.old.clock.wall()
        )
        session = two.old.call("sessionSup", opening.request).address
        two.begin()
        two.switch()
        assert names(two.new)[once_name("open-1")] == session.name

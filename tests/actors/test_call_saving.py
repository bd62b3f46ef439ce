"""A session tells nobody what a crash would take back."""

import pytest
from call_kit import CallKit, frame, route_request

from actors import metrics
from actors.call_messages import (
    CallTold,
    FrameHandled,
    GuardAnswered,
    RerouteAsked,
    RouteAnswered,
    RouteAsked,
    RouteRefused,
    RouteTold,
)
from actors.call_names import call_name
from actors.routing import decide, late_default, late_end
from actors.session_api import (
    AddJourneyStep,
    CloseSession,
    GetSession,
    IdempotentKey,
    KeyReused,
    NotDurable,
    OpenAgain,
    PatchSession,
    Repeated,
    RouteFromIvr,
    SessionOver,
)
from actors.session_data import KEYS_KEPT
from protocols.cti.messages import CallEvent, RerouteRequest, RouteEnd, RouteUsed

KEY = IdempotentKey("k1", "fingerprint")


@pytest.fixture
def kit():
    with CallKit() as kit:
        yield kit


def ask(kit, session, link="link-1", **fields):
    request = route_request(**fields)
    kit.send(session, RouteAsked(request, link, kit.marks(request.reply_ms)))
    kit.settle()
    return request.i


def tell(kit, session, ev="queued", link="link-1", i=None, **fields):
    event = CallEvent(i=i or frame(), call="c1", ev=ev, ts=fields.pop("ts", 1.0), **fields)
    kit.send(session, CallTold(event, link))
    kit.settle()
    return event.i


def begin(kit, session, request):
    """Ask without waiting for the answer."""
    future = kit.loop.run(kit.base.call, session, request, 60.0)
    kit.settle()
    return future


def test_a_new_session_is_saved_before_anybody_is_told_of_it(kit):
    kit.disk.hold()
    session = kit.open()
    asked = begin(kit, session, GetSession())
    assert kit.disk.value("session", str(session.name)) is None
    assert not asked.done()
    kit.disk.release()
    kit.settle()
    assert asked.result().call == "c1"
    assert kit.disk.value("session", str(session.name))[2]["call"] == "c1"


def test_an_answer_leaves_after_the_commit_and_confirms_its_frame(kit):
    session = kit.open()
    kit.disk.hold()
    i = ask(kit, session)
    assert kit.link.take() == []
    kit.disk.release()
    kit.settle()
    [answer] = kit.link.take()
    assert (type(answer), answer.i, answer.message.durable) == (RouteAnswered, i, None)


@pytest.mark.parametrize(
    "request_",
    [
        PatchSession(rev=1, set={"digits": "1"}),
        AddJourneyStep(ev="in", step="menu"),
        RouteFromIvr("sales"),
        CloseSession(),
        GetSession(),
    ],
)
def test_what_is_changed_or_read_of_an_unsaved_session_is_told_after_the_commit(kit, request_):
    session = kit.open()
    kit.disk.hold()
    tell(kit, session)
    asked = begin(kit, session, request_)
    kit.advance(0.1)
    assert not asked.done()
    kit.disk.release()
    kit.settle()
    assert asked.done()


def test_a_session_that_is_saved_is_read_without_a_commit(kit):
    session = kit.open()
    commits = len(kit.disk.commits)
    assert kit.call(session, GetSession()).call == "c1"
    assert len(kit.disk.commits) == commits


def test_a_closed_session_comes_to_the_outbox_in_the_commit_that_closes_it(kit):
    session = kit.open()
    kit.disk.hold()
    closing = begin(kit, session, CloseSession())
    assert not closing.done()
    kit.disk.step()
    kit.settle()
    assert closing.result().state == "closed"
    [(_, stored)] = kit.disk.outbox()
    assert stored["view"]["session"] == str(session.name)
    assert kit.disk.value("session", str(session.name))[0] == "closed"


def test_a_session_that_has_lingered_leaves_nothing_in_the_journal(kit):
    session = kit.open()
    tell(kit, session, "cleared")
    kit.advance(61.0)
    assert kit.disk.value("session", str(session.name)) is None


def test_every_frame_is_confirmed_when_it_is_durable(kit):
    session = kit.open()
    ask(kit, session)
    kit.link.take()
    kit.disk.hold()
    used = RouteUsed(i=frame(), xref="x1", target="7001", reason="ok")
    kit.send(session, RouteTold(used, "link-1"))
    told = tell(kit, session)
    assert kit.link.take() == []
    kit.disk.release()
    kit.settle()
    assert kit.link.take() == [FrameHandled(used.i), FrameHandled(told)]


def test_a_frame_that_is_handed_over_again_changes_nothing_and_is_confirmed_again(kit):
    session = kit.open()
    i = tell(kit, session, "queued", ts=1.0)
    tell(kit, session, "delivered", ts=2.0)
    data = kit.actor(session).data
    kit.link.take()
    tell(kit, session, "cleared", i=i, ts=3.0)
    assert kit.state(session) == "ringing"
    assert kit.actor(session).data is data
    assert kit.link.take() == [FrameHandled(i)]


def test_the_same_number_on_another_link_is_another_frame(kit):
    session, backup = kit.open(), kit.peer("link-2")
    i = tell(kit, session, "queued", ts=1.0)
    tell(kit, session, "delivered", link="link-2", i=i, ts=2.0)
    assert kit.state(session) == "ringing"
    assert backup.take() == [FrameHandled(i)]


def test_a_route_request_that_comes_again_gets_its_decision_or_is_confirmed(kit):
    session = kit.open()
    i = ask(kit, session)
    [first] = kit.link.take()
    assert ask(kit, session, i=i) == i
    [again] = kit.link.take()
    assert again == first
    kit.send(session, RouteTold(RouteEnd(i=frame(), xref="x1", cause="ok"), "link-1"))
    kit.settle()
    kit.link.take()
    ask(kit, session, i=i)
    [over] = kit.link.take()
    assert (over.i, over.message.cause) == (i, "ok")
    assert kit.actor(session).data.dialogues == ()


def test_a_call_that_is_over_before_its_decision_is_given_up_and_stays_so(kit):
    session = kit.open()
    kit.router.cell.suspended = True
    i = ask(kit, session)
    asked = begin(kit, session, RouteFromIvr("sales"))
    gone = tell(kit, session, "abandoned")
    handled, over = kit.link.take()
    assert (handled, over.i) == (FrameHandled(gone), i)
    assert (over.message.xref, over.message.cause) == ("x1", "abandoned")
    assert asked.result() == SessionOver()
    kit.router.cell.suspended = False
    kit.kernel.make_ready(kit.router.cell)
    kit.advance(1.0)
    assert kit.link.take() == []
    assert kit.stored()[0]["view"]["routing"] is kit.actor(session).data.routing is None
    ask(kit, session, i=i)
    assert [answer.cause for answer in kit.answers()] == ["abandoned"]


def test_a_request_that_a_link_sends_anew_before_its_answer_confirms_the_older_frame(kit):
    session = kit.open()
    kit.router.cell.suspended = True
    older, newer = ask(kit, session), ask(kit, session)
    assert kit.link.take() == [FrameHandled(older)]
    kit.router.cell.suspended = False
    kit.kernel.make_ready(kit.router.cell)
    kit.settle()
    assert [(type(one), one.i) for one in kit.link.take()] == [(RouteAnswered, newer)]


def test_the_end_of_a_dialogue_confirms_the_request_that_waits(kit):
    session, backup = kit.open(), kit.peer("link-2")
    kit.router.cell.suspended = True
    own, other = ask(kit, session), ask(kit, session, link="link-2")
    end = RouteEnd(i=frame(), xref="x1", cause="ok")
    kit.send(session, RouteTold(end, "link-1"))
    kit.settle()
    assert kit.link.take() == [FrameHandled(end.i), FrameHandled(own)]
    [told] = backup.take()
    assert (told.i, told.message.cause) == (other, "ok")


def test_a_refused_frame_is_looked_at_anew_when_it_comes_again(kit):
    session = kit.open()
    i = frame()
    rerouted = RerouteRequest(i=i, xref="x1", failed="7001", cause="busy")
    kit.send(session, RerouteAsked(rerouted, "link-1", kit.marks()))
    kit.settle()
    [refusal] = kit.link.take()
    assert (type(refusal), refusal.code, refusal.i) == (RouteRefused, 404, i)
    ask(kit, session)
    kit.link.take()
    kit.send(session, RerouteAsked(rerouted, "link-1", kit.marks()))
    kit.settle()
    assert [answer.target for answer in kit.answers()] == ["7002"]


# The journal is late


def counted():
    return metrics.ANSWERS_NOT_DURABLE._value.get()


def test_the_default_answer_leaves_without_its_promise_where_the_journal_is_late(kit):
    session = kit.open()
    before = counted()
    kit.disk.hold()
    i = ask(kit, session)
    kit.advance(0.249)
    assert kit.link.take() == []
    kit.advance(0.002)
    [answer] = kit.link.take()
    assert (answer.message.durable, answer.reason, answer.i) == (False, "late-default", i)
    assert counted() == before + 1
    kit.disk.release()
    kit.settle()
    assert kit.link.take() == [FrameHandled(i)]
    assert kit.actor(session).data.routing.reason == "late-default"
    ask(kit, session)
    [again] = kit.link.take()
    assert (again.message.durable, again.reason) == (None, "late-default")


def test_a_late_default_has_a_moment_to_be_saved(kit):
    session = kit.open()
    kit.router.cell.suspended = True
    ask(kit, session)
    kit.disk.hold()
    kit.advance(0.251)
    assert kit.link.take() == []
    kit.disk.release()
    kit.settle()
    [answer] = kit.link.take()
    assert (answer.message.durable, answer.reason) == (None, "late-default")


def test_a_late_default_that_is_not_saved_in_that_moment_leaves_before_the_links_own(kit):
    session = kit.open()
    kit.router.cell.suspended = True
    ask(kit, session)
    kit.disk.hold()
    kit.advance(0.256)
    [answer] = kit.link.take()
    assert answer.message.durable is False
    kit.disk.release()
    kit.settle()
    assert [type(one) for one in kit.link.take()] == [FrameHandled]


def test_a_request_is_refused_where_the_journal_is_late_if_that_is_configured():
    with CallKit(on_stall="refuse") as kit:
        session = kit.open()
        kit.disk.hold()
        i = ask(kit, session)
        kit.advance(0.251)
        [refusal] = kit.link.take()
        assert (type(refusal), refusal.code, refusal.i) == (RouteRefused, 503, i)
        kit.disk.release()
        kit.settle()
        assert kit.link.take() == []


@pytest.mark.parametrize("on_stall", ["answer", "refuse"])
def test_nobody_waits_while_commits_fail(on_stall):
    with CallKit(on_stall=on_stall) as kit:
        session = kit.open()
        kit.disk.fail()
        tell(kit, session)
        assert kit.journal.failing
        i = ask(kit, session)
        [told] = kit.link.take()
        if on_stall == "answer":
            assert (told.message.durable, told.reason) == (False, "rp-default")
        else:
            assert (told.code, told.i) == (503, i)
        kit.disk.heal()
        kit.advance(1.0)
        confirmed = {one.i for one in kit.link.take() if type(one) is FrameHandled}
        assert (i in confirmed) is (on_stall == "answer")
        ask(kit, session)
        assert [answer.reason for answer in kit.answers()] == ["rp-default"]


def test_an_application_is_told_too_that_its_routing_is_not_durable(kit):
    session = kit.open()
    kit.disk.hold()
    asked = begin(kit, session, RouteFromIvr("sales", KEY))
    kit.advance(0.251)
    assert (asked.result().durable, asked.result().reason) == (False, "late-default")
    kit.disk.release()
    again = kit.call(session, RouteFromIvr("sales", KEY))
    assert (again.answer.reason, again.answer.durable) == ("late-default", None)


def test_an_application_is_refused_where_the_journal_is_late_if_that_is_configured():
    with CallKit(on_stall="refuse") as kit:
        session = kit.open()
        kit.disk.hold()
        asked = begin(kit, session, RouteFromIvr("sales"))
        kit.advance(0.251)
        assert asked.result() == NotDurable()


def test_nothing_else_is_answered_late_for_a_decision_that_has_been_told(kit):
    session, backup = kit.open(), kit.peer("link-2")
    ask(kit, session)
    assert kit.answers()[0].reason == "rp-default"
    kit.disk.hold()
    tell(kit, session)
    ask(kit, session, link="link-2")
    assert backup.take() == []
    kit.advance(0.251)
    [answer] = kit.answers(backup)
    assert (answer.reason, answer.durable) == ("rp-default", False)


def test_the_guards_answer_takes_the_place_of_a_decision_that_nobody_was_told(kit):
    session, backup = kit.open(), kit.peer("link-2")
    kit.disk.hold()
    ask(kit, session)
    ask(kit, session, link="link-2")
    guards = late_default(kit.table, "sales", "callSession")
    i = frame()
    kit.send(session, GuardAnswered("x1", i, "sales", guards, "link-1"))
    kit.settle()
    kit.disk.release()
    kit.settle()
    assert kit.link.take() == [FrameHandled(i)]
    assert [answer.reason for answer in kit.answers(backup)] == ["late-default"]


def test_a_reroute_that_its_link_has_ended_by_itself_leaves_the_call_where_it_was_sent(kit):
    session = kit.open()
    ask(kit, session)
    kit.settle()
    kit.disk.hold()
    reroute = RerouteRequest(i=frame(), xref="x1", failed="7001", cause="busy")
    kit.send(session, RerouteAsked(reroute, "link-1", kit.marks(None)))
    kit.settle()
    assert kit.actor(session).data.routing.target == "7002"
    ended = late_end("callSession")
    kit.send(session, GuardAnswered("x1", reroute.i, "", ended, "link-1", "7001"))
    kit.settle()
    kit.disk.release()
    kit.settle()
    assert kit.actor(session).data.routing.target == "7001"


@pytest.mark.parametrize("links", [1, 2])
def test_the_guards_answer_corrects_one_that_came_too_late_for_its_only_link(kit, links):
    session = kit.open()
    kit.peer("link-2")
    for link in ("link-1", "link-2")[:links]:
        ask(kit, session, link=link)
    kit.link.take()
    i = frame()
    other = late_default(kit.table, "sales", "callSession")
    kit.send(session, GuardAnswered("x1", i, "sales", other, "link-1"))
    kit.settle()
    assert kit.link.take() == [FrameHandled(i)]
    decision = kit.actor(session).data.dialogues[0][1].decision
    assert decision == (other if links == 1 else decide(kit.table, "sales"))


def test_a_reroute_that_only_its_link_knows_of_is_answered_as_the_link_did(kit):
    session = kit.open()
    ask(kit, session)
    kit.link.take()
    i = frame()
    kit.send(session, GuardAnswered("x1", i, "", late_end("callSession"), "link-1", "7001"))
    kit.settle()
    assert kit.link.take() == [FrameHandled(i)]
    rerouted = RerouteRequest(i=i, xref="x1", failed="7001", cause="busy")
    kit.send(session, RerouteAsked(rerouted, "link-1", kit.marks()))
    kit.settle()
    assert [answer.cause for answer in kit.answers()] == ["timeout"]


def test_a_call_that_is_over_is_sent_nowhere_whoever_asks(kit):
    session, backup = kit.open(), kit.peer("link-2")
    ask(kit, session)
    kit.answers()
    tell(kit, session, "cleared")
    kit.link.take()
    ask(kit, session, xref="x2")
    ask(kit, session, link="link-2", xref="x2")
    rerouted = RerouteRequest(i=frame(), xref="x1", failed="7001", cause="busy")
    kit.send(session, RerouteAsked(rerouted, "link-1", kit.marks()))
    kit.settle()
    assert [answer.cause for answer in kit.answers()] == ["abandoned", "abandoned"]
    assert [answer.cause for answer in kit.answers(backup)] == ["abandoned"]
    ask(kit, session)
    assert [answer.target for answer in kit.answers()] == ["7001"]
    assert kit.stored()[0]["view"]["routing"]["target"] == "7001"


def test_the_other_link_is_told_too_that_a_call_was_over_before_its_decision(kit):
    session, backup = kit.open(), kit.peer("link-2")
    kit.router.cell.suspended = True
    ask(kit, session)
    tell(kit, session, "abandoned")
    ask(kit, session, link="link-2")
    for link in (kit.link, backup):
        assert [answer.cause for answer in kit.answers(link)] == ["abandoned"]


def test_a_reroute_of_a_decision_that_nobody_was_told_comes_too_early(kit):
    session = kit.open()
    kit.disk.hold()
    ask(kit, session)
    rerouted = RerouteRequest(i=frame(), xref="x1", failed="7001", cause="busy")
    kit.send(session, RerouteAsked(rerouted, "link-1", kit.marks()))
    kit.settle()
    kit.disk.release()
    kit.settle()
    answer, refusal = kit.link.take()
    assert (type(answer), refusal.code) == (RouteAnswered, 409)


def test_an_answer_in_time_costs_no_timer_that_fires(kit):
    session = kit.open()
    ask(kit, session)
    kit.answers()
    assert [left.name for left in kit.actor(session).timers_left()] == ["idle", ("abandon", "x1")]


# Ends


def test_what_waited_for_its_commit_is_told_although_the_session_was_killed(kit):
    session = kit.open()
    kit.disk.hold()
    i = ask(kit, session)
    told = tell(kit, session)
    kit.faults.kill(session)
    kit.settle()
    kit.disk.release()
    kit.settle()
    answer, handled = kit.link.take()
    assert (answer.i, answer.message.durable, handled) == (i, None, FrameHandled(told))


def test_frames_that_wait_when_a_session_is_killed_are_applied_by_the_next(kit):
    session = kit.open()
    sent = [CallEvent(i=frame(), call="c1", ev="queued", ts=float(n), seq=n) for n in range(3)]
    for event in sent:
        kit.send(session, CallTold(event, "link-1"))
    kit.faults.kill(session)
    kit.settle()
    assert session.incarnation == 2
    assert kit.actor(session).data.events == 3
    assert kit.link.take() == [FrameHandled(event.i) for event in sent]


def test_a_killed_session_has_its_answered_dialogues_abandoned_when_they_would_have_been(kit):
    session = kit.open()
    ask(kit, session)
    kit.advance(3.0)
    kit.faults.kill(session)
    kit.advance(1.9)
    assert kit.reported("abandoned") == []
    kit.advance(0.2)
    assert len(kit.reported("abandoned", xref="x1")) == 1
    kit.faults.kill(session)
    kit.advance(10.0)
    assert len(kit.reported("abandoned")) == 1


def test_no_session_is_lost_where_more_crash_than_their_supervisor_bears(kit):
    sessions = [kit.open(f"c{number}", ud={"n": number}) for number in range(12)]
    kit.call(sessions[11], AddJourneyStep(ev="in", step="menu"))
    first = kit.sessions.incarnation
    for session in (*sessions, *sessions):
        if kit.sessions.incarnation == first:
            kit.faults.kill(session)
            kit.settle()
    assert kit.sessions.incarnation > first
    views = [
        kit.call(kit.base.whereis(call_name(f"c{number}")), GetSession()) for number in range(12)
    ]
    assert [view.ud for view in views] == [{"n": number} for number in range(12)]
    assert len(views[11].journey) == 1
    assert kit.count.open == 12


# A node that is killed: the next one has what was committed, and nothing else


def next_node(kit, **options):
    return CallKit(writer=kit.disk, **options)


def test_the_next_node_goes_on_with_what_was_committed(kit):
    session = kit.open(ud={"offer": "gold"}, ani="0612345678")
    ask(kit, session)
    tell(kit, session, "established")
    kit.call(session, PatchSession(rev=1, set={"digits": "42"}))
    view = kit.call(session, GetSession())
    kit.disk.hold()
    begin(kit, session, PatchSession(rev=2, set={"digits": "43"}))
    kit.disk.held = False
    with next_node(kit) as after:
        assert after.count.sessions == {view.session}
        again = after.base.whereis(call_name("c1"))
        seen = after.call(again, GetSession())
        assert (seen.digits, seen.rev, seen.state, seen.ud) == ("42", 2, "connected", view.ud)
        assert seen.routing == view.routing
        ask(after, again)
        assert [answer.target for answer in after.answers()] == ["7001"]
        assert after.actor("router").state.decided == {}


def test_a_pending_routing_is_taken_up_by_the_next_node(kit):
    session = kit.open()
    kit.router.cell.suspended = True
    i = ask(kit, session)
    with next_node(kit) as after:
        after.settle()
        [answer] = after.link.take()
        assert (answer.i, answer.reason) == (i, "rp-default")


def test_a_frame_that_was_applied_before_the_crash_is_not_applied_after_it(kit):
    session = kit.open()
    i = tell(kit, session, "queued", ts=1.0)
    with next_node(kit) as after:
        again = after.base.whereis(call_name("c1"))
        tell(after, again, "queued", i=i, ts=9.0)
        assert after.actor(again).data.events == 1
        assert after.link.take() == [FrameHandled(i)]


def test_what_was_not_committed_is_applied_when_its_frame_comes_again(kit):
    session = kit.open()
    kit.disk.hold()
    i = tell(kit, session, "queued")
    assert kit.link.take() == []
    kit.disk.held = False
    with next_node(kit) as after:
        again = after.base.whereis(call_name("c1"))
        assert after.state(again) == "new"
        tell(after, again, "queued", i=i)
        assert (after.state(again), after.link.take()) == ("queued", [FrameHandled(i)])


def test_deadlines_that_are_far_hold_over_the_crash():
    with CallKit(idle_expiry_s=1_000.0, linger_s=50.0) as kit:
        open_, closed = kit.open("c1"), kit.open("c2")
        kit.call(closed, CloseSession())
        kit.advance(30.0)
        disk, clock = kit.disk, kit.clock
        ids = str(open_.name), str(closed.name)
    with CallKit(writer=disk, clock=clock, idle_expiry_s=1_000.0, linger_s=50.0) as after:
        after.advance(19.9)
        assert set(after.pool.children) == set(ids)
        after.advance(0.2)
        assert set(after.pool.children) == {ids[0]}
        after.advance(949.8)
        assert after.state(after.pool.address_of(ids[0])) == "new"
        after.advance(0.2)
        assert after.state(after.pool.address_of(ids[0])) == "closed"


@pytest.mark.parametrize(("idle_expiry_s", "grace_s"), [(100.0, 100.0), (7_200.0, 300.0)])
def test_a_session_that_was_idle_gets_time_to_be_met_again_after_a_crash(idle_expiry_s, grace_s):
    with CallKit(idle_expiry_s=idle_expiry_s) as kit:
        kit.open()
        disk, clock = kit.disk, kit.clock
        kit.settle()
    clock.set_wall(clock.wall() + 86_400.0)  # it was down for a day, or the clock was set
    with CallKit(writer=disk, clock=clock, idle_expiry_s=idle_expiry_s) as after:
        session = after.base.whereis(call_name("c1"))
        after.advance(grace_s - 0.1)
        assert after.state(session) == "new"
        after.advance(0.2)
        assert after.state(session) == "closed"


def test_a_clock_that_was_set_back_keeps_no_session_for_longer_than_its_period():
    with CallKit(idle_expiry_s=1_000.0, linger_s=50.0) as kit:
        closed = kit.open("c2")
        kit.open("c1")
        kit.call(closed, CloseSession())
        disk, clock = kit.disk, kit.clock
        kit.settle()
    clock.set_wall(clock.wall() - 30 * 86_400.0)
    with CallKit(writer=disk, clock=clock, idle_expiry_s=1_000.0, linger_s=50.0) as after:
        after.advance(50.1)
        assert after.base.whereis(call_name("c2")) is None
        session = after.base.whereis(call_name("c1"))
        assert after.state(session) == "new"
        after.advance(950.0)
        assert after.state(session) == "closed"


def test_a_clock_that_is_set_back_while_a_session_lives_keeps_it_for_one_more_period():
    with CallKit(idle_expiry_s=1_000.0) as kit:
        session = kit.open()
        kit.clock.set_wall(kit.clock.wall() - 30 * 86_400.0)
        kit.advance(1_999.0)
        assert kit.state(session) == "new"
        kit.advance(2.0)
        assert kit.state(session) == "closed"


# Keys


def test_a_step_with_a_key_is_noted_once(kit):
    session = kit.open()
    step = AddJourneyStep(ev="in", step="menu", once=KEY)
    first, again = kit.call(session, step), kit.call(session, step)
    assert isinstance(again, Repeated)
    assert (again.detail, len(again.answer.journey), again.answer.rev) == (1, 1, first.rev)


def test_a_key_with_other_content_is_refused_wherever_it_was_used(kit):
    one, other = kit.open("c1"), kit.open("c2")
    kit.call(one, AddJourneyStep(ev="in", step="menu", once=KEY))
    changed = IdempotentKey(KEY.key, "another")
    assert kit.call(one, AddJourneyStep(ev="in", step="menu", once=changed)) == KeyReused()
    assert kit.call(one, CloseSession(once=KEY)) == KeyReused()
    assert kit.call(other, AddJourneyStep(ev="in", step="menu", once=KEY)) == KeyReused()


def test_a_routing_with_a_key_is_decided_once(kit):
    session = kit.open()
    first = kit.call(session, RouteFromIvr("sales", KEY))
    assert kit.call(session, RouteFromIvr("sales", KEY)) == Repeated(first, 0)
    assert kit.actor("router").state.decided == {"rp-default": 1}


def test_a_routing_that_is_asked_again_while_it_waits_is_decided_once(kit):
    session = kit.open()
    kit.router.cell.suspended = True
    first, second = (begin(kit, session, RouteFromIvr("sales", KEY)) for _ in range(2))
    kit.advance(0.25)
    assert first.result() == second.result()


def test_keys_hold_over_kills_and_crashes_and_the_oldest_give_way(kit):
    session = kit.open()
    keys = [IdempotentKey(f"k{number}", "same") for number in range(KEYS_KEPT + 2)]
    for key in keys:
        kit.call(session, AddJourneyStep(ev="in", step="menu", once=key))
    kit.faults.kill(session)
    kit.settle()
    with next_node(kit) as after:
        again = after.base.whereis(call_name("c1"))
        for node, where in ((kit, session), (after, again)):
            answer = node.call(where, AddJourneyStep(ev="in", step="menu", once=keys[2]))
            assert (type(answer), answer.detail) == (Repeated, 3)
            assert node.kernel.registry.whereis(("once", "k1")) is None


def test_who_opens_a_session_that_is_there_is_told_the_same_again(kit):
    session = kit.open()
    assert kit.call(session, OpenAgain(KEY)).call == "c1"
    again = kit.call(session, OpenAgain(KEY))
    assert (type(again), again.detail) == (Repeated, 0)

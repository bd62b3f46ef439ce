import asyncio
import gc

import pytest
from call_kit import CallKit, frame, route_request

from actors.call_messages import (
    CallTold,
    GuardAnswered,
    RerouteAsked,
    RouteAsked,
    RouteRefused,
    RouteTold,
)
from actors.call_names import ani_group, call_name, xref_name
from actors.call_sup import SessionSup, SessionSupArgs
from actors.routing import decide
from actors.session_api import (
    AddJourneyStep,
    CloseSession,
    GetSession,
    PatchSession,
    RevStale,
    RouteFromIvr,
    SessionOver,
    UserDataTooLarge,
)
from protocols.cti.messages import CallEvent, RerouteRequest, RouteEnd, RouteSelect, RouteUsed
from supervision import (
    ChildSpec,
    CycleChild,
    Refused,
    ServerDied,
    Supervisor,
    SupervisorFlags,
    TerminateChild,
)
from supervision.reasons import KILLED, SHUTDOWN


@pytest.fixture
def kit():
    with CallKit() as kit:
        yield kit


def ask(kit, session, link="link-1", **fields):
    request = route_request(**fields)
    kit.send(session, RouteAsked(request, link, kit.marks(request.reply_ms)))


def tell(kit, session, ev, **fields):
    kit.send(session, CallTold(CallEvent(i=frame(), call="c1", ev=ev, ts=1.0, **fields), "link-1"))
    kit.settle()


def test_a_route_request_is_answered_with_the_target_of_its_routing_point(kit):
    session = kit.open()
    ask(kit, session)
    kit.settle()
    [answer] = kit.answers()
    assert isinstance(answer, RouteSelect)
    assert (answer.xref, answer.target, answer.reason) == ("x1", "7001", "rp-default")
    assert answer.session == str(session.name)
    assert answer.alt == ["7002", "7009"]


def test_a_call_has_one_session_whoever_opens_it(kit):
    kit.open()
    opening = kit.openings.for_route(route_request(), kit.clock.wall())
    refused = kit.call("sessionSup", opening.request)
    assert isinstance(refused, Refused)
    assert kit.pool.count() == 1


def test_the_same_xref_gets_the_same_answer_on_both_links(kit):
    session, backup = kit.open(), kit.peer("link-2")
    ask(kit, session)
    ask(kit, session, link="link-2")
    kit.settle()
    [first], [second] = kit.answers(), kit.answers(backup)
    assert first == second
    assert kit.actor("router").state.decided == {"rp-default": 1}


def test_an_xref_that_is_sent_again_after_its_answer_gets_that_answer(kit):
    session = kit.open()
    ask(kit, session)
    kit.settle()
    ask(kit, session)
    kit.settle()
    first, again = kit.answers()
    assert first == again


def test_an_xref_of_another_call_is_refused(kit):
    ask(kit, kit.open("c1"), call="c1", xref="x")
    ask(kit, kit.open("c2"), call="c2", xref="x")
    kit.settle()
    refusal = next(one for one in kit.link.messages if isinstance(one, RouteRefused))
    assert (refusal.code, refusal.field) == (409, "xref")


def test_the_default_answer_leaves_at_250_ms_while_the_router_is_suspended(kit):
    session = kit.open()
    kit.router.cell.suspended = True
    ask(kit, session)
    kit.advance(0.249)
    assert kit.answers() == []
    kit.advance(0.002)
    [answer] = kit.answers()
    assert (answer.target, answer.reason) == ("7001", "late-default")


def test_the_default_answer_leaves_at_four_fifths_of_the_requests_own_time(kit):
    session = kit.open()
    kit.router.cell.suspended = True
    ask(kit, session, reply_ms=100)
    kit.advance(0.079)
    assert kit.answers() == []
    kit.advance(0.002)
    assert [answer.reason for answer in kit.answers()] == ["late-default"]


def test_a_router_that_answers_after_the_default_changes_nothing(kit):
    session = kit.open()
    kit.router.cell.suspended = True
    ask(kit, session)
    kit.advance(0.26)
    kit.router.cell.suspended = False
    kit.kernel.make_ready(kit.router.cell)
    kit.settle()
    assert len(kit.answers()) == 1
    assert kit.actor(session).data.routing.reason == "late-default"


def test_a_router_that_dies_is_asked_again_when_it_is_back(kit):
    session = kit.open()
    kit.router.cell.suspended = True
    ask(kit, session)
    kit.settle()
    kit.faults.kill(kit.router)
    kit.settle()
    kit.advance(0.05)
    assert [answer.reason for answer in kit.answers()] == ["rp-default"]


def test_a_killed_session_comes_back_with_its_context_and_answers(kit):
    session = kit.open(ud={"offer": "gold"}, ani="0612345678")
    tell(kit, session, "queued")
    kit.router.cell.suspended = True
    ask(kit, session)
    kit.settle()
    kit.faults.kill(session)
    kit.settle()
    assert session.incarnation == 2
    assert kit.state(session) == "queued"
    assert kit.actor(session).data.ud == {"offer": "gold"}
    assert list(kit.kernel.registry.members(ani_group("+33612345678"))) == [session]
    kit.router.cell.suspended = False
    kit.kernel.make_ready(kit.router.cell)
    kit.settle()
    assert [answer.reason for answer in kit.answers()] == ["rp-default"]


def test_a_session_that_is_killed_while_it_waits_still_sends_its_default_in_time(kit):
    session = kit.open()
    kit.router.cell.suspended = True
    ask(kit, session)
    kit.advance(0.2)
    kit.faults.kill(session)
    kit.advance(0.051)
    assert [answer.reason for answer in kit.answers()] == ["late-default"]


def reroute(kit, session, failed, link="link-1", **fields):
    message = RerouteRequest(i=frame(), xref="x1", failed=failed, cause="busy", **fields)
    kit.send(session, RerouteAsked(message, link, kit.marks()))
    kit.settle()


@pytest.mark.parametrize("together", [True, False])
def test_the_same_reroute_on_both_links_gets_one_answer(kit, together):
    session, backup = kit.open(), kit.peer("link-2")
    ask(kit, session)
    kit.settle()
    kit.answers()
    kit.router.cell.suspended = together
    reroute(kit, session, "7001")
    reroute(kit, session, "7001", link="link-2")
    kit.router.cell.suspended = False
    kit.kernel.make_ready(kit.router.cell)
    kit.settle()
    assert [one.target for one in kit.answers()] == ["7002"]
    assert [one.target for one in kit.answers(backup)] == ["7002"]


def test_a_slow_router_makes_a_reroute_answer_with_a_target_that_was_not_tried(kit):
    session = kit.open()
    ask(kit, session)
    kit.settle()
    kit.answers()
    kit.router.cell.suspended = True
    reroute(kit, session, "7001")
    kit.advance(0.26)
    [answer] = kit.answers()
    assert (answer.target, answer.reason) == ("7002", "late-default")


def test_a_link_that_joins_with_less_time_is_answered_in_its_own_time(kit):
    session, backup = kit.open(), kit.peer("link-2")
    kit.router.cell.suspended = True
    ask(kit, session)
    ask(kit, session, link="link-2", reply_ms=100)
    kit.advance(0.081)
    assert len(kit.answers(backup)) == len(kit.answers()) == 1


def test_that_no_target_is_left_does_not_change_what_was_routed(kit):
    session = kit.open()
    ask(kit, session)
    kit.settle()
    for failed in ("7001", "7002", "7009"):
        reroute(kit, session, failed)
    assert kit.actor(session).data.routing.target == "7009"


def test_a_reroute_gives_a_target_that_was_not_tried_until_none_is_left(kit):
    session = kit.open()
    ask(kit, session)
    kit.settle()
    targets = [kit.answers()[0].target]
    for failed in ("7001", "7002", "7009"):
        message = RerouteRequest(i=frame(), xref="x1", failed=failed, cause="busy")
        kit.send(session, RerouteAsked(message, "link-1", kit.marks()))
        kit.settle()
        [answer] = kit.answers()
        targets.append(answer.target if isinstance(answer, RouteSelect) else answer.cause)
    assert targets == ["7001", "7002", "7009", "no-agent"]


def test_a_reroute_of_an_unknown_dialogue_is_refused(kit):
    session = kit.open()
    message = RerouteRequest(i=frame(), xref="other", failed="7001", cause="busy")
    kit.send(session, RerouteAsked(message, "link-1", kit.marks()))
    kit.settle()
    [refusal] = kit.link.of_type(RouteRefused)
    assert (refusal.code, refusal.field) == (404, "xref")


def test_the_guards_answer_is_the_decision_from_then_on(kit):
    session = kit.open()
    kit.router.cell.suspended = True
    ask(kit, session)
    kit.settle()
    decision = decide(kit.table, "sales")
    kit.send(session, GuardAnswered("x1", frame(), "sales", decision, "link-1"))
    kit.advance(1.0)
    assert kit.answers() == []
    ask(kit, session)
    kit.settle()
    assert [answer.target for answer in kit.answers()] == ["7001"]


def test_an_answer_of_which_nothing_is_heard_is_reported_but_stays_the_answer(kit):
    session = kit.open()
    ask(kit, session)
    kit.advance(5.1)
    assert len(kit.reported("abandoned", xref="x1")) == 1
    ask(kit, session)
    kit.settle()
    first, again = kit.answers()
    assert first == again


@pytest.mark.parametrize("what", ["used", "event", "reroute"])
def test_a_dialogue_of_which_something_is_heard_is_not_abandoned(kit, what):
    session = kit.open()
    ask(kit, session)
    kit.advance(4.9)
    if what == "used":
        used = RouteUsed(i=frame(), xref="x1", target="7001", reason="ok")
        kit.send(session, RouteTold(used, "link-1"))
    elif what == "event":
        tell(kit, session, "delivered")
    else:
        reroute(kit, session, "7001")
        used = RouteUsed(i=frame(), xref="x1", target="7002", reason="ok")
        kit.send(session, RouteTold(used, "link-1"))
    kit.advance(20.0)
    assert kit.reported("abandoned") == []
    kit.answers()
    reroute(kit, session, "7002" if what == "reroute" else "7001")
    assert kit.answers()[0].target in ("7002", "7009")


def test_a_route_end_ends_the_dialogue_and_tells_the_other_link(kit):
    session, backup = kit.open(), kit.peer("link-2")
    kit.router.cell.suspended = True
    ask(kit, session)
    ask(kit, session, link="link-2")
    kit.settle()
    kit.send(session, RouteTold(RouteEnd(i=frame(), xref="x1", cause="ok"), "link-1"))
    kit.settle()
    assert [one.cause for one in kit.answers(backup)] == ["ok"]
    assert kit.kernel.registry.whereis(xref_name("x1")) is None
    assert kit.actor(session).data.dialogues == ()


def test_the_oldest_answered_dialogue_gives_way_and_a_pending_one_does_not():
    with CallKit(max_dialogues=2) as kit:
        session = kit.open()
        for xref in ("a", "b", "c"):
            ask(kit, session, xref=xref)
            kit.settle()
        assert [xref for xref, _ in kit.actor(session).data.dialogues] == ["b", "c"]
        kit.answers()
        kit.router.cell.suspended = True
        for xref in ("d", "e", "f"):
            ask(kit, session, xref=xref)
            kit.settle()
        [refusal] = kit.link.of_type(RouteRefused)
        assert (refusal.code, refusal.xref) == (429, "f")


def test_call_events_move_the_session_through_the_life_of_the_call(kit):
    session = kit.open()
    seen = []
    for ev in ("queued", "delivered", "established", "held", "retrieved"):
        tell(kit, session, ev)
        seen.append(kit.state(session))
    assert seen == ["queued", "ringing", "connected", "held", "connected"]


def test_a_transferred_call_is_found_by_its_new_id_too(kit):
    session = kit.open()
    tell(kit, session, "transferred", new_call="c9")
    assert kit.kernel.registry.whereis(call_name("c9")) is session
    assert kit.kernel.registry.whereis(call_name("c1")) is session


def test_a_cleared_call_is_stored_lingers_and_ends(kit):
    session = kit.open()
    tell(kit, session, "cleared")
    [stored] = kit.stored()
    assert stored["view"]["state"] == "closed"
    assert kit.call(session, GetSession()).state == "closed"
    kit.advance(59.0)
    assert kit.alive(session)
    kit.advance(1.1)
    assert not kit.alive(session)
    assert kit.pool.count() == 0


def test_a_closed_session_that_is_killed_lingers_no_longer_than_it_would_have(kit):
    session = kit.open()
    tell(kit, session, "cleared")
    kit.advance(50.0)
    kit.faults.kill(session)
    kit.advance(9.9)
    assert kit.state(session) == "closed"
    kit.advance(0.2)
    assert not kit.alive(session)
    assert len(kit.stored()) == 1


def test_the_id_of_a_call_is_free_again_when_its_session_has_lingered(kit):
    first = kit.open()
    tell(kit, first, "cleared")
    assert kit.kernel.registry.whereis(call_name("c1")) is first
    kit.advance(61.0)
    second = kit.open()
    assert kit.kernel.registry.whereis(call_name("c1")) is second


def test_an_event_that_both_links_report_is_applied_once(kit):
    session = kit.open()
    for _ in ("primary", "backup"):
        for number, ev in enumerate(("queued", "delivered", "established")):
            event = CallEvent(i=frame(), call="c1", ev=ev, ts=10.0 + number, seq=number)
            kit.send(session, CallTold(event, "link-1"))
    kit.settle()
    assert kit.state(session) == "connected"


def at(kit, session, ev, ts, **fields):
    event = CallEvent(i=frame(), call=fields.pop("call", "c1"), ev=ev, ts=ts, **fields)
    kit.send(session, CallTold(event, "link-1"))
    kit.settle()
    return kit.state(session)


def test_an_event_that_comes_late_is_noted_and_does_not_move_the_session_back(kit):
    session = kit.open()
    assert at(kit, session, "held", 6.0) == "held"
    for _ in range(2):
        assert at(kit, session, "established", 5.0) == "held"
    view = kit.call(session, GetSession())
    assert view.events == 2
    assert set(view.timings) == {"held", "established"}
    assert at(kit, session, "retrieved", 5.5) == "held"
    assert at(kit, session, "retrieved", 7.0) == "connected"


@pytest.mark.parametrize("ev", ["cleared", "abandoned"])
@pytest.mark.parametrize("before", [1, 30])
def test_the_end_of_a_call_ends_it_whatever_the_clock_of_the_switch_says(kit, ev, before):
    session = kit.open()
    for number in range(before):
        at(kit, session, "delivered", 1000.0 + number)
    assert at(kit, session, "established", 999.0) == "ringing"
    assert at(kit, session, ev, 998.0) == "closed"


def test_a_link_that_tells_a_long_call_once_more_changes_nothing(kit):
    session = kit.open()
    for _ in ("primary", "backup"):
        for number in range(40):
            ev = "held" if number % 2 else "retrieved"
            at(kit, session, ev, 1000.0 + number)
    assert kit.call(session, GetSession()).events == 40
    assert kit.state(session) == "held"


def test_a_transfer_that_is_told_late_gives_the_call_its_id_and_no_older_leg(kit):
    session = kit.open()
    at(kit, session, "transferred", 6.0, new_call="c9")
    assert at(kit, session, "transferred", 5.0, new_call="c8") == "connected"
    assert kit.kernel.registry.whereis(call_name("c8")) is session
    assert at(kit, session, "cleared", 7.0, call="c8") == "connected"
    assert at(kit, session, "cleared", 8.0, call="c9") == "closed"


def test_clearing_the_leg_that_a_transfer_left_behind_does_not_end_the_call(kit):
    session = kit.open()
    tell(kit, session, "established")
    tell(kit, session, "transferred", new_call="c9")
    tell(kit, session, "cleared")
    assert kit.state(session) == "connected"
    kit.send(session, CallTold(CallEvent(i=frame(), call="c9", ev="cleared", ts=3.0), "link-1"))
    kit.settle()
    assert kit.state(session) == "closed"


def test_a_closed_session_takes_no_new_names(kit):
    session = kit.open()
    tell(kit, session, "cleared")
    tell(kit, session, "transferred", new_call="c2")
    assert kit.kernel.registry.whereis(call_name("c2")) is None


def test_the_ids_of_transfers_are_remembered_up_to_a_bound(kit):
    session = kit.open()
    for number in range(40):
        tell(kit, session, "transferred", new_call=f"leg-{number}", seq=number)
    assert kit.actor(session).data.names == tuple(f"leg-{number}" for number in range(24, 40))
    assert kit.kernel.registry.whereis(call_name("leg-0")) is None


def test_timings_tell_when_each_event_came_and_what_routing_took(kit):
    session = kit.open()
    ask(kit, session)
    kit.advance(2.0)
    tell(kit, session, "queued")
    timings = kit.call(session, GetSession()).timings
    steps = {"route.link": 0.0, "route.decide": 0.0}
    assert timings == {"route": 0.0, "queued": 2000.0} | steps


def test_a_patch_that_changes_nothing_keeps_the_revision(kit):
    session = kit.open()
    assert kit.call(session, PatchSession(rev=1, delete=["ud.nope"])).rev == 1


def test_an_idle_session_expires_and_activity_puts_that_off():
    with CallKit(idle_expiry_s=100.0) as kit:
        session = kit.open()
        kit.advance(80.0)
        tell(kit, session, "queued")
        kit.advance(80.0)
        assert kit.state(session) == "queued"
        kit.advance(21.0)
        assert kit.state(session) == "closed"


def test_a_patch_needs_the_current_revision(kit):
    session = kit.open()
    assert kit.call(session, PatchSession(rev=1, set={"digits": "42"})).rev == 2
    stale = kit.call(session, PatchSession(rev=1, set={"digits": "43"}))
    assert stale == RevStale(2)
    assert kit.call(session, GetSession()).digits == "42"


def test_a_patch_sets_and_deletes_user_data_and_nothing_else_changes_the_revision(kit):
    session = kit.open(ud={"a": 1, "b": 2})
    view = kit.call(session, PatchSession(rev=1, set={"ud.c": 3}, delete=["ud.a"]))
    assert (view.ud, view.rev) == ({"b": 2, "c": 3}, 2)
    tell(kit, session, "queued")
    kit.call(session, AddJourneyStep(ev="in", step="menu"))
    assert kit.call(session, GetSession()).rev == 2


def test_user_data_that_icm_would_cut_is_taken_and_flagged(kit):
    ud = {"k" * 33: 1, "long": "v" * 211, "fits": "v" * 210}
    view = kit.call(kit.open(ud=ud), GetSession())
    assert view.ud == ud
    assert sorted(view.not_icm_portable) == sorted(["k" * 33, "long"])


def test_user_data_over_the_limit_is_refused_and_nothing_is_lost():
    with CallKit(max_user_data_bytes=1_024) as kit:
        session = kit.open(ud={"a": "b"})
        answer = kit.call(session, PatchSession(rev=1, set={"ud.big": "x" * 2_000}))
        assert answer == UserDataTooLarge(1_024)
        view = kit.call(session, GetSession())
        assert (view.rev, view.ud) == (1, {"a": "b"})


def test_the_journey_keeps_its_latest_steps():
    with CallKit(max_journey=3) as kit:
        session = kit.open()
        for number in range(5):
            kit.call(session, AddJourneyStep(ev="in", step=f"s{number}"))
        view = kit.call(session, GetSession())
        assert [step.step for step in view.journey] == ["s2", "s3", "s4"]
        assert view.state == "ivr"


def test_an_ivr_application_gets_a_routing_decision_too(kit):
    session = kit.open()
    answer = kit.call(session, RouteFromIvr("sales"))
    assert (answer.target, answer.reason) == ("7001", "rp-default")


def test_an_ivrs_routing_has_the_same_deadline(kit):
    session = kit.open()
    kit.router.cell.suspended = True
    answer = kit.call(session, RouteFromIvr("sales"), timeout=1.0)
    assert answer.reason == "late-default"
    assert kit.clock.elapsed == pytest.approx(0.25)


def test_an_ivr_that_waits_when_the_session_is_killed_is_told_at_once(kit):
    session = kit.open()
    kit.router.cell.suspended = True
    future = kit.loop.run(kit.base.call, session, RouteFromIvr("sales"), 5.0)
    kit.settle()
    kit.faults.kill(session)
    kit.settle()
    assert isinstance(future.exception(), ServerDied)
    assert future.exception().reason == KILLED


def test_a_closed_session_can_be_read_but_not_changed(kit):
    session = kit.open()
    assert kit.call(session, CloseSession()).state == "closed"
    assert kit.call(session, CloseSession()).state == "closed"
    assert kit.call(session, PatchSession(rev=1, set={"digits": "1"})) == SessionOver()
    assert kit.call(session, RouteFromIvr("sales")) == SessionOver()
    assert kit.call(session, GetSession()).state == "closed"


def test_one_bad_session_waits_alone_and_comes_back_with_what_it_was_sent(kit):
    bad, good = kit.open("bad", ud={"offer": "gold"}), kit.open("good")
    supervisor, settled = kit.sessions.incarnation, 0
    for _ in range(40):
        if kit.alive(bad):
            kit.faults.kill(bad)
            settled += 1
            kit.settle()
    assert settled == 6
    event = CallEvent(i=frame(), call="bad", ev="established", ts=1.0)
    kit.send(bad, CallTold(event, "link-1"))
    assert kit.pool.address_of(str(bad.name)) is bad
    assert kit.count.open == 2
    kit.advance(0.25)
    view = kit.call(bad, GetSession())
    assert (view.state, view.ud) == ("connected", {"offer": "gold"})
    assert kit.alive(good)
    assert kit.sessions.incarnation == supervisor


def test_a_call_whose_session_waits_to_be_restarted_gets_no_second_one(kit):
    session = kit.open()
    for _ in range(6):
        kit.faults.kill(session)
        kit.settle()
    opening = kit.openings.for_route(route_request(), kit.clock.wall())
    assert isinstance(kit.call("sessionSup", opening.request), Refused)
    kit.advance(0.25)
    assert kit.pool.count() == 1
    assert kit.reported("name_taken") == []
    assert kit.kernel.registry.whereis(call_name("c1")) is session


def test_a_session_that_always_crashes_costs_the_others_nothing_and_heals(kit):
    bad = kit.open("bad")
    supervisor, crashes = kit.sessions.incarnation, 0
    for _ in range(300):  # half a minute of poison
        kit.send(bad, "poison")
        kit.advance(0.1)
        crashes = kit.pool.children[str(bad.name)].restarts
    assert 10 < crashes < 20
    assert kit.sessions.incarnation == supervisor
    child = kit.pool.children[str(bad.name)]
    for _ in range(400):
        kit.advance(40.0 if child.retry_at is not None else 0.0)
        if kit.alive(bad) and kit.state(bad) == "new" and not bad.cell.mailbox:
            break
    assert kit.call(bad, GetSession()).state == "new"


def test_a_session_that_cannot_go_on_at_first_is_not_lost(kit):
    session = kit.open()
    kit.settle()
    with CallKit(writer=kit.disk) as after:
        [address] = [child.address for child in after.pool.children.values()]
        after.faults.refuse_starts(address.path, times=8)
        after.faults.kill(after.sessions)
        after.settle()
        assert not after.alive(address)
        after.advance(10.0)
        assert after.call(after.base.whereis(call_name("c1")), GetSession()).state == "new"
    assert str(address.name) == str(session.name)


@pytest.mark.parametrize("waits", [False, True])
def test_a_session_that_is_terminated_is_closed_as_failed_and_leaves_no_ghost(kit, waits):
    session = kit.open()
    kit.settle()
    for _ in range(6 if waits else 0):
        kit.faults.kill(session)
        kit.settle()
    assert kit.alive(session) is not waits
    assert kit.call(kit.sessions, TerminateChild(str(session.name))) is True
    kit.settle()
    [stored] = kit.stored()
    assert (stored["why"], stored["view"]["state"]) == ("failed", "closed")
    assert kit.disk.value("session", str(session.name)) is None
    assert kit.count.open == 0
    assert kit.reported("degraded", part="callSession")
    with CallKit(writer=kit.disk) as after:
        assert after.pool.count() == 0


def test_a_session_that_is_told_to_end_in_order_is_closed_as_failed_too(kit):
    session = kit.open()
    kit.loop.run(kit.kernel.exit, session.cell, SHUTDOWN)
    kit.settle()
    assert not kit.alive(session)
    assert [stored["why"] for stored in kit.stored()] == ["failed"]
    assert kit.disk.value("session", str(session.name)) is None


def test_a_closed_session_that_is_terminated_is_stored_once(kit):
    session = kit.open()
    tell(kit, session, "cleared")
    assert kit.call(kit.sessions, TerminateChild(str(session.name))) is True
    kit.settle()
    assert [stored["why"] for stored in kit.stored()] == ["cleared"]
    assert kit.disk.value("session", str(session.name)) is None


def test_the_count_of_open_sessions_follows_calls_not_incarnations(kit):
    first, second = kit.open("c1"), kit.open("c2")
    assert kit.count.open == 2
    kit.faults.kill(first)
    kit.settle()
    assert kit.count.open == 2
    kit.call(second, CloseSession())
    assert kit.count.open == 1
    kit.advance(61.0)
    assert kit.count.open == 1
    kit.stop(kit.sessions)
    assert kit.count.open == 1


def test_a_session_that_ends_leaves_nothing_for_the_garbage_collector(kit):
    def life():
        session = kit.open()
        ask(kit, session)
        tell(kit, session, "established")
        tell(kit, session, "cleared")
        kit.advance(70.0)
        kit.link.take()

    life()
    gc.collect()
    gc.disable()
    try:
        life()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        ours = [one for one in gc.garbage if type(one).__module__.startswith(("actors", "superv"))]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert [type(one).__name__ for one in ours] == []


def test_what_a_session_does_while_its_supervisor_ends_is_not_forgotten(kit, monkeypatch):
    monkeypatch.setattr("supervision.supervisor.actor.SLICE", 1)
    sessions = [kit.open(f"c{number}") for number in range(20)]

    async def close_amid_the_end():
        cycled = kit.base.call(kit.top, CycleChild("sessionSup"), None)
        while sessions[-1].cell is not None:  # noqa: ASYNC110 - the loop goes round, nobody tells
            await asyncio.sleep(0)
        assert sessions[0].cell is not None
        cleared = CallEvent(i=1, call="c0", ev="cleared", ts=1.0)
        kit.kernel.send(sessions[0], CallTold(cleared, "link-1"), None)
        await cycled

    kit.run(close_amid_the_end())
    kit.settle()
    assert kit.call(kit.base.whereis(call_name("c0")), GetSession()).state == "closed"


@pytest.mark.parametrize("how", ["kill", "restart", "kill callSup"])
def test_sessions_go_on_when_their_supervisor_is_restarted(kit, how):
    sessions = [kit.open(f"c{number}", ud={"n": number}) for number in range(3)]
    kit.call(sessions[1], CloseSession())
    if how == "restart":
        kit.call(kit.top, CycleChild("sessionSup"), timeout=None)
    elif how == "kill":
        kit.faults.kill(kit.sessions)
    else:
        kit.faults.kill(kit.top)
        kit.settle()
        kit.start(Restarted, kit, name="callSup")
    kit.settle()
    assert kit.pool.count() == 3
    views = [
        kit.call(kit.base.whereis(call_name(f"c{number}")), GetSession()) for number in range(3)
    ]
    assert [view.ud for view in views] == [{"n": number} for number in range(3)]
    assert [view.state for view in views] == ["new", "closed", "new"]
    kit.advance(61.0)
    assert kit.pool.count() == 2


class Restarted(Supervisor):
    def init(self, kit):
        args = SessionSupArgs(kit.config.supervision, kit.pool, kit.settings)
        return SupervisorFlags(), [ChildSpec("sessionSup", SessionSup, args, type="supervisor")]

"""The loop guard: a call that comes back to a routing point again and again, under any name."""

import pytest
from csta_peer import CstaPeer
from hypothesis import given
from hypothesis import strategies as st
from link_kit import LinkKit
from msgspec import structs
from routing_kit import ruleset
from takeover_kit import Two, ask, kept

from actors import loop_guard, metrics
from actors.config import RoutingConfig
from actors.router_messages import ReplaceRules
from actors.session_api import GetSession, RouteFromIvr, Routing
from actors.session_data import Session
from protocols.csta.routeing import RouteReject, RouteSelect

LIMITS = {"max_routings": 8, "max_rp_routings": 3}


@pytest.fixture
def kit():
    with LinkKit(routing=LIMITS) as kit:
        yield kit


def routes(peer, count, first=0, **fields):
    """Ask for routes of one call, each by another xref; return the answers."""
    answers = []
    for number in range(first, first + count):
        peer.route(xref=f"x{number}", **fields)
        answers += [frame for frame in peer.frames() if frame["t"] == "route.select"]
    assert len(answers) == count
    return answers


def view(kit, answer):
    return kit.call(kit.pool.address_of(answer["session"]), GetSession())


def said(answers):
    return [(answer["target"], answer["reason"]) for answer in answers]


def test_a_call_that_comes_back_with_another_xref_gets_the_default_target_and_is_then_rejected(kit):
    peer = kit.connect()
    answers = routes(peer, 9)
    assert said(answers[:3]) == [("7001", "rp-default")] * 3
    assert said(answers[3:7]) == [(one, "loop") for one in ("7001", "7002", "7009", "7000")]
    assert said(answers[7:]) == [("reject", "loop")] * 2
    assert [answer["rtype"] for answer in answers[3:8]] == [
        *("direct", "direct", "direct", "default", "reject")
    ]


def test_a_loop_is_counted_and_told_in_the_journey_and_in_the_reasons(kit):
    counted = metrics.ROUTE_LOOPS.labels("sales")._value.get()
    answers = routes(kit.connect(), 4)
    seen = view(kit, answers[-1])
    why = "routed 4 times at 'sales': routing.max_rp_routings is 3"
    assert seen.routing.why == (why,)
    [step] = seen.journey
    assert (step.step, step.data) == ("loop", {"rp": "sales", "routings": 4, "why": why})
    assert metrics.ROUTE_LOOPS.labels("sales")._value.get() == counted + 1
    assert kit.kernel.reports.counts["loop"] == 1


def test_a_call_is_bounded_over_all_of_its_routing_points(kit):
    peer = kit.connect()
    for number in range(8):
        assert said(routes(peer, 1, number, rp=f"rp-{number}")) == [("7000", "unknown-rp")]
    answers = routes(peer, 2, 8, rp="rp-8")
    assert said(answers) == [("7000", "loop"), ("reject", "loop")]
    assert view(kit, answers[0]).journey[0].data["why"] == (
        "routed 9 times: routing.max_routings is 8"
    )


def test_the_same_xref_again_from_either_link_is_not_one_more_routing(kit):
    primary, backup = kit.connect(), kit.connect(side="backup")
    for _ in range(4):
        first = routes(primary, 3)
        assert said(first) == said(routes(backup, 3)) == [("7001", "rp-default")] * 3
    for peer in (primary, backup):
        assert said(routes(peer, 1, 3)) == [("7001", "loop")]


def test_a_call_in_a_loop_is_rejected_at_once_where_that_is_configured():
    with LinkKit(routing=LIMITS | {"on_loop": "reject"}) as kit:
        answers = routes(kit.connect(), 5)
        assert said(answers[3:]) == [("reject", "loop")] * 2


def test_a_call_goes_on_to_be_counted_under_the_ids_that_transfers_give_it(kit):
    peer = kit.connect()
    routes(peer, 2)
    peer.event("transferred", new_call="c2")
    assert said(routes(peer, 2, 2, call="c2")) == [("7001", "rp-default"), ("7001", "loop")]


@pytest.mark.parametrize("link", [{"prev_call": "c1"}, {"ucid": "u1"}, {"ucid": "c1"}])
def test_a_call_that_comes_of_another_begins_with_its_count(kit, link):
    peer = kit.connect()
    routes(peer, 2, ucid="u1")
    answers = routes(peer, 2, 2, call="c2", **link)
    assert said(answers) == [("7001", "rp-default"), ("7001", "loop")]
    assert view(kit, answers[0]).call == "c2"


def test_each_call_of_a_chain_knows_of_all_before(kit):
    peer, told = kit.connect(), []
    for number in range(5):
        told += said(routes(peer, 1, number, call=f"c{number}", ucid="u1"))
        peer.event("cleared", call=f"c{number}")
    assert told == [("7001", "rp-default")] * 3 + [("7001", "loop"), ("7002", "loop")]


def test_a_call_that_was_two_knows_of_the_routings_of_both(kit):
    peer = kit.connect()
    routes(peer, 3)
    routes(peer, 1, 3, call="c2")
    peer.event("transferred", new_call="c2")
    assert said(routes(peer, 1, 4, call="c2")) == [("7001", "loop")]


def test_consultations_of_one_call_do_not_count_against_each_other(kit):
    peer = kit.connect()
    routes(peer, 1)
    for number in range(1, 9):
        answers = routes(peer, 1, number, call=f"c-{number}", prev_call="c1", ctype="consult")
        assert said(answers) == [("7001", "rp-default")]


def test_a_call_whose_other_session_is_mute_is_answered_in_time(kit):
    peer = kit.connect()
    [answer] = routes(peer, 1)
    kit.pool.address_of(answer["session"]).cell.suspended = True
    peer.route(xref="x1", call="c2", prev_call="c1")
    kit.advance(0.3)
    [answer] = [frame for frame in peer.frames() if frame["t"] == "route.select"]
    assert (answer["xref"], answer["reason"]) == ("x1", "late-default")


def test_an_application_that_asks_again_and_again_is_counted_too(kit):
    [answer] = routes(kit.connect(), 1)
    session = kit.pool.address_of(answer["session"])
    reasons = [kit.call(session, RouteFromIvr(rp="sales")).reason for _ in range(3)]
    assert reasons == ["rp-default", "rp-default", "loop"]


QUEUE = """
[rp.sales]
queue = "q"
[queue.q]
target = "queue-1"
agents = ["ann"]
[agent.ann]
device = "4711"
"""


@pytest.mark.parametrize(("every_s", "reasons"), [(2.0, {"queued"}), (0.1, {"queued", "loop"})])
def test_a_call_that_waits_may_ask_as_often_as_it_likes_but_not_without_a_pause(every_s, reasons):
    with LinkKit(routing=LIMITS) as kit:
        kit.call("router", ReplaceRules(ruleset(QUEUE)))
        peer = kit.connect()
        peer.send("agent.state", agent="ann", st="busy", ts=1.0)
        told = set()
        for number in range(10):
            told |= {answer["reason"] for answer in routes(peer, 1, number)}
            kit.advance(every_s)
        assert told == reasons


def test_a_call_taken_out_of_a_loop_waits_in_no_queue():
    with LinkKit(routing=LIMITS) as kit:
        kit.call("router", ReplaceRules(ruleset(QUEUE)))
        peer = kit.connect()
        peer.send("agent.state", agent="ann", st="busy", ts=1.0)
        assert said(routes(peer, 4))[-1] == ("7001", "loop")
        assert len(kit.actor(kit.router)._core.floor.lines) == 0


def test_the_count_outlives_kills_of_the_session_and_of_the_node():
    with LinkKit(routing=LIMITS) as kit:
        answers = routes(kit.connect(), 3, ucid="u1")
        kit.faults.kill(kit.pool.address_of(answers[0]["session"]))
        kit.settle()
        disk, clock = kit.disk, kit.clock
    with LinkKit(writer=disk, clock=clock, routing=LIMITS) as kit:
        peer = kit.connect()
        assert said(routes(peer, 1, 3)) == [("7001", "loop")]
        assert said(routes(peer, 1, 4, call="c2", ucid="u1")) == [("7002", "loop")]


def test_the_count_goes_to_the_process_that_takes_over():
    with Two(routing=LIMITS) as two:
        session = two.old.open()
        for number in range(3):
            ask(two.old, session, f"x{number}", ucid="u1")
        two.begin()
        two.switch()
        [(_, data)] = kept(two.new).values()
        assert (data.routings, data.traced) == (("sales", 3), "u1")
        assert two.new.kernel.registry.whereis(("ucid", "u1")) is not None


def test_framing_b_is_guarded_the_same():
    with LinkKit(routing=LIMITS) as kit:
        peer = CstaPeer(kit)
        answers = [peer.ask(str(number), "c1") for number in range(8)]
        assert all(type(answer) is RouteSelect for answer in answers[:7])
        targets = [answer.selected.number for answer in answers[3:7]]
        assert targets == ["7001", "7002", "7009", "7000"]
        assert type(answers[7]) is RouteReject


@pytest.mark.parametrize("link", [{"linkage": "u1"}, {"previous_call": "c1"}])
def test_in_framing_b_a_call_that_comes_of_another_begins_with_its_count(link):
    with LinkKit(routing=LIMITS) as kit:
        peer = CstaPeer(kit)
        for number in range(3):
            peer.ask(str(number), "c1", linkage="u1")
        answer = peer.ask("3", "c2", **link)
        assert (answer.selected.number, answer.reason) == ("7001", "loop")


# The pure part

LIMIT = RoutingConfig(**LIMITS)
ROUTING = Routing(target="7001", rtype="direct", reason="rp-default", ts=1.0, ms=1.0)


@given(st.lists(st.sampled_from(["a", "b", "c", "sales", ""]), min_size=2, max_size=60))
def test_every_routing_is_counted_whatever_the_routing_points_are(points):
    session = Session("s", "c", 1.0, 1.0)
    for rp in points:
        session = loop_guard.counted(session, rp, LIMIT, 1.0)
        session = structs.replace(session, rp=rp, routing=ROUTING)
    counts = dict(loop_guard.pairs(session.routings))
    assert sum(counts.values()) == len(points)
    assert counts == {rp: points.count(rp) for rp in points}
    assert loop_guard.merged(session.routings, session.routings) == session.routings


def test_a_session_keeps_no_more_routing_points_than_it_may_be_routed_at():
    session = Session("s", "c", 1.0, 1.0, rp="rp-0", routings=("rp-0", 1))
    for number in range(1, 100):
        session = loop_guard.counted(session, f"rp-{number}", LIMIT, 1.0)
    counts = dict(loop_guard.pairs(session.routings))
    assert len(counts) <= LIMIT.max_routings + 2
    assert sum(counts.values()) == 100

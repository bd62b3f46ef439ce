"""The router as an actor: the routing core, agents, rules that change, crashes, another version."""

from collections import Counter

import msgspec
import pytest
from call_kit import CallKit, frame, route_request
from hypothesis import given, settings
from hypothesis import strategies as st
from routing_kit import TABLE, ruleset

from actors.call_messages import CallTold, RouteAsked
from actors.router import Decide, Router, RouterCarried
from actors.router_messages import (
    CallOver,
    ExplainRoute,
    ReplaceRules,
    RoutingNot,
    RulesReplaced,
    ShowFloor,
    ShowRouting,
)
from actors.routing_core.agents import AgentEvent
from actors.routing_core.facts import Request
from actors.routing_core.rules_file import RulesInvalid, parse
from actors.routing_desk import RoutingDesk
from actors.rules_shelf import RulesShelf
from protocols.cti.messages import CallEvent
from protocols.numbering import Number
from supervision.testing import Takeover

QUEUES = """
[rp.sales]
queue = "sales"
[queue.sales]
target = "7001"
strategy = "round-robin"
agents = ["ann", "bob", "cyd"]
reserve_s = 5.0
max_wait_s = 1000.0
"""
SHARES = """
[rp.sales]
queue = "sites"
[queue.sites]
strategy = "percentage"
destinations = [{ target = "north", percent = 70 }, { target = "south", percent = 30 }]
"""


@pytest.fixture
def kit():
    with CallKit() as kit:
        yield kit


def rules(kit, text, version=1):
    return kit.call("router", ReplaceRules(ruleset(text, version)))


def agent(kit, name, st="ready"):
    return kit.call("router", AgentEvent(name, st, kit.clock.wall()))


def route(kit, call="c1", rp="sales", **fields):
    return kit.call("router", Request(call=call, rp=rp, **fields))


def shown(kit):
    return kit.call("router", ShowRouting())


def test_a_point_without_rules_is_answered_as_it_always_was(kit):
    before = route(kit)
    rules(kit, '[rp.other]\nqueue = "q"\n[queue.q]\ntarget = "1"\n')
    assert route(kit) == before == kit.call("router", Decide("sales"))
    assert (before.target, before.reason) == ("7001", "rp-default")


def test_an_agent_who_is_ready_gets_the_call_and_the_next_call_waits(kit):
    rules(kit, QUEUES)
    agent(kit, "ann")
    assert (route(kit, "c1").target, route(kit, "c2").reason) == ("ann", "queued")
    assert (shown(kit).waiting, shown(kit).queues[0].ready) == (1, 0)


def test_a_call_that_waits_is_told_its_queue_on_both_links_and_its_priority_counts(kit):
    text = QUEUES.replace('queue = "sales"', 'queue = "sales"\nsend = ["dnis"]', 1)
    rules(kit, text.replace("max_wait_s", "ageing_s = 60.0\nmax_wait_s"))
    agent(kit, "ann", "busy")
    route(kit, "c0")
    session, backup = kit.open(dnis="0800"), kit.peer("link-2")
    for link in ("link-1", "link-2"):
        request = route_request(dnis="0800", prio=9)
        kit.send(session, RouteAsked(request, link, kit.marks()))
    kit.settle()
    [first], [second] = kit.answers(), kit.answers(backup)
    assert first == second
    assert (first.target, first.reason, first.ud) == ("7001", "queued", {"dnis": "0800"})
    assert first.treat == {"queue": "sales", "expected_wait_s": 180.0}
    assert [one.prio for one in kit.call("router", ShowFloor()).waiting] == [0, 9]


def test_an_agent_who_becomes_ready_is_kept_for_the_call_that_waits_not_for_one_that_comes(kit):
    rules(kit, QUEUES)
    agent(kit, "ann", "busy")
    assert route(kit, "c1").reason == "queued"
    agent(kit, "ann")
    assert shown(kit).kept == 1
    assert route(kit, "c2").reason == "queued"
    assert route(kit, "c1").target == "ann"
    assert shown(kit).kept == 0


def test_an_agent_whose_call_does_not_ask_in_time_is_kept_for_the_next_one(kit):
    rules(kit, QUEUES)
    agent(kit, "ann", "busy")
    for call in ("c1", "c2"):
        route(kit, call)
    agent(kit, "ann")
    kit.advance(6.5)
    assert route(kit, "c2").target == "ann"


def test_an_agent_who_was_kept_for_a_call_that_is_over_is_free_at_once(kit):
    rules(kit, QUEUES)
    agent(kit, "ann", "busy")
    route(kit, "c1")
    agent(kit, "ann")
    kit.cast("router", CallOver("c1"))
    kit.settle()
    assert route(kit, "c2").target == "ann"


def test_more_agents_than_may_be_are_refused_by_field_and_rule(kit):
    rules(kit, f"{QUEUES}[limits]\nagents = 1\n")
    assert agent(kit, "ann") is None
    refused = agent(kit, "bob")
    assert isinstance(refused, RoutingNot)
    assert (refused.field, "limits.agents" in refused.rule) == ("agent", True)


def test_a_session_that_closes_takes_its_call_out_of_the_queue(kit):
    rules(kit, QUEUES)
    agent(kit, "ann", "busy")
    session = kit.open()
    request = route_request()
    kit.send(session, RouteAsked(request, "link-1", kit.marks()))
    kit.settle()
    assert [answer.reason for answer in kit.answers()] == ["queued"]
    assert shown(kit).waiting == 1
    told = CallEvent(i=frame(), call="c1", ev="cleared", ts=1.0)
    kit.send(session, CallTold(told, "link-1"))
    kit.settle()
    assert shown(kit).waiting == 0


def test_a_call_that_somebody_talks_with_waits_no_longer(kit):
    rules(kit, QUEUES)
    agent(kit, "ann", "busy")
    session = kit.open()
    kit.send(session, RouteAsked(route_request(), "link-1", kit.marks()))
    told = CallEvent(i=frame(), call="c1", ev="established", ts=1.0)
    kit.send(session, CallTold(told, "link-1"))
    kit.settle()
    assert shown(kit).waiting == 0


def test_rules_of_the_same_version_with_other_contents_are_refused(kit):
    assert isinstance(rules(kit, QUEUES), RulesReplaced)
    refused = rules(kit, SHARES)
    assert (refused.field, "must go up" in refused.rule) == ("version", True)
    assert shown(kit).version.number == 1


def test_rules_that_are_only_tried_change_nothing(kit):
    tried = kit.call("router", ReplaceRules(ruleset(QUEUES), dry=True))
    assert (tried.version.number, shown(kit).version.number) == (1, 0)


def test_an_explanation_reserves_nobody(kit):
    rules(kit, QUEUES)
    agent(kit, "ann")
    asked = ExplainRoute(Request(call="x", rp="sales", ani="0142345678"))
    first, again = kit.call("router", asked), kit.call("router", asked)
    assert first.decision == again.decision
    assert first.decision.target == "ann"
    assert shown(kit).queues[0].ready == 1


def test_an_explanation_of_no_moment_is_refused_by_its_field(kit):
    refused = kit.call("router", ExplainRoute(Request(call="x", rp="sales"), -1.0))
    assert refused.field == "at"


def test_rules_change_while_calls_come_and_no_call_is_left_without_an_answer(kit):
    rules(kit, SHARES)
    sessions = [kit.open(f"c{number}") for number in range(60)]
    for number, session in enumerate(sessions):
        request = route_request(call=f"c{number}", xref=f"x{number}")
        kit.send(session, RouteAsked(request, "link-1", kit.marks()))
        if number % 20 == 10:
            rules(kit, SHARES if number > 30 else QUEUES, 2 + number)
    kit.settle()
    answers = kit.answers()
    assert sorted(answer.xref for answer in answers) == sorted(f"x{n}" for n in range(60))
    assert {answer.reason for answer in answers} <= {"percentage", "queued", "dissuasion"} | {
        "rp-default"
    }


def test_a_router_that_is_killed_goes_on_with_its_agents_its_calls_and_its_rules(kit):
    rules(kit, QUEUES)
    agent(kit, "ann", "busy")
    agent(kit, "bob")
    assert route(kit, "c1").target == "bob"
    assert route(kit, "c2").reason == "queued"
    before = kit.call("router", ShowFloor())
    kit.faults.kill(kit.router)
    kit.settle()
    kit.advance(0.1)
    assert kit.call("router", ShowFloor()) == before
    agent(kit, "ann")
    assert route(kit, "c2").target == "ann"


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(["call", "call", "call", "kill", "rules"]), max_size=60))
def test_shares_are_kept_through_the_actor_whatever_happens_to_it(steps):
    with CallKit() as kit:
        rules(kit, SHARES)
        taken, version = Counter(), 1
        for number, step in enumerate(steps):
            if step == "call":
                taken[route(kit, f"c{number}").target] += 1
            elif step == "rules":
                version += 1
                rules(kit, SHARES, version)
            elif number % 9 == 0:
                kit.faults.kill(kit.router)
                kit.settle()
                kit.advance(6.0)  # the next one is no crash too many for the kit's supervisor
        calls = taken.total()
        assert set(taken) <= {"north", "south"}
        assert abs(taken["north"] - 0.7 * calls) <= 1


def test_calls_are_shared_fairly_among_agents_through_the_actor(kit):
    rules(kit, QUEUES)
    taken = Counter()
    for number in range(300):
        for name in ("ann", "bob", "cyd"):
            agent(kit, name, "busy")
            agent(kit, name)
        taken[route(kit, f"c{number}").target] += 1
    assert max(taken.values()) - min(taken.values()) <= 1


def test_the_floor_and_the_shares_go_on_in_another_version():
    with Takeover() as pair:
        for node in (pair.old, pair.new):
            node.start(Router, RoutingDesk(TABLE), name="router")
            node.call("router", ReplaceRules(ruleset(QUEUES)))
        at = pair.clock.wall()
        pair.old.call("router", AgentEvent("ann", "busy", at))
        pair.old.call("router", AgentEvent("bob", "ready", at))
        assert pair.old.call("router", Request(call="c1", rp="sales")).target == "bob"
        assert pair.old.call("router", Request(call="c2", rp="sales")).reason == "queued"
        before = pair.old.call("router", ShowFloor())
        pair.take_over()
        assert pair.new.call("router", ShowFloor()) == before
        assert pair.new.call("router", ShowRouting()).decided == {"round-robin": 1, "queued": 1}


def test_counts_of_the_version_before_become_a_state_and_counts_again():
    ways = Router.conversions
    state = ways.convert("Router", {"rp-default": 3}, 1, 2)
    assert msgspec.convert(state, RouterCarried) == RouterCarried({"rp-default": 3})
    assert ways.convert("Router", state, 2, 1) == {"rp-default": 3}


def test_a_question_that_waits_is_put_to_the_version_before_as_it_knows_it():
    name, fields = Router.adapters.down["actors.routing_core.facts:Request"](
        Request(call="c", rp="sales", tried=("1",), number=Number("+331", "public"))
    )
    assert (name, Decide(**fields)) == ("actors.router:Decide", Decide("sales", ("1",)))


def text_of(version, text=QUEUES):
    return f"version = {version}\n{text}".encode()


def test_rules_that_were_applied_hold_after_a_restart_until_the_configured_ones_go_beyond(tmp_path):
    configured = tmp_path / "mine.toml"
    configured.write_bytes(text_of(3))
    shelf = RulesShelf(tmp_path / "data" / "routing", configured)
    assert shelf.read()[1] == str(configured)
    kept = shelf.keep(text_of(4, SHARES))
    found, source = RulesShelf(tmp_path / "data" / "routing", configured).read()
    assert (found.version.number, source) == (4, kept)
    assert found == parse(text_of(4, SHARES), "any")
    configured.write_bytes(text_of(5))
    assert shelf.read()[1] == str(configured)


def test_applied_rules_that_cannot_be_used_are_passed_over_and_configured_ones_are_not(tmp_path):
    shelf = RulesShelf(tmp_path)
    shelf.keep(b"version = 1\nnonsense = 1\n")
    assert shelf.read()[1] == ""
    bad = tmp_path / "bad.toml"
    bad.write_bytes(b"version = ")
    with pytest.raises(RulesInvalid):
        RulesShelf(tmp_path / "none", bad).read()


def test_rules_applied_while_the_next_version_started_are_read_by_it(tmp_path):
    with Takeover() as pair:
        desks = [RoutingDesk(TABLE, shelf=RulesShelf(tmp_path)) for _ in range(2)]
        for node, desk in zip((pair.old, pair.new), desks, strict=True):
            node.start(Router, desk, name="router")
        RulesShelf(tmp_path).keep(text_of(7))
        pair.old.call("router", ReplaceRules(parse(text_of(7), "x")))
        pair.take_over()
        assert pair.new.call("router", ShowRouting()).version.number == 7

"""What a CTI is told of a call that waits in a queue when an agent is there for it."""

import pytest
from csta_peer import CstaPeer
from link_kit import LinkKit
from routing_kit import ruleset

from actors.router_messages import AgentFound, ReplaceRules
from actors.session_api import GetSession
from actors.takeover import links_versions
from protocols.csta.deflecting import DeflectCall, DeflectCallResponse
from protocols.csta.errors import CSTAErrorCode
from protocols.csta.link_state import CstaConfig
from protocols.csta.values import ConnectionID, Device, ErrorValue
from protocols.cti.messages import known_caps

RULES = """
[rp.sales]
queue = "q"
[queue.q]
target = "queue-1"
reserve_s = 15.0
agents = ["ann"]
[agent.ann]
device = "4711"
"""
CAPS = ["queue.select"]


@pytest.fixture
def kit():
    with LinkKit() as kit:
        kit.call("router", ReplaceRules(ruleset(RULES)))
        yield kit


def agent(peer, st, ts=1.0, agent="ann"):
    peer.send("agent.state", agent=agent, st=st, ts=ts)


def waiting(kit, caps=CAPS, side="primary", **fields):
    """A peer whose call waits, and what it was answered."""
    peer = kit.connect(side=side, caps=caps)
    agent(peer, "busy")
    peer.route(**fields)
    [answer] = peer.frames()
    assert (answer["target"], answer["reason"]) == ("queue-1", "queued")
    return peer, answer


def selects(peer):
    return [frame for frame in peer.frames() if frame["t"] == "queue.select"]


def test_a_peer_that_wants_to_hears_of_the_agent_for_its_call(kit):
    peer, answer = waiting(kit)
    agent(peer, "ready", 2.0)
    [told] = selects(peer)
    assert told == {
        "t": "queue.select",
        "i": told["i"],
        "xref": "x1",
        "call": "c1",
        "session": answer["session"],
        "rev": answer["rev"],
        "queue": "q",
        "target": "4711",
        "rtype": "direct_agent",
        "reason": "most-idle",
        "for_ms": 15_000,
    }
    routing = kit.call(kit.pool.address_of(answer["session"]), GetSession()).routing
    assert (routing.target, routing.reason) == ("4711", "most-idle")
    assert routing.why == ("agent ann of queue q is kept for this call that has waited",)


def test_the_answer_to_the_xref_stays_what_it_was(kit):
    peer, answer = waiting(kit)
    agent(peer, "ready", 2.0)
    assert selects(peer)
    peer.route()
    [again] = peer.frames()
    assert again["target"] == answer["target"] == "queue-1"


def test_who_asks_for_the_call_by_another_xref_gets_the_agent_too(kit):
    peer, _ = waiting(kit)
    agent(peer, "ready", 2.0)
    [told] = selects(peer)
    kit.advance(2.0)
    peer.frames()
    peer.route(xref="x2")
    [answer] = peer.frames()
    assert (answer["target"], answer["reason"]) == (told["target"], told["reason"])


def test_a_peer_that_did_not_ask_for_it_hears_nothing(kit):
    peer, _ = waiting(kit, caps=["something.else"])
    agent(peer, "ready", 2.0)
    assert peer.frames() == []


def test_a_hello_is_answered_with_what_of_its_caps_is_served(kit):
    peer = kit.connect(hello=False)
    peer.hello(caps=["else", "queue.select", "queue.select"])
    assert peer.frames()[0]["caps"] == ["queue.select"]
    other = kit.connect(hello=False, name="cti-2")
    other.hello(caps=["else"])
    assert "caps" not in other.frames()[0]
    assert known_caps(["x", "queue.select"]) == ("queue.select",)


def test_both_sides_of_a_pair_hear_the_same(kit):
    primary, _ = waiting(kit)
    backup = kit.connect(side="backup", caps=CAPS)
    backup.route()
    backup.frames()
    agent(primary, "ready", 2.0)
    [one], [two] = selects(primary), selects(backup)
    assert {**one, "i": 0} == {**two, "i": 0}


def test_a_peer_that_comes_back_in_time_hears_of_it_and_one_that_is_late_does_not(kit):
    first, _ = waiting(kit)
    second, _ = waiting(kit, xref="x2", call="c2")
    for number, (peer, wait_s) in enumerate(((first, 1.0), (second, 20.0))):
        peer.cut()
        other = kit.connect(name=f"agents-{number}")
        agent(other, "ready", 3.0 + 2 * number)
        kit.advance(wait_s)
        told = [frame for frame in peer.resume(caps=CAPS) if frame["t"] == "queue.select"]
        assert len(told) == (1 if wait_s < 15 else 0)
        agent(other, "busy", 4.0 + 2 * number)


def test_caps_are_those_of_the_hello_that_resumes(kit):
    peer, _ = waiting(kit)
    peer.cut()
    assert "caps" not in peer.resume()[0]
    agent(peer, "ready", 2.0)
    assert selects(peer) == []


def test_nothing_is_told_before_it_is_durable(kit):
    peer, _ = waiting(kit)
    other = kit.connect(name="agents")
    kit.disk.hold()
    agent(other, "ready", 2.0)
    kit.settle()
    assert selects(peer) == []
    kit.loop.run(kit.disk.release)
    kit.settle()
    assert len(selects(peer)) == 1


@pytest.mark.parametrize("ev", ["cleared", "abandoned", "established"])
def test_a_call_that_waits_no_more_is_told_of_nobody(kit, ev):
    peer, _ = waiting(kit)
    peer.event(ev)
    agent(peer, "ready", 3.0)
    kit.settle()
    assert selects(peer) == []


def test_what_comes_too_late_or_of_no_such_queue_changes_nothing(kit):
    peer, answer = waiting(kit)
    session = kit.pool.address_of(answer["session"])
    before = kit.actor(session).data
    kit.send(session, AgentFound("other", "ann", "4711", "most-idle", 15.0))
    kit.settle()
    assert kit.actor(session).data is before
    peer.event("cleared")
    peer.frames()
    kit.send(session, AgentFound("q", "ann", "4711", "most-idle", 15.0))
    kit.settle()
    assert selects(peer) == []


def test_an_agent_who_did_not_take_the_call_is_not_told_again(kit):
    peer, answer = waiting(kit)
    peer.send("reroute.request", xref="x1", failed="4711", cause="noanswer")
    peer.frames()
    session = kit.pool.address_of(answer["session"])
    kit.send(session, AgentFound("q", "ann", "4711", "most-idle", 15.0))
    kit.settle()
    assert selects(peer) == []


def switch(kit, application="switch-a"):
    """A switch in framing B whose call waits, and the session of that."""
    kit.links.csta = CstaConfig(deflect=frozenset({"switch-a"}))
    peer = CstaPeer(kit, application)
    agent(kit.connect(name="agents"), "busy")
    answer = peer.ask()
    assert answer.selected == Device("queue-1")
    return peer, answer.correlator


def test_a_switch_that_takes_it_is_asked_to_deflect_the_call_to_its_agent(kit):
    peer, correlator = switch(kit)
    agent(kit.connect(name="more agents"), "ready", 2.0)
    [(invoke_id, asked)] = peer.heard()
    assert asked == DeflectCall(
        waiting=ConnectionID("c1", "queue-1"),
        destination=Device("4711"),
        correlator=correlator,
        cross_ref="17",
        queue="q",
        reason="most-idle",
        for_ms=15_000,
    )
    link = peer.connection.link
    assert [one.kind for one in link.state.questions.values()] == ["deflect"]
    assert peer.say(DeflectCallResponse(), invoke_id=invoke_id) == []
    assert (link.state.questions, link.state.ignored) == ({}, 0)


def test_a_switch_may_refuse_to_deflect_a_call(kit):
    peer, _ = switch(kit)
    agent(kit.connect(name="more agents"), "ready", 2.0)
    [(invoke_id, _)] = peer.heard()
    refusal = CSTAErrorCode(ErrorValue("operation", "invalidDestination"))
    assert peer.say(refusal, invoke_id=invoke_id) == []
    assert (peer.alive, peer.connection.link.state.questions) == (True, {})


def test_a_switch_that_is_not_configured_so_is_asked_nothing(kit):
    peer, _ = switch(kit, "switch-b")
    agent(kit.connect(name="more agents"), "ready", 2.0)
    assert peer.heard() == []


def test_the_release_before_knows_neither_caps_nor_deflections():
    kinds = {1: {"kind": "deflect"}, 2: {"kind": "status"}}
    rows = [
        {"session": {"id": "l", "caps": ["queue.select"]}, "connection": {"csta": None}},
        {"session": None, "connection": {"csta": {"questions": kinds}}},
        {"session": None, "connection": None},
    ]
    older = links_versions.WAYS.convert("links", {"rows": rows, "closing": []}, have=5, want=4)
    assert older == {
        "rows": [
            {"session": {"id": "l"}, "connection": {"csta": None}},
            {"session": None, "connection": {"csta": {"questions": {2: {"kind": "status"}}}}},
            {"session": None, "connection": None},
        ],
        "closing": [],
    }
    assert links_versions.WAYS.convert("links", older, have=4, want=5) == older

"""Agents as CTIs tell of them: known at once, durable before the frame is acknowledged."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from link_kit import LinkKit
from routing_kit import ruleset

from actors.agent_table import KIND, AgentTable, decode, encode, told
from actors.cti_table import TableLimits
from actors.router_messages import ReplaceRules, ShowFloor
from actors.routing_core.agents import AgentEvent
from actors.takeover.agents import AgentsPart
from protocols.cti.messages import AgentState

STATES = ("login", "ready", "notready", "busy", "wrapup", "logout")


@pytest.fixture
def kit():
    with LinkKit() as kit:
        yield kit


def tell(peer, agent="anna", st="ready", ts=1.0, **fields):
    return peer.send("agent.state", agent=agent, st=st, ts=ts, **fields)


def test_an_agent_is_known_with_what_was_told_of_him_and_the_frame_is_acknowledged(kit):
    peer = kit.connect()
    i = tell(peer, reason="shift", dev="7001", skills={"tax": 80})
    tell(peer, st="busy", ts=2.0)
    kit.advance(0.1)
    anna = kit.links.agents.get("anna")
    assert (anna.st, anna.since, anna.at, anna.cti) == ("busy", 2.0, 2.0, "cti-1")
    assert (anna.reason, anna.dev, anna.skills) == (None, "7001", {"tax": 80})
    assert peer.frames() == []
    assert peer.acked == i + 1


def test_what_both_links_tell_is_known_once_and_what_is_older_changes_nothing(kit):
    primary, backup = kit.connect(), kit.connect(side="backup")
    tell(primary, ts=1.0)
    tell(primary, st="busy", ts=2.0)
    tell(backup, ts=1.0)
    assert kit.links.agents.get("anna").st == "busy"
    tell(backup, st="busy", ts=2.0)
    kit.advance(0.1)
    assert backup.frames() == []
    assert (kit.links.agents.get("anna").since, backup.acked) == (2.0, 2)


def test_the_frame_is_acknowledged_only_when_the_agent_is_durable(kit):
    peer = kit.connect()
    kit.disk.hold()
    tell(peer)
    kit.advance(0.5)
    peer.frames()
    assert peer.acked == 0
    kit.loop.run(kit.disk.release)
    kit.advance(0.5)
    peer.frames()
    assert peer.acked == 1


def test_a_link_that_is_killed_meanwhile_confirms_the_frame_in_its_next_life(kit):
    peer = kit.connect()
    kit.disk.hold()
    tell(peer)
    kit.faults.kill(peer.address)
    kit.loop.run(kit.disk.release)
    kit.advance(1.5)
    peer.frames()
    assert (peer.acked, kit.links.agents.get("anna").st) == (1, "ready")


def test_a_killed_node_knows_its_agents_when_it_is_back(kit):
    peer = kit.connect()
    tell(peer, skills={"tax": 5})
    kit.advance(0.1)
    known = kit.links.agents.known()
    with LinkKit(writer=kit.disk) as later:
        later.links.agents.restore(later.recovered.values.get(KIND, {}).values())
        assert later.links.agents.known() == known


def test_beyond_the_bound_the_one_who_has_logged_out_longest_ago_gives_way():
    with LinkKit(limits=TableLimits(max_agents=2)) as kit:
        peer = kit.connect()
        tell(peer, "anna", "logout", 2.0)
        tell(peer, "bert", "logout", 1.0)
        tell(peer, "cleo")
        assert [one.agent for one in kit.links.agents.known()] == ["anna", "cleo"]
        tell(peer, "dora")
        i = tell(peer, "emil")
        kit.advance(0.1)
        [refused] = peer.frames()
        assert (refused["code"], refused["ref"], refused["field"]) == (429, i, "agent")
        assert refused["msg"] == "cti.max_agents is 2"
        assert len(kit.links.agents) == 2


def test_routing_is_handed_every_agent_at_once_and_every_change_from_then_on(kit):
    peer = kit.connect()
    tell(peer, dev="7001")
    heard = []
    kit.links.agents.hand_to(heard.append)
    tell(peer, st="busy", ts=2.0)
    tell(peer, st="busy", ts=2.0)
    assert heard == [
        AgentEvent("anna", "ready", 1.0, "7001"),
        AgentEvent("anna", "busy", 2.0, "7001"),
    ]


def test_agents_go_to_the_next_process_which_knows_nobody_else(kit):
    tell(kit.connect(), skills={"tax": 5})
    table = AgentTable(kit.journal, 10)
    table.take(AgentState(agent="ghost", st="ready", ts=1.0), "cti-9")
    body = AgentsPart(kit.links.agents).pack(1).body
    AgentsPart(table).unpack(1, body, ())
    assert table.known() == kit.links.agents.known()


states = st.builds(
    AgentState,
    agent=st.just("anna"),
    st=st.sampled_from(STATES),
    ts=st.integers(0, 9).map(float),
    reason=st.none() | st.text(max_size=3),
    dev=st.none() | st.text(min_size=1, max_size=3),
    skills=st.none() | st.dictionaries(st.text(min_size=1, max_size=3), st.integers(0, 100)),
)


@given(st.lists(states, min_size=1, max_size=12))
def test_an_agent_never_goes_back_in_time_and_is_read_as_he_was_written(events):
    agent = None
    for event in events:
        was, agent = agent, told(agent, event, "cti-1")
        assert was is None or agent.at >= was.at
        assert agent.since <= agent.at
        assert told(agent, event, "cti-1") is agent
        assert decode(encode(agent), 1) == agent
    assert agent.at == max(event.ts for event in events)


def test_an_agent_of_another_version_is_not_read():
    with pytest.raises(ValueError, match="version 2 are unknown"):
        decode(b"{}", 2)
    with pytest.raises(msgspec.ValidationError):
        decode(b"{}", 1)


def test_routing_hears_of_agents_from_the_links_also_after_the_router_has_crashed(kit):
    peer = kit.connect()
    kit.desk.agents = kit.links.agents
    tell(peer, "anna", dev="7042")
    kit.faults.kill(kit.router)
    kit.settle()
    tell(peer, "bert", st="busy", ts=2.0)
    rules = '[rp.sales]\nqueue = "q"\n[queue.q]\nagents = ["anna"]\nstrategy = "round-robin"\n'
    kit.call("router", ReplaceRules(ruleset(rules + 'target = "7001"\n', 1)))
    floor = kit.call("router", ShowFloor())
    assert {agent.name: agent.st for agent in floor.agents} == {"anna": "ready", "bert": "busy"}
    peer.send("route.request", xref="x1", call="c1", rp="sales", ts=1.0)
    [select] = [one for one in peer.frames() if one["t"] == "route.select"]
    assert select["target"] == "7042"

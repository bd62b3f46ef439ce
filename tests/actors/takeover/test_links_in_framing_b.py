"""Links in framing B move between nodes, and close where a release without framing B goes on."""

import asyncio
import socket

import pytest
from csta_peer import SwitchB, request
from moving_links import LinkNode, World, move, until
from msgspec import msgpack

from actors.takeover.links import LinksPart
from actors.takeover.links_events import event_of, event_state
from actors.takeover.links_state import LinksState
from actors.takeover.links_versions import WAYS
from actors.takeover.part_states import there_and_back
from protocols.csta.agent_events import AgentReadyEvent
from protocols.csta.application_session import ResetApplicationSessionTimer
from protocols.csta.call_events import HeldEvent
from protocols.csta.events import MonitorStarted, MonitorStopped, StatusTold
from protocols.csta.monitoring import MonitorStart
from protocols.csta.routeing import RouteSelect
from protocols.csta.system_status import SystemStatus
from protocols.csta.values import ConnectionID, Device
from protocols.cti.events import Closed, FramingB, HelloReceived, Received, Refused
from protocols.cti.messages import AgentState, Hello
from supervision.release.versions import Conversions

CALLS = [f"c{number}" for number in range(4)]


@pytest.fixture
def listening():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen(100)
        one.setblocking(False)
        yield one


class Site:
    """Nodes on one loop, and switches."""

    def __init__(self, listening):
        self._listening = listening
        self.world = World()
        self.nodes, self.switches = [], []

    async def node(self, *, waiting=False):
        made = LinkNode(self._listening, self.world, CALLS, waiting=waiting)
        self.nodes.append(made)
        await made.start()
        return made

    async def switch(self, name="switch-a"):
        self.switches.append(SwitchB(self._listening.getsockname(), name))
        return await self.switches[-1].connect()

    async def stop(self):
        for switch in self.switches:
            switch.end()
        for node in self.nodes:
            await node.stop()


def scenario(listening, play):
    async def run():
        site = Site(listening)
        try:
            await play(site)
        finally:
            await site.stop()

    asyncio.run(run())


def held(call, time):
    return HeldEvent(monitor="1", connection=ConnectionID(call, "7001"), time=time)


def ready(agent, time):
    return AgentReadyEvent(monitor="1", device=Device("4711"), agent=agent, time=time)


def test_a_link_goes_on_at_another_node_with_all_that_it_knows(listening):
    async def play(site):
        old, new = await site.node(), await site.node(waiting=True)
        switch = await site.switch()
        assert isinstance(await switch.ask(request("1", "c1")), RouteSelect)
        monitor = await switch.ask(MonitorStart(Device("4711")))
        await switch.ask(SystemStatus("partiallyDisabled"))
        switch.tell(held("c1", 5.0), ready("ann", 5.0))
        await until(lambda: old.table.agents.get("ann") and len(site.world.effects) == 2)
        await until(lambda: not next(iter(old.table.rows.values())).pending)
        await move(old, new)
        switch.tell(held("c1", 5.0), held("c1", 6.0))  # the first is known
        assert await switch.ask(ResetApplicationSessionTimer(switch.session, None)) is not None
        assert isinstance(await switch.ask(request("2", "c2")), RouteSelect)
        [row] = new.table.rows.values()
        link = row.connection.link
        assert (row.lasting, link.lasting, row.id) == (False, False, switch.session)
        assert link.state.monitors == {monitor.monitor: "4711"}
        assert link.state.peer_status == "partiallyDisabled"
        assert link.state.repetitions == 1
        await until(lambda: not row.pending)
        effects = [(i, call) for _, i, call in site.world.effects]
        assert effects == [(1, "c1"), (2, "c1"), (4, "c1"), (5, "c2")]
        assert new.table.journal.kept == {}

    scenario(listening, play)


def test_a_request_and_half_a_message_travel(listening):
    async def play(site):
        old, new = await site.node(), await site.node(waiting=True)
        switch = await site.switch()
        old.answer_s, new.answer_s = 60.0, 0.01
        data = switch._ids.bytes_of(request("2", "c2"))
        switch.tell(request("1", "c1"))
        switch.write(data[:20])
        await until(lambda: any(row.questions.open for row in old.table.rows.values()))
        packed = await old.give(quiet_s=0.05)
        switch.write(data[20:])
        await new.take(packed)
        answers = {(await switch.next()).cross_ref for _ in range(2)}
        assert answers == {"1", "2"}

    scenario(listening, play)


def test_links_move_to_and_fro_under_calls(listening):
    async def play(site):
        node = await site.node()
        switches = [await site.switch(f"switch-{n}") for n in range(3)]
        routed = []

        async def calls(switch):
            for number in range(100):
                await switch.route(str(number), CALLS[number % 4])
                routed.append(number)

        flowing = asyncio.gather(*map(calls, switches))
        for _ in range(4):
            following = await site.node(waiting=True)
            await move(node, following)
            node, before = following, len(routed)
            await until(lambda before=before: flowing.done() or len(routed) > before)
        await flowing
        assert len(node.table.connections) == 3

    scenario(listening, play)


async def going_back(node):
    """What a release of version 2 gets of a node, and the sockets."""
    node.part.hold()
    await until(node.done)
    node.kernel.freeze()
    await node.part.stop()
    return node.part.pack(2)


def test_a_release_without_framing_b_gets_it_closed_and_framing_a_as_it_was(listening):
    async def play(site):
        old = await site.node()
        switch = await site.switch()
        await switch.ask(request("1", "c1"))
        switch.tell(ready("ann", 5.0))
        await until(lambda: old.table.agents.get("ann"))
        packed = await going_back(old)
        state = msgpack.decode(packed.body)
        [row] = state["rows"]
        assert (row["session"], row["pending"], row["questions"]) == (None, [], [])
        assert row["events"][0]["type"] == "closed"
        connection = row["connection"]
        assert "csta" not in connection
        assert (connection["link"]["phase"], connection["link"]["framing"]) == ("closed", "B")
        assert len(packed.descriptors) == 1
        # What that release does with it is what this one does with the same state.
        new = await site.node(waiting=True)
        new.part.unpack(2, packed.body, packed.descriptors)
        await new.switch()
        assert await switch.segment() is None
        await until(lambda: not new.table.rows and not new.table.connections)

    scenario(listening, play)


def test_a_state_of_version_2_is_taken_in_and_nothing_of_it_is_lost(listening):
    async def play(site):
        node = await site.node()
        _, writer = await asyncio.open_connection(*listening.getsockname())
        await until(lambda: node.table.connections)
        body = node.part.copy(2)
        again = there_and_back(node.part, LinksState, 2, body)
        assert again == msgpack.decode(body)
        writer.close()

    scenario(listening, play)


def test_the_versions_lead_both_ways():
    assert LinksPart.version == 5
    assert WAYS.missing(3) == []
    assert isinstance(LinksPart.conversions, Conversions)


def test_every_event_that_is_not_carried_out_yet_travels():
    state = AgentState(agent="ann", st="ready", ts=1.0, i=3)
    hello = Hello(proto=1, name="a", side="primary", token="t")
    events = [
        Received(state, 5.0),
        HelloReceived(hello),
        Refused(400, "a rule", "field", 7),
        FramingB(),
        Closed("peer", "words", None),
        MonitorStarted("4711", "1"),
        MonitorStopped("4711", "1", None),
        StatusTold("normal"),
    ]
    assert [event_of(event_state(event)) for event in events] == events

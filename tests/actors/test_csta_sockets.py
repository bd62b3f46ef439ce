"""Framing B on the node's port, over real sockets and a real journal."""

import asyncio
import socket

import pytest
from csta_peer import EVENT, SwitchB, request
from live_links import LiveCti, LivePath

from protocols.csta import header
from protocols.csta.application_session import ApplicationSessionTerminated, StopApplicationSession
from protocols.csta.call_events import EstablishedEvent, HeldEvent
from protocols.csta.errors import CSTAErrorCode
from protocols.csta.monitoring import MonitorStart
from protocols.csta.routeing import RouteSelect
from protocols.csta.services import encode
from protocols.csta.system_status import RequestSystemStatus, RequestSystemStatusResponse
from protocols.csta.values import ConnectionID, Device
from protocols.csta.xml import CSTA

CALLS = 30
BOMB = b"""<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<RouteRequest xmlns="http://www.ecma-international.org/standards/ecma-323/csta/ed4">
<crossRefIdentifier>&b;</crossRefIdentifier></RouteRequest>"""
EXTERNAL = b"""<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<RouteRequest xmlns="http://www.ecma-international.org/standards/ecma-323/csta/ed4">
<crossRefIdentifier>&x;</crossRefIdentifier></RouteRequest>"""
DEEP = b"<a>" * 17 + b"</a>" * 17


@pytest.fixture
def listening():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen(100)
        one.setblocking(False)
        yield one


class Site:
    """A call path and the peers that have called it."""

    def __init__(self, node, path, address):
        self.node, self.path, self._address = node, path, address
        self.peers = []

    async def switch(self, name="switch-a", **options):
        self.peers.append(SwitchB(self._address, name))
        return await self.peers[-1].connect(**options)

    def cti(self, name):
        return LiveCti(self._address, name)


@pytest.fixture
def on_site(on_node, tmp_path, listening):
    def run(play):
        async def whole(node):
            path = LivePath(node, tmp_path, listening, resume_s=30.0)
            await path.start()
            site = Site(node, path, listening.getsockname())
            try:
                await play(site)
            finally:
                for peer in site.peers:
                    peer.end()
                await path.stop()

        on_node(whole)

    return run


def event(kind, call, time):
    return kind(monitor="1", connection=ConnectionID(call, "7001"), time=time)


def test_a_call_is_routed_rings_and_is_held(on_site):
    async def play(site):
        switch = await site.switch()
        answer = await switch.route("17", "c1", calling=Device("0612345678"))
        assert answer.selected == Device("7001")
        switch.tell(event(EstablishedEvent, "c1", 1.0))
        await site.node.until(lambda: site.path.state_of("c1") == "connected")
        switch.tell(event(HeldEvent, "c1", 2.0), event(HeldEvent, "c1", 2.0))
        await site.node.until(lambda: site.path.state_of("c1") == "held")
        [row] = site.path.links.rows.values()
        assert row.connection.link.state.repetitions == 1

    on_site(play)


def test_both_framings_are_served_on_one_port_at_once(on_site):
    async def play(site):
        switches = [await site.switch(f"switch-{n}") for n in range(3)]
        cti = site.cti("cti-1")
        await cti.ready()
        try:
            for number in range(CALLS):
                cti.send("route.request", xref=f"x{number}", call=f"a{number}", rp="sales", ts=1.0)
                for at, switch in enumerate(switches):
                    await switch.route(str(number), f"b{at}-{number}")
            await site.node.until(lambda: len(cti.answers) == CALLS)
            assert cti.connections == 1
            assert {row.connection.link.lasting for row in site.path.links.rows.values()} == {
                True,
                False,
            }
        finally:
            await cti.end()

    on_site(play)


def test_messages_may_come_byte_by_byte_or_many_at_once(on_site):
    async def play(site):
        switch = await site.switch()
        for byte in switch._ids.bytes_of(request("1", "c1")):
            switch.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await switch.next()).cross_ref == "1"
        switch.tell(*(request(str(number), f"c{number}") for number in range(2, 50)))
        answers = [await switch.next() for _ in range(2, 50)]
        assert {answer.cross_ref for answer in answers} == {str(n) for n in range(2, 50)}

    on_site(play)


def test_a_message_of_65535_bytes_is_served(on_site):
    async def play(site):
        switch = await site.switch()
        document = encode(request("17", "c1"), "ed4")
        end, room = document.rindex(b"</"), 65_535 - header.HEADER_BYTES - len(document)
        whole = document[:end] + b"<!--" + b"x" * (room - 7) + b"-->" + document[end:]
        data = header.encode(7, whole)
        assert len(data) == 65_535
        switch.write(data)
        assert isinstance(await switch.next(), RouteSelect)

    on_site(play)


def test_the_invoke_id_of_events_is_not_for_requests(on_site):
    async def play(site):
        switch = await site.switch()
        switch.tell(request("17", "c1"), invoke_id=EVENT)
        invoke_id, refused = await switch.segment()
        assert (invoke_id, refused.error.value) == (EVENT, "invalidParameterValue")
        switch.tell(event(EstablishedEvent, "none", 1.0))  # about no call: no answer to an event
        assert await switch.ask(RequestSystemStatus(), 12) == RequestSystemStatusResponse("normal")

    on_site(play)


@pytest.mark.parametrize(
    "data",
    [
        header.encode(1, b"<not"),
        header.encode(1, b""),
        header.encode(1, BOMB),
        header.encode(1, EXTERNAL),
        header.encode(1, DEEP),
        header.encode(1, b"<?xml version='1.0' encoding='utf-16'?><a/>"),
        b"\x00\x00\x00\x070001",
        b"\x00\x01\x00\x0f0001<x/>",
        b"\x00\x00\x00\x1000a1",
    ],
    ids=["xml", "empty", "bomb", "file", "deep", "encoding", "length", "soap", "digits"],
)
def test_what_breaks_the_rules_of_messages_closes_that_link_alone(on_site, data):
    async def play(site):
        good, bad = await site.switch(), await site.switch("switch-b")
        bad.write(data)
        told = await bad.next()
        assert isinstance(told, CSTAErrorCode | ApplicationSessionTerminated)
        while told is not None:
            told = await bad.next()
        assert (await good.route("17", "c1")).selected == Device("7001")
        await site.node.until(lambda: len(site.path.links.rows) == 1)

    on_site(play)


def test_elements_that_vigie_does_not_know_are_passed_over(on_site):
    async def play(site):
        switch = await site.switch()
        document = encode(request("17", "c1"), "ed4")
        end = document.rindex(b"</")
        more = b'<futureThing kind="7"><deep><er/></deep></futureThing>'
        switch.write(header.encode(3, document[:end] + more + document[end:]))
        assert isinstance(await switch.next(), RouteSelect)
        switch.write(header.encode(4, f'<Sing xmlns="{CSTA}ed4"/>'.encode()))
        invoke_id, refused = await switch.segment()
        assert (invoke_id, refused.error.value) == (4, "serviceNotSupported")

    on_site(play)


def test_a_peer_that_breaks_a_rule_of_a_service_is_told_and_served_on(on_site):
    async def play(site):
        switch = await site.switch()
        switch.write(header.encode(3, f'<RouteRequest xmlns="{CSTA}ed4"/>'.encode()))
        invoke_id, refused = await switch.segment()
        assert (invoke_id, refused.error.value) == (3, "atLeastOneConditionalParameterNotProvided")
        assert (await switch.route("17", "c1")).selected == Device("7001")

    on_site(play)


def test_who_comes_again_begins_anew_and_gets_the_same_decision(on_site):
    async def play(site):
        first = await site.switch()
        answer = await first.route("17", "c1")
        assert await first.ask(StopApplicationSession(first.session)) is not None
        again = await site.switch()
        assert again.session != first.session
        assert await again.route("17", "c1") == answer
        assert await again.ask(MonitorStart(Device("4711"))) is not None
        assert site.path.links.sessions == 1

    on_site(play)


def test_a_link_that_is_killed_under_calls_keeps_its_connection(on_site):
    async def play(site):
        switch = await site.switch()
        for number in range(CALLS):
            if number % 10 == 5:
                [row] = site.path.links.rows.values()
                site.path.kill(row.owner)
            assert (await switch.route(str(number), f"c{number}")).selected == Device("7001")
        assert site.path.links.counts.accepted == 1

    on_site(play)

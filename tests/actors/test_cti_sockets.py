"""Real connections under traffic, while what serves them is killed and the network cuts them."""

import asyncio
import random
import socket

import pytest
from live_links import LiveCti, LivePath

CALLS = 60
EVENTS = ("delivered", "established")
CUTS = 12


@pytest.fixture
def listening():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen(100)
        one.setblocking(False)
        yield one


async def traffic(cti, calls=range(CALLS), pause_s=0.004):
    """Calls that are routed, ring and are answered."""
    for number in calls:
        call = f"c{number}"
        cti.send("route.request", xref=f"x{number}", call=call, rp="sales", ts=1.0)
        await asyncio.sleep(pause_s)
        for seq, ev in enumerate(EVENTS):
            cti.send("call.event", call=call, ev=ev, ts=2.0 + seq, seq=seq)


async def further(node, cti, frames):
    """Wait until so many more frames have been sent, or all of them."""
    wanted = min(cti.sent + frames, CALLS * (1 + len(EVENTS)))
    await node.until(lambda: cti.sent >= wanted)


async def settled(path, cti):
    """Wait until all is acknowledged, and check that the calls are what they were told."""
    await path.node.until(lambda: len(cti.acked) + len(cti.errors) >= cti.sent)
    assert cti.errors == []
    wrong = {
        f"c{number}": path.state_of(f"c{number}")
        for number in range(CALLS)
        if path.state_of(f"c{number}") != "connected"
    }
    assert wrong == {}
    assert all(len(targets) == 1 for targets in cti.answers.values())


def scenario(on_node, tmp_path, listening, disturb, *, connections):
    """Traffic, and what disturbs it; the connections that it took the peer."""

    async def play(node):
        path = LivePath(node, tmp_path, listening, resume_s=30.0)
        await path.start()
        cti = LiveCti(listening.getsockname())
        try:
            await cti.ready()
            disturbing = asyncio.ensure_future(disturb(node, path, cti))
            await traffic(cti)
            await disturbing
            await settled(path, cti)
            assert connections(cti.connections), cti.closings
        finally:
            await over(path, cti)

    on_node(play)


async def over(path, cti):
    await cti.end()
    await path.stop()


def test_nothing_but_a_pause_is_noticed_of_links_that_are_killed(on_node, tmp_path, listening):
    async def disturb(node, path, cti):
        for _ in range(12):
            await further(node, cti, 8)
            for row in list(path.links.rows.values()):
                if row.owner is not None and row.owner.cell is not None:
                    node.kill(row.owner)

    scenario(on_node, tmp_path, listening, disturb, connections=lambda made: made == 1)


@pytest.mark.parametrize(
    "who", ["ctiListener", "ctiSup", "sessionSup", "router", "contextStore", "callSup"]
)
def test_nothing_but_a_pause_is_noticed_of_the_others(on_node, tmp_path, listening, who):
    async def disturb(node, path, cti):
        for _ in range(6):
            await further(node, cti, 16)
            path.kill(who)

    scenario(on_node, tmp_path, listening, disturb, connections=lambda made: made == 1)


def test_a_peer_that_is_cut_off_again_and_again_loses_nothing(on_node, tmp_path, listening):
    async def disturb(node, path, cti):
        for _ in range(CUTS):
            await further(node, cti, 8)
            await cti.ready()
            cti.cut()

    scenario(on_node, tmp_path, listening, disturb, connections=lambda made: made >= CUTS)


def test_connections_that_break_within_a_frame_lose_nothing(on_node, tmp_path, listening):
    dice = random.Random(4)

    async def disturb(node, path, cti):
        for _ in range(CUTS):
            await further(node, cti, 8)
            await cti.ready()
            data = b"\x00\x00\x01\x00\x81" + dice.randbytes(dice.randrange(0, 20))
            cti.writer.write(data[: dice.randrange(1, len(data))])
            await asyncio.sleep(0)
            cti.cut()

    scenario(on_node, tmp_path, listening, disturb, connections=lambda made: made >= CUTS)


def test_a_half_open_connection_gives_way(on_node, tmp_path, listening):
    async def disturb(node, path, cti):
        await further(node, cti, 30)
        cti.vanish()
        await further(node, cti, 30)
        assert len(path.links.connections) == 1

    scenario(on_node, tmp_path, listening, disturb, connections=lambda made: made == 2)


def test_a_link_goes_on_in_the_next_node(on_node, tmp_path, listening):
    async def play(node):
        path = LivePath(node, tmp_path, listening)
        await path.start()
        cti = LiveCti(listening.getsockname())
        try:
            await cti.ready()
            await traffic(cti, range(CALLS // 2), 0.002)
            await path.stop()
            path = LivePath(node, tmp_path, listening)
            await path.start()
            await traffic(cti, range(CALLS // 2, CALLS), 0.002)
            await settled(path, cti)
            assert path.links.counts.resumed == 1
        finally:
            await over(path, cti)

    on_node(play)

"""The parts of scripts/soak: plan, proxy, choice of victims, ledgers, verdict."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from soak_parts import verdict
from soak_parts.ivr_ledger import IvrSession, contradictions, doubled_steps
from soak_parts.plan import Blow, Pace, draw_plan
from soak_parts.proxy import ChaosProxy
from soak_parts.targets import Choice, actors_of, kind_of, pools_of

# The plan


def test_the_same_seed_gives_the_same_plan_and_another_one_another():
    plan = draw_plan(60, 7, Pace())
    assert plan == draw_plan(60, 7, Pace())
    assert plan != draw_plan(60, 8, Pace())


def test_blows_fall_in_order_within_the_run_as_often_as_their_pace_says():
    plan = draw_plan(600, 1, Pace())
    assert plan == sorted(plan, key=lambda blow: blow.at)
    assert 0 <= plan[0].at <= plan[-1].at < 600
    counts = {
        kind: sum(blow.kind == kind for blow in plan) for kind in {blow.kind for blow in plan}
    }
    assert (counts["node"], counts["postgres"]) == (20, 12)
    assert 700 < counts["actor"] < 1_000
    assert counts.keys() >= {"link cut", "link half-open", "http cut", "backend"}


def test_the_node_dies_once_in_each_of_its_periods_and_in_the_shortest_run():
    times = [blow.at for blow in draw_plan(90, 3, Pace(node=30)) if blow.kind == "node"]
    assert [int(at // 30) for at in times] == [0, 1, 2]
    assert [blow.kind for blow in draw_plan(5, 3, Pace())].count("node") == 1


# Victims

TREE = {
    "path": "node",
    "children": [
        {
            "path": "node/odbcServer",
            "children": [
                {"path": "node/odbcServer/odbcConnection-1"},
                {"path": "node/odbcServer/odbcConnection-2"},
            ],
        },
        {"path": "node/sessionSup", "pool": {"count": 2}},
        {"path": "node/emptySup", "pool": {"count": 0}},
    ],
}


def test_all_of_the_tree_but_its_root_may_be_struck():
    assert actors_of(TREE) == [
        "node/odbcServer",
        "node/odbcServer/odbcConnection-1",
        "node/odbcServer/odbcConnection-2",
        "node/sessionSup",
        "node/emptySup",
    ]
    assert pools_of(TREE) == ["node/sessionSup"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("node/odbcServer/odbcConnection-1", "node/odbcServer/odbcConnection"),
        ("node/callSup/router", "node/callSup/router"),
        ("node/sessionSup/2f9a", "node/sessionSup/*"),
        ("node/ctiSup/ctiLink-3af0", "node/ctiSup/ctiLink"),
        ("node", "node"),
    ],
)
def test_actors_of_a_kind_share_its_name(path, kind):
    assert kind_of(path, ["node/sessionSup"]) == kind


def test_the_kinds_that_were_struck_least_come_next_until_none_is_spared():
    choice, paths = Choice(), [*actors_of(TREE), "node/sessionSup/a1", "node/sessionSup/a2"]
    pools = pools_of(TREE)
    for number in range(5):
        path = choice.choose(paths, pools, number / 5, number / 5)
        assert path in paths
        choice.struck(path, pools)
    assert choice.spared == []
    assert set(choice.seen.values()) == {1}


def test_a_tree_without_actors_has_no_victim():
    with pytest.raises(ValueError, match="no actor"):
        Choice().choose([], [], 0.5, 0.5)


# The proxy


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


@contextlib.asynccontextmanager
async def proxied():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    proxy = ChaosProxy("127.0.0.1", server.sockets[0].getsockname()[1])
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
        server.close()


async def connected(proxy):
    return await asyncio.open_connection("127.0.0.1", proxy.port)


def play(scenario):
    async def bounded():
        async with asyncio.timeout(20):
            await scenario()

    asyncio.run(bounded())


def test_bytes_pass_in_both_directions_until_one_end_ends():
    async def scenario():
        async with proxied() as proxy:
            reader, writer = await connected(proxy)
            writer.write(b"x" * 100_000)
            assert await reader.readexactly(100_000) == b"x" * 100_000
            assert (proxy.counts.made, proxy.passing) == (1, 1)
            writer.write_eof()
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()

    play(scenario)


@pytest.mark.parametrize("up", [True, False])
def test_a_cut_passes_so_many_bytes_and_no_more(up):
    async def scenario():
        async with proxied() as proxy:
            reader, writer = await connected(proxy)
            writer.write(b"12345")
            await reader.readexactly(5)
            assert proxy.cut(0.5, 3, up=up)
            writer.write(b"67890")
            came = b""
            with contextlib.suppress(ConnectionResetError):
                while data := await reader.read(100):
                    came += data
            assert b"678".startswith(came)
            assert proxy.counts.cut == 1
            writer.close()

    play(scenario)


@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_a_half_open_connection_passes_nothing_and_ends_for_nobody(direction):
    async def scenario():
        async with proxied() as proxy:
            reader, writer = await connected(proxy)
            writer.write(b"1")
            await reader.readexactly(1)
            assert proxy.half_open(0.0, direction)
            assert proxy.passing == 0
            writer.write(b"2")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await reader.read(1)
            assert not proxy.cut(0.0, 0, up=True)
            writer.close()

    play(scenario)


def test_without_a_connection_there_is_nothing_to_strike():
    async def scenario():
        async with proxied() as proxy:
            assert not proxy.cut(0.9, 10, up=True)
            assert not proxy.half_open(0.9, "both")

    play(scenario)


def test_a_server_that_is_away_resets_who_connects():
    async def scenario():
        async with proxied() as proxy:
            gone = ChaosProxy("127.0.0.1", proxy.port)
            await proxy.close()
            await gone.start()
            reader, writer = await connected(gone)
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            assert gone.counts.refused == 1
            writer.close()
            await gone.close()

    play(scenario)


# Ledgers and verdict

VIEW = {
    "session": "5" * 20,
    "rev": 2,
    "ud": {"a": "1"},
    "journey": [{"step": "s1"}, {"step": "s2"}],
    "routing": {"target": "7001"},
    "state": "closed",
}


def known(**changes):
    fields = {"session": "5" * 20, "rev": 2, "ud": {"a": "1"}, "steps": ["s1", "s2"]}
    return IvrSession(call="c", **(fields | {"target": "7001", "closed": True} | changes))


def test_a_session_that_is_as_it_was_answered_is_no_contradiction():
    assert list(contradictions(known(), VIEW, ended=True)) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"rev": 3}, "rev"),
        ({"ud": {}}, "ud"),
        ({"steps": ["s1"]}, "journey"),
        ({"target": "7002"}, "target"),
        ({"closed": False}, "closed"),
        ({"session": "6" * 20}, "session"),
    ],
)
def test_what_differs_from_what_was_answered_is_named(change, what):
    [found] = contradictions(known(**change), VIEW, ended=True)
    assert (found.call, found.what) == ("c", what)


def test_a_session_that_is_gone_is_a_contradiction():
    [found] = contradictions(known(), None)
    assert found.what == "session"


def test_a_step_that_is_there_twice_is_found():
    twice = VIEW | {"call": "c", "journey": [{"step": "s1"}, {"step": "s1"}]}
    assert doubled_steps([VIEW | {"call": "d"}, twice]) == ["c"]


def test_a_verdict_shows_what_was_kept_and_examples_of_what_was_not():
    good = verdict.none_of("nothing is lost", [])
    bad = verdict.none_of("nothing is doubled", [Blow(1.0, "node", 0.5, 0.5)] * 30)
    assert verdict.kept([good])
    assert not verdict.kept([good, bad])
    lines = verdict.lines([good, bad], {"seed": 1})
    assert lines[0].startswith("kept   nothing is lost")
    assert lines[1] == "BROKEN nothing is doubled: 30"
    assert len(lines) == 2 + verdict.SHOWN + 1
    assert verdict.equal("rest", 1, 1).kept

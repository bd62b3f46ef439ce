"""A takeover between two nodes of one process: what travels, what is refused, what is undone."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from passing_kit import Echoes, Notes, Shelf, open_descriptors

from supervision.eventloop.base import EventLoopBase
from supervision.release.giving import Giver
from supervision.release.records import TakeoverLimits
from supervision.release.taking import Taker
from supervision.release.wire import TakeoverFailed, TakeoverRefused

SECRET = "a secret"
PATIENCE_S = 20.0


def run(coroutine: Any) -> Any:
    async def whole() -> Any:
        try:
            return await asyncio.wait_for(coroutine, PATIENCE_S)
        finally:
            await ended()

    return asyncio.run(whole())


def kernel() -> Any:
    return EventLoopBase(None, False, loop=asyncio.get_running_loop()).kernel


def items(count: int) -> dict[str, bytes]:
    return {f"item-{n}": b"%d" % n for n in range(count)}


MADE: list[Any] = []


async def ended() -> None:
    for one in reversed(MADE):
        if isinstance(one, Taker):
            one.close()
        else:
            await one.resume()
    MADE.clear()


async def meet(
    tmp_path: Path,
    old: list[Any],
    new: list[Any],
    *,
    secret: str = SECRET,
    limits: TakeoverLimits | None = None,
    **more: Any,
) -> tuple[Giver, Taker]:
    giver = Giver(kernel(), old, release="1", limits=limits)
    taker = Taker(kernel(), new, release="2", limits=limits, **more)
    MADE.extend([giver, taker])
    path = await giver.listen(tmp_path, SECRET)
    await taker.connect(path, secret)
    return giver, taker


async def freeze(giver: Giver, taker: Taker) -> tuple[Any, Any]:
    await taker.copied()
    await giver.copied()
    frozen, prepared = await asyncio.gather(giver.freeze(), taker.prepared())
    return frozen, prepared


def test_states_and_sockets_travel_and_the_new_node_alone_answers(tmp_path: Path) -> None:
    async def story() -> None:
        near, far = socket.socketpair()
        old = [Shelf(items(1_000)), Notes("all of it"), Echoes("old", [far])]
        new = [Shelf(), Notes(), Echoes("new")]
        old[2].read()
        giver, taker = await meet(tmp_path, old, new)
        frozen, prepared = await freeze(giver, taker)
        assert frozen.counts == prepared.counts == {"shelf": 1_000}
        assert frozen.crc == prepared.crc != 0
        near.send(b"hello\n")
        switched = await taker.switch()
        near.setblocking(False)
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(near, 100) == b"new:hello\n"
        assert new[0].items == old[0].items
        assert new[1].text == "all of it"
        assert switched.counts == {"shelf": 1_000}
        assert switched.more == {"notes": {"length": 9}}
        new[2].hold()
        await ended()
        old[2].hold()
        for one in (near, far, *new[2].connections):
            one.close()

    run(story())


def test_what_changes_while_it_is_copied_arrives_as_it_is_at_the_freeze(tmp_path: Path) -> None:
    async def story() -> None:
        shelf = Shelf(items(5_000))
        giver, taker = await meet(tmp_path, [shelf], [fresh := Shelf()])
        copying = asyncio.ensure_future(taker.copied())
        for n in range(500):
            shelf.put(f"item-{n * 7}", b"changed")
            shelf.put(f"later-{n}", b"new")
            shelf.drop(f"item-{n * 7 + 1}")
            await asyncio.sleep(0)
        await copying
        shelf.put("item-0", b"at last")
        await freeze_copied(giver, taker)
        assert fresh.items == shelf.items

    run(story())


async def freeze_copied(giver: Giver, taker: Taker) -> None:
    await giver.copied()
    await asyncio.gather(giver.freeze(), taker.prepared())


def test_a_giver_that_resumes_serves_as_if_nothing_had_been(tmp_path: Path) -> None:
    async def story() -> None:
        near, far = socket.socketpair()
        shelf, notes, echoes = Shelf(items(10)), Notes("n"), Echoes("old", [far])
        fresh = Echoes("new")
        echoes.read()
        giver, taker = await meet(tmp_path, [shelf, notes, echoes], [Shelf(), Notes(), fresh])
        await freeze(giver, taker)
        near.send(b"hello\n")
        taker.close()
        fresh.close()
        await giver.resume()
        near.setblocking(False)
        assert await asyncio.get_running_loop().sock_recv(near, 100) == b"old:hello\n"
        assert shelf.calls == ["begin", "hold", "stop", "end", "resume"]
        assert notes.calls == ["drain", "hold", "stop", "pack", "resume"]
        assert not shelf.noting
        echoes.hold()
        near.close()
        far.close()

    run(story())


def test_the_end_of_a_dry_run_does_not_thaw_a_node_that_stands_still_for_a_takeover(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        node = kernel()
        trial = Giver(node, [Notes("n")])
        await trial.listen(tmp_path, SECRET)
        node.freeze()  # by a takeover that began meanwhile
        await trial.resume()
        assert node.frozen
        node.thaw()

    run(story())


def test_a_wrong_secret_is_refused_and_the_right_one_is_still_let_in(tmp_path: Path) -> None:
    async def story() -> None:
        giver = Giver(kernel(), [Notes("x")])
        path = await giver.listen(tmp_path, SECRET)
        stranger = Taker(kernel(), [Notes()])
        with pytest.raises(TakeoverRefused, match="the secret is wrong"):
            await stranger.connect(path, "another")
        taker = Taker(kernel(), [Notes()])
        await taker.connect(path, SECRET)
        await freeze(giver, taker)
        taker.close()
        await giver.resume()
        assert not path.exists()

    run(story())


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ([Notes("x", name="lamp")], [], "lamp: no such part on the side that takes over"),
        ([], [Notes(name="lamp")], "lamp: no such part on the side that gives"),
        ([Shelf(version=1)], [Shelf(version=2)], "no way leads from version 1 to version 2"),
        ([Shelf(version=2)], [Shelf(version=1)], "no way leads from version 2 to version 1"),
        ([Notes("x", name="shelf")], [Shelf()], "travels in slices on one side only"),
    ],
)
def test_what_does_not_fit_is_refused_at_the_hello(
    tmp_path: Path, old: list[Any], new: list[Any], why: str
) -> None:
    async def story() -> None:
        giver = Giver(kernel(), old)
        path = await giver.listen(tmp_path, SECRET)
        with pytest.raises(TakeoverRefused, match=why):
            await Taker(kernel(), new).connect(path, SECRET)
        assert all(part.calls == [] for part in old)
        await giver.resume()

    run(story())


def test_a_part_that_only_one_side_knows_may_be_optional(tmp_path: Path) -> None:
    async def story() -> None:
        old = [Notes("x"), Notes("lost", name="lamp")]
        new = [Notes(), Notes(name="fan", optional=True)]
        giver, taker = await meet(tmp_path, old, new, dropped=("lamp",))
        frozen, prepared = await freeze(giver, taker)
        assert (prepared.dropped, prepared.new) == (("lamp",), ("fan",))
        assert (frozen.more["dropped"], frozen.more["new"]) == (["lamp"], ["fan"])
        assert new[1].calls == []
        assert "hold" in old[1].calls
        await giver.resume()

    run(story())


def test_a_newer_node_gives_an_older_one_what_it_can_read(tmp_path: Path) -> None:
    async def story() -> None:
        newer = Shelf(items(3), version=3)
        newer.older = {2}
        giver, taker = await meet(tmp_path, [newer], [older := Shelf(version=2)])
        await freeze(giver, taker)
        assert older.items == newer.items
        await giver.resume()

    run(story())


def test_a_count_that_differs_is_refused_and_said_by_name(tmp_path: Path) -> None:
    class Forgetful(Shelf):
        def count(self) -> int:
            return len(self.items) - 1

    async def story() -> None:
        giver, taker = await meet(tmp_path, [Shelf(items(5))], [Forgetful()])
        await taker.copied()
        await giver.copied()
        frozen, prepared = await asyncio.gather(
            giver.freeze(), taker.prepared(), return_exceptions=True
        )
        assert "shelf: 5 items were given, 4 are here" in str(prepared)
        assert "shelf: 5 items were given, 4 are here" in str(frozen)
        with pytest.raises(TakeoverFailed):
            await taker.switch()
        await giver.resume()

    run(story())


def test_many_sockets_travel_in_several_messages(tmp_path: Path) -> None:
    async def story() -> None:
        before = open_descriptors()
        pairs = [socket.socketpair() for _ in range(600)]
        echoes, fresh = Echoes("old", [far for _, far in pairs]), Echoes("new")
        giver, taker = await meet(tmp_path, [echoes], [fresh])
        await freeze(giver, taker)
        await taker.switch()
        loop = asyncio.get_running_loop()
        for n, (near, _) in enumerate(pairs):
            near.setblocking(False)
            near.send(b"%d" % n)
        assert [await loop.sock_recv(near, 100) for near, _ in pairs] == [
            b"new:%d" % n for n in range(600)
        ]
        fresh.hold()
        fresh.close()
        await ended()
        echoes.hold()
        for near, far in pairs:
            near.close()
            far.close()
        assert open_descriptors() == before

    run(story())

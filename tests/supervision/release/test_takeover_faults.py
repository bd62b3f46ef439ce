"""What goes wrong in a takeover: each fault is told by name, and leaves the old node serving."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from passing_kit import Echoes, Notes, Shelf, open_descriptors

from supervision import GenServer
from supervision.anchor import unixpath
from supervision.eventloop.base import EventLoopBase
from supervision.eventloop.managed import Cast
from supervision.release.carrier import NotCarried, Packed, Slice
from supervision.release.giving import Giver
from supervision.release.passing import Connection
from supervision.release.records import TakeoverLimits
from supervision.release.taking import Taker
from supervision.release.wire import (
    FORMAT,
    Begin,
    Forward,
    Hello,
    Refused,
    TakeoverFailed,
    TakeoverRefused,
)

SECRET = "a secret"


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 20))


def kernel() -> Any:
    return EventLoopBase(None, False, loop=asyncio.get_running_loop()).kernel


class Two:
    """Both sides, and what the one that gives has told."""

    def __init__(self, old: list[Any], new: list[Any], limits: TakeoverLimits, mode: str) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.kernel = kernel()
        self.giver = Giver(
            self.kernel, old, limits=limits, tell=lambda *what: self.told.append(what)
        )
        self.taker = Taker(kernel(), new, limits=limits, mode=mode)

    @property
    def phases(self) -> list[str]:
        return [phase for phase, _ in self.told]

    async def freeze(self) -> tuple[Any, Any]:
        """What the two say of the freeze: results or failures."""
        await self.taker.copied()
        return await self.freeze_copied()

    async def freeze_copied(self) -> tuple[Any, Any]:
        await self.giver.copied()
        frozen, prepared = await asyncio.gather(
            self.giver.freeze(), self.taker.prepared(), return_exceptions=True
        )
        return frozen, prepared


@contextlib.asynccontextmanager
async def two(
    tmp_path: Path, old: list[Any], new: list[Any], mode: str = "takeover", **limits: Any
) -> AsyncIterator[Two]:
    sides = Two(old, new, TakeoverLimits(**limits), mode)
    path = await sides.giver.listen(tmp_path, SECRET)
    await sides.taker.connect(path, SECRET)
    try:
        yield sides
    finally:
        sides.taker.close()
        await sides.giver.resume()
        assert not sides.kernel.frozen


class Faulty(Notes):
    """Fails in one of the calls of a part."""

    def __init__(self, where: str = "", error: Exception | None = None, text: str = "x") -> None:
        super().__init__(text, name="faulty")
        self.where, self.error = where, error

    def at(self, where: str) -> None:
        if self.where == where:
            assert self.error is not None
            raise self.error

    async def ready(self) -> None:
        self.at("ready")

    async def drain(self, until: float) -> None:
        await super().drain(until)
        self.at("drain")

    def hold(self) -> None:
        super().hold()
        self.at("hold")

    async def stop(self) -> None:
        await super().stop()
        self.at("stop")

    def pack(self, version: int) -> Packed:
        self.at("pack")
        return super().pack(version)

    async def resume(self) -> None:
        await super().resume()
        self.at("resume")

    def unpack(self, version: int, body: bytes, descriptors: tuple[int, ...]) -> None:
        self.at("unpack")
        super().unpack(version, body, descriptors)


GIVING = ["drain", "hold", "stop", "pack"]


@pytest.mark.parametrize("where", GIVING)
def test_a_part_that_fails_in_the_freeze_is_the_end_of_it_and_the_node_goes_on(
    tmp_path: Path, where: str
) -> None:
    async def story() -> None:
        old = [Notes("first"), Faulty(where, NotCarried("faulty: an open file"))]
        async with two(tmp_path, old, [Notes(), Faulty()]) as sides:
            frozen, prepared = await sides.freeze()
            assert isinstance(frozen, TakeoverFailed)
            assert "faulty: an open file" in str(frozen)
            assert "faulty: an open file" in str(prepared)
            assert sides.told[-1] == ("failed", {"why": "faulty: an open file"})
            await sides.giver.resume()
            assert [part.calls[-1] for part in old] == ["resume", "resume"]

    run(story())


def test_a_fault_of_the_code_itself_is_told_with_its_type(tmp_path: Path) -> None:
    async def story() -> None:
        old = [Faulty("pack", ZeroDivisionError("division by zero"))]
        async with two(tmp_path, old, [Faulty()]) as sides:
            frozen, _ = await sides.freeze()
            assert "ZeroDivisionError: division by zero" in str(frozen)

    run(story())


def test_a_part_that_fails_before_the_freeze_touches_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        old = [Faulty("ready", RuntimeError("no room"))]
        async with two(tmp_path, old, [Faulty()]) as sides:
            copying = asyncio.ensure_future(sides.taker.copied())
            with pytest.raises(TakeoverFailed, match="no room"):
                await sides.giver.copied()
            with pytest.raises(TakeoverFailed, match="no room"):
                await copying
            with pytest.raises(TakeoverFailed, match="no room"):
                await sides.giver.freeze()
        assert old[0].calls == []

    run(story())


def test_what_the_new_node_cannot_take_in_is_told_to_the_old_one(tmp_path: Path) -> None:
    async def story() -> None:
        new = [Faulty("unpack", ValueError("field `queue`: not a list"))]
        async with two(tmp_path, [Faulty()], new) as sides:
            frozen, prepared = await sides.freeze()
            assert "faulty: field `queue`: not a list" in str(prepared)
            assert "faulty: field `queue`: not a list" in str(frozen)

    run(story())


def test_each_side_knows_whether_it_is_off_for_itself_or_for_the_other_one(tmp_path: Path) -> None:
    async def story() -> None:
        async with two(tmp_path, [Faulty()], [Faulty("unpack", ValueError("no"))]) as sides:
            frozen, prepared = await sides.freeze()
            assert (frozen.own, prepared.own) == (False, True)
        async with two(tmp_path, [Faulty("pack", NotCarried("no"))], [Faulty()]) as sides:
            frozen, prepared = await sides.freeze()
            assert (frozen.own, prepared.own) == (True, False)
        with pytest.raises(TakeoverFailed, match="nobody gives there") as absent:
            await Taker(kernel(), [Notes()]).connect(tmp_path / "none", SECRET)
        assert not absent.value.own

    run(story())


class Choosy(Shelf):
    """Fails at one item, on whichever side it is."""

    def take(self, limit: int, version: int) -> Slice:
        taken = super().take(limit, version)
        if self.items and any(key == "item-300" for key, _ in taken.items):
            raise NotCarried("shelf/item-300: a lambda")
        return taken


class Picky(Shelf):
    def give(self, version: int, items: Slice) -> Any:
        if any(key == "item-300" for key, _ in items.items):
            raise ValueError("item-300: code_change failed")
        super().give(version, items)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [(Choosy, Shelf, "a lambda"), (Shelf, Picky, "item-300: code_change failed")],
)
def test_the_one_item_that_cannot_travel_is_named_and_ends_the_copy(
    tmp_path: Path, old: type[Shelf], new: type[Shelf], why: str
) -> None:
    async def story() -> None:
        shelf = old({f"item-{n}": b"x" for n in range(1_000)})
        async with two(tmp_path, [shelf], [new()]) as sides:
            with pytest.raises(TakeoverFailed, match=why):
                await sides.taker.copied()
            with pytest.raises(TakeoverFailed, match=why):
                await sides.giver.copied()
            assert not shelf.noting
            assert shelf.calls == ["begin", "end"]

    run(story())


def test_a_part_that_hangs_in_the_freeze_is_waited_for_no_longer_than_the_limit(
    tmp_path: Path,
) -> None:
    class Hanging(Notes):
        async def stop(self) -> None:
            await asyncio.Event().wait()

    async def story() -> None:
        async with two(tmp_path, [Hanging("x")], [Notes()], freeze_s=0.05) as sides:
            frozen, _ = await sides.freeze()
            assert "the freeze was not over within 0.05 s (freeze_s)" in str(frozen)

    run(story())


def test_a_drain_that_does_not_end_is_cut_and_the_freeze_goes_on(tmp_path: Path) -> None:
    class Draining(Notes):
        async def drain(self, until: float) -> None:
            await asyncio.Event().wait()

        def stragglers(self) -> list[str]:
            return ["request 7 of 127.0.0.1"]

    async def story() -> None:
        async with two(tmp_path, [Draining("x")], [Notes()], drain_s=0.02) as sides:
            frozen, _ = await sides.freeze()
            assert frozen.stragglers == ["request 7 of 127.0.0.1"]
            assert frozen.drain_ms >= 20

    run(story())


def test_a_resume_that_comes_in_the_middle_of_a_freeze_calls_it_off(tmp_path: Path) -> None:
    entered = asyncio.Event()

    class Hanging(Notes):
        async def stop(self) -> None:
            entered.set()
            await asyncio.Event().wait()

    async def story() -> None:
        part = Hanging("x")
        async with two(tmp_path, [part], [Notes()]) as sides:
            await sides.taker.copied()
            await sides.giver.copied()
            freezing = asyncio.ensure_future(sides.giver.freeze())
            await entered.wait()
            assert sides.kernel.frozen
            await sides.giver.resume()
            assert not sides.kernel.frozen
            with pytest.raises(TakeoverFailed, match="called off"):
                await freezing
            assert part.calls[-1] == "resume"
            await sides.giver.resume()
            assert part.calls.count("resume") == 1

    run(story())


def test_every_part_goes_on_though_one_of_them_cannot(tmp_path: Path) -> None:
    async def story() -> None:
        old = [Notes("x"), Faulty("resume", OSError("disk full"))]
        sides = Two(old, [Notes(), Faulty()], TakeoverLimits(), "takeover")
        await sides.taker.connect(await sides.giver.listen(tmp_path, SECRET), SECRET)
        await sides.freeze()
        sides.taker.close()
        with pytest.raises(ExceptionGroup) as failed:
            await sides.giver.resume()
        assert [str(one) for one in failed.value.exceptions] == ["disk full"]
        assert old[0].calls[-1] == "resume"

    run(story())


def test_a_freeze_before_everything_is_copied_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        part = Notes("x")
        async with two(tmp_path, [part], [Notes()]) as sides:
            with pytest.raises(TakeoverFailed, match="not the time to freeze"):
                await sides.giver.freeze()
            frozen, _ = await sides.freeze()
            assert not isinstance(frozen, Exception)
            with pytest.raises(TakeoverFailed, match="not the time to freeze"):
                await sides.giver.freeze()

    run(story())


def test_the_phases_are_told_in_their_order(tmp_path: Path) -> None:
    async def story() -> None:
        async with two(tmp_path, [Notes("x")], [Notes()]) as sides:
            await sides.freeze()
            assert sides.phases == ["connected", "copied", "prepared"]

    run(story())


# Guests that are none


async def guest(path: Path, message: Any) -> Any:
    connection = Connection(unixpath.connect(path, 5), TakeoverLimits())
    connection.put(message)
    answer, _ = await connection.receive()
    connection.close()
    return answer


def test_strangers_are_told_why_and_the_right_one_is_let_in(tmp_path: Path) -> None:
    async def story() -> None:
        giver = Giver(kernel(), [Notes("x")], limits=TakeoverLimits(hello_s=0.05))
        path = await giver.listen(tmp_path, SECRET)
        hello = Hello(FORMAT + 1, SECRET, "takeover", "9", {})
        assert await guest(path, hello) == Refused(
            f"format {FORMAT + 1} of a takeover: this release speaks {FORMAT}"
        )
        assert await guest(path, Begin()) == Refused("Begin came in the place of a hello")
        silent = Connection(unixpath.connect(path, 5), TakeoverLimits())
        assert (await silent.receive())[0] == Refused("no hello in time")
        silent.close()
        taker = Taker(kernel(), [Notes()])
        await taker.connect(path, SECRET)
        await taker.copied()
        taker.close()
        await giver.resume()

    run(story())


def test_another_user_is_refused_on_either_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        giver = Giver(kernel(), [Notes("x")])
        path = await giver.listen(tmp_path, SECRET)
        monkeypatch.setattr("supervision.release.greeting.peer_user", lambda _: 4711)
        with pytest.raises(TakeoverRefused, match="the other side runs as user 4711"):
            await Taker(kernel(), [Notes()]).connect(path, SECRET)
        answer = await guest(path, Begin())
        assert "the other side runs as user 4711" in answer.why
        await giver.resume()

    run(story())


def test_the_socket_is_there_for_this_user_alone_and_goes_when_one_was_let_in(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        giver = Giver(kernel(), [Notes("x")])
        path = await giver.listen(tmp_path, SECRET)
        assert path.stat().st_mode & 0o777 == 0o600
        taker = Taker(kernel(), [Notes()])
        await taker.connect(path, SECRET)
        await taker.copied()
        assert not path.exists()
        late = Taker(kernel(), [Notes()])
        with pytest.raises(TakeoverFailed, match="nobody gives there"):
            await late.connect(path, SECRET)
        taker.close()
        await giver.resume()

    run(story())


# A dry run, and a shadow


def test_a_dry_run_copies_everything_once_and_freezes_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        shelf, notes = Shelf({f"item-{n}": b"x" for n in range(600)}), Notes("some")
        new = [Shelf(), Notes()]
        async with two(tmp_path, [shelf, notes], new, "check") as sides:
            await sides.taker.copied()
            await sides.giver.copied()
            assert new[0].items == shelf.items
            assert new[1].text == "some"
            assert not sides.kernel.frozen
            with pytest.raises(TakeoverFailed):
                await sides.taker.switch()
        assert shelf.calls == ["begin", "end"]
        assert notes.calls == []

    run(story())


def test_a_shadow_is_forwarded_records_from_the_very_state_that_it_was_given(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        shelf, copy = Shelf({"count": b"0"}), Shelf()
        done = asyncio.Event()

        def follow(data: bytes) -> None:
            copy.items["count"] = b"%d" % (int(copy.items["count"]) + int(data))
            sides.taker.forward(copy.items["count"])

        back: list[bytes] = []

        def heard(data: bytes) -> None:
            back.append(data)
            if len(back) == 20:
                done.set()

        async with two(tmp_path, [shelf], [copy], "shadow") as sides:
            sides.taker.on_forward = follow
            sides.giver.on_forward = heard
            copying = asyncio.ensure_future(sides.taker.copied())
            sent = 0
            for n in range(200):
                shelf.put("count", b"%d" % (int(shelf.items["count"]) + n))
                if "copied" in sides.phases and sent < 20:
                    sent += 1
                    assert sides.giver.forward(b"%d" % n)
                await asyncio.sleep(0)
                if sent == 20:
                    break
            await copying
            following = asyncio.ensure_future(sides.taker.follow())
            await done.wait()
            assert copy.items == shelf.items
            assert not sides.kernel.frozen
            await sides.giver.resume()
            with pytest.raises(TakeoverFailed, match="called off"):
                await following
        assert "hold" not in shelf.calls

    run(story())


def test_a_shadow_that_does_not_keep_up_loses_records_and_the_node_counts_them(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with two(tmp_path, [Notes("x")], [Notes()], "shadow", forward_bytes=1_000) as sides:
            await sides.taker.copied()
            await sides.giver.copied()
            took = [sides.giver.forward(bytes(500_000)) for _ in range(20)]
            assert took[0]
            assert took.count(False) == sides.giver.not_forwarded > 0

    run(story())


# The freeze with actors


class Slow(GenServer):
    again: asyncio.Event

    def init(self, args: Any) -> None:
        self.state = []

    async def handle_cast(self, request: Any) -> None:
        self.state.append(request)
        if len(self.state) == 2:
            self.again.set()
        await asyncio.Event().wait()


class Patient(Slow):
    straggler = "wait"

    async def handle_cast(self, request: asyncio.Event) -> None:
        await request.wait()
        self.state.append("done")


def start(node: Any, actor: Any, name: str) -> Any:
    return node.spawn(actor, None, parent=None, address=node.child_address(None, name)).address


def test_a_handler_that_still_waits_is_named_and_handles_its_message_again(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        slow = Slow()
        slow.again = asyncio.Event()
        async with two(tmp_path, [Notes("x")], [Notes()], quiet_s=0.01) as sides:
            address = start(sides.kernel, slow, "slow")
            sides.kernel.send(address, Cast("one"), None)
            frozen, _ = await sides.freeze()
            assert frozen.stragglers == ["slow (str): cancelled, its message is delivered again"]
            assert slow.state == ["one"]
            await sides.giver.resume()
            await slow.again.wait()
            assert slow.state == ["one", "one"]

    run(story())


@pytest.mark.parametrize("ends", [True, False])
def test_a_handler_that_is_to_be_waited_for_delays_the_freeze_or_is_its_end(
    tmp_path: Path, ends: bool
) -> None:
    async def story() -> None:
        patient, done = Patient(), asyncio.Event()
        limits = {"quiet_s": 0.01, "freeze_s": 0.1}
        async with two(tmp_path, [Notes("x")], [Notes()], **limits) as sides:
            address = start(sides.kernel, patient, "patient")
            sides.kernel.send(address, Cast(done), None)
            await sides.taker.copied()
            if ends:
                asyncio.get_running_loop().call_later(0.05, done.set)
            frozen, _ = await sides.freeze_copied()
            if ends:
                assert frozen.stragglers == []
                assert patient.state == ["done"]
            else:
                assert "patient (Event)" in str(frozen)

    run(story())


def test_no_descriptor_is_left_behind_by_takeovers_that_fail(tmp_path: Path) -> None:
    async def story() -> int:
        before = open_descriptors()
        for _ in range(5):
            near, far = socket.socketpair()
            new = [Echoes("new"), Faulty("unpack", ValueError("no"))]
            async with two(tmp_path, [Echoes("old", [far]), Faulty()], new) as sides:
                frozen, _ = await sides.freeze()
                assert isinstance(frozen, TakeoverFailed)
            for one in (near, far, *new[0].connections):
                asyncio.get_running_loop().remove_reader(one)
                one.close()
        return open_descriptors() - before

    assert run(story()) <= 0


def test_a_record_that_is_forwarded_without_a_shadow_is_dropped(tmp_path: Path) -> None:
    async def story() -> None:
        giver = Giver(kernel(), [])
        assert not giver.forward(b"x")
        async with two(tmp_path, [Notes("x")], [Notes()]) as sides:
            sides.taker._there().put(Forward(b"x"))
            await sides.taker.copied()

    run(story())

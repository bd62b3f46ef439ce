"""What becomes of actors that travel and whose handlers still wait at the freeze, in a takeover."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from supervision import GenServer, Started, actor_system
from supervision.eventloop.calls import PendingCall, ServerDied
from supervision.release.actors_part import ActorsPart
from supervision.release.giving import Giver
from supervision.release.records import TakeoverLimits
from supervision.release.taking import Taker
from supervision.testing import Takeover

SECRET = "a secret"
MARK = "s: begins anew, what it does is left behind"


class Slow(GenServer):
    """Its handler of ``one`` does half of its work, and waits for as long as it is told."""

    carried = list[str]
    wait: asyncio.Event

    def init(self, args: Any) -> None:
        self.state = []
        self.all_done = asyncio.Event()

    async def handle_cast(self, request: str) -> None:
        self.state.append(request)
        if request == "one":
            await self.wait.wait()
        else:
            self.all_done.set()


class Redelivered(Slow):
    straggler = "redeliver"


class Waited(Slow):
    straggler = "wait"


class Anew(Slow):
    straggler = "restart"


async def started(kind: type[Slow], wait: asyncio.Event) -> Any:
    base = actor_system(loop=asyncio.get_running_loop())._systemBase
    actor = kind()
    actor.wait = wait
    outcome = await base.kernel.start_root(actor, None, "s", lambda: None)
    assert isinstance(outcome, Started)
    return base, actor


async def taken_over(path: Path, kind: type[Slow]) -> tuple[list[str], list[str], list[str]]:
    """What was said of stragglers, what is left behind, and what the new actor has handled."""
    wait, done = asyncio.Event(), asyncio.Event()
    old, _ = await started(kind, wait)
    done.set()
    new, actor = await started(kind, done)
    limits = TakeoverLimits(quiet_s=0.02)
    took = ActorsPart(new.kernel, taking=True)
    giver = Giver(old.kernel, [ActorsPart(old.kernel)], limits=limits)
    taker = Taker(new.kernel, [took], limits=limits)
    await taker.connect(await giver.listen(path, SECRET), SECRET)
    for one in ("one", "two"):
        old.cast(old.kernel.roots["s"].address, one)
    await taker.copied()
    await giver.copied()
    if kind is Waited:
        asyncio.get_running_loop().call_later(0.1, wait.set)
    frozen, _ = await asyncio.gather(giver.freeze(), taker.prepared())
    await taker.switch()
    if kind is not Waited:  # whose old actor has handled all of them
        await actor.all_done.wait()
    taker.close()
    wait.set()
    await giver.resume()
    return frozen.stragglers, took.left, actor.state


@pytest.mark.parametrize(
    ("kind", "said", "left", "handled"),
    [
        (
            Redelivered,
            ["s (str): cancelled, its message is delivered again"],
            [],
            ["one", "one", "two"],
        ),
        (Waited, [], [], ["one", "two"]),
        (Anew, ["s (str): left behind"], [MARK], ["two"]),
    ],
)
def test_each_policy_does_in_a_takeover_what_it_says(
    tmp_path: Path, kind: type[Slow], said: list[str], left: list[str], handled: list[str]
) -> None:
    async def story() -> None:
        assert await taken_over(tmp_path, kind) == (said, left, handled)

    asyncio.run(asyncio.wait_for(story(), 20))


# One that begins anew


class Ask(Struct, frozen=True):
    n: int


class Asked(GenServer):
    carried = list[int]
    straggler = "restart"
    forgets = False

    def init(self, args: Any) -> None:
        self.state = []
        self.register("asked")
        if args:
            self.start_timer(1.0, "tick")

    async def handle_call(self, request: Ask, from_: PendingCall) -> int:
        self.state.append(request.n)
        if request.n == 0:
            await asyncio.Event().wait()
        return request.n

    def handle_info(self, message: Any, sender: Any) -> None:
        self.state.append(-1)


class Asker(GenServer):
    carried = list[Any]

    def init(self, args: Any) -> None:
        self.state = []
        self.register("asker")

    def handle_cast(self, request: int) -> None:
        self.request("asked", Ask(request), timeout=None)

    def handle_info(self, message: Any, sender: Any) -> None:
        self.state.append(message.value if message.error is None else type(message.error))


def test_who_asked_one_that_begins_anew_is_told_or_answered_by_the_next() -> None:
    with Takeover() as pair:
        for node in (pair.old, pair.new):
            node.start(Asked, name="asked")
            node.start(Asker, name="asker")
        for n in (0, 7):
            pair.old.cast("asker", n)
        pair.old.settle()
        pair.take_over()
        assert sorted(pair.new.actor("asker").state, key=str) == [7, ServerDied]
        assert pair.new.actor("asked").state == [7]


def test_timers_of_one_that_begins_anew_are_not_for_the_next() -> None:
    with Takeover() as pair:
        pair.old.start(Asked, "with a timer", name="asked")
        pair.old.start(Asker, name="asker")
        pair.new.start(Asked, name="asked")
        pair.new.start(Asker, name="asker")
        pair.old.cast("asker", 0)
        pair.old.settle()
        pair.old.advance(2.0)  # it has fired, and waits in the mailbox
        pair.take_over()
        pair.new.advance(5.0)
        assert pair.new.actor("asked").state == []


class DeafAnew(Anew):
    carries_mailbox = False


def test_messages_for_one_that_begins_anew_and_is_to_have_none_are_told_of() -> None:
    with Takeover() as pair:
        for node in (pair.old, pair.new):
            node.loop.run(setattr, DeafAnew, "wait", asyncio.Event())
            node.start(DeafAnew, name="s")
        for one in ("one", "two"):
            pair.old.cast(pair.old.address("s"), one)
        pair.old.settle()
        pair.take_over()
        assert pair.took.left == [MARK, "s: 1 messages"]
        assert pair.new.actor(pair.new.address("s")).state == []


class Beginning(GenServer):
    carried = dict[str, int]
    waits = True

    async def init(self, args: Any) -> None:
        if self.waits:
            await asyncio.Event().wait()
        self.state = {"made": 1}

    def handle_cast(self, request: str) -> None:
        self.state[request] = 1


class Begun(Beginning):
    waits = False
    carried_as = "Beginning"


def begin(pair: Takeover, name: str) -> None:
    kernel = pair.old.kernel
    address = kernel.child_address(None, name)
    pair.old.loop.run(lambda: kernel.spawn(Beginning(), None, parent=None, address=address))


def test_one_that_is_still_in_its_init_begins_anew_and_fails_no_takeover() -> None:
    with Takeover() as pair:
        begin(pair, "s")
        pair.old.settle()
        pair.new.start(Begun, name="s")
        pair.old.cast(pair.old.address("s"), "early")
        pair.old.settle()
        pair.take_over()
        assert pair.new.actor(pair.new.address("s")).state == {"made": 1, "early": 1}
        assert pair.took.left == [MARK]


def test_a_dry_run_tries_the_state_of_one_whose_handler_waits_and_leaves_out_who_has_none() -> None:
    with Takeover() as pair:
        for node in (pair.old, pair.new):
            node.start(Asked, name="asked")
            node.start(Asker, name="asker")
            node.start(Begun, name="s")
        begin(pair, "b")
        pair.old.cast("asker", 0)
        pair.old.settle()
        tried = pair.took.trials(pair.took.version, pair.gave.copy(pair.gave.version))
        assert tried == dict.fromkeys(("asked", "asker", "s"), ("equal", ""))

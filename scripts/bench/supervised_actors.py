"""What supervisors do, on ours: ``supervised_actors.py SHAPE COUNT``; prints its figures.

The peer is ``otp_supervised.erl``, which does the same with the same messages. Reports are made
and handed to a listener that counts them; nobody makes text of them. The garbage collector is set
as a node of ours sets it.
"""

# ruff: noqa: D102 - what a callback does is said by the shape that it belongs to

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median, quantiles
from typing import Any

import memory

from supervision import (
    NO_REPLY,
    Backoff,
    CallFailed,
    ChildSpec,
    EventLoopBase,
    GenServer,
    StartChild,
    Started,
    Supervisor,
    SupervisorFlags,
)
from supervision.reasons import SHUTDOWN

ASK, CRASH, UP = "ask", "crash", "up"
IN_FLIGHT = 100
FEWER = 100
ATTEMPTS = 5
ENDLESS = 1_000_000_000
PERIOD_S = 1
GC_THRESHOLDS = (1_000, 5, 1_000_000)  # of actors/node.py
KEEPING = {"on_restart": "keep"}
WAITING = {"backoff": Backoff(min_s=0.001, max_s=0.001, jitter=0.0)}


class ToldTo(Exception):  # noqa: N818 - as in the peer
    """Why a member ends."""


class Member(GenServer):
    """Tells who waits for it that it is up, answers what it is asked, crashes when told to."""

    def init(self, args: Any) -> None:
        self.state = memory.SmallState()
        if args is not None:
            self.send(args, UP)

    def handle_call(self, request: Any, from_: Any) -> Any:
        return request

    def handle_cast(self, request: Any) -> None:
        raise ToldTo

    def handle_info(self, message: Any, sender: Any) -> None:
        self.send(sender, message)


class Group(Supervisor):
    """A one_for_one of the members that it is given."""

    def init(self, args: Any) -> Any:
        return SupervisorFlags(intensity=ENDLESS, period=PERIOD_S), args


class Pool(Supervisor):
    """A simple_one_for_one of members."""

    def init(self, args: Any) -> Any:
        flags = SupervisorFlags(strategy="simple_one_for_one")
        return flags, [ChildSpec(id="member", start=Member)]


class Crasher(GenServer):
    """Has members crash, each again as soon as its new incarnation has answered."""

    def handle_call(self, request: int, from_: Any) -> Any:
        self.asker, self.left, self.to_begin, self.waited_for = from_, request, request, IN_FLIGHT
        return NO_REPLY

    def handle_info(self, message: Any, sender: Any) -> None:
        if message == UP:
            self.send(sender, ASK)
            return
        if self.waited_for:  # for all of them to be there
            self.waited_for -= 1
            self.began = time.monotonic()
        else:
            self.left -= 1
        if self.to_begin:
            self.to_begin -= 1
            self.cast(sender, CRASH)
        if not self.left:
            self.reply(self.asker, time.monotonic() - self.began)


class Caller(GenServer):
    """Calls a member that crashes until it answers: what a client outside the tree waits."""

    async def handle_call(self, request: tuple[list[Any], int], from_: Any) -> list[float]:
        members, count = request
        waited = []
        for number in range(count):
            member = members[number % len(members)]
            began = time.perf_counter()
            self.cast(member, CRASH)
            while not await self.answers(member):  # noqa: ASYNC110 - what a client does
                await asyncio.sleep(0)
            waited.append(time.perf_counter() - began)
        return waited

    async def answers(self, member: Any) -> bool:
        """Whether a member answers."""
        try:
            return bool(await self.call(member, ASK) == ASK)
        except CallFailed:
            return False


class Starter(GenServer):
    """Has a supervisor start one child after the other; each counts once it has answered."""

    async def handle_call(self, request: tuple[Any, list[StartChild], bool], from_: Any) -> float:
        supervisor, wanted, ask = request
        began = time.monotonic()
        for one in wanted:
            outcome = await self.call(supervisor, one)
            assert type(outcome) is Started, outcome
            if ask:
                await self.call(outcome.address, ASK)
        return time.monotonic() - began


class Node:
    """A node on this loop, whose reports are counted."""

    def __init__(self) -> None:
        self.base = EventLoopBase(None, False, loop=asyncio.get_running_loop())
        self.kernel = self.base.kernel
        self.reports = 0
        self.kernel.reports.subscribe(self._count)

    def _count(self, report: Any) -> None:
        self.reports += 1

    async def start(self, actor: Any, name: str, args: Any = None) -> Any:
        """Start an actor without a parent; return its address."""
        outcome = await self.kernel.start_root(actor, args, name, lambda: None)
        assert type(outcome) is Started, outcome
        return outcome.address

    async def stop(self, address: Any) -> None:
        """End an actor in order."""
        await self.kernel.future_of(self.kernel.stop(address.cell, SHUTDOWN, None))

    async def groups(
        self, count: int, members: int, args: Any = None, manner: dict[str, Any] | None = None
    ) -> list[Any]:
        """Start supervisors; return the addresses of all their members."""
        found = []
        for number in range(count):
            specs = [
                ChildSpec(id=f"m{n}", start=Member, args=args, **(manner or {}))
                for n in range(members)
            ]
            group = await self.start(Group(), f"g{number}", specs)
            found += [cell.address for cell in group.cell.children.values()]
        return found


async def restarts(
    node: Node, count: int, supervisors: int = IN_FLIGHT, manner: dict[str, Any] | None = None
) -> list[float]:
    """Restarts in a second, of the members of one supervisor or of many."""
    crasher = await node.start(Crasher(), "crasher")
    seconds = node.kernel.call(crasher, count, timeout=None)
    await node.groups(supervisors, IN_FLIGHT // supervisors, crasher, manner)
    rate = count / await seconds
    assert node.reports >= 2 * count, node.reports
    return [rate]


async def of_one(node: Node, count: int) -> list[float]:
    """Restarts in a second, of one supervisor."""
    return await restarts(node, count, 1)


async def kept_restarts(node: Node, count: int) -> list[float]:
    """Restarts in a second, where what has not been handled is kept."""
    return await restarts(node, count, manner=KEEPING)


async def late_restarts(node: Node, count: int) -> list[float]:
    """Restarts in a second, each of which waits for a millisecond."""
    return await restarts(node, count, manner=WAITING)


async def answer(node: Node, count: int, manner: dict[str, Any] | None = None) -> list[float]:
    """Microseconds from a crash to the first answer: the median and the 99th percentile."""
    members = await node.groups(IN_FLIGHT, 1, manner=manner)
    caller = await node.start(Caller(), "caller")
    waited = await node.kernel.call(caller, (members, count), timeout=None)
    assert node.reports >= 2 * count, node.reports
    return [median(waited) * 1e6, quantiles(waited, n=100)[98] * 1e6]


async def kept_answer(node: Node, count: int) -> list[float]:
    """The same where the call that came too late is kept for the next incarnation."""
    return await answer(node, count, KEEPING)


async def pool(node: Node, count: int, *, ask: bool = False) -> tuple[Any, float]:
    """Start the members of a pool, one call each; return its address and the seconds."""
    address = await node.start(Pool(), "pool")
    starter = await node.start(Starter(), "starter")
    wanted = [StartChild(id=f"c{number}") for number in range(count)]
    seconds = await node.kernel.call(starter, (address, wanted, ask), timeout=None)
    await node.stop(starter)
    return address, seconds


async def starts_pool(node: Node, count: int) -> list[float]:
    """Starts in a pool in a second, each until it has answered."""
    _, seconds = await pool(node, count, ask=True)
    return [count / seconds]


async def starts_static(node: Node, count: int) -> list[float]:
    """Starts below a one_for_one in a second, each with its spec, until it has answered."""
    address = await node.start(Group(), "group", [])
    starter = await node.start(Starter(), "starter")
    wanted = [StartChild(ChildSpec(id=f"c{number}", start=Member)) for number in range(count)]
    return [count / await node.kernel.call(starter, (address, wanted, True), timeout=None)]


async def static_times(node: Node, count: int) -> tuple[float, float]:
    """Seconds to start and to stop a supervisor of so many children."""
    specs = [ChildSpec(id=f"c{number}", start=Member) for number in range(count)]
    began = time.monotonic()
    address = await node.start(Group(), "group", specs)
    started = time.monotonic()
    await node.stop(address)
    return started - began, time.monotonic() - started


async def pool_times(node: Node, count: int) -> tuple[float, float]:
    """Seconds to start the members of a pool, and to stop it with them."""
    address, seconds = await pool(node, count)
    began = time.monotonic()
    await node.stop(address)
    return seconds, time.monotonic() - began


async def scale(
    node: Node, count: int, times: Callable[[Node, int], Awaitable[tuple[float, float]]]
) -> list[float]:
    """Start and stop: how many times as long for many as for few, and milliseconds for many."""
    await times(node, count // FEWER)
    few = [await times(node, count // FEWER) for _ in range(ATTEMPTS)]
    many = await times(node, count)
    start, stop = (median(column) for column in zip(*few, strict=True))
    return [many[0] / start, many[1] / stop, many[0] * 1e3, many[1] * 1e3]


async def scale_static(node: Node, count: int) -> list[float]:
    """Of static children."""
    return await scale(node, count, static_times)


async def scale_pool(node: Node, count: int) -> list[float]:
    """Of the members of a pool."""
    return await scale(node, count, pool_times)


SHAPES: dict[str, Callable[[Node, int], Awaitable[list[float]]]] = {
    "restarts-one": of_one,
    "restarts-many": restarts,
    "restarts-kept": kept_restarts,
    "restarts-late": late_restarts,
    "answer": answer,
    "answer-kept": kept_answer,
    "starts-pool": starts_pool,
    "starts-static": starts_static,
    "scale-static": scale_static,
    "scale-pool": scale_pool,
}


async def measure(shape: str, count: int) -> list[float]:
    """Run one shape on a node of its own."""
    return await SHAPES[shape](Node(), count)


def memory_of(count: int) -> list[float]:
    """Bytes of one of the idle members of a pool."""
    loop = asyncio.new_event_loop()

    async def fill() -> Node:
        node = Node()
        await pool(node, count)
        return node

    return [memory.by_resident(lambda: loop.run_until_complete(fill())) / count]


def main() -> None:
    """Run one shape."""
    shape, count = sys.argv[1], int(sys.argv[2])
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    print(*(memory_of(count) if shape == "memory" else asyncio.run(measure(shape, count))))


if __name__ == "__main__":
    main()

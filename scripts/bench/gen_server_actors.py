"""What only an OTP-like base can do, on ours: ``gen_server_actors.py SHAPE COUNT``.

Prints one number: what was done in a second, or the bytes of an idle server.
"""

# ruff: noqa: D102 - what a callback does is said by the shape that it belongs to

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import memory
import msgspec

from supervision import (
    NO_REPLY,
    ChildSpec,
    EventLoopBase,
    GenServer,
    StartChild,
    Started,
    Supervisor,
    SupervisorFlags,
    Timeout,
    WhichChildren,
    actor_system,
)

TIMERS_AT_ONCE = 1000
PENDING = 10_000


class Run(msgspec.Struct, frozen=True):
    """Do it ``count`` times with ``peer``; the answer is the seconds it took."""

    count: int
    peer: Any = None


class Server(GenServer):
    """Answers what it is asked and sends back what it is told."""

    def init(self, args: Any) -> None:
        self.state = memory.SmallState()

    def handle_call(self, request: Any, from_: Any) -> Any:
        return request

    def handle_info(self, message: Any, sender: Any) -> None:
        self.send(sender, message)


class Caller(GenServer):
    """Calls, one call after the other."""

    async def handle_call(self, request: Run, from_: Any) -> float:
        peer = request.peer
        started = time.monotonic()
        for number in range(request.count):
            await self.call(peer, number)
        return time.monotonic() - started


class Starter(GenServer):
    """Has a pool start one child after the other."""

    async def handle_call(self, request: Run, from_: Any) -> float:
        names = [f"c{number}" for number in range(request.count)]
        started = time.monotonic()
        for name in names:
            outcome = await self.call(request.peer, StartChild(id=name))
            assert type(outcome) is Started, outcome
        return time.monotonic() - started


class PingPong(GenServer):
    """One message goes to and fro between servers; each way counts."""

    def handle_call(self, request: Run, from_: Any) -> Any:
        self.asker = from_
        self.started = time.monotonic()
        self.send(request.peer, request.count // 2)
        return NO_REPLY

    def handle_info(self, message: Any, sender: Any) -> None:
        if message:
            self.send(sender, message - 1)
        else:
            self.reply(self.asker, time.monotonic() - self.started)


class Timers(GenServer):
    """Sets timers: cancels them at once, or has them fire, a thousand of a millisecond each."""

    def init(self, args: Any) -> None:
        self.shape = args

    def handle_call(self, request: Run, from_: Any) -> Any:
        if self.shape == "cancel":
            return self.cancel_all(request.count)
        self.asker, self.left, self.waiting = from_, request.count, 0
        self.started = time.monotonic()
        self.more()
        return NO_REPLY

    def cancel_all(self, count: int) -> float:
        """Set and cancel, while others are pending."""
        for _ in range(PENDING):
            self.start_timer(60.0, None)
        started = time.monotonic()
        for _ in range(count):
            self.cancel_timer(self.start_timer(30.0, None))
        return time.monotonic() - started

    def more(self) -> None:
        """Set the next thousand."""
        if self.left <= 0:
            self.reply(self.asker, time.monotonic() - self.started)
            return
        self.waiting = TIMERS_AT_ONCE
        self.left -= TIMERS_AT_ONCE
        for _ in range(TIMERS_AT_ONCE):
            self.start_timer(0.001, None)

    def handle_info(self, message: Any, sender: Any) -> None:
        assert type(message) is Timeout
        self.waiting -= 1
        if not self.waiting:
            self.more()


class Pool(Supervisor):
    """A simple_one_for_one of servers."""

    def init(self, args: Any) -> Any:
        return SupervisorFlags(strategy="simple_one_for_one"), [
            ChildSpec(id="member", start=Server)
        ]


class Root(Supervisor):
    """Who is measured, and with whom."""

    def init(self, args: Any) -> Any:
        return SupervisorFlags(strategy="one_for_one"), args


MEASURED = {
    "calls": (Caller, Server),
    "starts": (Starter, Pool),
    "messages": (PingPong, Server),
    "cancel": (Timers, Server),
    "fire": (Timers, Server),
    "supervised": (Starter, Pool),
    "supervised-traced": (Starter, Pool),
}
METERS = {
    "supervised": memory.METERS["idle"],
    "supervised-traced": memory.METERS["idle-traced"],
}


async def measure(shape: str, count: int) -> tuple[float, EventLoopBase]:
    """Run one shape on this loop; return the seconds it took and the base with its actors."""
    base = EventLoopBase(None, False, loop=asyncio.get_running_loop())
    actor, peer = MEASURED[shape]
    specs = [
        ChildSpec(id="peer", start=peer, type="supervisor" if peer is Pool else "worker"),
        ChildSpec(id="measured", start=actor, args=shape),
    ]
    root = base.kernel.child_address(None, "bench")
    base.kernel.spawn(Root(), specs, parent=None, address=root)
    # The answer comes when all the children have started.
    found = {child.id: child.address for child in await base.call(root, WhichChildren())}
    run = Run(count, found["peer"])
    return await base.call(found["measured"], run, timeout=None), base


def idle(shape: str, count: int) -> float:
    """Bytes of one of ``count`` servers without a supervisor, made as Thespian's actors are."""
    system = actor_system()
    grown = memory.METERS[shape](lambda: [system.createActor(Server) for _ in range(count)])
    system.shutdown()
    return grown / count


def supervised(shape: str, count: int) -> float:
    """Bytes of one of ``count`` members of a pool."""
    loop = asyncio.new_event_loop()
    return METERS[shape](lambda: loop.run_until_complete(measure(shape, count))) / count


def main() -> None:
    """Run one shape."""
    shape, count = sys.argv[1], int(sys.argv[2])
    if shape in memory.METERS:
        print(idle(shape, count))
    elif shape in METERS:
        print(supervised(shape, count))
    else:
        seconds, _ = asyncio.run(measure(shape, count))
        print(count / seconds)


if __name__ == "__main__":
    main()

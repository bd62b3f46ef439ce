"""Children for OTP's supervisor cases, each named by the part that it plays.

They stand in for the suite's supervisor_1 to supervisor_4, naughty_child and supervisor_deadlock.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from supervision import IGNORE, GenServer, Info, Stop, reasons

DIED = reasons.error("died")
"""Why a plain child ends that was told to die."""

CANNOT_RESTART = reasons.error("can start but once")
"""Why a plain child with the argument ``error`` does not start a second time."""


class Plain(GenServer):
    """Does what it is told; its start argument says how it starts.

    ``ignore`` is left out, ``extra`` says something to who starts it, ``error`` starts once for
    each life of its supervisor and never again, ``("return", value)`` returns that from ``init``,
    ``("raise", exception)`` raises it. Told ``("busy", seconds)``, it cannot end for that long.
    """

    busy_until = 0.0

    def init(self, args):
        match args:
            case "ignore":
                return IGNORE
            case "extra":
                return Info("extra")
            case "error" if self.address.incarnation > 1:
                return Stop(CANNOT_RESTART)
            case ("return", value):
                return value
            case ("raise", exception):
                raise exception
        return None

    def handle_call(self, request, from_):
        return request

    def handle_cast(self, request):
        match request:
            case "stop":
                self.stop(reasons.NORMAL)
            case "die":
                self.stop(DIED)
            case ("busy", seconds):
                self.busy_until = self.now() + seconds

    def terminate(self, reason):
        left = self.busy_until - self.now()
        return asyncio.sleep(left) if left > 0 else None


class SlowStop(GenServer):
    """Needs as many seconds to end as its start argument says."""

    def init(self, args):
        self.state = args

    async def terminate(self, reason):
        await asyncio.sleep(self.state)


class LeavesWith(GenServer):
    """Ends with the reason it was started with, asked by its supervisor or by a cast."""

    def init(self, args):
        self.state = args

    def handle_cast(self, request):
        self.stop(self.state)

    def terminate(self, reason):
        return None if self.state is None else Stop(self.state)


class Arrival:
    """A gated child that waits to be let in."""

    def __init__(self, actor: Gated, answer: asyncio.Future[Any]) -> None:
        self.actor = actor
        self.name = actor.address.name
        self._answer = answer

    def let(self, kit, returned=None):
        """Have its ``init`` return: None to start, IGNORE, or Stop with a reason."""
        kit.loop.run(self._answer.set_result, returned)
        kit.settle()


class Gate:
    """Where gated children wait in their ``init``; it is their start argument."""

    def __init__(self) -> None:
        self.waiting: deque[Arrival] = deque()

    def next(self, kit) -> Arrival:
        """The child that has come first; there must be one."""
        kit.settle()
        return self.waiting.popleft()


class Gated(GenServer):
    """Tells the test that it is there, and starts as the test says."""

    async def init(self, gate):
        answer = asyncio.get_running_loop().create_future()
        gate.waiting.append(Arrival(self, answer))
        return await answer


class Naughty(GenServer):
    """Unlinks itself from its supervisor, whose address it is started with."""

    def init(self, supervisor):
        self.unlink(supervisor)


class Switch:
    """What the children of one test read: whether they shall fail to start."""

    fail_start = False


class Deadlock(GenServer):
    """Fails to start while its switch says so, and takes two seconds for that."""

    async def init(self, switch):
        self.state = switch
        if not switch.fail_start:
            return None
        await asyncio.sleep(2.0)
        return Stop(reasons.error("told to fail"))

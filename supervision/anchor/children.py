"""The processes that an anchor has, by key, with their channels.

The process of a program has the program's name as its key. While one release takes over from
another there are two of one program: that of the successor, and then that which is leaving.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from supervision.anchor.channel import ProgramChannel
from supervision.anchor.handing_on import Asked, HandedChild, text
from supervision.anchor.messages import ExitCode, Message, Refusal
from supervision.anchor.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from supervision.anchor.channel import Serve
    from supervision.anchor.states import Exited

    Hear = Callable[[str, str, Mapping[str, Any]], None]


def successor(name: str) -> str:
    """The key of a program's successor."""
    return f"{name}+"


def leaving(name: str) -> str:
    """The key of a program's process that is leaving."""
    return f"{name}-"


@dataclass(slots=True)
class Child:
    """A process of an anchor.

    Attributes:
        key: What it is now.
        process: The process.
        channel: The anchor's end of the channel to it.
    """

    key: str
    process: Process
    channel: ProgramChannel


class Children:
    """The processes.

    Args:
        hear: Called with a key, and the name and the info of an event of that process.
        ended: Called with the event of an end.
        serve: Does what a process asks for.

    Attributes:
        asked: What tasks wait for in `ask_within`.
        before: What other code has asked for, by key and number; emptied once somebody waits for
            each: an answer may come before that.
    """

    def __init__(self, hear: Hear, ended: Callable[[Exited], None], serve: Serve) -> None:
        self._hear = hear
        self._ended = ended
        self._serve = serve
        self._children: dict[str, Child] = {}
        self.asked: dict[asyncio.Task[Any], Asked] = {}
        self.before: dict[tuple[str, int], asyncio.Future[Any]] = {}

    def __contains__(self, key: str) -> bool:
        """Whether there is such a process."""
        return key in self._children

    def __getitem__(self, key: str) -> Child:
        """Return a process; KeyError when there is none."""
        return self._children[key]

    def all(self) -> list[Child]:
        """Return all of them."""
        return list(self._children.values())

    async def add(self, key: str, process: Process) -> None:
        """Take care of a process that has been started."""
        await self._add(key, process, None)

    async def take_up(self, known: HandedChild) -> None:
        """Take care of a process where other code has left it."""
        if known.channel is None:  # it has ended already; so does this one
            channel, theirs = socket.socketpair()
            theirs.close()
        else:
            channel = socket.socket(fileno=known.channel)
        channel.setblocking(False)
        process = Process(known.name, known.pid, known.pidfd, channel)
        await self._add(known.key, process, known)

    async def _add(self, key: str, process: Process, known: HandedChild | None) -> None:
        loop = asyncio.get_running_loop()
        channel = ProgramChannel(
            process.name,
            lambda event, info: self._hear(child.key, event, info),
            lambda: process.signal(signal.SIGKILL),
            self._serve,
        )
        if known is not None:
            channel.take_up(known)
            for number, answer in channel.pending().items():
                self.before[key, number] = answer
        child = Child(key, process, channel)
        await loop.create_connection(lambda: channel, sock=process.channel)
        self._children[key] = child
        loop.add_reader(process.pidfd, self._reap, child)

    def move(self, key: str, to: str) -> None:
        """Have a process, if there is one, be another one of its program."""
        child = self._children.pop(key, None)
        if child is not None:
            child.key = to
            self._children[to] = child

    def signal(self, key: str, number: signal.Signals) -> None:
        """Send a signal to a process, if there is one."""
        if key in self._children:
            self._children[key].process.signal(number)

    def ask(self, key: str, op: str, args: Mapping[str, Any]) -> asyncio.Future[Any]:
        """Ask a process.

        Args:
            key: Which.
            op: The operation.
            args: Its arguments.

        Returns:
            The result to come, or the Refusal to come.

        Raises:
            Refusal: There is no such process, it is gone, or too much is under way.
        """
        if key not in self._children:
            raise Refusal(ExitCode.UNREACHABLE, f"{key} is not running")
        return self._children[key].channel.request(op, args)

    async def ask_within(self, key: str, op: str, args: Message, timeout_s: float) -> Any:
        """Ask a process and wait for its answer.

        Raises:
            Refusal: As of `ask`; or it did not answer in time.
        """
        answer = self.ask(key, op, args)
        number = self._children[key].channel.last_id
        asked = Asked(key, number, time.monotonic() + timeout_s, timeout_s)
        return await self._answer(asked, answer, timeout_s)

    async def asked_before(self, asked: Asked) -> Any:
        """Wait for the answer to a request that other code has made; raises as `ask_within`."""
        answer = self.before.pop((asked.key, asked.number), None)
        if answer is None:
            raise Refusal(ExitCode.UNREACHABLE, f"{asked.key} is not running")
        return await self._answer(asked, answer, max(0.0, asked.deadline - time.monotonic()))

    async def _answer(self, asked: Asked, answer: asyncio.Future[Any], timeout_s: float) -> Any:
        task = asyncio.current_task()
        assert task is not None
        self.asked[task] = asked
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            why = f"{asked.key} did not answer within {asked.timeout_s:g} s"
            raise Refusal(ExitCode.TRY_AGAIN, why) from None
        finally:
            del self.asked[task]

    def quiet(self) -> bool:
        """Whether nothing is under way but requests to processes that have not answered."""
        pending = {
            (child.key, number): future
            for child in self.all()
            for number, future in child.channel.pending().items()
        }
        asked = ((item.key, item.number) in pending for item in self.asked.values())
        answered = any(future.done() for future in pending.values())
        return all(asked) and not answered and not any(item.channel.serving for item in self.all())

    def hold(self, *, on: bool) -> None:
        """Read nothing of any of them for now, or read again."""
        for child in self.all():
            child.channel.hold(on=on)

    def handed(self) -> tuple[HandedChild, ...]:
        """What other code needs to go on with them."""
        return tuple(_handed(child) for child in self.all())

    def _reap(self, child: Child) -> None:
        del self._children[child.key]
        asyncio.get_running_loop().remove_reader(child.process.pidfd)
        child.channel.read_out(child.process.channel)
        child.channel.close()
        self._ended(child.process.reap())


def _handed(child: Child) -> HandedChild:
    process, channel = child.process, child.channel
    unread, unsent = channel.parts()
    descriptor = process.channel.fileno()
    return HandedChild(
        key=child.key,
        name=process.name,
        pid=process.pid,
        pidfd=process.pidfd,
        channel=None if descriptor < 0 else descriptor,
        last_id=channel.last_id,
        unread=text(unread),
        unsent=text(unsent),
        pending=tuple(channel.pending()),
    )

"""The processes that an anchor has, by key, with their channels.

The process of a program has the program's name as its key. While one release takes over from
another there are two of one program: that of the successor, and then that which is leaving.
"""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from supervision.anchor.channel import ProgramChannel
from supervision.anchor.messages import ExitCode, Message, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from supervision.anchor.channel import Serve
    from supervision.anchor.process import Process
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
    """

    def __init__(self, hear: Hear, ended: Callable[[Exited], None], serve: Serve) -> None:
        self._hear = hear
        self._ended = ended
        self._serve = serve
        self._children: dict[str, Child] = {}

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
        loop = asyncio.get_running_loop()
        _, channel = await loop.create_connection(
            lambda: ProgramChannel(
                process.name,
                lambda event, info: self._hear(child.key, event, info),
                lambda: process.signal(signal.SIGKILL),
                self._serve,
            ),
            sock=process.channel,
        )
        child = Child(key, process, channel)
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
        try:
            async with asyncio.timeout(timeout_s):
                return await self.ask(key, op, args)
        except TimeoutError:
            why = f"{key} did not answer within {timeout_s:g} s"
            raise Refusal(ExitCode.TRY_AGAIN, why) from None

    def _reap(self, child: Child) -> None:
        del self._children[child.key]
        asyncio.get_running_loop().remove_reader(child.process.pidfd)
        child.channel.read_out(child.process.channel)
        child.channel.close()
        self._ended(child.process.reap())

"""The side of a takeover that takes: a whole node that touches nothing until it is told to serve.

Between the last state that comes and the switch not one of its actors runs.
"""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from supervision.release.agreeing import heads
from supervision.release.carrier import Bulk, NoConversion
from supervision.release.giving import forget
from supervision.release.greeting import introduce
from supervision.release.records import Prepared, Switched, TakeoverLimits
from supervision.release.stillness import LOOK_S
from supervision.release.wire import (
    FORMAT,
    Begin,
    Body,
    Copied,
    Descriptors,
    End,
    Failed,
    Forward,
    Hello,
    Items,
    PeerFailed,
    TakeoverFailed,
    WireDamaged,
)
from supervision.release.wire import Prepared as SaidPrepared

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from supervision.eventloop.kernel import Kernel
    from supervision.release.carrier import Part
    from supervision.release.passing import Connection
    from supervision.release.wire import Message, Mode, Offer

_T = TypeVar("_T")


class Taker:
    """Takes a node over from another process; for one takeover.

    Args:
        kernel: the node.
        parts: what travels, in order.
        release: whose it is.
        limits: of time and size.
        mode: whether it is to serve, to try the conversions, or to follow as a shadow.
        dropped: parts of older releases that this one does without.

    Attributes:
        on_forward: called with each record that the other side forwards to a shadow.
    """

    def __init__(
        self,
        kernel: Kernel,
        parts: Sequence[Part],
        *,
        release: str = "",
        limits: TakeoverLimits | None = None,
        mode: Mode = "takeover",
        dropped: Sequence[str] = (),
    ) -> None:
        self._kernel = kernel
        self._parts = {part.name: part for part in parts}
        self._release = release
        self._limits = limits if limits is not None else TakeoverLimits()
        self._mode = mode
        self._dropped = dropped
        self._connection: Connection | None = None
        self._offer: Offer | None = None
        self._unpacked: set[str] = set()
        self._held_at = 0.0
        self._counts: dict[str, int] | None = None
        self._collecting = gc.isenabled()
        self.on_forward: Callable[[bytes], None] = forget

    async def connect(self, path: Path | str, secret: str) -> Offer:
        """Find the side that gives, and agree with it; its timers do not fire here from now on.

        Args:
            path: of its socket.
            secret: that it asks for.

        Returns:
            What it offers.

        Raises:
            TakeoverRefused: the two cannot take over from each other; the message says why.
            TakeoverFailed: nobody is there, or it went away.
        """
        if self._mode != "check":
            self._kernel.hold_timers()
        parts = list(self._parts.values())
        hello = Hello(FORMAT, secret, self._mode, self._release, heads(parts), tuple(self._dropped))
        self._connection, self._offer = await introduce(Path(path), hello, parts, self._limits)
        return self._offer

    async def copied(self) -> None:
        """Take everything once; the node is whole and can take items in.

        In a dry run that is all, and a shadow has a node of its own then.

        Raises:
            TakeoverFailed: it cannot be taken; the message says why.
        """
        gc.disable()  # what comes stays: it would be gone through in vain
        await self._noted(self._copied())

    async def _copied(self) -> None:
        connection = self._there()
        connection.put(Begin())
        while True:
            message, _ = await connection.receive()
            match message:
                case Items():
                    await self._give(message)
                case Body():
                    if self._mode == "shadow":
                        await self._stand_still()
                    await self._unpack(connection, message)
                case Copied() if self._mode == "takeover":
                    return
                case End() if self._mode != "takeover":
                    self._check_crc(connection, message)
                    self._settle_memory()
                    return
                case _:
                    self._out_of_turn(message)

    async def prepared(self) -> Prepared:
        """Take what is left, once the other side stands still; then this one does too.

        Raises:
            TakeoverFailed: it cannot be taken; the message says why.
        """
        return await self._noted(self._prepare())

    async def _prepare(self) -> Prepared:
        connection, offer = self._there(), self._offer
        assert offer is not None
        while True:
            message, _ = await connection.receive()
            match message:
                case Items():
                    await self._give(message)
                case Body():
                    await self._stand_still()
                    await self._unpack(connection, message)
                case End():
                    counts = self._check(connection, message)
                    connection.put(SaidPrepared(counts, message.crc))
                    await connection.sent()
                    return Prepared(counts, message.crc, offer.dropped, offer.new)
                case _:
                    self._out_of_turn(message)

    async def _give(self, message: Items) -> None:
        part = self._parts.get(message.part)
        assert self._offer is not None
        version = self._offer.parts.get(message.part)
        if not isinstance(part, Bulk) or version is None:
            raise WireDamaged(f"{message.part}: no items of that were offered")
        try:
            taken = part.give(version, message.slice)
            if taken is not None:
                await taken
        except (NoConversion, ValueError) as error:
            raise TakeoverFailed(f"{part.name}: {error}") from error
        await asyncio.sleep(0)  # whoever asks this node how it is gets an answer

    async def _unpack(self, connection: Connection, message: Body) -> None:
        part = self._parts.get(message.part)
        assert self._offer is not None
        version = self._offer.parts.get(message.part)
        if part is None or version is None or part.name in self._unpacked:
            raise WireDamaged(f"{message.part}: that was not offered, or came before")
        descriptors: list[int] = []
        while len(descriptors) < message.descriptors:
            more, own = await connection.receive()
            if not isinstance(more, Descriptors) or not own:
                self._out_of_turn(more)
            descriptors += own
        self._unpacked.add(part.name)
        try:
            part.unpack(version, message.body, tuple(descriptors))
        except (NoConversion, ValueError) as error:
            raise TakeoverFailed(f"{part.name}: {error}") from error

    async def _stand_still(self) -> None:
        """From the first state that is taken in on, no actor runs."""
        until = self._kernel.clock.monotonic() + self._limits.quiet_s
        while not self._kernel.quiet:
            if self._kernel.clock.monotonic() >= until:
                break
            await asyncio.sleep(LOOK_S)
        self._kernel.freeze()

    def _check(self, connection: Connection, end: End) -> dict[str, int]:
        assert self._offer is not None
        self._check_crc(connection, end)
        if missing := [name for name in self._offer.parts if name not in self._unpacked]:
            raise TakeoverFailed(f"{', '.join(missing)}: nothing of that has come")
        for name, count in end.counts.items():
            part = self._parts[name]
            assert isinstance(part, Bulk)
            if part.count() != count:
                raise TakeoverFailed(f"{name}: {count} items were given, {part.count()} are here")
        self._held_at, self._counts = end.held_at, end.counts
        return end.counts

    @staticmethod
    def _check_crc(connection: Connection, end: End) -> None:
        if connection.received_crc != end.crc:
            raise WireDamaged(f"checksum {connection.received_crc:08x}, and {end.crc:08x} was sent")

    async def switch(self) -> Switched:
        """Serve: parts in order, then timers, then every actor.

        Raises:
            TakeoverFailed: not everything has been taken.
        """
        if self._counts is None:
            raise TakeoverFailed("nothing can be switched to: not everything has been taken")
        for part in self._parts.values():
            await part.switch()
        self._kernel.release_timers()
        self._kernel.thaw()
        pause_ms = round((self._kernel.clock.monotonic() - self._held_at) * 1000, 3)
        self._settle_memory()
        self._there().close()
        told = {name: part.tells() for name, part in self._parts.items()}
        return Switched(self._counts, pause_ms, {name: told[name] for name in told if told[name]})

    # A shadow

    async def follow(self) -> None:
        """Take what is forwarded until the other side ends that; for a shadow.

        Raises:
            TakeoverFailed: it does no more.
        """
        connection = self._there()
        while True:
            message, _ = await connection.receive()
            if not isinstance(message, Forward):
                self._out_of_turn(message)
            else:
                self.on_forward(message.data)

    def forward(self, data: bytes) -> bool:
        """Forward a record to the node that serves; return False where much waits already."""
        connection = self._there()
        if connection.buffered > self._limits.forward_bytes:
            return False
        connection.put(Forward(data))
        return True

    # The end

    def close(self) -> None:
        """Let go of the other side; what has been taken stays."""
        if self._connection is not None:
            self._connection.close()
        self._enable_collecting()

    def _there(self) -> Connection:
        if self._connection is None:
            raise TakeoverFailed("there is no other side: connect comes first")
        return self._connection

    def _out_of_turn(self, message: Message) -> None:
        if isinstance(message, Failed):
            raise PeerFailed(message.why)
        raise WireDamaged(f"{type(message).__name__} came out of turn")

    async def _noted(self, work: Awaitable[_T]) -> _T:
        """Do something, and tell the other side what goes wrong in it."""
        try:
            return await work
        except Exception as error:
            # Whatever a part's own code raises on states of another version comes out here, besides
            # what the connection does. It goes on to whoever started this takeover, and ends that,
            # not an actor; but the other side stands still, and must not wait for a time limit.
            connection = self._there()
            connection.put(Failed(f"{type(error).__name__}: {error}"))
            connection.close()
            self._enable_collecting()
            raise

    def _settle_memory(self) -> None:
        """What is there stays: leave it out of every collection."""
        gc.freeze()
        self._enable_collecting()

    def _enable_collecting(self) -> None:
        if self._collecting:
            gc.enable()

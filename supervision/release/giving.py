"""The side of a takeover that gives: copies what it is while it serves, stands still, or goes on.

It decides nothing: whoever runs it says when to freeze, and whether to end or to resume then. What
goes wrong is told, and leaves the node serving; from the freeze on, `resume` has it serve again.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supervision.release.carrier import Bulk, NoConversion, NotCarried
from supervision.release.copying import Copying
from supervision.release.greeting import SOCKET, Door, offering
from supervision.release.passing import MOST_DESCRIPTORS
from supervision.release.records import CopiedOnce, Frozen, TakeoverLimits
from supervision.release.stillness import Stillness
from supervision.release.wire import (
    Begin,
    Body,
    Copied,
    Descriptors,
    End,
    Failed,
    Forward,
    PeerFailed,
    PeerGone,
    Prepared,
    TakeoverFailed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from supervision.eventloop.kernel import Kernel
    from supervision.release.carrier import Part
    from supervision.release.passing import Connection
    from supervision.release.wire import Hello, Message, Mode, Offer

LAST_WORDS_S = 1.0
"""Seconds for what the other side had to say before it went."""


class Giver:
    """Gives a node to another process; for one takeover.

    Args:
        kernel: the node.
        parts: what travels, in order.
        release: whose it is.
        limits: of time and size.
        dropped: parts of older releases that this one does without.
        tell: told of each phase: ``connected``, ``copied``, ``prepared``, ``failed``.

    Attributes:
        on_forward: called with each record that a shadow forwards.
        failed: why the takeover is off; None while it is not.
        not_forwarded: records that a shadow was not sent, for too much waited there.
    """

    def __init__(
        self,
        kernel: Kernel,
        parts: Sequence[Part],
        *,
        release: str = "",
        limits: TakeoverLimits | None = None,
        dropped: Sequence[str] = (),
        tell: Callable[[str, dict[str, Any]], None] | None = None,
    ) -> None:
        self._kernel = kernel
        self._parts = parts
        self._release = release
        self._limits = limits if limits is not None else TakeoverLimits()
        self._dropped = dropped
        self._tell = tell if tell is not None else _tell_nobody
        self._loop = asyncio.get_running_loop()
        self._door: Door | None = None
        self._connection: Connection | None = None
        self._offer: Offer | None = None
        self._copying: Copying | None = None
        self._mode: Mode = "takeover"
        self._tasks: list[asyncio.Task[Any]] = []
        self._begun: asyncio.Future[None] = self._loop.create_future()
        self._copied: asyncio.Future[CopiedOnce] = self._loop.create_future()
        self._prepared: asyncio.Future[Prepared] = self._loop.create_future()
        self._freezing: asyncio.Task[Frozen] | None = None
        self._stillness = Stillness(kernel, parts, self._limits)
        self._over = False
        self.failed: TakeoverFailed | None = None
        self.on_forward: Callable[[bytes], None] = forget
        self.not_forwarded = 0

    # Who takes

    async def listen(self, directory: Path, secret: str) -> Path:
        """Wait for the one that takes; all else happens by itself until everything is copied.

        Args:
            directory: where the socket is made.
            secret: that the other side has to know.

        Returns:
            The socket's path.

        Raises:
            OSError: it cannot be made.
        """
        path = Path(directory) / SOCKET
        offer = offering(secret, self._parts, self._release, self._dropped)
        self._door = Door(path, self._limits, offer, self._admit)
        return path

    def _admit(self, connection: Connection, hello: Hello, offer: Offer) -> None:
        self._connection, self._offer, self._mode = connection, offer, hello.mode
        bulks = [(part, offer.parts[part.name]) for part in self._travelling(offer)]
        self._copying = Copying(
            connection,
            [(part, version) for part, version in bulks if isinstance(part, Bulk)],
            self._limits,
        )
        self._tell("connected", {"release": hello.release, "mode": hello.mode})
        copy = self._copy if hello.mode == "takeover" else self._copy_only
        self._tasks = [
            self._loop.create_task(self._watched(self._hear(connection))),
            self._loop.create_task(self._watched(copy(connection, self._copying, offer))),
        ]

    def _travelling(self, offer: Offer) -> list[Part]:
        return [part for part in self._parts if part.name in offer.parts]

    async def _hear(self, connection: Connection) -> None:
        try:
            while True:
                message, _ = await connection.receive()
                self._heard(message)
        except PeerGone:
            if not self._prepared.done():
                raise
            # It has said all: whether it lives is for whoever runs the two to see.

    def _heard(self, message: Message) -> None:
        match message:
            case Begin() if not self._begun.done():
                self._begun.set_result(None)
            case Prepared() if not self._prepared.done():
                self._prepared.set_result(message)
            case Forward(data):
                self.on_forward(data)
            case Failed(why):
                raise PeerFailed(why)
            case _:
                raise TakeoverFailed(f"{type(message).__name__} came out of turn")

    # The copy

    async def _copy(self, connection: Connection, copying: Copying, _: Offer) -> None:
        await self._begun
        copying.begin()
        await copying.rounds(self._limits.rounds)
        for part in self._parts:
            await part.ready()
        done = await copying.rounds(self._limits.rounds)
        connection.put(Copied(copying.counts()))
        self._has_copied(done)
        await copying.keep_up()

    async def _copy_only(self, connection: Connection, copying: Copying, offer: Offer) -> None:
        """For a dry run or a shadow: everything once, as it is at one moment."""
        await self._begun
        copying.begin()
        done = await copying.rounds(self._limits.rounds)
        copying.rest()
        for part in self._travelling(offer):
            body = part.copy(offer.parts[part.name])
            if body is not None:
                connection.put(Body(part.name, body))
        connection.put(End(copying.counts(), connection.sent_crc))
        copying.end()
        self._has_copied(done)

    def _has_copied(self, done: CopiedOnce) -> None:
        self._copied.set_result(done)
        more = {"copy_s": round(done.copy_s, 3), "items": done.items, "mode": self._mode}
        self._tell("copied", more)

    @property
    def versions(self) -> dict[str, int]:
        """The version that each part is written in; none before the two have agreed."""
        return {} if self._offer is None else self._offer.parts

    async def copied(self) -> CopiedOnce:
        """Wait until everything has travelled once.

        Raises:
            TakeoverFailed: it is off.
        """
        return await asyncio.shield(self._copied)

    def forward(self, data: bytes) -> bool:
        """Forward a record to a shadow; return False where it is dropped, for much waits there."""
        connection = self._connection
        if self._over or connection is None or connection.buffered > self._limits.forward_bytes:
            self.not_forwarded += 1
            return False
        connection.put(Forward(data))
        return True

    # The freeze

    async def freeze(self) -> Frozen:
        """Stand still and give everything; then only `resume`, or the end of this process.

        Raises:
            TakeoverFailed: it is off; `resume` has the node serve again.
        """
        if self.failed is not None:
            raise self.failed
        if self._over or self._freezing or self._mode != "takeover" or not self._copied.done():
            raise TakeoverFailed("this is not the time to freeze: everything is to be copied once")
        self._freezing = self._loop.create_task(self._frozen())
        try:
            await self._watched(self._freezing)
        except asyncio.CancelledError:
            if self.failed is None:
                raise
        if self.failed is not None:
            raise self.failed
        return self._freezing.result()

    async def _frozen(self) -> Frozen:
        drain_ms = await self._stillness.drain()
        await self._stop_copying()
        held_at = self._now()
        try:
            async with asyncio.timeout(self._limits.freeze_s):
                named = await self._stillness.begin()
                counts, crc = await self._give_all(held_at)
        except TimeoutError:
            raise TakeoverFailed(
                f"the freeze was not over within {self._limits.freeze_s:g} s"
                f" ({self._limits.freeze_key}): " + "; ".join(self._stillness.busy())
            ) from None
        frozen_ms = round((self._now() - held_at) * 1000, 3)
        self._tell("prepared", {"counts": counts, "crc": crc})
        return Frozen(counts, crc, drain_ms, frozen_ms, named, self._more())

    def _now(self) -> float:
        return self._kernel.clock.monotonic()

    async def _stop_copying(self) -> None:
        copy = self._tasks[1]
        copy.cancel()
        await asyncio.wait([copy])

    async def _give_all(self, held_at: float) -> tuple[dict[str, int], int]:
        connection, copying, offer = self._connection, self._copying, self._offer
        assert connection is not None
        assert copying is not None
        assert offer is not None
        await copying.last()
        for part in self._travelling(offer):
            await self._give(connection, part, offer.parts[part.name])
        counts, crc = copying.counts(), connection.sent_crc
        connection.put(End(counts, crc, held_at))
        await connection.sent()
        prepared = await asyncio.shield(self._prepared)
        if (prepared.counts, prepared.crc) != (counts, crc):
            raise TakeoverFailed(f"{counts} were given, and {prepared.counts} have come")
        return counts, crc

    async def _give(self, connection: Connection, part: Part, version: int) -> None:
        packed = part.pack(version)
        connection.put(Body(part.name, packed.body, len(packed.descriptors)))
        for at in range(0, len(packed.descriptors), MOST_DESCRIPTORS):
            connection.put(Descriptors(), packed.descriptors[at : at + MOST_DESCRIPTORS])
        await connection.sent(self._limits.buffer_bytes)

    def _more(self) -> dict[str, Any]:
        assert self._offer is not None
        told = {part.name: part.tells() for part in self._parts}
        return {name: told[name] for name in told if told[name]} | {
            "dropped": list(self._offer.dropped),
            "new": list(self._offer.new),
        }

    # What goes wrong, and the end

    async def _watched(self, work: Any) -> None:
        """Do something; whatever goes wrong in it is the end of the takeover, not of the node."""
        try:
            await work
        except PeerGone as gone:
            if asyncio.current_task() is not self._tasks[0]:  # which hears why, as a rule
                await asyncio.wait([self._tasks[0]], timeout=LAST_WORDS_S)
            self._fail(gone)
        except TakeoverFailed as failed:
            self._fail(failed)
        except (NoConversion, NotCarried) as none:
            self._fail(TakeoverFailed(str(none)))
        except Exception as error:  # noqa: BLE001 - a part's own fault: told, and the node serves on
            self._fail(TakeoverFailed(f"{type(error).__name__}: {error}"))

    def _fail(self, failed: TakeoverFailed) -> None:
        if self.failed is not None:
            return
        self.failed = failed
        self._let_go(str(failed))
        for future in (self._begun, self._copied, self._prepared):
            if not future.done():
                future.set_exception(failed)
                future.exception()  # whoever waits is told; nobody has to
        self._tell("failed", {"why": str(failed)})

    def _let_go(self, why: str) -> None:
        """Tell the other side, end what is under way, and note changes no longer."""
        if self._door is not None:
            self._door.close()
        for task in [*self._tasks, *([self._freezing] if self._freezing else [])]:
            if task is not asyncio.current_task():
                task.cancel()
        if self._copying is not None:
            self._copying.end()
        if self._connection is not None:
            with contextlib.suppress(TakeoverFailed):
                self._connection.put(Failed(why))
            self._connection.close()

    async def resume(self) -> None:
        """The takeover is off: serve as if nothing had been. The other process is gone by now.

        Raises:
            ExceptionGroup: parts that could not go on; the others do.
        """
        if self._over:
            return
        self._over = True
        self._fail(TakeoverFailed("the takeover was called off"))
        if self._freezing is not None:
            await asyncio.wait([self._freezing])
        await self._stillness.end()


def forget(data: bytes) -> None:
    """Do nothing with a record."""
    del data


def _tell_nobody(phase: str, more: dict[str, Any]) -> None:
    del phase, more

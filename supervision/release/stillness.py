"""How a node comes to stand still for a takeover, and goes on should that be off.

What is under way may end while it still serves; then nothing more is read, what was read is
handled, no actor runs any more, and what only one process may have is let go of.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from supervision.release import stragglers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervision.eventloop.kernel import Kernel
    from supervision.release.carrier import Part
    from supervision.release.records import TakeoverLimits

LOOK_S = 0.000_5
"""Seconds between two looks at whether a node is quiet."""


class Stillness:
    """Has a node stand still.

    Args:
        kernel: the node.
        parts: of it, in order.
        limits: how long each stage may take.
    """

    def __init__(self, kernel: Kernel, parts: Sequence[Part], limits: TakeoverLimits) -> None:
        self._kernel = kernel
        self._parts = parts
        self._limits = limits
        self._touched = False

    async def drain(self) -> float:
        """Let what is under way end; return the milliseconds that it took."""
        self._touched = True
        begun = self._now()
        seconds = self._limits.drain_s
        draining = [part.drain(begun + seconds) for part in self._parts]
        with contextlib.suppress(TimeoutError):  # who is not done is a straggler
            async with asyncio.timeout(seconds):
                await asyncio.gather(*draining)
        return round((self._now() - begun) * 1000, 3)

    async def begin(self) -> list[str]:
        """Take nothing more in, and stand still; return who was not done with what he had."""
        for part in self._parts:
            part.hold()
        await self._quiet()
        named = [name for part in self._parts for name in part.stragglers()]
        self._kernel.freeze()
        named += stragglers.treat(self._kernel, self._limits.stragglers)
        for part in self._parts:
            await part.stop()
        return named

    async def _quiet(self) -> None:
        """Wait until all that was read is handled: for a while, or as long as actors ask."""
        until = self._now() + self._limits.quiet_s
        while self._busy():
            if self._now() >= until and not self._waited_for():
                return
            await asyncio.sleep(LOOK_S)

    def _busy(self) -> bool:
        kernel = self._kernel
        return not kernel.quiet or bool(kernel.under_way) or not all(p.idle() for p in self._parts)

    def _waited_for(self) -> list[str]:
        return stragglers.waited_for(self._kernel, self._limits.stragglers)

    def busy(self) -> list[str]:
        """Who keeps the node from standing still."""
        named = self._waited_for()
        return named or [f"{part.name} is not idle" for part in self._parts if not part.idle()]

    def _now(self) -> float:
        return self._kernel.clock.monotonic()

    async def end(self) -> None:
        """Go on as if nothing had been, from wherever it came to.

        Raises:
            ExceptionGroup: parts that could not; the others do.
        """
        if not self._touched:
            return  # another takeover may have frozen the node: that is not this one's to undo
        self._touched = False
        self._kernel.thaw()
        failures: list[Exception] = []
        for part in reversed(self._parts):
            try:
                await part.resume()
            except Exception as error:  # noqa: BLE001 - the others have to go on; raised below
                failures.append(error)
        if failures:
            raise ExceptionGroup("not everything could go on", failures)

"""The signals that stop an anchor; none is lost while other code takes its place."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Interrupts:
    """Signals as calls on a loop.

    asyncio's own handlers note a signal where nobody can see it before the loop comes round. These
    do not: while the signals are blocked it is known whether one has come. One that comes then
    waits in the kernel, across execve(2) too.

    Args:
        tell: Called on the loop with the name of a signal.

    Attributes:
        caught: Whether one has come.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.caught = False
        self._tell = tell
        self._loop: asyncio.AbstractEventLoop | None = None

    def install(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hear signals from now on, those first that came while they were blocked."""
        self._loop = loop
        for number in SIGNALS:
            signal.signal(number, self._hear)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Have signals wait; `caught` is true where one came before."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.caught = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, signal.Signals(number).name)

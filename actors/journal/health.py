"""Whether commits succeed, since when they do not, and who is told of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from actors.journal import effects
from actors.journal.records import Crashed, Failing, Working

if TYPE_CHECKING:
    from supervision.eventloop.kernel import Kernel

Listener: TypeAlias = Callable[[Failing | Working | Crashed], None]


class Health:
    """How commits go.

    Args:
        kernel: the node.
        released: where listeners are told, after the effects that wait there.
        noted: told why commits do not succeed now, and the empty text when they do again.
    """

    def __init__(
        self, kernel: Kernel, released: effects.Queue, noted: Callable[[str], None]
    ) -> None:
        self._failing = ""
        self._noted = noted
        self._kernel = kernel
        self._released = released
        self._since = 0.0
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have ``listener`` told; return what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def fails(self, why: str) -> None:
        """Commits do not succeed; nobody is told the same twice."""
        if self._failing != why:
            self._begin(why)
            self._tell(Failing(why))

    def crashed(self, exception: BaseException) -> None:
        """The writer has ended."""
        self._begin(f"the writer crashed: {exception!r}")
        self._tell(effects.crash(exception))

    def works(self) -> None:
        """Commits succeed again."""
        seconds = self._kernel.clock.monotonic() - self._since
        self._since = 0.0
        self.say("")
        self._tell(Working(seconds))

    def _begin(self, why: str) -> None:
        self._since = self._since or self._kernel.clock.monotonic()
        self.say(why)

    def say(self, why: str) -> None:
        """Have it known why commits do not succeed, and tell no listener."""
        self._failing = why
        self._noted(why)

    def _tell(self, event: Failing | Working | Crashed) -> None:
        for listener in tuple(self._listeners):
            self._released.add(partial(listener, event))

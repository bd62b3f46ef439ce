"""What waits for commits is run here, in order, within a budget; what fails hinders nothing."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from actors.journal.batch import Effect
from actors.journal.records import Crashed

if TYPE_CHECKING:
    from supervision.eventloop.kernel import Kernel

BUDGET_S = 0.005
"""Seconds after which the loop goes round once before the next effects."""


class Queue:
    """Effects whose time has come.

    Args:
        kernel: the node.

    Attributes:
        ready: those that have not been run yet.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.ready: deque[Effect] = deque()
        self._running = False

    def __len__(self) -> int:
        return len(self.ready)

    def add(self, effect: Effect) -> None:
        """Run an effect: now, or after those that wait."""
        self.ready.append(effect)
        if not self._running:
            self._run()

    def extend(self, effects: Iterable[Effect]) -> None:
        """Run effects: now, or after those that wait."""
        self.ready.extend(effects)
        if not self._running and self.ready:
            self._run()

    def _run(self) -> None:
        self._running = True
        clock, ready = self._kernel.clock.monotonic, self.ready
        end = clock() + BUDGET_S
        while ready:
            effect = ready.popleft()
            try:
                effect()
            except Exception as exception:  # noqa: BLE001 - the others are of other actors
                report(self._kernel, exception, "an effect")
            if clock() > end and ready:
                self._kernel.loop.call_soon(self._run)
                return
        self._running = False


def report(kernel: Kernel, exception: BaseException, what: str) -> None:
    """Tell operators of a fault as of the crash of an actor.

    Args:
        kernel: the node.
        exception: what was raised.
        what: by what.
    """
    crashed = crash(exception)
    kernel.report(
        "crash",
        "journal",
        actor="Journal",
        message=what,
        reason=crashed.why,
        traceback=crashed.traceback,
    )


def crash(exception: BaseException) -> Crashed:
    """An exception in words."""
    return Crashed(repr(exception), "".join(traceback.format_exception(exception))[-20_000:])

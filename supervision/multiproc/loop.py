"""The loop of a process: driven between two messages, for Thespian owns the process's own wait."""

from __future__ import annotations

import logging
from typing import Any

from supervision.clock import SystemClock
from supervision.testing.loop import VirtualLoop


class SteppedLoop(VirtualLoop):
    """Callbacks and timers in the machine's time, run for as long as whoever drives it allows."""

    def __init__(self) -> None:
        # The virtual loop only reads its clock unless it is told to move it, and nobody does.
        super().__init__(SystemClock())  # type: ignore[arg-type]

    def step(self, seconds: float) -> bool:
        """Run what is ready, for at most ``seconds``; return whether anything is left."""
        left: bool = self.run(self._step, self.clock.monotonic() + seconds)
        return left

    def _step(self, limit: float) -> bool:
        while True:
            self._release_due()
            if not self._ready:
                return False
            if self.clock.monotonic() >= limit:
                return True
            handle = self._ready.popleft()
            if not handle.cancelled():
                handle._run()  # noqa: SLF001 - how a loop runs a handle

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Log what nobody handled."""
        logging.getLogger("supervision").error(
            "%s", context.get("message"), exc_info=context.get("exception")
        )

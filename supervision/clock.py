"""Time as an argument: what every part of the room asks instead of the machine."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two readings; ``supervision.testing.VirtualClock`` gives them without a machine."""

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean something."""

    def wall(self) -> float:
        """Seconds since the epoch."""


class SystemClock:
    """The machine's clock."""

    # Attributes, not methods: the scheduler reads the clock after every message.
    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

"""A clock that stands still until it is told to move."""

from __future__ import annotations


class VirtualClock:
    """Time for tests: a ``supervision.clock.Clock`` whose readings are given, not measured.

    Args:
        monotonic: seconds of the first monotonic reading.
        wall: seconds since the epoch of the first wall reading.
    """

    def __init__(self, monotonic: float = 1_000.0, wall: float = 1_750_000_000.0) -> None:
        self._began = self._monotonic = monotonic
        self._wall_offset = wall - monotonic

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self._monotonic

    def wall(self) -> float:
        """Seconds since the epoch; they move with ``monotonic``, and by ``set_wall``."""
        return self._monotonic + self._wall_offset

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was made."""
        return self._monotonic - self._began

    def advance(self, seconds: float) -> None:
        """Move both readings; a handler under test does so to say how long it takes.

        Nothing runs here: what becomes due runs when the kit settles.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds} s")
        self._monotonic += seconds

    def advance_to(self, monotonic: float) -> None:
        """Move to a monotonic reading; one that has passed changes nothing."""
        self._monotonic = max(self._monotonic, monotonic)

    def set_wall(self, wall: float) -> None:
        """Step the wall clock alone, as an administrator or NTP does."""
        self._wall_offset = wall - self._monotonic

"""How much of something there may be in a second: a bucket of tokens, pure; time is an argument."""

from __future__ import annotations


class Rate:
    """A bucket that fills at a rate, up to what a second brings.

    Args:
        per_s: how much there may be in a second; as much may come at once.
        at: now, monotonic seconds.
    """

    __slots__ = ("_at", "_left", "_per_s")

    def __init__(self, per_s: float, at: float) -> None:
        self._per_s = per_s
        self._left = per_s
        self._at = at

    def takes(self, at: float, count: float = 1.0) -> bool:
        """Whether there may be so much more now; it is counted where it may.

        Args:
            at: now, monotonic seconds.
            count: how much.
        """
        self._left = min(self._per_s, self._left + max(0.0, at - self._at) * self._per_s)
        self._at = at
        if self._left < count:
            return False
        self._left -= count
        return True

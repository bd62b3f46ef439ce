"""A cache of rows by key: each has an age, that nothing was found is kept too, the oldest give way.

A value is fresh, then stale: used only where a newer one is not to be had. After that it is gone.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import Struct

Value = TypeVar("Value")


class CacheLimits(Struct, frozen=True):
    """What a cache may keep.

    Attributes:
        rows: How many; one more and the oldest gives way.
        fresh_s: How long a value is fresh, seconds.
        negative_s: The same where nothing was found.
        stale_s: How long after that it may still be used, seconds.
    """

    rows: int
    fresh_s: float
    negative_s: float
    stale_s: float


class Hit(Struct, Generic[Value], frozen=True):
    """Something known.

    Attributes:
        value: None: it is known that there is nothing.
        age_s: Since it was read, seconds.
        stale: Whether it is to be used only where a newer one is not to be had.
    """

    value: Value | None
    age_s: float
    stale: bool


class CacheStatistics(Struct, frozen=True):
    """How a cache does: rows now and at most, and what it has counted."""

    rows: int
    limit: int
    hits: int
    misses: int
    evicted: int


class FactCache(Generic[Value]):
    """The cache.

    Args:
        limits: What it may keep.

    Attributes:
        hits: Fresh values given.
        misses: Keys asked for that were not there, or stale.
        evicted: Values that gave way to others.
    """

    def __init__(self, limits: CacheLimits) -> None:
        self.limits = limits
        self.hits = self.misses = self.evicted = 0
        self._rows: dict[str, tuple[Value | None, float]] = {}  # the oldest first

    def __len__(self) -> int:
        """How many values there are, those that nothing was found for included."""
        return len(self._rows)

    def statistics(self) -> CacheStatistics:
        """How much there is, and what has been counted since the start."""
        return CacheStatistics(len(self), self.limits.rows, self.hits, self.misses, self.evicted)

    def get(self, key: str, now: float) -> Hit[Value] | None:
        """Look a key up.

        Args:
            key: As it was put.
            now: Monotonic seconds.

        Returns:
            What is known, fresh or stale; None where nothing is, or it is too old.
        """
        found = self._rows.get(key)
        if found is None:
            self.misses += 1
            return None
        value, at = found
        age_s = now - at
        fresh_s = self.limits.negative_s if value is None else self.limits.fresh_s
        if age_s <= fresh_s:
            self.hits += 1
            return Hit(value, age_s, stale=False)
        self.misses += 1
        if age_s <= fresh_s + self.limits.stale_s:
            return Hit(value, age_s, stale=True)
        del self._rows[key]
        return None

    def peek(self, key: str, now: float) -> Hit[Value] | None:
        """Look a key up for a person: nothing is counted, and nothing dropped.

        Args:
            key: As it was put.
            now: Monotonic seconds.
        """
        found = self._rows.get(key)
        if found is None:
            return None
        value, at = found
        fresh_s = self.limits.negative_s if value is None else self.limits.fresh_s
        age_s = now - at
        if age_s > fresh_s + self.limits.stale_s:
            return None
        return Hit(value, age_s, stale=age_s > fresh_s)

    def put(self, key: str, value: Value | None, now: float) -> None:
        """Keep what was read.

        Args:
            key: Of what.
            value: None where nothing was found.
            now: Monotonic seconds.
        """
        self._rows.pop(key, None)
        self._rows[key] = (value, now)
        while len(self._rows) > self.limits.rows:
            del self._rows[next(iter(self._rows))]
            self.evicted += 1

    def forget(self, key: str) -> bool:
        """Drop what is known of a key; whether there was something."""
        return self._rows.pop(key, None) is not None

    def clear(self) -> int:
        """Drop everything, and tell how much that was."""
        count = len(self._rows)
        self._rows.clear()
        return count

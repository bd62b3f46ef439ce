"""How long handlers take: counts in buckets that double, from 1 microsecond to about 34 seconds."""

from __future__ import annotations

BUCKETS = 26


class Histogram:
    """A latency histogram of fixed size.

    Bucket ``n`` counts durations under ``2**n`` microseconds that are not under the bucket before.
    """

    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[min(int(seconds * 1e6).bit_length(), BUCKETS - 1)] += 1
        self.total_s += seconds

    @property
    def count(self) -> int:
        """Durations counted."""
        return sum(self.counts)

    def quantile(self, fraction: float) -> float:
        """The upper bound, in seconds, of the bucket that holds the given fraction; 0 if empty."""
        wanted = self.count * fraction
        seen = 0
        for bucket, count in enumerate(self.counts):
            seen += count
            if count and seen >= wanted:
                return float(2**bucket) / 1e6
        return 0.0

    def cumulative(self) -> list[tuple[float, int]]:
        """Pairs of upper bound in seconds and how many were at or under it."""
        seen, pairs = 0, []
        for bucket, count in enumerate(self.counts):
            seen += count
            pairs.append((float(2**bucket) / 1e6, seen))
        return pairs

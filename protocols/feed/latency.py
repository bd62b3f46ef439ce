"""Latencies counted in buckets of one per cent: an hour takes no more memory than a second."""

from __future__ import annotations

import math
from itertools import accumulate

from msgspec import Struct, field

_SHORTEST_S = 1e-6
_STEP = math.log(1.01)
_BUCKETS = 2_000
"""From a microsecond to seven minutes; what is longer is counted in the last."""


class Latencies(Struct):
    """Counts by length; the longest is kept as it is."""

    count: int = 0
    longest_s: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * _BUCKETS)


class LatencySummary(Struct, frozen=True):
    """Milliseconds; None when nothing was counted."""

    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None


def add(latencies: Latencies, seconds: float) -> None:
    """Count one latency; one that is not positive counts as the shortest."""
    latencies.count += 1
    latencies.longest_s = max(latencies.longest_s, seconds)
    bucket = math.ceil(math.log(max(seconds, _SHORTEST_S) / _SHORTEST_S) / _STEP)
    latencies.buckets[min(bucket, _BUCKETS - 1)] += 1


def quantile(latencies: Latencies, share: float) -> float | None:
    """The latency that this share of all did not exceed, seconds, at most 1 % too long.

    Args:
        latencies: what was counted.
        share: 0.99 for the 99th percentile.
    """
    if latencies.count == 0:
        return None
    wanted = math.ceil(latencies.count * share)
    reached = (
        bucket for bucket, seen in enumerate(accumulate(latencies.buckets)) if seen >= wanted
    )
    return min(_SHORTEST_S * math.exp(next(reached) * _STEP), latencies.longest_s)


def summary(latencies: Latencies) -> LatencySummary:
    """Give the usual three."""
    longest = latencies.longest_s if latencies.count else None
    return LatencySummary(
        p50_ms=_ms(quantile(latencies, 0.5)),
        p99_ms=_ms(quantile(latencies, 0.99)),
        max_ms=_ms(longest),
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)

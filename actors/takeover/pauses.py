"""How long peers were not read while a node was handed over.

The side that gives stops reading at one moment for all connections of a kind, and says when (the
monotonic clock is one for all processes of a machine); the side that takes knows when it reads
again. An upgrade's history tells the distribution over all connections that were moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Held:
    """Connections that were not read from one moment on.

    Attributes:
        at: that moment, in monotonic seconds.
        connections: how many.
    """

    at: float
    connections: int


def pause(held: Iterable[Held], now: float, least_ms: float) -> dict[str, float]:
    """The distribution of how long connections were not read, until now.

    Args:
        held: all that were moved.
        now: when they are read again, in monotonic seconds.
        least_ms: how long nobody was served, in ms: the pause of an upgrade that moved none.

    Returns:
        ``{p50, p99, max, connections}``, in ms, by the nearest rank.
    """
    longest_first = sorted((item.at, item.connections) for item in held if item.connections)
    count = sum(number for _, number in longest_first)
    waits = [((now - at) * 1000, number) for at, number in reversed(longest_first)]
    waits = waits or [(least_ms, 1)]
    total = sum(number for _, number in waits)
    found = {
        name: round(_rank(waits, total * share), 3)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    }
    return {**found, "connections": count}


def _rank(waits: list[tuple[float, int]], rank: float) -> float:
    """The wait of the one at a rank, the shortest wait first."""
    seen = 0
    for wait, number in waits:
        seen += number
        if seen >= rank:
            return wait
    return waits[-1][0]

"""How long to wait before something is tried again."""

from __future__ import annotations

_MOST_DOUBLINGS = 63


def wait_s(attempt: int, min_s: float, max_s: float, chance: float) -> float:
    """Return the wait before an attempt: doubled each time, with jitter, within bounds.

    Many that lost the same peer at the same moment must not all come back at the same moment.

    Args:
        attempt: How many attempts have failed, from 1.
        min_s: Least wait, seconds.
        max_s: Greatest wait, seconds.
        chance: From 0 to 1, by lot.
    """
    longest = min(max_s, min_s * float(1 << min(attempt, _MOST_DOUBLINGS)))
    return min_s + (longest - min_s) * chance

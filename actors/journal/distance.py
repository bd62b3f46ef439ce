"""How far apart commits begin: the more there is to write, the more goes into each."""

from __future__ import annotations

BUSY_PER_S = 3_000.0
"""Records in a second from which on commits begin as far apart as they may.

Each commit costs the loop and the writer about as much as 15 records, and a busy node feels it: at
1,000 calls a second commits 20 ms apart take a seventh less of the processor than 5 ms apart.
"""

SHORTEST_S = 0.001
"""Less has not been measured, in all that seconds are told by."""


def distance_s(records: int, since_s: float, least_s: float, most_s: float) -> float:
    """How long after the beginning of a commit the next one begins at the earliest.

    Args:
        records: in this commit.
        since_s: seconds since the one before began; the records have gathered meanwhile.
        least_s: seconds between two commits of a node with little to write.
        most_s: seconds between two commits of a busy one, where these are more.

    Returns:
        Seconds; `least_s` after a rest, whatever came at once.
    """
    share = records / max(since_s, SHORTEST_S) / BUSY_PER_S
    return max(least_s, most_s * min(1.0, share))

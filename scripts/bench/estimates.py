"""A mean of runs that do not depend on each other, and how far from it the truth may be."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

T_975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""Student's t, of both sides 95 %, for 1 to 30 degrees of freedom."""
NORMAL_975 = 1.96


@dataclass(frozen=True)
class Estimate:
    """What some runs say together.

    Attributes:
        mean: of the runs.
        half: half of its 95 % confidence interval; infinite for a single run.
    """

    mean: float
    half: float


def estimate(values: list[float]) -> Estimate:
    """Estimate what runs with seeds of their own are runs of.

    Args:
        values: of the runs, at least one.
    """
    runs = len(values)
    if runs == 1:
        return Estimate(values[0], float("inf"))
    factor = T_975[runs - 2] if runs <= len(T_975) + 1 else NORMAL_975
    return Estimate(statistics.fmean(values), factor * statistics.stdev(values) / runs**0.5)

"""Prometheus metrics as actors use them: the series of labels that are known is found at once.

They are those of the library; only what is done for each call and request is shorter than there.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import prometheus_client
from prometheus_client.metrics import MetricWrapperBase


class _Known(MetricWrapperBase):
    """A metric with labels, most of which have been seen before."""

    def labels(self, *values: Any, **named: Any) -> Any:
        """The series of some labels."""
        known = None if named else self._metrics.get(values)  # by texts
        return super().labels(*values, **named) if known is None else known


class Counter(_Known, prometheus_client.Counter):
    """Counts up."""


class Histogram(_Known, prometheus_client.Histogram):
    """Counts amounts by how great they are."""

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Count an amount; exemplars are not kept.

        Args:
            amount: what was measured.
            exemplar: none.
        """
        del exemplar
        self._sum.inc(amount)
        self._buckets[bisect_left(self._upper_bounds, amount)].inc(1)

"""What is measured of each request: found once for each operation and status, then only counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors import metrics

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram


class Meters:
    """The metrics of requests, by operation and status: as many as an API has of both."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[Histogram, Counter]] = {}

    def count(self, operation: str, status: int, seconds: float) -> None:
        """Count a request that was answered.

        Args:
            operation: its name.
            status: of the answer.
            seconds: that it took.
        """
        meters = self._known.get((operation, status))
        if meters is None:
            times = metrics.HTTP_SECONDS.labels(operation)
            meters = times, metrics.HTTP_REQUESTS.labels(operation, str(status))
            self._known[operation, status] = meters
        meters[0].observe(seconds)
        meters[1].inc()

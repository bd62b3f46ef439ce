"""What a node has counted so far, as its probation wants it; read once a second, not more often.

A histogram with a few hundred label sets takes 20 ms to collect the way Prometheus' scrapes do, a
tenth of that where only its numbers are added up; the loop is not held longer than it has to be.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

from actors import metrics
from actors.probation import Counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import Counter, Histogram

    from supervision.eventloop.kernel import Kernel

BUSY: Final = "503"
"""An answer that is counted as refused, where it is, and not as a failure."""

BOUNDS: Final[tuple[float, ...]] = tuple(metrics.ROUTE_SECONDS._upper_bounds[:-1])  # noqa: SLF001 - it tells them nowhere else
"""Of the histogram of route requests, seconds; the last bucket has none."""


def reader(kernel: Kernel) -> Callable[[], Counts]:
    """Make what reads the counters of a node.

    Args:
        kernel: the node.
    """

    def read() -> Counts:
        waits = within(metrics.ROUTE_SECONDS)
        requests, errors = _http()
        return Counts(
            crashes=kernel.reports.counts.get("crash", 0),
            answered=requests + waits[-1],
            failed=errors + _total(metrics.LINK_FRAMES_FAILED, metrics.ANSWERS_NOT_DURABLE),
            late=_total(metrics.ROUTES_LATE),
            refused=_total(metrics.SHED),
            waits=waits,
        )

    return read


def within(histogram: Histogram) -> tuple[int, ...]:
    """How many observations were within each bound of a histogram, over all of its labels.

    Args:
        histogram: with labels.

    Returns:
        One number for each bound, ascending, and the number of all.
    """
    children: list[Histogram] = list(histogram._metrics.values())  # type: ignore[arg-type]  # noqa: SLF001 - see the module
    sums = [0.0] * len(histogram._upper_bounds)  # noqa: SLF001
    for child in children:
        for index, bucket in enumerate(child._buckets):  # noqa: SLF001
            sums[index] += bucket.get()
    return tuple(int(count) for count in accumulate(sums))


def _http() -> tuple[int, int]:
    """Requests answered over HTTP, and those that failed by vigie's own fault."""
    requests, errors = 0.0, 0.0
    for labels, child in list(metrics.HTTP_REQUESTS._metrics.items()):  # noqa: SLF001
        status, count = labels[1], child._value.get()  # type: ignore[attr-defined]  # noqa: SLF001
        if status == BUSY:
            continue
        requests += count
        if status.startswith("5"):
            errors += count
    return int(requests), int(errors)


def _total(*counters: Counter) -> int:
    """The sum of counters over all of their labels."""
    return int(
        sum(
            sample.value
            for counter in counters
            for family in counter.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        )
    )

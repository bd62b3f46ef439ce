"""What Prometheus counts, as plain data: counters and histograms never go back in a takeover.

Gauges do not travel: they tell how things stand, and what they tell of is there in the new process.
prometheus-client has no way to set what it counts, so its parts are used that it keeps to itself.
"""

# ruff: noqa: SLF001 - see above

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from prometheus_client import Counter, Histogram

from actors import metrics
from supervision.behaviour import Behaviour
from supervision.eventloop.latency import Histogram as Latency

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervision.eventloop.kernel import Kernel

OWN = frozenset({"vigie_probation_failures"})
"""Counters that tell of one process."""


class Series(Struct):
    """One set of labels.

    Attributes:
        labels: their values.
        counts: how many; of a histogram in each bucket.
        total: sum of what a histogram has observed.
    """

    labels: list[str]
    counts: list[float]
    total: float = 0.0


class Counted(Struct):
    """One metric.

    Attributes:
        name: of the metric.
        labels: names of its labels.
        bounds: upper bounds of a histogram's buckets; empty where it is a counter.
        series: one for each set of labels.
    """

    name: str
    labels: list[str]
    bounds: list[float]
    series: list[Series]


class Handled(Struct):
    """How long the handlers of a class took: see ``supervision.eventloop.latency``."""

    counts: list[int]
    total_s: float


def written() -> list[Counted]:
    """All that this process has counted."""
    return [_written(metric) for name, metric in _all().items() if name not in OWN]


def add(counted: list[Counted]) -> None:
    """Count on from what another process has counted.

    Args:
        counted: there; metrics that are not known here are left out.
    """
    known = _all()
    for one in counted:
        metric = known.get(one.name)
        if metric is not None and isinstance(metric, Histogram) == bool(one.bounds):
            for series in one.series:
                _add(metric, one, series)


def latencies(kernel: Kernel) -> dict[str, Handled]:
    """How long handlers took, by the modules and names of their actors' classes."""
    kinds = list(kernel.latencies.items())
    return {_full_name(kind): Handled(list(one.counts), one.total_s) for kind, one in kinds}


def add_latencies(kernel: Kernel, handled: dict[str, Handled]) -> None:
    """Go on from how long handlers took in another process.

    Args:
        kernel: the node.
        handled: there. A class that has moved since is known by its bare name where only one has
            it, as Prometheus is told; classes that are gone are left out.
    """
    classes = _by_name()
    for name, one in handled.items():
        kind = classes.get(name) or classes.get(_bare(name))
        if kind is None:
            continue
        here = kernel.latencies.setdefault(kind, Latency())
        here.total_s += one.total_s
        for bucket, count in enumerate(one.counts[: len(here.counts)]):
            here.counts[bucket] += count


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _bare(name: str) -> str:
    return name.rpartition(".")[2]


def _by_name() -> dict[str, type | None]:
    """All classes of actors by their full names, and by their bare names; None where it is two's.

    A class comes before those derived of it: one that is made to watch an actor has its names.
    """
    full: dict[str, type] = {}
    for kind in _below(Behaviour):
        full.setdefault(_full_name(kind), kind)
    bare: dict[str, type | None] = {}
    for name, kind in full.items():
        bare[_bare(name)] = None if _bare(name) in bare else kind
    return {**bare, **full}


def _below(kind: type) -> Iterator[type]:
    one: type
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def _all() -> dict[str, Counter | Histogram]:
    found = vars(metrics).values()
    return {_of(one)._name: one for one in found if isinstance(one, Counter | Histogram)}


def _of(metric: Counter | Histogram) -> Any:
    """The same, with what prometheus-client keeps to itself (see the module)."""
    return metric


def _written(metric: Counter | Histogram) -> Counted:
    inside = _of(metric)
    names = list(inside._labelnames)
    children = inside._metrics.items() if names else [((), metric)]
    bounds = list(inside._upper_bounds[:-1]) if isinstance(metric, Histogram) else []
    series = [_series(list(labels), child) for labels, child in list(children)]
    return Counted(inside._name, names, bounds, series)


def _series(labels: list[str], child: Any) -> Series:
    if isinstance(child, Histogram):
        counts = [bucket.get() for bucket in _of(child)._buckets]
        return Series(labels, counts, _of(child)._sum.get())
    return Series(labels, [child._value.get()])


def _add(metric: Counter | Histogram, counted: Counted, series: Series) -> None:
    inside = _of(metric)
    told = dict(zip(counted.labels, series.labels, strict=True))
    names = inside._labelnames
    child = metric.labels(*(told.get(name, "") for name in names)) if names else metric
    if isinstance(child, Counter):
        child.inc(series.counts[0])
        return
    bounds = _of(child)._upper_bounds
    for bound, count in zip([*counted.bounds, float("inf")], series.counts, strict=True):
        _of(child)._buckets[bisect_left(bounds, bound)].inc(count)
    _of(child)._sum.inc(series.total)

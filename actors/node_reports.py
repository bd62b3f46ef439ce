"""From the node's reports to its events and metrics; and from its counters to its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from actors import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import Metric

    from actors.open_count import OpenCount
    from actors.session_pool import SessionPool
    from actors.web.event_hub import EventHub, EventKind
    from supervision import Report
    from supervision.eventloop.kernel import Kernel

_EVENTS: dict[str, EventKind] = {
    "alarm": "alarm",
    "crash": "crash",
    "release": "release",
    "supervisor": "supervisor",
    "trace": "trace",
}

_NOT_RESTARTED = ("child_given_up", "shutdown", "shutdown_error")
"""Reports of a supervisor about a child that it does not restart."""


def to_events(hub: EventHub) -> Callable[[Report], None]:
    """A listener that publishes reports as events; those of other kinds are ``node``."""

    def publish(report: Report) -> None:
        data = {"path": report.path, **report.data}
        kind = _EVENTS.get(report.kind)
        if kind is None:
            hub.publish("node", {"what": report.kind, **data}, report.at)
        else:
            hub.publish(kind, data, report.at)

    return publish


def count_given_up(count: OpenCount) -> Callable[[Report], None]:
    """A listener that takes sessions which their supervisor has given up out of the count.

    Children of other supervisors are not in it.
    """

    def hear(report: Report) -> None:
        if report.data.get("context") in _NOT_RESTARTED:
            count.ended(report.data["child"])

    return hear


class NodeCollector(Collector):
    """What the kernel counts, read when somebody asks.

    Args:
        kernel: the node.
        pool: the sessions that live.
        count: of those that are open.
    """

    def __init__(self, kernel: Kernel, pool: SessionPool, count: OpenCount) -> None:
        self._kernel = kernel
        self._pool = pool
        self._count = count

    def collect(self) -> Iterator[Metric]:
        """The metrics, as Prometheus wants them."""
        kernel = self._kernel
        yield from self._calls()
        yield GaugeMetricFamily(
            "vigie_mailbox_messages", "Messages waiting in mailboxes.", kernel.waiting
        )
        yield CounterMetricFamily(
            "vigie_actor_restarts", "Actors restarted by their supervisor.", kernel.restarts
        )
        yield CounterMetricFamily(
            "vigie_dead_letters", "Messages that nobody took.", kernel.dead_letters.total
        )
        yield CounterMetricFamily(
            "vigie_handled_messages", "Messages handled.", kernel.total_handled
        )
        yield CounterMetricFamily(
            "vigie_late_replies", "Answers after their caller had given up.", kernel.late_replies
        )
        yield CounterMetricFamily(
            "vigie_handler_holds", "Handlers that held the loop past the limit.", kernel.holds
        )
        yield self._latencies()

    def _calls(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("vigie_sessions", "Sessions in memory.", self._pool.count())
        yield GaugeMetricFamily(
            "vigie_sessions_lost",
            "Sessions open when the last node ended that did not come back.",
            self._count.lost,
        )

    def _latencies(self) -> Metric:
        family = HistogramMetricFamily(
            "vigie_handler_seconds",
            "Time that a handler held the loop; every 32nd message is sampled.",
            labels=("actor",),
        )
        # One label for each name: a watched actor's class shares its histogram with its own.
        by_name = {kind.__name__: one for kind, one in list(self._kernel.latencies.items())}
        for name, histogram in by_name.items():
            buckets = [(repr(bound), float(count)) for bound, count in histogram.cumulative()]
            buckets.append(("+Inf", float(histogram.count)))
            family.add_metric((name,), buckets, histogram.total_s)
        return family


def registry_of(*collectors: Collector) -> CollectorRegistry:
    """The metrics of a node: those of its process, and what its parts count."""
    registry = CollectorRegistry()
    registry.register(metrics.REGISTRY)
    for collector in collectors:
        registry.register(collector)
    return registry

"""The journal's counters and sizes, for Prometheus, read when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from prometheus_client import Metric

    from actors.journal.journal import Journal

_COUNTERS = (
    ("commits", "Commits of the journal that are durable.", "commits"),
    ("rows", "Records written or deleted by them.", "rows"),
    ("failures", "Commits that failed; each is tried again.", "failures"),
    ("unwritable", "Values that could not be encoded and were left out.", "unwritable"),
)
_GAUGES = (
    ("waiting", "Records that are not durable yet.", "waiting"),
    ("effects", "Answers and acknowledgements that wait for a commit.", "effects"),
    ("number", "Number of the last commit.", "number"),
    ("size_bytes", "Size of the journal's database.", "size_bytes"),
    ("wal_bytes", "Write-ahead log in use, when last looked at.", "wal_bytes"),
    ("free_bytes", "Free on the journal's file system; -1 before the first look.", "free_bytes"),
)


class JournalCollector(Collector):
    """Metrics ``vigie_journal_...``; how long commits take is a histogram of ``actors.metrics``.

    Args:
        journal: of the node.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def collect(self) -> Iterator[Metric]:
        """The metrics, as Prometheus wants them."""
        stands = self._journal.statistics()
        for name, text, field in _COUNTERS:
            yield CounterMetricFamily(f"vigie_journal_{name}", text, getattr(stands, field))
        for name, text, field in _GAUGES:
            yield GaugeMetricFamily(f"vigie_journal_{name}", text, getattr(stands, field))
        yield GaugeMetricFamily(
            "vigie_journal_failing", "1 while commits do not succeed.", float(bool(stands.failing))
        )
        yield GaugeMetricFamily(
            "vigie_journal_load", "Share of journal.queue_limit in use.", self._journal.load
        )

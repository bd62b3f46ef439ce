"""What commits take, kept of the last ones."""

from __future__ import annotations

from collections import deque

from actors import metrics
from actors.journal.records import JournalStatistics
from actors.journal.writer import Sizes

KEPT = 1_000


class Measures:
    """Counters of the journal.

    Attributes:
        commits: that are durable.
        rows: records written by them.
        failures: attempts that failed.
        unwritable: values that could not be encoded.
    """

    def __init__(self) -> None:
        self.commits = self.rows = self.failures = self.unwritable = 0
        self._seconds: deque[float] = deque(maxlen=KEPT)

    def committed(self, rows: int, seconds: float) -> None:
        """Note a commit.

        Args:
            rows: that it wrote or deleted.
            seconds: from handing it over to its being durable.
        """
        self.commits += 1
        self.rows += rows
        self._seconds.append(seconds)
        metrics.JOURNAL_SECONDS.observe(seconds)

    def statistics(
        self,
        sizes: Sizes,
        *,
        waiting: int,
        effects: int,
        failing: str,
        number: int,
        outbox: int,
    ) -> JournalStatistics:
        """All of it, beside what the journal knows of the moment."""
        ordered = sorted(self._seconds)
        return JournalStatistics(
            commits=self.commits,
            rows=self.rows,
            failures=self.failures,
            unwritable=self.unwritable,
            p50_ms=_quantile(ordered, 0.5),
            p99_ms=_quantile(ordered, 0.99),
            waiting=waiting,
            effects=effects,
            failing=failing,
            number=number,
            outbox=outbox,
            size_bytes=sizes.database,
            wal_bytes=sizes.wal,
            free_bytes=sizes.free,
        )


def _quantile(ordered: list[float], share: float) -> float:
    """Milliseconds; 0 of nothing."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000

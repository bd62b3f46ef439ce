"""The bounds of everything that looks closely: no question costs more than is stated here."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct


class DebugLimits(Struct, frozen=True, kw_only=True):
    """How much may be watched, kept and gone through; recon's lesson: bounded by construction.

    Attributes:
        trace_messages: system events that one trace may ask for.
        trace_seconds: seconds that one trace may ask for.
        traces: traces that run at once; as many that have ended can still be read.
        traced_actors: actors that one trace watches at once.
        watched_actors: actors of the node that are watched at once, for whatever purpose.
        probes: probes of one actor.
        log_events: system events that the log of one actor keeps.
        log_file_bytes: size at which a log file ends.
        directory: where log files are; None where there are none.
        top_rows: rows of one ranking.
        window_seconds: seconds that one window may ask for.
    """

    trace_messages: int = 10_000
    trace_seconds: float = 3_600.0
    traces: int = 8
    traced_actors: int = 100
    watched_actors: int = 1_000
    probes: int = 16
    log_events: int = 1_000
    log_file_bytes: int = 1_048_576
    directory: Path | None = None
    top_rows: int = 100
    window_seconds: float = 60.0

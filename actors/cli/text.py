"""Plain text for humans: columns, durations, moments."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def columns(rows: Sequence[Sequence[object]]) -> list[str]:
    """Align rows of cells; columns of numbers to the right.

    Args:
        rows: The heading first; all of one length.

    Returns:
        A line per row.
    """
    texts = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    aligns = [_align(column) for column in zip(*rows[1:], strict=True)] or [str.ljust] * len(widths)
    lines = []
    for cells in texts:
        aligned = [
            align(text, width) for align, text, width in zip(aligns, cells, widths, strict=True)
        ]
        lines.append("  ".join(aligned).rstrip())
    return lines


def elapsed(seconds: float) -> str:
    """A duration in its two greatest units, such as ``3h 12m``."""
    whole = int(seconds)
    if whole >= _DAY:
        return f"{whole // _DAY}d {whole % _DAY // _HOUR}h"
    if whole >= _HOUR:
        return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE}m"
    if whole >= _MINUTE:
        return f"{whole // _MINUTE}m {whole % _MINUTE}s"
    return f"{seconds:.1f}s"


def moment(epoch_s: float | None) -> str:
    """A moment in local time, to the second; nothing for none."""
    if epoch_s is None:
        return ""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch_s))


def event_line(event: dict[str, Any]) -> str:
    """A system event of an actor, with its time to the millisecond."""
    at = float(event["at"])
    clock = f"{time.strftime('%H:%M:%S', time.localtime(at))}.{int(at % 1 * 1000):03}"
    words = [event["event"], event.get("way"), event["message"]]
    if event.get("other"):
        words += ["from" if event["event"] in {"in", "timeout"} else "to", event["other"]]
    if event.get("seconds") is not None:
        words.append(f"after {event['seconds']:g} s")
    return f"{clock}  {event['path']}  {' '.join(word for word in words if word)}"


def _align(column: Iterable[object]) -> Callable[[str, int], str]:
    """Return how a column is aligned: to the right when it has numbers and nothing else."""
    present = [value for value in column if value is not None and value != ""]
    numbers = present and all(isinstance(value, int | float) for value in present)
    return str.rjust if numbers else str.ljust


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)

"""What every bench prints: one JSON object of rows, or the same as a table."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

FAR_BYTES, NEAR_BYTES = 128 << 20, 4 << 10
"""Memory that no cache holds, and memory that the first one does."""

READS = 100_000
FEW = 100


@dataclass(frozen=True)
class Row:
    """One figure beside a peer's.

    Attributes:
        what: what was measured.
        value: ours.
        unit: of both values; one that ends in ``/s`` is better when it is greater.
        peer: who did the same; empty where nobody could.
        peer_value: the peer's; None where there is no peer.
    """

    what: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer we are; under 1 is worse."""
        if not self.peer_value or not self.value:
            return None
        more_is_better = self.unit.endswith("/s")
        return self.value / self.peer_value if more_is_better else self.peer_value / self.value

    def plain(self) -> dict[str, object]:
        """The row as the contract has it."""
        ratio = self.ratio
        return asdict(self) | {
            "peer": self.peer or None,
            "ratio": None if ratio is None else round(ratio, 3),
        }


def machine() -> dict[str, object]:
    """What the figures were measured on.

    ``memory_ns`` is what a read takes longer that no cache has. Neighbours on the same hardware
    show there first, and nodes with many sessions wait for memory more than for anything else.
    ``call_ns`` is what a call in Python takes: builds of one interpreter differ by a quarter.
    """
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "memory_ns": round(_read_ns(FAR_BYTES) - _read_ns(NEAR_BYTES)),
        "call_ns": round(min(_call_ns() for _ in range(5))),
    }


class _Called:
    """Something with a method that does as good as nothing."""

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value

    def changed(self, by: int) -> int:
        return self.value + by


def _call_ns() -> float:
    """Nanoseconds of an object made, a method called, and what it returns put into a table."""
    table: dict[int, int] = {}
    begun = time.perf_counter()
    for at in range(READS):
        table[at & 1023] = _Called(at).changed(at)
    return (time.perf_counter() - begun) / READS * 1e9


def _read_ns(size: int) -> float:
    """Nanoseconds of a read somewhere in so many bytes, the interpreter's own time included."""
    memory, at = bytearray(b"\1") * size, 1
    begun = time.perf_counter()
    for _ in range(READS):
        at = (at * 1_103_515_245 + 12_345) & (size - 1)
        memory[at]
    return (time.perf_counter() - begun) / READS * 1e9


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def publish(name: str, rows: list[Row], *, as_json: bool) -> None:
    """Print the rows to standard output."""
    if as_json:
        report = {"name": name, "machine": machine(), "rows": [row.plain() for row in rows]}
        json.dump(report, sys.stdout, indent=1)
        print()
        return
    print(f"{name} on {machine()}\n")
    print(f"{'what':<46}{'ours':>12} {'unit':<12}{'peer':<22}{'its own':>12}{'ratio':>9}")
    for row in rows:
        peer_value = "" if row.peer_value is None else figure(row.peer_value)
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        print(
            f"{row.what:<46}{figure(row.value):>12} {row.unit:<12}{row.peer:<22}"
            f"{peer_value:>12}{ratio:>9}"
        )


def figure(value: float) -> str:
    """A figure as a table has it: whole, or with two decimals where it is less than 100."""
    return f"{value:,.0f}" if abs(value) >= FEW or value == int(value) else f"{value:.2f}"

"""What every bench prints: one JSON object of rows, or the same as a table."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path


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
    """What the figures were measured on."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": [round(load, 2) for load in os.getloadavg()],
    }


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
        peer_value = "" if row.peer_value is None else f"{row.peer_value:,.0f}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        print(
            f"{row.what:<46}{row.value:>12,.0f} {row.unit:<12}{row.peer:<22}"
            f"{peer_value:>12}{ratio:>9}"
        )

#!/usr/bin/env python3
"""How fast supervisors start, restart and stop children, beside OTP's doing the same.

Each figure is taken in a process of its own; ours and the peer take turns, ``--rounds`` times, and
the median of the rounds counts. Both make their crash and supervisor reports and hand them to a
handler that counts them; neither makes text of them, and progress reports are off.

    scripts/bench/supervision.py [--json] [--rounds N] [--scale SHARE] [--only SHAPE ...]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from programs import compile_erlang, erlang, figures, python, say
from report import Row, publish

OURS, PEER = "supervised_actors.py", "otp_supervised"
OTP, WITHOUT = "OTP", "ours, without"
TIMES = "times"
FEWER = 100
MOST_TIMES = 1_000  # what OTP's own suite allows (supervisor_SUITE, scale_start_stop_many_children)


@dataclass(frozen=True)
class Shape:
    """One thing that is measured.

    Attributes:
        name: as the programs know it.
        rows: what each of the figures is that the programs print, and its unit.
        count: how often ours does it.
        peer: how often the peer does it; 0 where it cannot.
        least: how often at least, however short the run.
        plain: the shape of ours that is the peer where OTP has nothing like it.
    """

    name: str
    rows: tuple[tuple[str, str], ...]
    count: int
    peer: int = 0
    least: int = 200
    plain: str = ""


def scaled(name: str, words: str) -> Shape:
    """Children started and stopped, many against few."""
    return Shape(
        name,
        (
            (f"{words}: start, {{many:,}} against {{few:,}}", TIMES),
            (f"{words}: stop, {{many:,}} against {{few:,}}", TIMES),
            (f"{words}: start of {{many:,}}", "ms"),
            (f"{words}: stop of {{many:,}}", "ms"),
        ),
        count=100_000,
        peer=100_000,
        least=1_000,
    )


SHAPES = [
    # OTP goes through all restarts of the period at each restart: one supervisor that restarts
    # often is slow there, so that many are its measure.
    Shape("restarts-one", (("restarts, one supervisor", "restarts/s"),), 20_000, 20_000),
    Shape("restarts-many", (("restarts, 100 supervisors", "restarts/s"),), 20_000, 100_000),
    Shape(
        "answer",
        (("crash to first answer, p50", "µs"), ("crash to first answer, p99", "µs")),
        5_000,
        20_000,
    ),
    Shape(
        "restarts-kept",
        (("restarts, mailboxes kept", "restarts/s"),),
        20_000,
        plain="restarts-many",
    ),
    Shape(
        "restarts-late",
        (("restarts, each after 1 ms of backoff", "restarts/s"),),
        20_000,
        plain="restarts-many",
    ),
    Shape(
        "answer-kept",
        (
            ("crash to first answer, mailbox kept, p50", "µs"),
            ("crash to first answer, mailbox kept, p99", "µs"),
        ),
        5_000,
        plain="answer",
    ),
    Shape("starts-pool", (("starts in a pool, until answered", "starts/s"),), 50_000, 100_000),
    Shape("starts-static", (("starts of specs, until answered", "starts/s"),), 30_000, 60_000),
    scaled("scale-static", "static"),
    scaled("scale-pool", "pool"),
    Shape(
        "memory",
        (("memory of an idle member of a pool, resident", "bytes"),),
        100_000,
        100_000,
        least=20_000,
    ),
]


class Measurement:
    """The programs and how to have them take figures.

    Args:
        compiled: a directory with the compiled Erlang module; None where there is no Erlang.
        share: of every count.
    """

    def __init__(self, compiled: Path | None, share: float) -> None:
        self._share = share
        self._ours = python(OURS)
        self._otp = None if compiled is None else erlang(PEER, compiled)

    def rows(self, shape: Shape, rounds: int) -> Iterator[Row]:
        """Measure one shape on ours and on the peer in turn."""
        count = self._scaled(shape.count, shape)
        runs = {"ours": (self._ours, shape.name, count)}
        if shape.plain:
            runs[WITHOUT] = (self._ours, shape.plain, count)
        elif self._otp is not None:
            runs[OTP] = (self._otp, shape.name, self._scaled(shape.peer, shape))
        taken: dict[str, list[list[float]]] = {who: [] for who in runs}
        for _ in range(rounds):
            for who, run in runs.items():
                say(f"{shape.name}: {who}")
                taken[who].append(figures(*run))
        for place, (what, unit) in enumerate(shape.rows):
            words = what.format(many=count, few=count // FEWER)
            values = {
                who: round(median(one[place] for one in done), 2) for who, done in taken.items()
            }
            row = Row(words, values.pop("ours"), unit)
            # The one that is left, where there is one.
            for peer, value in values.items():
                row = replace(row, peer=peer, peer_value=value)
            yield row

    def _scaled(self, count: int, shape: Shape) -> int:
        return max(int(count * self._share), min(count, shape.least))


def missed(rows: list[Row]) -> list[str]:
    """The gates that the figures miss, in words."""
    return [
        f"{row.what}: over {MOST_TIMES} times"
        for row in rows
        if row.unit == TIMES and row.value > MOST_TIMES
    ]


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object, no table")
    parser.add_argument("--rounds", type=int, default=5, help="how often; the median counts")
    parser.add_argument("--scale", type=float, default=1.0, help="share of every count")
    parser.add_argument(
        "--only", nargs="+", choices=[shape.name for shape in SHAPES], help="these shapes alone"
    )
    return parser.parse_args()


def main() -> int:
    """Measure and print; 1 where a run misses a gate."""
    wanted = options()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        measurement = Measurement(compile_erlang(PEER, Path(folder)), wanted.scale)
        for shape in SHAPES:
            if not wanted.only or shape.name in wanted.only:
                rows += measurement.rows(shape, wanted.rounds)
    publish("supervision", rows, as_json=wanted.json)
    for gate in (gates := missed(rows)):
        say(f"missed: {gate}")
    return 1 if gates else 0


if __name__ == "__main__":
    sys.exit(main())

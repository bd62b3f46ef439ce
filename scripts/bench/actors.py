#!/usr/bin/env python3
"""How fast and how small actors are on ours, beside other actor systems doing the same.

Each figure of each system is taken in a process of its own; systems take turns, ``--rounds``
times, and the best of the rounds counts, so that what else the machine does disturbs all alike.

    scripts/bench/actors.py [--json] [--quick] [--only SHAPE ...]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from programs import compile_erlang, erlang, figures, python, say
from report import Row, publish

QUICK = 10
BYTES = "bytes"

OURS, SIMPLE, MULTI, PYKKA, OTP = (
    "eventLoopBase",
    "simpleSystemBase",
    "multiprocTCPBase",
    "pykka",
    "OTP",
)
SERVERS = "GenServer on eventLoopBase"
NODE = "callSession on eventLoopBase"
BASES, PEER = "thespian_actors.py", "otp_actors"
SCRIPTS = {
    SERVERS: "gen_server_actors.py",
    NODE: "session_actors.py",
    PYKKA: "pykka_actors.py",
}


@dataclass(frozen=True)
class Shape:
    """One thing that is measured.

    Attributes:
        name: as the programs know it.
        what: as the report calls it.
        unit: of the figure.
        ours: which of our programs runs it.
        count: how often ours does it.
        peers: how often each peer does it: fewer where it would take too long.
    """

    name: str
    what: str
    unit: str
    ours: str
    count: int
    peers: dict[str, int] = field(default_factory=dict)


SHAPES = [
    Shape(
        "pingpong",
        "messages, one to and fro between two actors",
        "messages/s",
        OURS,
        400_000,
        {SIMPLE: 150_000, MULTI: 3_000, PYKKA: 20_000, OTP: 1_000_000},
    ),
    Shape(
        "flood",
        "messages, many actors to many one way",
        "messages/s",
        OURS,
        800_000,
        {SIMPLE: 150_000, MULTI: 4_000, PYKKA: 100_000, OTP: 4_000_000},
    ),
    Shape(
        "messages",
        "messages, to and fro between two servers",
        "messages/s",
        SERVERS,
        400_000,
        {OTP: 1_000_000},
    ),
    Shape(
        "calls",
        "calls, one after the other",
        "calls/s",
        SERVERS,
        200_000,
        {SIMPLE: 75_000, MULTI: 1_500, PYKKA: 20_000, OTP: 500_000},
    ),
    Shape(
        "spawns",
        "actors made, each until it has answered",
        "actors/s",
        OURS,
        30_000,
        {SIMPLE: 20_000, MULTI: 20, PYKKA: 2_000, OTP: 200_000},
    ),
    Shape("starts", "supervised starts in a pool", "starts/s", SERVERS, 40_000, {OTP: 100_000}),
    Shape("cancel", "timers set and cancelled", "timers/s", SERVERS, 100_000, {OTP: 400_000}),
    Shape(
        "fire",
        "timers set and fired",
        "timers/s",
        SERVERS,
        100_000,
        {SIMPLE: 20_000, MULTI: 2_000, OTP: 200_000},
    ),
    Shape(
        "idle",
        "memory of an idle server, resident",
        BYTES,
        SERVERS,
        100_000,
        {SIMPLE: 50_000, MULTI: 20, PYKKA: 1_000, OTP: 100_000},
    ),
    Shape(
        "idle-traced",
        "memory of an idle server, by the allocator",
        BYTES,
        SERVERS,
        20_000,
        {SIMPLE: 20_000, PYKKA: 500, OTP: 100_000},
    ),
    Shape(
        "supervised",
        "memory of an idle server in a pool, resident",
        BYTES,
        SERVERS,
        100_000,
        {OTP: 100_000},
    ),
    Shape("sessions", "memory of a node of 300,000 sessions, resident", BYTES, NODE, 300_000),
]

# What a run must show: our messages beside the simple base's, and OTP's bytes for a process.
GATED = {SHAPES[0].what, SHAPES[1].what}
LEAST_RATIO = 4.0
MOST_BYTES = {shape.what: 2_700 for shape in SHAPES if shape.name in {"idle", "idle-traced"}}
MOST_BYTES[SHAPES[-1].what] = 1_200_000_000


class Programs:
    """How to have a system run a shape.

    Args:
        compiled: a directory with the compiled Erlang module; None where there is no Erlang.
    """

    def __init__(self, compiled: Path | None) -> None:
        self.compiled = compiled

    def figure(self, system: str, shape: str, count: int) -> float:
        """Run a shape in a process of its own; return the figure that it prints."""
        (figure,) = figures(self._command(system), shape, count)
        return figure

    def _command(self, system: str) -> list[str]:
        if system == OTP:
            assert self.compiled is not None
            return erlang(PEER, self.compiled)
        return python(SCRIPTS[system]) if system in SCRIPTS else python(BASES, system)

    def has(self, system: str) -> bool:
        """Whether a system is there."""
        return system != OTP or self.compiled is not None


def rows_of(programs: Programs, shape: Shape, rounds: int, divisor: int) -> Iterator[Row]:
    """Measure one shape on all systems in turn; give a row for each peer."""
    counts = {shape.ours: shape.count} | {
        peer: count for peer, count in shape.peers.items() if programs.has(peer)
    }
    taken: dict[str, list[float]] = {system: [] for system in counts}
    # Filling a node takes long, and its memory hardly varies.
    for _ in range(1 if shape.ours == NODE else rounds):
        for system, count in counts.items():
            say(f"{shape.name} on {system}")
            done = max(count // divisor, min(count, 20))
            taken[system].append(programs.figure(system, shape.name, done))
    pick = min if shape.unit == BYTES else max
    best = {system: round(pick(values), 1) for system, values in taken.items()}
    value = best.pop(shape.ours)
    if not best:
        yield Row(shape.what, value, shape.unit)
    for peer, peer_value in best.items():
        yield Row(shape.what, value, shape.unit, peer, peer_value)


def missed(rows: Sequence[Row]) -> list[str]:
    """The gates that the figures miss, in words."""
    words = []
    for row in rows:
        if row.what in GATED and row.peer == SIMPLE and (row.ratio or 0.0) < LEAST_RATIO:
            words.append(f"{row.what}: under {LEAST_RATIO} times {SIMPLE}")
        if row.what in MOST_BYTES and row.value > MOST_BYTES[row.what]:
            words.append(f"{row.what}: over {MOST_BYTES[row.what]} bytes")
    return list(dict.fromkeys(words))


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object, no table")
    parser.add_argument("--quick", action="store_true", help=f"a {QUICK}th of everything, once")
    parser.add_argument("--rounds", type=int, default=3, help="how often; the best counts")
    parser.add_argument(
        "--only", nargs="+", choices=[shape.name for shape in SHAPES], help="these shapes alone"
    )
    return parser.parse_args()


def main() -> int:
    """Measure and print; 1 where a whole run misses a gate."""
    wanted = options()
    rows: list[Row] = []
    rounds, divisor = (1, QUICK) if wanted.quick else (wanted.rounds, 1)
    with tempfile.TemporaryDirectory() as folder:
        programs = Programs(compile_erlang(PEER, Path(folder)))
        for shape in SHAPES:
            if not wanted.only or shape.name in wanted.only:
                rows += rows_of(programs, shape, rounds, divisor)
    publish("actors", rows, as_json=wanted.json)
    if wanted.quick:
        return 0  # too short a run to judge by
    for gate in (gates := missed(rows)):
        say(f"missed: {gate}")
    return 1 if gates else 0


if __name__ == "__main__":
    sys.exit(main())

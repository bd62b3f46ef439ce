"""Many cases by their numbers: a long run that says how far it is, and can be taken up again."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

EVERY = 10_000
"""Cases between two lines."""


def run(case, first: int, last: int, state: Path | None = None) -> None:
    """Try cases, the last one not included, and say how far it is; one that fails ends the run.

    Args:
        case: tries one, by its number.
        first: the first one.
        last: one more than the last one.
        state: where it is noted how far it is.
    """
    began, done = time.monotonic(), first
    try:
        while done < last:
            case(done)
            done += 1
            if done % EVERY == 0:
                noted(done, state)
                tell(f"{done} cases, {(done - first) / (time.monotonic() - began):,.0f}/s")
    finally:
        noted(done, state)
        tell(f"ended before case {done}")


def noted(done: int, state: Path | None) -> None:
    """Note how far it is."""
    if state is not None:
        state.write_text(f"{done}\n", encoding="ascii")


def tell(words: str) -> None:
    """Show a line, at once."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def main(case, about: str) -> None:
    """The command line.

    Args:
        case: tries one, by its number.
        about: what is tried.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--first", type=int, default=0, help="the first case")
    parser.add_argument("--cases", type=int, default=1_000_000, help="up to which, from 0")
    parser.add_argument("--state", type=Path, help="where it is noted how far it is")
    wanted = parser.parse_args()
    first = wanted.first
    if wanted.state is not None and wanted.state.exists():
        first = max(first, int(wanted.state.read_text(encoding="ascii")))
    run(case, first, wanted.cases, wanted.state)

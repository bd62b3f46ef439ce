#!/usr/bin/env python3
"""Primary and backup of a CTI on real sockets, while one of the two or the node is killed.

Both sides of a pair are processes of their own that ask for routes by the same schedule; each
question is one more call, and the rules send calls by percentages to ten targets, so that what is
decided twice is seldom decided alike. At a random instant, in a burst of questions:

    reset     the primary's connection is reset (SO_LINGER 0); it connects again and resumes
    killed    the primary's process gets SIGKILL; another one begins a link session of its own
    standby   likewise, but the backup asks nothing until it is told what the primary has open
    node      the node gets SIGKILL, comes back from its journal, and both sides resume

    scripts/bench/pairs.py [--json] [--kinds reset,killed,standby,node] [--rounds N] [--rate R]
        [--seconds S] [--seed N]

Ends with 1 when a question was not answered, was answered in two ways, or when a question that was
open on the primary was answered on the backup more than a second after the reset or kill.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# The rooms first: a script beside this one has the name of one of them.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import msgspec
from pairs_peer import POINT, Order, Shape
from programs import ROOT, python, say
from recovery_nodes import directory
from report import Row, publish

KINDS = ("reset", "killed", "standby", "node")
SWITCHED_S = 1.0
BURST = 20
BETWEEN_S = 0.008
"""A question is open for about so long: the journal gathers commits for 5 ms."""
ENDED_S = 60.0
MANY = 5
"""Targets that calls go to at least, of ten."""
RULES = f"""
version = 1
[rp.{POINT}]
queue = "all"
[queue.all]
strategy = "percentage"
destinations = [{", ".join(f'{{target = "80{n:02}", percent = 10}}' for n in range(10))}]
"""
SETTINGS = {
    # What is asked is whether an answer is the one that was decided, not how fast this machine is.
    "VIGIE_ROUTING__LATE_TIMEOUT_MS": "4000",
    "VIGIE_ROUTING__DEFAULT_ANSWER_MS": "4500",
    "VIGIE_ROUTING__REQUEST_TIMEOUT_MS": "5000",
    "VIGIE_OVERLOAD__NEW_AFTER_MS": "2000",
    "VIGIE_OVERLOAD__ALL_AFTER_MS": "4000",
    "VIGIE_ANCHOR__RESTART_MIN_S": "0.05",
    "VIGIE_ANCHOR__RESTART_MAX_S": "1",
    "VIGIE_ANCHOR__RESTART_RESET_S": "1",
}


@dataclass
class Book:
    """The ledger of one process of a side.

    Attributes:
        asked: when each question was asked first.
        told: the answers of each, with when they came.
        faults: whatever else was said.
        cut_at: when its connection was reset.
        back_at: when its link was open again.
    """

    asked: dict[int, float] = field(default_factory=dict)
    told: dict[int, list[tuple[float, tuple[Any, ...]]]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    cut_at: float | None = None
    back_at: float | None = None

    @classmethod
    def read(cls, path: Path) -> Book:
        """What a process has written, be it that it was killed while it wrote."""
        book = cls()
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                book.note(*json.loads(line))
        return book

    def note(self, what: str, number: int, at: float, more: Any) -> None:
        """Take a line."""
        if what == "asked":
            self.asked.setdefault(number, at)
        elif what == "told":
            self.told.setdefault(number, []).append((at, tuple(more[:4])))
        elif what == "cut":
            self.cut_at = at
        elif what in ("resumed", "open"):
            if self.cut_at is not None and self.back_at is None:
                self.back_at = at
        elif what != "lost":
            self.faults.append(f"{what} {number} {more}")

    def open_at(self, moment: float) -> list[int]:
        """The questions that were asked and not answered then."""
        return [
            number
            for number, at in self.asked.items()
            if at <= moment and not any(came <= moment for came, _ in self.told.get(number, ()))
        ]


@dataclass
class Process:
    """A side that runs."""

    program: subprocess.Popen[bytes]
    ledger: Path
    killed_at: float | None = None

    @classmethod
    def begin(cls, shape: Shape) -> Process:
        """Start it, and wait until its link is open."""
        program = subprocess.Popen(
            python("pairs_peer.py"),
            env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(msgspec.json.encode(shape) + b"\n")
        program.stdin.flush()
        if program.stdout.readline() != b"open\n":
            sys.exit(f"a {shape.side} ended with {program.wait()}")
        return cls(program, Path(shape.ledger))

    def order(self, order: Order) -> None:
        """Tell it what to do."""
        assert self.program.stdin is not None
        self.program.stdin.write(msgspec.json.encode(order) + b"\n")
        self.program.stdin.flush()

    def kill(self) -> float:
        """Kill it; return when."""
        self.killed_at = time.monotonic()
        self.program.send_signal(signal.SIGKILL)
        self.program.wait()
        return self.killed_at

    def book(self) -> Book:
        """What it has written."""
        return Book.read(self.ledger)

    def end(self) -> None:
        """Wait until it has done what it was told."""
        if self.killed_at is None:
            assert self.program.stdin is not None
            self.program.stdin.close()
            self.program.wait(ENDED_S)
        assert self.program.stdout is not None
        self.program.stdout.close()


@dataclass
class Verdict:
    """What came of a round.

    Attributes:
        questions: that were asked.
        answers: that were told, on both sides.
        unanswered: by a side that lived, or by none.
        differing: that were answered in two ways.
        faults: refusals and the like.
        open: questions that were open on the primary when it was cut off.
        switched_s: when the last of these was answered on the backup, seconds after.
        back_s: when the primary's link was open again, after a reset.
        targets: how many different ones calls were sent to: with one, no answer could differ.
    """

    questions: int = 0
    answers: int = 0
    unanswered: int = 0
    differing: int = 0
    faults: list[str] = field(default_factory=list)
    open: int = 0
    switched_s: float = 0.0
    back_s: float = 0.0
    targets: int = 0


class Round:
    """One pair that something happens to.

    Args:
        node: the node's port, token and process id.
        place: where ledgers are written.
        dice: what is left to chance.
        run: begins the ids of its calls.
    """

    def __init__(self, node: dict[str, Any], place: Path, dice: random.Random, run: str) -> None:
        self._node = node
        self._place = place
        self._dice = dice
        self._run = run
        self._processes: list[Process] = []

    def play(self, kind: str, rate: float, seconds: float) -> Verdict:
        """Have it happen, and judge."""
        primary, backup = self._begin("primary"), self._begin("backup")
        t0 = time.monotonic() + 0.1
        moment = t0 + self._dice.uniform(0.25, 0.75) * seconds
        later_s = self._dice.uniform(0.0, BETWEEN_S)
        count = int(rate * seconds)
        plain = Order(t0, rate, 0, count)
        burst = msgspec.structs.replace(plain, burst_at=moment, burst=BURST)
        if kind == "reset":
            primary.order(msgspec.structs.replace(burst, reset_s=later_s))
            backup.order(plain)
        else:
            primary.order(burst)
            if kind != "standby":
                backup.order(plain)
            _sleep_until(moment + later_s)
        cut_at = self._cut(kind, primary, backup, plain)
        for one in self._processes:
            one.end()
        cut_at = primary.book().cut_at or cut_at
        return self._judged(primary, backup, cut_at)

    def _begin(self, side: Any) -> Process:
        ledger = self._place / f"{self._run}-{len(self._processes)}"
        shape = Shape(self._node["port"], self._node["token"], side, self._run, str(ledger))
        process = Process.begin(shape)
        self._processes.append(process)
        return process

    def _cut(self, kind: str, primary: Process, backup: Process, plain: Order) -> float:
        if kind == "node":
            now = time.monotonic()
            os.kill(self._node["node"]["pid"], signal.SIGKILL)
            return now
        if kind == "reset":
            return 0.0  # the ledger says when
        now = primary.kill()
        if kind == "standby":
            book = primary.book()
            first = max(book.asked) + 1
            again = tuple(book.open_at(now))
            backup.order(msgspec.structs.replace(plain, first=first, again=again))
        other = self._begin("primary")
        number = int((time.monotonic() - plain.t0) * plain.rate) + 1
        other.order(msgspec.structs.replace(plain, first=min(number, plain.count)))
        return now

    def _judged(self, primary: Process, backup: Process, cut_at: float) -> Verdict:
        books = [(one, one.book()) for one in self._processes]
        verdict = Verdict()
        answers: dict[int, set[tuple[Any, ...]]] = {}
        for process, book in books:
            verdict.faults += book.faults
            verdict.answers += sum(map(len, book.told.values()))
            for number, told in book.told.items():
                answers.setdefault(number, set()).update(answer for _, answer in told)
            if process.killed_at is None:
                verdict.unanswered += len(book.asked.keys() - book.told.keys())
        asked = {number for _, book in books for number in book.asked}
        verdict.questions = len(asked)
        verdict.unanswered += len(asked - answers.keys())
        verdict.targets = len({answer[0] for one in answers.values() for answer in one})
        verdict.differing = sum(len(one) > 1 for one in answers.values())
        self._timed(verdict, primary.book(), backup.book(), cut_at)
        return verdict

    def _timed(self, verdict: Verdict, primary: Book, backup: Book, cut_at: float) -> None:
        were_open = primary.open_at(cut_at)
        verdict.open = len(were_open)
        for number in were_open:
            if number in backup.told:
                came = min(at for at, _ in backup.told[number])
                verdict.switched_s = max(verdict.switched_s, came - cut_at)
        if primary.back_at is not None:
            verdict.back_s = primary.back_at - cut_at


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def rows(kind: str, verdicts: list[Verdict]) -> Iterator[Row]:
    """What is told of a kind."""
    for what in ("questions", "answers", "unanswered", "differing", "open"):
        yield Row(f"{kind}: {what}", sum(getattr(one, what) for one in verdicts), "")
    yield Row(f"{kind}: faults", sum(len(one.faults) for one in verdicts), "")
    slowest = max(one.switched_s for one in verdicts)
    yield Row(f"{kind}: on the backup, after", round(slowest * 1000, 1), "ms")
    if kind == "reset":
        back = max(one.back_s for one in verdicts)
        yield Row(f"{kind}: primary open again, after", round(back * 1000, 1), "ms")


def misses(kind: str, verdict: Verdict) -> Iterator[str]:
    """Promises that a round has broken."""
    if verdict.unanswered:
        yield f"{kind}: {verdict.unanswered} questions were not answered"
    if verdict.differing:
        yield f"{kind}: {verdict.differing} questions were answered in two ways"
    if verdict.targets < MANY:
        yield f"{kind}: all calls went to {verdict.targets} targets: answers could not differ"
    if verdict.faults:
        yield f"{kind}: {verdict.faults[:5]}"
    if kind != "node" and max(verdict.switched_s, verdict.back_s) > SWITCHED_S:
        yield f"{kind}: switched after {max(verdict.switched_s, verdict.back_s):.3f} s"


def rounds(wanted: argparse.Namespace, kinds: list[str]) -> Iterator[tuple[str, Verdict]]:
    """Play them all, on one node."""
    dice = random.Random(wanted.seed)  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory(prefix="vigie-pairs-") as home:
        rules = Path(home) / "routing.toml"
        rules.write_text(RULES, encoding="utf-8")
        with directory(**SETTINGS, VIGIE_ROUTING__RULES=str(rules)) as node, node.running() as info:
            for number in range(wanted.rounds):
                for kind in kinds:
                    known = info | {"node": node.vigie("info")["node"]}
                    one = Round(known, Path(home), dice, f"{kind}{number}")
                    verdict = one.play(kind, wanted.rate, wanted.seconds)
                    say(f"    {kind} {number}: {verdict}")
                    yield kind, verdict


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object, no table")
    parser.add_argument("--kinds", default=",".join(KINDS), help="what happens, by commas")
    parser.add_argument("--rounds", type=int, default=5, help="of each kind")
    parser.add_argument("--rate", type=float, default=400.0, help="questions/s of each side")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a round")
    parser.add_argument("--seed", type=int, default=1, help="of what is left to chance")
    wanted = parser.parse_args()
    if not set(wanted.kinds.split(",")) <= set(KINDS):
        parser.error(f"--kinds are of {', '.join(KINDS)}")
    return wanted


def main() -> int:
    """Play, judge and print."""
    wanted = options()
    kinds = wanted.kinds.split(",")
    verdicts: dict[str, list[Verdict]] = {kind: [] for kind in kinds}
    missed = []
    for kind, verdict in rounds(wanted, kinds):
        verdicts[kind].append(verdict)
        missed += misses(kind, verdict)
    told = [row for kind in kinds for row in rows(kind, verdicts[kind])]
    publish("pairs", told, as_json=wanted.json)
    for one in missed:
        say(f"missed: {one}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

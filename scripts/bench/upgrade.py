#!/usr/bin/env python3
"""What a new version costs that goes in while calls go on, beside OTP's release handling.

A node of one release with many sessions serves links that ask for routes, links that only
exchange heartbeats, and idle HTTP connections. It is upgraded to a release in which the state of
sessions is another one, and rolled back. Nobody may notice more than a pause: no answer lost,
doubled or out of order, no connection closed.

    scripts/bench/upgrade.py [--json] [--sessions N] [--rate R] [--links N] [--quiet N] [--http N]
        [--seconds S] [--rounds N] [--from REVISION] [--python PYTHON] [--patient]

--from upgrades from a revision of the repository to this tree and back, --python from this
interpreter to another. Ends with 1 when anything was lost, doubled, reordered or reset, and, unless
--patient, when an answer was late or refused.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The rooms first: a script beside this one has the name of one of them.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import disk
from programs import ROOT, compile_erlang, erlang, figures, say
from recovery_nodes import fill
from report import Row, publish
from upgrade_changes import with_priority
from upgrade_nodes import Failed, Load, Node, Workshop, copy_of, tree_of, versioned

PEER = "OTP release_handler"
SECOND = "999.0.0"
"""The version of the other release, whatever that of this tree is."""

UNANSWERED = "unanswered at the end"
AFTER_S = 4.0
"""For so long what peers see still counts: the old node ends meanwhile."""

SETTLE_S = 20.0
"""Until the node has settled after a rollback: what is garbage is given back to the system."""

SETTINGS = {
    "VIGIE_HTTP__PORT": "0",
    "VIGIE_CTI__PORT": "0",
    "VIGIE_CTI__MAX_LINKS": "1000",
    "VIGIE_SESSIONS__MAX_OPEN": "1000000",
    "VIGIE_SESSIONS__LINGER_S": "5",  # else what memory holds is how many calls there were
    # What is measured is told below; no probation is to end a run that another program slows down.
    "VIGIE_RELEASE__PROBATION__MAX_FAILED_SHARE": "1",  # answered before they were durable
    "VIGIE_RELEASE__PROBATION__MAX_LATE_SHARE": "1",
    "VIGIE_RELEASE__PROBATION__MAX_REFUSED_SHARE": "1",
    "VIGIE_RELEASE__PROBATION__MAX_P99_MS": "1000",
}
"""What differs from the defaults."""

PATIENCE = {"VIGIE_ROUTING__REQUEST_TIMEOUT_MS": "5000"}
"""With --patient: else what a busy machine makes late is not answered at all, and looks lost."""

APPLICATION = (
    '{application,calls,[{description,"calls"},{vsn,"%s"},{modules,[otp_calls,otp_release]},'
    "{registered,[]},{applications,[kernel,stdlib]},{mod,{otp_release,[]}}]}.\n"
)
APPUP = (
    '{"2",[{"1",[{update,otp_calls,{advanced,[]}}]}],[{"1",[{update,otp_calls,{advanced,[]}}]}]}.\n'
)


@dataclass(frozen=True)
class Step:
    """An upgrade or a rollback.

    Attributes:
        what: which.
        wall_s: of the command.
        told: by the command.
        load: what the peers saw meanwhile.
    """

    what: str
    wall_s: float
    told: dict[str, Any]
    load: dict[str, Any]

    @property
    def whole(self) -> bool:
        """Whether nothing was doubled or out of order, and no connection ended."""
        load = self.load
        return not any(load[one] for one in ("doubled", "reordered", "resets", "http_broken"))

    @property
    def in_time(self) -> bool:
        """Whether no answer was late, and nobody was turned away."""
        return not self.load["late"] and not self.load["refused"]


def releases(shop: Workshop, wanted: argparse.Namespace) -> tuple[Path, Path]:
    """Build the release that a node begins with, and the other one."""
    trees = shop.place / "trees"
    if wanted.revision:
        first = shop.build(tree_of(wanted.revision, trees / "old"), "old")
        return first, shop.build(versioned(copy_of(ROOT, trees / "new"), SECOND), "new")
    first = shop.build(copy_of(ROOT, trees / "one"), "one")
    if wanted.python:
        tree = versioned(copy_of(ROOT, trees / "two"), SECOND)
        return first, shop.build(tree, "two", python=wanted.python)
    tree = with_priority(versioned(copy_of(ROOT, trees / "two"), SECOND))
    return first, shop.build(tree, "two")


def step(node: Node, load: Load, what: str, *words: str) -> Step:
    """Do something under load, and tell what the peers saw."""
    say(what)
    load.period()
    begun = time.monotonic()
    told = node.command("release", *words)
    wall_s = time.monotonic() - begun
    time.sleep(AFTER_S)
    seen = load.period()
    say(f"    {wall_s:.1f} s, {told.get('timings')}, {seen}")
    return Step(what, wall_s, told, seen)


def measure(node: Node, vsn: str, wanted: argparse.Namespace) -> Iterator[Row | Step]:
    """Upgrade and roll back a running node, as often as is wanted."""
    with node.running() as info:
        shape = {one: getattr(wanted, one) for one in ("links", "rate", "quiet", "http")}
        shape["keep"] = wanted.sessions if wanted.revision else 0
        load = Load(info, shape)
        time.sleep(wanted.seconds)
        quiet = load.period()
        memory, descriptors = node.size()
        for number in range(1, wanted.rounds + 1):
            yield step(node, load, f"upgrade {number}", "upgrade", vsn)
            time.sleep(wanted.seconds)
            yield step(node, load, f"rollback {number}", "rollback")
            time.sleep(wanted.seconds)
        left = load.end()
        time.sleep(min(SETTLE_S, 2 * wanted.seconds))
        after, then = node.size()
        yield Row("p99 before", quiet["p99_ms"], "ms")
        yield Row(UNANSWERED, left["unanswered"], "requests")
        yield Row("memory after, of before", round(after / memory, 3), "")
        yield Row("descriptors after, less before", then - descriptors, "")


def step_rows(taken: Step) -> Iterator[Row]:
    """What is told of an upgrade or a rollback."""
    load, timings = taken.load, taken.told.get("timings", {})
    yield Row(f"{taken.what}: the command", round(taken.wall_s, 2), "s")
    for name, value in timings.items():
        yield Row(f"{taken.what}: {name}", value, name.rpartition("_")[2])
    yield Row(f"{taken.what}: longest answer", load["max_ms"], "ms")
    yield Row(f"{taken.what}: longest heartbeat", load["beat_max_ms"], "ms")
    for one in ("sent", "answered", "late", "doubled", "reordered", "resets", "http_broken"):
        yield Row(f"{taken.what}: {one}", load[one], "")


def otp(sessions: int, place: Path) -> dict[str, float]:
    """OTP's release handling of as many sessions; empty where there is no OTP."""
    for version in ("1", "2"):
        ebin = place / f"calls-{version}" / "ebin"
        ebin.mkdir(parents=True)
        options = () if version == "1" else ("-DV2",)
        for module in ("otp_calls", "otp_release"):
            if compile_erlang(module, ebin, *options) is None:
                return {}
        (ebin / "calls.app").write_text(APPLICATION % version)
    (place / "calls-2" / "ebin" / "calls.appup").write_text(APPUP)
    command = erlang("otp_release", place / "calls-1" / "ebin")
    up, down, up_wait, down_wait = figures(command, str(place), sessions)
    return {"upgrade": up, "rollback": down, "upgrade wait": up_wait, "rollback wait": down_wait}


def peer_rows(steps: list[Step], peer: dict[str, float]) -> Iterator[Row]:
    """The two figures that OTP has too, of the slowest of each kind."""
    for kind in ("upgrade", "rollback") if peer else ():
        ours = [one for one in steps if one.what.startswith(kind)]
        total = max(one.wall_s for one in ours)
        longest = max(one.load["max_ms"] for one in ours)
        yield Row(f"{kind}, whole", round(total, 2), "s", PEER, round(peer[kind], 2))
        wait_ms = round(peer[f"{kind} wait"] * 1000, 1)
        yield Row(f"{kind}, longest wait of a caller", longest, "ms", PEER, wait_ms)


def held(steps: list[Step], rows: list[Row], *, patient: bool) -> bool:
    """Whether nobody has noticed more than a pause; with patience, however long it was."""
    lost = any(row.value for row in rows if row.what == UNANSWERED)
    whole = all(one.whole for one in steps)
    return whole and not lost and (patient or all(one.in_time for one in steps))


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object, no table")
    parser.add_argument("--sessions", type=int, default=300_000, help="open at the beginning")
    parser.add_argument("--rate", type=float, default=1_000.0, help="route requests/s")
    parser.add_argument("--links", type=int, default=8, help="that ask for routes")
    parser.add_argument("--quiet", type=int, default=500, help="links with heartbeats only")
    parser.add_argument("--http", type=int, default=500, help="idle HTTP connections")
    parser.add_argument("--seconds", type=float, default=10.0, help="of load between two steps")
    parser.add_argument("--rounds", type=int, default=1, help="upgrades, each with a rollback")
    parser.add_argument("--from", dest="revision", default="", help="a revision to begin with")
    parser.add_argument("--python", default="", help="the interpreter of the other release")
    parser.add_argument("--patient", action="store_true", help="late answers do not count")
    parser.add_argument("--no-peer", action="store_true", help="leave OTP out")
    return parser.parse_args()


def main() -> int:
    """Measure and print."""
    wanted = options()
    commits = disk.commits()
    with tempfile.TemporaryDirectory(prefix="vigie-bench-") as temporary:
        place = Path(temporary)
        shop = Workshop(place)
        first, second = releases(shop, wanted)
        node = Node(place / "data", SETTINGS | (PATIENCE if wanted.patient else {}))
        node.install(first)
        vsn = node.install(second, wanted.python)
        if wanted.sessions and not wanted.revision:
            fill(node, wanted.sessions)  # in the schema of this tree
        results = list(measure(node, vsn, wanted))
        peer = {} if wanted.no_peer else otp(max(1_000, wanted.sessions), place / "otp")
    steps = [one for one in results if isinstance(one, Step)]
    rows = [row for one in steps for row in step_rows(one)]
    rows += [one for one in results if isinstance(one, Row)]
    rows += [*peer_rows(steps, peer), *disk.rows(commits + disk.commits())]
    publish("upgrade", rows, as_json=wanted.json)
    return 0 if held(steps, rows, patient=wanted.patient) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failed:
        sys.exit(str(failed))

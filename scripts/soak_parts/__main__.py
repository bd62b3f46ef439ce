"""Kills everything of a node again and again under load, and tells whether anything was lost.

scripts/soak calls this; `--help` tells the options.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from soak_parts import judge, verdict
from soak_parts.plan import Pace
from soak_parts.run import Outcome, Settings, run
from soak_parts.verdict import Promise
from soak_parts.vigie import NotStarted, Vigie

LOG = "soak.jsonl"


def main(words: list[str]) -> int:
    """Run and judge; prints one JSON object, or a summary.

    Args:
        words: the options.

    Returns:
        0 when all promises were kept, else 1.
    """
    options = _options(words)
    data = options.data or Path(tempfile.mkdtemp(prefix="vigie-soak-"))
    settings = _settings(options)
    _say(f"seed {settings.seed}, {settings.seconds:g} s, {settings.rate:g} calls/s, data {data}")
    try:
        promises, told = asyncio.run(_run_and_judge(settings, data))
    except NotStarted as failure:
        _say(f"vigie failed: {failure}")
        return 1
    finally:
        _stop(data)
    return _report(settings, data, promises, told, as_json=options.json)


async def _run_and_judge(settings: Settings, data: Path) -> tuple[list[Promise], dict[str, Any]]:
    outcome = await run(settings, data, _say)
    _write_log(outcome, data)
    promises = await judge.judge(outcome)
    promises += await judge.of_journal(outcome)
    return promises, judge.facts(outcome)


def _report(
    settings: Settings,
    data: Path,
    promises: list[Promise],
    told: dict[str, Any],
    *,
    as_json: bool,
) -> int:
    kept = verdict.kept(promises)
    report = {
        "name": "soak",
        "kept": kept,
        "settings": asdict(settings),
        "promises": [asdict(promise) for promise in promises],
        "facts": told,
    }
    for line in verdict.lines(promises, told):
        _say(line)
    if as_json:
        print(json.dumps(report))
    if kept:
        _remove(data)
    else:
        _say(f"what is left of it lies in {data}, every blow in {data / LOG}")
    _say("every promise was kept" if kept else "PROMISES WERE BROKEN")
    return 0 if kept else 1


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("scripts/soak", description=(__doc__ or "").splitlines()[0])
    pace = Pace()
    parser.add_argument("--seconds", type=float, default=600.0, help="how long calls arrive")
    parser.add_argument("--seed", type=int, default=1, help="of all chance")
    parser.add_argument("--rate", type=float, default=200.0, help="calls a second")
    parser.add_argument("--speed", type=float, default=10.0, help="seconds of a call in one")
    parser.add_argument("--workers", type=int, default=8, help="IVR applications")
    parser.add_argument("--data", type=Path, help="kept afterwards only where a promise was broken")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--calm", action="store_true", help="no blows at all, for comparison")
    for name in Pace.__dataclass_fields__:
        text = "mean seconds between two"
        option = f"--{name.replace('_', '-')}-every"
        parser.add_argument(option, type=float, default=getattr(pace, name), help=text)
    return parser.parse_args(words)


def _settings(options: argparse.Namespace) -> Settings:
    every = {name: getattr(options, f"{name}_every") for name in Pace.__dataclass_fields__}
    return Settings(
        seconds=options.seconds,
        seed=options.seed,
        rate=options.rate,
        speed=options.speed,
        workers=options.workers,
        pace=Pace(**every),
        calm=options.calm,
    )


def _write_log(outcome: Outcome, data: Path) -> None:
    with (data / LOG).open("w", encoding="utf-8") as log:
        for entry in (*outcome.chaos.log, *outcome.watched):
            log.write(json.dumps(entry) + "\n")


def _stop(data: Path) -> None:
    """Stop the node where it still runs: after a failure."""
    try:
        Vigie(data, {}).run("stop")
    except NotStarted:
        return


def _remove(data: Path) -> None:
    shutil.rmtree(data, ignore_errors=True)


def _say(text: str) -> None:
    print(f"==> {text}" if not text.startswith(" ") else text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

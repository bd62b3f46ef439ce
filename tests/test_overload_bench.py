"""The overload bench: what it makes of figures, and that it runs; not how fast vigie is."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "scripts" / "bench"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    spec = importlib.util.spec_from_file_location("overload_bench", BENCH / "overload.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def tally(sent=100, answered=100, refused=0, late=0, p99_ms=5.0):
    rules = {"429 overload.new_after_ms": refused} if refused else {}
    return {
        "sent": sent,
        "answered": answered,
        "refused": rules,
        "unanswered": sent - answered - refused,
        "late": late,
        "p99_ms": p99_ms,
    }


BAD, GOOD = tally(refused=5, answered=95), tally()


@pytest.mark.parametrize(
    ("seconds", "after"),
    [
        ([BAD, GOOD, GOOD, GOOD], 0.0),
        ([BAD, BAD, BAD, GOOD, GOOD, GOOD], 2.0),
        ([BAD, BAD, GOOD, BAD, GOOD, GOOD, GOOD], 3.0),
        ([BAD, tally(p99_ms=51.0), GOOD, GOOD, GOOD], 1.0),
        ([BAD, GOOD, GOOD, BAD], 3.0),
    ],
)
def test_it_has_recovered_when_three_seconds_are_good_again(bench, seconds, after):
    assert bench.recovered_after(seconds, 1) == after


def phases(**during):
    of = {"new": tally(), "established": tally()}
    return [of, of | during, of | {"first": 2}]


@pytest.mark.parametrize(
    ("during", "fault"),
    [
        ({}, None),
        ({"new": tally(answered=20, refused=80)}, None),
        ({"new": tally(answered=98)}, None),
        ({"new": tally(answered=90)}, "late"),
        ({"established": tally(late=3)}, "late"),
        ({"established": tally(answered=50, refused=50)}, "more often than new"),
    ],
)
def test_a_fault_of_the_answers_is_found(bench, during, fault):
    report = {"phases": phases(**during), "seconds": [GOOD] * 6, "links_lost": []}
    watch = bench.Watch(None, memory_mb=[10.0, 11.0], descriptors=[20, 21])
    found = bench.faults(report, watch)
    assert len(found) == (fault is not None)
    assert not fault or fault in found[0]


def test_what_grows_without_a_bound_is_found(bench):
    report = {"phases": phases(), "seconds": [BAD] * 20, "links_lost": ["reset"]}
    watch = bench.Watch(None, memory_mb=[10.0, 16.0], descriptors=[20, 90])
    watch.statuses["POST /api/v1/sessions 429 without a time"] += 1
    assert len(bench.faults(report, watch)) == 5


@pytest.mark.system
def test_it_runs_and_tells_what_the_contract_says():
    words = ["--json", "--rate=60", "--seconds=4", "--calm-seconds=3", "--after-seconds=4"]
    done = subprocess.run(
        [sys.executable, BENCH / "overload.py", *words],
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{BENCH}"},
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout)
    assert report["name"] == "overload"
    rows = {row["what"]: row["value"] for row in report["rows"]}
    assert rows["new: sent"] > 0 < rows["established: sent"]
    assert rows["HTTP GET /readyz 200"] > 10
    assert rows["memory greatest"] > 10 < rows["descriptors greatest"]

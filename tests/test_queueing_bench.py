"""The bench of queues: the formulas that it compares with, and what it prints."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parent.parent / "scripts" / "bench"
ROW = {"what", "value", "unit", "peer", "peer_value", "ratio"}


def run(*words):
    """Run the bench; return its exit code, its rows, and what it said."""
    command = [sys.executable, BENCH / "queueing.py", "--json", *words]
    # The rooms that are tested, before the one beside the bench.
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "==> missed: " in done.stderr, done.stderr
    report = json.loads(done.stdout)
    assert report.keys() == {"name", "machine", "rows"}
    assert all(row.keys() == ROW for row in report["rows"])
    return done.returncode, {row["what"]: row for row in report["rows"]}, done.stderr


@pytest.fixture(scope="module")
def formulas():
    """The bench's own formulas, from a process that finds the rooms as the bench does."""
    program = (
        f"import sys; sys.path.insert(0, {str(BENCH)!r}); import json, runpy;"
        f"names = runpy.run_path({str(BENCH / 'queueing.py')!r});"
        "print(json.dumps({'b': names['erlang_b'](10, 8.0), 'c': names['erlang_c'](10, 8.0),"
        " 'one': names['erlang_c'](1, 0.3), 'wait': names['mean_wait_s'](1, 0.5)}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.system
def test_every_call_is_treated_as_the_recursion_says():
    _, rows, _ = run("--calls=4000", "--many=1000", "--runs=2", "--decisions=100")
    odd = [row for what, row in rows.items() if "treats otherwise" in what]
    assert [(row["value"], row["unit"]) for row in odd] == [(0, "of 8,000")] * 4


@pytest.mark.system
def test_the_formulas_are_those_of_the_tables(formulas):
    assert formulas["b"] == pytest.approx(0.1217, abs=1e-4)
    assert formulas["c"] == pytest.approx(0.4092, abs=1e-4)
    assert formulas["one"] == pytest.approx(0.3)
    assert formulas["wait"] == pytest.approx(180.0)


@pytest.mark.system
def test_a_short_run_is_near_theory_and_prints_what_the_contract_says():
    _, rows, said = run("--calls=2000", "--many=20000", "--runs=2", "--decisions=500")
    for row in rows.values():
        if (row["peer"] or "").startswith("Erlang") and row["unit"] == "%":
            assert row["value"] == pytest.approx(row["peer_value"], rel=0.25), row
    assert "12 agents at 75%: recursion, mean wait: " in said  # too short to tell
    assert rows["decision, all steps: mean CPU time"]["value"] > 0


@pytest.mark.long
@pytest.mark.system
@pytest.mark.timeout(900)
def test_a_long_run_agrees_with_theory_within_two_percent():
    _, rows, said = run("--decisions=1000")
    assert "missed" not in said.replace("missed: decision", "")
    assert rows["furthest from theory"]["value"] <= 2.0

"""The benches run and print what the contract says; how fast anything is, is not asked here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parent.parent / "scripts" / "bench"
ROW = {"what", "value", "unit", "peer", "peer_value", "ratio"}


@pytest.fixture(scope="module")
def report():
    command = [sys.executable, BENCH / "supervision.py", "--json", "--rounds=1", "--scale=0.001"]
    # The rooms first, as in scripts/test: the bench has the name of one of them.
    environ = os.environ | {"PYTHONPATH": f"{BENCH.parents[1]}{os.pathsep}{BENCH}"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.system
def test_the_bench_of_supervisors_prints_a_row_for_all_that_it_measures(report):
    assert report.keys() == {"name", "machine", "rows"}
    assert report["name"] == "supervision"
    units = {row["unit"] for row in report["rows"]}
    assert units >= {"restarts/s", "starts/s", "µs", "times", "ms", "bytes"}
    for row in report["rows"]:
        assert row.keys() == ROW
        assert row["value"] > 0


@pytest.mark.system
def test_it_stands_beside_otp_where_there_is_one_and_beside_nobody_elsewhere(report):
    beside = [row for row in report["rows"] if row["peer"] == "OTP"]
    alone = [row for row in report["rows"] if row["peer"] is None]
    if shutil.which("erl") and shutil.which("erlc"):
        assert beside
        assert not alone
    else:
        assert alone
        assert not beside
    assert all(row["peer_value"] is row["ratio"] is None for row in alone)
    assert all(row["ratio"] > 0 for row in report["rows"] if row["peer"] is not None)

"""The bench of restarts runs and prints what the contract says; how fast is not asked here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[3] / "scripts" / "bench" / "multiproc_restart.py"


@pytest.mark.system
def test_the_bench_of_restarts_prints_ours_beside_each_peer():
    done = subprocess.run(
        [sys.executable, BENCH, "--json", "--kills=2"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["name"] == "multiproc_restart"
    assert len({row["peer"] for row in report["rows"]}) == 2
    assert len(report["rows"]) == 8
    noticed = [row["value"] for row in report["rows"] if row["unit"] == "kills"]
    assert noticed == [2, 2]

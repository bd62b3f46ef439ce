"""Either process is killed at any moment of the hand-over: what was acknowledged is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "support" / "journal_killing.py"
STEP = 37
"""Of lines between two kills; tried with 1 as well, which takes some minutes."""


@pytest.mark.system
@pytest.mark.parametrize("where", ["stop", "resume", "switch", "after"])
def test_whoever_is_killed_nothing_that_was_acknowledged_is_lost(tmp_path, where) -> None:
    words = [sys.executable, PROGRAM, tmp_path, where, "5", str(STEP)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        words, env=environ, capture_output=True, text=True, check=True, timeout=240
    )
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(outcomes) > 5, done.stderr
    assert [one["died"] for one in outcomes] == [True] * (len(outcomes) - 1) + [False]
    for one in outcomes:
        assert one["acknowledged"] >= 24
        assert (one["lost"], one["missing_commits"], one["outbox"]) == ([], 0, 0), one

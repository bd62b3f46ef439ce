"""The benches run and print what the contract says; how fast anything is, is not asked here."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parent.parent / "scripts" / "bench"
ROW = {"what", "value", "unit", "peer", "peer_value", "ratio"}
WHOLE = dict.fromkeys(("doubled", "reordered", "resets", "http_broken", "late"), 0) | {
    "refused": {}
}
TINY = ("--sessions=50", "--rate=20", "--links=2", "--quiet=2", "--http=2", "--seconds=1")


def run(name, *words):
    """Run a bench, and return what it prints."""
    # The rooms first, as in scripts/test: some benches have the name of one of them.
    environ = os.environ | {"PYTHONPATH": f"{BENCH.parents[1]}{os.pathsep}{BENCH}"}
    command = [sys.executable, BENCH / f"{name}.py", "--json", *words]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    # So little is measured that a gate of speed is missed where others keep the machine busy.
    assert done.returncode == 0 or "==> missed: " in done.stderr, done.stderr
    report = json.loads(done.stdout)
    assert report.keys() == {"name", "machine", "rows"}
    assert report["name"] == name
    assert report["machine"]["memory_ns"] > 0
    assert all(row.keys() == ROW for row in report["rows"])
    return report


@pytest.fixture(scope="module")
def report():
    return run("supervision", "--rounds=1", "--scale=0.001")


@pytest.mark.system
def test_the_bench_of_supervisors_prints_a_row_for_all_that_it_measures(report):
    units = {row["unit"] for row in report["rows"]}
    assert units >= {"restarts/s", "starts/s", "µs", "times", "ms", "bytes"}
    for row in report["rows"]:
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


@pytest.mark.system
def test_the_bench_of_handovers_measures_both_sides_of_both_versions():
    report = run("handover", "--sessions=200")
    rows = {row["what"]: row for row in report["rows"]}
    for what, row in rows.items():
        # A conversion is a difference: of so few sessions it is lost in what else goes on.
        assert row["value"] > 0 or what.startswith("conversion"), row
    for what in ("taken in, to live there", "taken in by a later version"):
        assert rows[what]["peer"] == "recovery from the journal"
        assert rows[what]["ratio"] > 0


@pytest.mark.system
@pytest.mark.timeout(120)
def test_the_bench_of_the_call_path_asks_reads_and_writes_at_once_and_loses_nothing():
    little = ("--sessions=300", "--rate=20", "--reads=20", "--writes=20", "--seconds=2")
    rows = {row["what"]: row["value"] for row in run("callpath", *little)["rows"]}
    for what in ("routes, answered", "reads, answered", "writes, answered", "routing, p99"):
        assert rows[what] > 0
    for what in ("changes lost", "routes, doubled", "routes, unanswered at the end"):
        assert rows[what] == 0


@pytest.mark.system
@pytest.mark.timeout(120)
def test_the_bench_of_the_database_stands_beside_a_pool_and_what_the_server_can_do():
    rows = run("odbc", "--seconds=0.2")["rows"]
    peers = {row["peer"] for row in rows}
    assert peers >= {"asyncpg pool", "8 bare connections", "8 times one connection"}
    values = {row["what"]: row["value"] for row in rows}
    assert 0 < values["the same, of what the server can do"] <= 110
    assert values["queries for 1000 callers of one number"] == 1


@pytest.mark.system
def test_the_bench_of_tables_stands_beside_a_dict_of_dicts():
    report = run("tables", "--rows=3000", "--peer-rows=3000", "--reads=500")
    rows = {row["what"]: row for row in report["rows"]}
    assert rows["memory"]["peer"] == rows["read, mean"]["peer"] == "dict of dicts"
    assert all(row["value"] > 0 for row in rows.values())


# The bench of upgrades: it builds two releases, which takes its time; what it makes of what it sees
# does not.


@pytest.mark.long
@pytest.mark.system
@pytest.mark.timeout(600)
def test_the_bench_of_upgrades_goes_to_another_release_and_back():
    report = run("upgrade", *TINY, "--no-peer", "--patient")
    rows = {row["what"]: row["value"] for row in report["rows"]}
    for step in ("upgrade 1", "rollback 1"):
        assert rows[f"{step}: freeze_ms"] > 0
        assert rows[f"{step}: sent"] > 0 < rows[f"{step}: answered"]
        assert [rows[f"{step}: {one}"] for one in ("doubled", "reordered", "resets")] == [0, 0, 0]
    assert rows["unanswered at the end"] == 0


@pytest.fixture
def upgrade(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    spec = importlib.util.spec_from_file_location("upgrade_bench", BENCH / "upgrade.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def taken(upgrade, **seen):
    load = WHOLE | {"sent": 9, "answered": 9, "max_ms": 40.0, "beat_max_ms": 1.0} | seen
    return upgrade.Step("upgrade 1", 2.0, {"timings": {"freeze_ms": 30.0}}, load)


def test_an_upgrade_that_nobody_noticed_holds(upgrade):
    rows = [upgrade.Row(upgrade.UNANSWERED, 0, "requests")]
    assert upgrade.held([taken(upgrade)], rows, patient=False)


@pytest.mark.parametrize("fault", ["doubled", "reordered", "resets", "http_broken"])
def test_an_upgrade_that_breaks_anything_does_not_hold_however_patient_one_is(upgrade, fault):
    steps = [taken(upgrade), taken(upgrade, **{fault: 1})]
    assert not upgrade.held(steps, [], patient=True)


def test_a_request_that_is_never_answered_is_a_fault(upgrade):
    rows = [upgrade.Row(upgrade.UNANSWERED, 1, "requests")]
    assert not upgrade.held([taken(upgrade)], rows, patient=True)


@pytest.mark.parametrize("seen", [{"late": 1}, {"refused": {"overload": 1}}])
def test_late_and_refused_answers_are_for_who_has_patience(upgrade, seen):
    steps = [taken(upgrade, **seen)]
    assert upgrade.held(steps, [], patient=True)
    assert not upgrade.held(steps, [], patient=False)


def test_what_the_peers_saw_stands_beside_what_the_command_told(upgrade):
    rows = {row.what: (row.value, row.unit) for row in upgrade.step_rows(taken(upgrade, late=3))}
    assert rows["upgrade 1: freeze_ms"] == (30.0, "ms")
    assert rows["upgrade 1: longest answer"] == (40.0, "ms")
    assert rows["upgrade 1: late"] == (3, "")


def test_the_slowest_of_each_kind_stands_beside_otp(upgrade):
    steps = [taken(upgrade), taken(upgrade, max_ms=80.0)]
    steps += [upgrade.Step("rollback 1", 1.0, {}, steps[0].load)]
    peer = {"upgrade": 4.0, "rollback": 2.0, "upgrade wait": 0.16, "rollback wait": 0.02}
    rows = {row.what: row for row in upgrade.peer_rows(steps, peer)}
    longest = rows["upgrade, longest wait of a caller"]
    assert (longest.value, longest.peer, longest.peer_value) == (80.0, upgrade.PEER, 160.0)
    assert rows["rollback, whole"].value == 1.0
    assert list(upgrade.peer_rows(steps, {})) == []

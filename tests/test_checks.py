"""How scripts/checks.py counts what pytest did."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = Path(__file__).resolve().parent.parent / "scripts" / "checks.py"
REPORT = """<testsuites><testsuite>
<testcase name="passes"/>
<testcase name="fails"><failure message="no"/></testcase>
<testcase name="breaks in its teardown"><error message="no"/></testcase>
<testcase name="wants erlang"><skipped type="pytest.skip"
  message="system package erlang-base is missing"/></testcase>
<testcase name="is of another platform"><skipped type="pytest.skip" message="not here"/></testcase>
<testcase name="is expected to fail"><skipped type="pytest.xfail" message="known"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def checks(monkeypatch):
    spec = importlib.util.spec_from_file_location("checks", CHECKS)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "checks", module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "report.xml"
    path.write_text(REPORT)
    return path


def test_each_outcome_is_counted_once_and_expected_failures_are_not(checks, report):
    tally = checks.Tally()
    tally.add(report)
    assert (tally.passed, tally.failed, tally.skipped) == (1, 2, 2)


def test_the_last_line_counts_and_the_missing_packages_are_named(checks, report, capsys):
    tally = checks.Tally()
    tally.add(report)
    assert checks.close(tally) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "vigie: 1 passed, 2 failed, 2 skipped"
    assert "==> 1 skipped for want of the system package erlang-base" in lines


def test_a_run_of_pytest_that_left_no_report_is_a_failure(checks, tmp_path):
    tally = checks.Tally()
    tally.add(tmp_path / "none.xml")
    assert tally.failed == 1


def test_a_step_that_failed_fails_the_run_though_no_test_did(checks, capsys):
    tally = checks.Tally(passed=3, steps=["mypy"])
    assert checks.close(tally) == 1
    assert "==> FAILED: mypy" in capsys.readouterr().out


def test_the_configuration_of_the_callers_node_does_not_reach_the_tests(checks, monkeypatch):
    monkeypatch.setenv("VIGIE_HTTP__PORT", "9")
    environment = checks.environment()
    assert "VIGIE_HTTP__PORT" not in environment
    assert environment["PYTHONSAFEPATH"] == "1"


def test_clients_in_javascript_are_found_where_they_were_installed(checks, monkeypatch, tmp_path):
    monkeypatch.setattr(checks, "PEERS", tmp_path)
    monkeypatch.delenv("NODE_PATH", raising=False)
    assert "NODE_PATH" not in checks.environment()
    (tmp_path / "node_modules").mkdir()
    assert checks.environment()["NODE_PATH"] == str(tmp_path / "node_modules")


def test_clients_in_javascript_are_installed_where_npm_is(checks, monkeypatch, tmp_path):
    ran, codes = [], [1, 0]

    def run(words, **_):
        ran.append(words)
        return subprocess.CompletedProcess(words, codes.pop(0))

    monkeypatch.setattr(checks, "PEERS", tmp_path / "peers")
    monkeypatch.setattr(checks.subprocess, "run", run)
    monkeypatch.setattr(checks.shutil, "which", lambda name: None)
    checks.install_peers()
    assert ran == []
    monkeypatch.setattr(checks.shutil, "which", lambda name: f"/usr/bin/{name}")
    checks.install_peers()
    assert ran[0][:2] == ("npm", "install")
    assert (tmp_path / "peers" / "package.json").is_file()
    checks.install_peers()  # it had failed
    checks.install_peers()  # it is there
    assert len(ran) == 2


def test_an_npm_that_hangs_is_not_waited_for_without_end(checks, monkeypatch, tmp_path):
    def run(words, *, timeout, **_):
        raise subprocess.TimeoutExpired(words, timeout)

    monkeypatch.setattr(checks, "PEERS", tmp_path / "peers")
    monkeypatch.setattr(checks.subprocess, "run", run)
    monkeypatch.setattr(checks.shutil, "which", lambda name: f"/usr/bin/{name}")
    checks.install_peers()
    assert not (tmp_path / "peers" / "installed.json").exists()

"""The plugin that holds our base to Thespian's suite judges a run as its list says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def plugin():
    spec = importlib.util.spec_from_file_location("suite", HERE / "thespian_suite.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def suite_of(plugin, passes, exception=(), beyond=()):
    def entries(names):
        return [{"test": name, "reason": "known"} for name in names]

    expected = {
        "passes_on_simple_system_base": passes,
        "exception": entries(exception),
        "beyond": entries(beyond),
    }
    return plugin.Suite("eventLoopBase", expected)


def test_a_run_in_which_enough_tests_pass_has_no_complaint(plugin):
    suite = suite_of(plugin, 2, exception=["c"])
    suite.outcomes = {"a": "passed", "b": "skipped", "c": "xfailed"}
    assert suite.complaints() == []


def test_a_run_in_which_too_few_tests_pass_is_told(plugin):
    suite = suite_of(plugin, 2)
    suite.outcomes = {"a": "passed", "b": "skipped"}
    assert suite.complaints() == ["1 tests passed, 2 must"]


def test_what_ours_does_beyond_the_simple_base_must_pass_as_well(plugin):
    suite = suite_of(plugin, 1, beyond=["b"])
    suite.outcomes = {"a": "passed", "b": "failed"}
    assert suite.complaints() == ["1 tests passed, 2 must"]


def test_a_listed_test_that_did_not_run_is_told(plugin):
    suite = suite_of(plugin, 1, exception=["gone"])
    suite.outcomes = {"a": "passed"}
    [complaint] = suite.complaints()
    assert complaint == "gone is listed in thespian_exceptions.toml but did not run"


def test_a_failing_teardown_outweighs_a_test_that_passed(plugin):
    suite = suite_of(plugin, 1)
    suite.pytest_runtest_logreport(SimpleNamespace(when="call", outcome="passed", nodeid="a"))
    suite.pytest_runtest_logreport(SimpleNamespace(when="teardown", outcome="failed", nodeid="a"))
    assert suite.outcomes == {"a": "failed"}


@pytest.mark.parametrize(
    ("nodeid", "name"),
    [
        ("lib/thespian/test/test_a.py::TestB::test_c[eventLoopBase]", "test_a.py::TestB::test_c"),
        ("test_a.py::TestB::test_c[eventLoopBase-5-2]", "test_a.py::TestB::test_c[5-2]"),
        ("test_a.py::test_c", "test_a.py::test_c"),
    ],
)
def test_a_test_is_named_without_folders_and_base(plugin, nodeid, name):
    assert plugin.test_name(nodeid) == name


def test_our_base_counts_as_one_of_the_callers_process(plugin):
    name = plugin.InProcessBase("eventLoopBase")
    assert name == "simpleSystemBase"
    assert name == "eventLoopBase"
    assert name in ("multiprocQueueBase", "simpleSystemBase")
    assert name != "multiprocTCPBase"
    assert name.partition("-")[0] == "eventLoopBase"

"""A pytest plugin that runs Thespian's own test suite on a system base of ours.

The suite ships inside the thespian package (`thespian.test`) and runs every test on a list of bases
that it knows. This plugin keeps the tests that it would run on `simpleSystemBase`, hands them
`eventLoopBase` instead, and holds the run to `thespian_exceptions.toml`: a listed test must fail
(one that starts to pass fails the run until it is taken off the list), and the number of tests that
pass may not sink.

    PYTHONPATH=tests/conformance python -P -m pytest -c tests/conformance/thespian_suite.ini \
        -p thespian_suite --pyargs thespian.test -n 12
"""

from __future__ import annotations

import importlib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

SIMPLE = "simpleSystemBase"
EXCEPTIONS = Path(__file__).with_name("thespian_exceptions.toml")


class InProcessBase(str):
    """The name of a base that Thespian's suite takes for `simpleSystemBase`.

    The suite compares names where it means "the actors share the process of the caller", which is
    true of ours too: such a name equals both its own text and `simpleSystemBase`.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return other == SIMPLE or str.__eq__(self, other) is True

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


class Suite:
    """The plugin: what runs, on which base, and what is expected of it."""

    def __init__(self, base: str, expected: Mapping[str, Any]) -> None:
        self.base = InProcessBase(base)
        self.fewest_passes = expected["passes_on_simple_system_base"]
        self.exceptions = {entry["test"]: entry["reason"] for entry in expected["exception"]}
        self.beyond = {entry["test"]: entry["reason"] for entry in expected["beyond"]}
        self.outcomes: dict[str, str] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Replace the bases of a fixture by ours; a mark wins over the fixture's own list."""
        if "asys" in metafunc.fixturenames:
            mark = pytest.mark.parametrize("asys", [self.base], indirect=True, ids=[self.base])
            metafunc.definition.add_marker(mark)

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Keep the tests that use a base; expect those listed as exceptions to fail."""
        kept = [item for item in items if "asys" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
        for item in items:
            reason = self.exceptions.get(test_name(item.nodeid))
            if reason is not None:
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what became of each test; a failing teardown counts as the test's failure."""
        if report.when == "call" or report.outcome != "passed":
            outcome = "xfailed" if hasattr(report, "wasxfail") else report.outcome
            self.outcomes[test_name(report.nodeid)] = outcome

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a whole run that falls short; workers of pytest-xdist leave that to the first."""
        if not self.is_partial(session.config) and self.complaints():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, config: pytest.Config
    ) -> None:
        """Say what falls short."""
        if not self.is_partial(config):
            for complaint in self.complaints():
                terminalreporter.write_line(f"conformance: {complaint}", red=True)

    def is_partial(self, config: pytest.Config) -> bool:
        """Whether this process sees only a part of the tests."""
        options = config.option
        return hasattr(config, "workerinput") or bool(options.keyword or options.collectonly)

    def complaints(self) -> list[str]:
        """Judge the outcomes of a whole run.

        Returns:
            What is wrong, one line each; nothing when the base does what it must.
        """
        wrong = [
            f"{listed} is listed in {EXCEPTIONS.name} but did not run"
            for listed in {**self.exceptions, **self.beyond}
            if self.outcomes.get(listed, "skipped") == "skipped"
        ]
        passed = sum(outcome == "passed" for outcome in self.outcomes.values())
        fewest = self.fewest_passes - len(self.exceptions) + len(self.beyond)
        if passed < fewest:
            wrong.append(f"{passed} tests passed, {fewest} must")
        return wrong

    def unsupported(self, asys: Any, *bases: str) -> None:
        """Stand in for the suite's `actor_system_unsupported`: ours may do what others do not."""
        name = test_name(os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0])
        if asys.base_name in bases and name not in self.beyond:
            pytest.skip(f"Functionality not supported for {asys.base_name} system base")


def test_name(nodeid: str) -> str:
    """Return a node id without folders and base: `test_load.py::TestFuncLoad::testRun[5-2]`."""
    name = nodeid.rpartition("/")[2]
    function, bracket, rest = name.partition("[")
    parameters = [part for part in rest.rstrip("]").split("-") if not part.endswith("Base")]
    return f"{function}[{'-'.join(parameters)}]" if bracket and parameters else function


test_name.__test__ = False  # type: ignore[attr-defined]  # a helper, not a test


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--thespian-base",
        default="eventLoopBase",
        help="module below thespian.system to run the suite on (simpleSystemBase to compare)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the base and the plugin before the suite's modules are imported."""
    importlib.import_module("supervision.eventloop")
    suite = Suite(
        config.getoption("thespian_base"), tomllib.loads(EXCEPTIONS.read_text(encoding="utf-8"))
    )
    helpers = importlib.import_module("thespian.test")
    helpers.actor_system_unsupported = suite.unsupported  # type: ignore[attr-defined]
    helpers.LocallyManagedActorSystem.setSystemBase.__defaults__ = (
        str(suite.base),
        None,
        "BestForBase",
    )
    config.pluginmanager.register(suite, "thespian-suite")

"""What all tests share."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import hypothesis
import pytest

PROJECT = tomllib.loads(
    Path(__file__).parent.with_name("pyproject.toml").read_text(encoding="utf-8")
)
PACKAGES = PROJECT["tool"]["vigie"]["system-packages"]

# Two cores are shared with other tests: how long an example takes tells nothing.
hypothesis.settings.register_profile("vigie", deadline=None)
hypothesis.settings.load_profile("vigie")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a system package that is missing, in words that scripts/test counts."""
    for marker in item.iter_markers("system_package"):
        name = marker.args[0]
        if shutil.which(PACKAGES[name]["command"]) is None:
            pytest.skip(f"system package {name} is missing")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse names that differ in each process: tests could not be spread over several."""
    named_by_address = [item.nodeid for item in items if " object at 0x" in item.nodeid]
    if named_by_address:
        raise pytest.UsageError(f"give these parameters ids: {', '.join(named_by_address)}")

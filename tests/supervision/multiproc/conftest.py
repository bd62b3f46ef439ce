"""Trees to be tested: on a node's loop, in processes, or on both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from process_trees import LoopTree, Processes, ProcessTree, Tree

from supervision.portal import Portal

BASES = {"loop": [], "processes": [pytest.mark.system]}


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    system = Processes()
    yield system
    system.close()


@pytest.fixture
def on_processes(processes: Processes, tmp_path: Path) -> Iterator[ProcessTree]:
    tree = ProcessTree(tmp_path / "log", processes)
    yield tree
    tree.close()


@pytest.fixture(params=[pytest.param(base, marks=marks) for base, marks in BASES.items()])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tree]:
    if request.param == "processes":
        yield request.getfixturevalue("on_processes")
        return
    made = LoopTree(tmp_path / "log", Portal())
    yield made
    made.close()

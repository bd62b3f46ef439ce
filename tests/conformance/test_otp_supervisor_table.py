"""The table of OTP's supervisor cases says of each of the 93 where it is held, truthfully."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXCUSE = "does not apply: "
ROW = re.compile(r"\| (S-\d\d) \| (\w+) \| (.+?) \|(.*)\|")
TEST = re.compile(r"`(\w+\.py)::(\w+)`")
FEWEST_WORDS = 4
"""A reason shorter than that is none."""


def rows():
    """Each case with its name in OTP and what the table says of it."""
    page = (HERE / "otp_supervisor.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if line.startswith("| S-")]
    return [ROW.fullmatch(line).groups()[:3] for line in lines]


@cache
def cases_in_files():
    """Every test of a supervisor case: its file and its name."""
    return {
        (path.name, node.name)
        for path in HERE.glob("test_otp_supervisor_*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and re.match(r"test_s\d\d_", node.name)
    }


def test_every_case_has_one_row_in_order():
    cases = [case for case, _, _ in rows()]
    assert cases == [f"S-{number:02}" for number in range(1, 94)]
    names = [name for _, name, _ in rows()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("case", "name", "held"), rows(), ids=[row[0] for row in rows()])
def test_a_case_is_held_by_tests_of_its_name_or_excused(case, name, held):
    if held.startswith(EXCUSE):
        assert len(held.removeprefix(EXCUSE).split()) >= FEWEST_WORDS
        return
    prefix = f"test_{case.replace('-', '').lower()}_{name}"
    named = TEST.findall(held)
    assert named
    assert TEST.sub("", held).replace("<br>", "") == "", "something else than tests"
    assert all(test.startswith(prefix) for _, test in named)
    assert set(named) <= cases_in_files()


def test_every_test_of_a_case_is_in_the_table():
    named = {test for _, _, held in rows() for test in TEST.findall(held)}
    assert cases_in_files() - named == set()

"""The tables of OTP's behaviour cases say of each where it is held, truthfully."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXCUSE = "does not apply: "
SECTION = re.compile(r"^## (gen_\w+|sys)$", re.MULTILINE)
ROW = re.compile(r"^\| (\w+) \| (.+?) \|(.*)\|$", re.MULTILINE)
TEST = re.compile(r"`(\w+\.py)::(\w+)`")
FEWEST_WORDS = 4
"""A reason shorter than that is none."""


def sections():
    """The tables by behaviour: each case and what is said of it."""
    parts = SECTION.split((HERE / "otp_behaviours.md").read_text(encoding="utf-8"))[1:]
    return {
        name: [row[:2] for row in ROW.findall(text) if row[0] != "case"]
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def declared_in(file):
    tree = ast.parse((HERE / file).read_text(encoding="utf-8"))
    functions = [one for one in tree.body if isinstance(one, ast.FunctionDef)]
    return {one.name for one in functions if one.name.startswith("test_")}


ROWS = [(name, *row) for name, rows in sections().items() for row in rows]


@pytest.mark.parametrize(("name", "case", "held"), ROWS, ids=[f"{row[0]}-{row[1]}" for row in ROWS])
def test_a_case_is_held_by_tests_or_excused(name, case, held):
    if held.startswith(EXCUSE):
        assert len(held.removeprefix(EXCUSE).split()) >= FEWEST_WORDS
        return
    named = TEST.findall(held)
    assert named
    assert TEST.sub("", held).replace("<br>", "") == "", "something else than tests"
    assert all(test in declared_in(file) for file, test in named)


@pytest.mark.parametrize("name", sections())
def test_every_case_has_one_row_and_every_test_a_case(name):
    rows = sections()[name]
    assert len({case for case, _ in rows}) == len(rows)
    own = f"test_otp_{name}.py"
    named = {test for _, held in rows for file, test in TEST.findall(held) if file == own}
    assert declared_in(own) - named == set()

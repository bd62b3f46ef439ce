"""The recipes of docs/upgrades.md run: their code is this test."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "upgrades.md"
MODULE = "shop"
"""What both versions of a recipe's module are called."""


class Block(NamedTuple):
    """A block of code of the document, with the line on which it begins."""

    kind: str
    code: str
    line: int


def blocks(text: str, offset: int) -> list[Block]:
    found = re.finditer(r"^```python (\w+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [Block(one[1], one[2], offset + text.count("\n", 0, one.start()) + 1) for one in found]


def recipes() -> tuple[list[Block], dict[str, list[Block]]]:
    """What all recipes begin with, and the blocks of each by its heading."""
    text = DOCUMENT.read_text(encoding="utf-8")
    begin = text.index("\n## Recipes\n") + 1
    end = text.find("\n## ", begin)
    section = text[begin : len(text) if end < 0 else end]
    heads = list(re.finditer(r"^### (.*)$", section, re.MULTILINE))
    offset = text.count("\n", 0, begin)
    ends = [*(head.start() for head in heads[1:]), len(section)]
    parts = {
        head[1]: blocks(section[head.start() : stop], offset + section.count("\n", 0, head.start()))
        for head, stop in zip(heads, ends, strict=True)
    }
    return blocks(section[: heads[0].start()], offset), parts


COMMON, RECIPES = recipes()
WITH_CODE = {name: parts for name, parts in RECIPES.items() if parts}


def run(block: Block, names: dict[str, Any]) -> None:
    code = "from __future__ import annotations\n" if block.kind != "test" else "\n"
    source = "\n" * (block.line - 1) + code + block.code
    exec(compile(source, str(DOCUMENT), "exec", dont_inherit=True), names)


def module(parts: list[Block], kind: str) -> ModuleType:
    made = ModuleType(MODULE)
    sys.modules[MODULE] = made  # records look their types up there
    for block in (*COMMON, *(one for one in parts if one.kind == kind)):
        run(block, vars(made))
    return made


@pytest.mark.parametrize("name", WITH_CODE)
def test_a_recipe_does_what_it_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MODULE, ModuleType(MODULE))
    parts = WITH_CODE[name]
    old = module(parts, "before")
    new = module(parts, "after") if any(one.kind == "after" for one in parts) else old
    names = {"old": old, "new": new, "use": lambda one: sys.modules.__setitem__(MODULE, one)}
    for block in (*COMMON, *(one for one in parts if one.kind == "test")):
        run(block, names)


def test_every_recipe_has_its_test_or_needs_real_processes() -> None:
    tested = {name for name, parts in RECIPES.items() if any(one.kind == "test" for one in parts)}
    assert RECIPES.keys() - tested == {"Change a library, or the interpreter"}
    assert len(tested) >= 11

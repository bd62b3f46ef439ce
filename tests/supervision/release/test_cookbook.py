"""The recipes of docs/upgrades.md run: their code is this test."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

import pytest
from other_pythons import compiled_for, others
from recipe_processes import Processes, ShopProcess

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
INTERPRETER = "Change the interpreter"
OF_PROCESSES = ("Change a library", INTERPRETER)
"""The recipes that one process cannot show."""


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


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in OF_PROCESSES])
def test_a_recipe_does_what_it_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MODULE, ModuleType(MODULE))
    parts = RECIPES[name]
    old = module(parts, "before")
    new = module(parts, "after") if any(one.kind == "after" for one in parts) else old
    names = {"old": old, "new": new, "use": lambda one: sys.modules.__setitem__(MODULE, one)}
    for block in (*COMMON, *(one for one in parts if one.kind == "test")):
        run(block, names)


class Sides:
    """The modules of a recipe in directories, and processes that have them.

    Args:
        name: of the recipe.
        directory: of the test.
        libraries: what is compiled, for each interpreter that is not this one.
    """

    def __init__(
        self, name: str, directory: Path, libraries: Mapping[str, Path] = MappingProxyType({})
    ) -> None:
        self._directory, self._libraries, self._count = directory, libraries, 0
        self._test = [one for one in RECIPES[name] if one.kind == "test"]
        for kind in ("before", "after"):
            (directory / kind).mkdir()
            self._write(kind, MODULE, COMMON + [one for one in RECIPES[name] if one.kind == kind])
            of_library = [one for one in RECIPES[name] if one.kind == f"library_{kind}"]
            self._write(kind, "money", of_library)

    def _write(self, kind: str, name: str, parts: list[Block]) -> None:
        (self._directory / kind / f"{name}.py").write_text("\n".join(one.code for one in parts))

    def processes(
        self,
        old: str,
        new: str,
        *,
        old_python: str = sys.executable,
        new_python: str = sys.executable,
    ) -> Processes:
        self._count += 1
        return Processes(
            self._directory / str(self._count),
            self._process(old, old_python),
            self._process(new, new_python),
        )

    def _process(self, kind: str, python: str) -> ShopProcess:
        compiled = self._libraries.get(python)
        paths = [self._directory / kind, *([] if compiled is None else [compiled])]
        return ShopProcess(paths, python)

    def run(self, **names: Any) -> None:
        known = {"Processes": self.processes, **names}
        for block in self._test:
            run(block, known)


@pytest.mark.system
def test_a_library_is_another_one_in_the_process_that_takes_over(tmp_path: Path) -> None:
    Sides("Change a library", tmp_path).run()


@pytest.mark.system
def test_the_interpreter_is_another_one_in_the_process_that_takes_over(tmp_path: Path) -> None:
    found = others()
    if not found:
        pytest.skip("no other interpreter is installed")
    for number, python in enumerate(found):
        directory = tmp_path / str(number)
        directory.mkdir()
        compiled = directory / "compiled"
        if why := compiled_for(python, compiled):
            pytest.skip(why)
        Sides(INTERPRETER, directory, {python: compiled}).run(another=python)


def test_every_recipe_has_its_test() -> None:
    tested = {name for name, parts in RECIPES.items() if any(one.kind == "test" for one in parts)}
    assert RECIPES.keys() == tested
    assert tested > set(OF_PROCESSES)
    assert len(tested) >= 13

"""The examples of the documents run: a section's blocks one after the other, as a reader would."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^## +(.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def sections(path: Path) -> list[tuple[str, list[tuple[int, str]]]]:
    """The headings of a document with the line and the code of each block below them."""
    text = path.read_text(encoding="utf-8")
    masked = FENCED.sub(lambda found: "\n" * found[0].count("\n"), text)
    lines = [masked.count("\n", 0, found.start()) for found in HEADING.finditer(masked)]
    titles = HEADING.findall(masked)
    bounds = [*lines[1:], text.count("\n") + 1]
    blocks = [(text.count("\n", 0, found.start(1)), found[1]) for found in BLOCK.finditer(text)]
    return [
        (title, [block for block in blocks if first <= block[0] < last])
        for title, first, last in zip(titles, lines, bounds, strict=True)
    ]


EXAMPLES = [
    pytest.param(path, blocks, id=f"{path.stem}: {title}")
    for path in (ROOT / "docs" / "semantics.md", ROOT / "docs" / "supervision.md")
    for title, blocks in sections(path)
    if blocks
]


# Thespian leaves sockets to the collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.system
@pytest.mark.parametrize(("path", "blocks"), EXAMPLES)
def test_the_examples_of_a_section_run(path, blocks, monkeypatch):
    # A module, so that processes which are forked find the classes of the example.
    example = ModuleType(f"example_{path.stem}")
    monkeypatch.setitem(sys.modules, example.__name__, example)
    for line, code in blocks:
        # Padded, so that a traceback names the line of the document.
        exec(compile("\n" * line + code, path, "exec"), vars(example))


def test_the_tutorial_has_examples_and_each_of_them_asserts_something():
    tutorial = sections(ROOT / "docs" / "supervision.md")
    with_code = [blocks for _, blocks in tutorial if blocks]
    assert len(with_code) >= 8
    assert all(any("assert " in code for _, code in blocks) for blocks in with_code)

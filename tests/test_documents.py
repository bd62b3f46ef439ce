"""What the documents say exists: their links, the commands they show, the keys they name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import fields

from actors.alarms import AlarmName
from actors.cli.parser import make_parser
from actors.config import Config
from actors.settings import value_at

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
SECTIONS = "|".join(
    field.name for field in fields(Config) if field.name not in {"rp", "supervision"}
)

FILE_NAMES = (
    ".open",
    ".number",
    ".toml",
    ".md",
    ".json",
    ".py",
    ".sock",
    ".lock",
    ".log",
    ".programs",
)

every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=[path.name for path in DOCUMENTS])


def commands(text: str) -> Iterator[list[str]]:
    """The words of each `vigie ...` in a block of code; a substitution counts as one word."""
    for block in re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            for command in re.findall(r"(?:^|&& |\()vigie ([a-z][^)&|]*)", line):
                yield shlex.split(command, comments=True)


@every_document
def test_a_link_to_a_file_leads_to_one(path):
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).is_file(), target


@every_document
def test_a_command_that_is_shown_is_understood(path):
    for words in commands(path.read_text(encoding="utf-8")):
        make_parser(words).parse_args(words)


@every_document
def test_a_configuration_key_that_is_named_exists(path):
    text = path.read_text(encoding="utf-8")
    for key in re.findall(rf"`((?:{SECTIONS})\.[a-z_.]+[a-z])`", text):
        if not key.endswith(FILE_NAMES):
            value_at(Config(), key)


@pytest.mark.parametrize("page", ["semantics.md", "promises.md"])
def test_every_guarantee_is_held_by_tests_that_exist(page):
    claimed, table = (ROOT / "docs" / page).read_text(encoding="utf-8").split("## Who holds it")
    numbers = re.findall(r"^- \*\*([A-Z]\d+)", claimed, re.MULTILINE)
    rows = dict(re.findall(r"^\| ([A-Z]\d+) \| (.*) \|$", table, re.MULTILINE))
    assert list(rows) == numbers
    names = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    for number, held in rows.items():
        tests = re.findall(r"`(test_\w+)`", held)
        assert tests, number
        assert [test for test in tests if f"def {test}(" not in names] == [], number


def test_the_reader_of_commands_sees_what_the_readme_shows():
    shown = list(commands((ROOT / "README.md").read_text(encoding="utf-8")))
    assert ["tree"] in shown
    assert ["info", "--json"] in shown
    assert ["actor", "kill", "node/callSup/router"] in shown


def test_of_every_alarm_it_is_said_what_to_do():
    """That no other is raised is checked by mypy: ``Alarms.raised`` takes no other name."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = text.partition("\n## Alarms\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    said = [name for row in rows for name in re.findall(r"`([a-z-]+)`", row)]
    assert sorted(said) == sorted(get_args(AlarmName))

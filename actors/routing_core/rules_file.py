"""A file of rules: read as a whole, checked with the line of each mistake, versioned."""

from __future__ import annotations

import hashlib
import json
import tomllib
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from actors import settings
from actors.routing_core import rules_relations
from actors.routing_core.key_lines import key_lines, line_of
from actors.routing_core.rules import Rules
from actors.settings import Mistake

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 8 * 1_048_576
"""Of a file of rules, unless the caller says otherwise: some 100,000 numbers."""


class RuleMistake(Struct, frozen=True):
    """One thing that is wrong with a file of rules.

    Attributes:
        file: as it was named.
        line: from 1.
        key: dotted; empty when it is the whole file.
        rule: what the key or its value must be.
        value: what was found, as JSON; None when it is missing.
    """

    file: str
    line: int
    key: str
    rule: str
    value: str | None = None

    def __str__(self) -> str:
        """Say it in one line, as compilers do, so that editors find the place."""
        return f"{self.file}:{self.line}: {Mistake(self.key, self.rule, self.value)}"


class RulesInvalid(Exception):  # noqa: N818 named for what it says of the rules
    """The rules have mistakes.

    Attributes:
        mistakes: all of them, by line; never empty.
    """

    def __init__(self, mistakes: list[RuleMistake]) -> None:
        super().__init__("; ".join(map(str, mistakes)))
        self.mistakes = mistakes


class RulesVersion(Struct, frozen=True):
    """Which rules these are.

    Attributes:
        number: as their author counts.
        sha256: of the file's bytes, in hexadecimal.
    """

    number: int
    sha256: str

    def __str__(self) -> str:
        """The number and as much of the hash as people compare."""
        return f"{self.number} ({self.sha256[:12]})"


class RuleSet(Struct, frozen=True):
    """Rules that may be used, and which ones they are."""

    version: RulesVersion
    rules: Rules


NO_RULES = RuleSet(RulesVersion(0, hashlib.sha256(b"").hexdigest()), Rules())
"""What holds where there is no file of rules: the targets of the node's configuration."""


def load(path: Path, max_bytes: int = MAX_BYTES) -> RuleSet:
    """Read a file of rules.

    Args:
        path: the file.
        max_bytes: the longest one that is read.

    Raises:
        RulesInvalid: it cannot be used; with every mistake.
    """
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        rule = f"the file cannot be read: {error.strerror}"
        raise RulesInvalid([RuleMistake(str(path), 1, "", rule)]) from error
    return parse(content, str(path), max_bytes)


def parse(content: bytes, file: str, max_bytes: int = MAX_BYTES) -> RuleSet:
    """Check the content of a file of rules.

    Args:
        content: UTF-8.
        file: what messages call it.
        max_bytes: the longest one that is taken.

    Raises:
        RulesInvalid: it cannot be used; with every mistake of single keys, or, where there is none,
            with every one between keys.
    """
    if len(content) > max_bytes:
        rule = f"the file must be at most {max_bytes} bytes long"
        raise RulesInvalid([RuleMistake(file, 1, "", rule)])
    text, document = _document(content, file)
    rules, mistakes = _read(document)
    mistakes = mistakes or rules_relations.mistakes(rules)
    if mistakes:
        lines = key_lines(text)
        found = [_placed(mistake, file, lines) for mistake in mistakes]
        raise RulesInvalid(sorted(found, key=lambda mistake: (mistake.line, mistake.key)))
    return RuleSet(RulesVersion(rules.version, hashlib.sha256(content).hexdigest()), rules)


def follows(new: RuleSet, old: RuleSet) -> str:
    """Say why some rules may not take the place of others.

    Args:
        new: the rules that are to hold.
        old: the rules that hold.

    Returns:
        The rule that is broken; empty when they may. The same rules may, again.
    """
    if new.version == old.version or new.version.number > old.version.number:
        return ""
    if new.version.number == old.version.number:
        return f"version {new.version.number} is in use with other contents: it must go up"
    return f"version must be above {old.version.number}, which is in use"


# Made now, by one thread: msgspec crashes where several work out one type at the same time.
msgspec.json.Decoder(Rules)


def _read(document: dict[str, Any]) -> tuple[Rules, list[Mistake]]:
    """Read rules at once, and key by key where that fails: to tell every mistake takes longer."""
    try:
        return msgspec.convert(document, Rules), []
    except msgspec.ValidationError:
        return settings.read(Rules, document)


def _document(content: bytes, file: str) -> tuple[str, dict[str, Any]]:
    try:
        text = content.decode("utf-8")
        return text, tomllib.loads(text)
    except UnicodeDecodeError as error:
        line, rule = content.count(b"\n", 0, error.start) + 1, "the file must be UTF-8"
    except ValueError as error:
        # tomllib lets more than its own error out, such as int's of too many digits.
        line, rule = _error_line(str(error), content), f"the file must be TOML: {error}"
    except RecursionError:
        line, rule = 1, "the file must be TOML that is not nested this deep"
    raise RulesInvalid([RuleMistake(file, line, "", rule)])


def _error_line(message: str, content: bytes) -> int:
    """The line in tomllib's message, such as `Invalid value (at line 3, column 7)`."""
    _, _, after = message.rpartition("(at line ")
    digits = after.partition(",")[0]
    return int(digits) if digits.isdecimal() else content.count(b"\n") + 1


def _placed(mistake: Mistake, file: str, lines: dict[str, int]) -> RuleMistake:
    # A key may hold what a terminal would obey.
    key = mistake.key if mistake.key.isprintable() else json.dumps(mistake.key)[1:-1]
    return RuleMistake(file, line_of(lines, mistake.key), key, mistake.rule, mistake.value)

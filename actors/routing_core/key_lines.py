"""On which line of a TOML document each of its keys is: what a message about a key points at.

The document must have been parsed before, by tomllib: this reads what is known to be right, and
looks no further than it must to find where values end. TOML 1.0.
"""

from __future__ import annotations

import re
import tomllib

_space = re.compile(r"[ \t]*")
_blank = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_bare_key = re.compile(r"[A-Za-z0-9_-]+")
_bare_value = re.compile(r"[^,\]}\n#]*")
_strings = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")|\'\'\'.*?\'{3,5}(?!\')|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'',
    re.DOTALL,
)


def key_lines(text: str) -> dict[str, int]:
    """Find the line of every key.

    Args:
        text: a TOML document that tomllib has parsed.

    Returns:
        Lines, from 1, by dotted key; items of arrays are `key[0]`, `key[1]` and so on. A table is
        where its header is, or the first of its keys.
    """
    return _Scanner(text.replace("\r\n", "\n")).scan()


def line_of(lines: dict[str, int], key: str) -> int:
    """Return the line of a key, or of the nearest table around one that is missing.

    Args:
        lines: of `key_lines`.
        key: dotted, as mistakes of settings name it.
    """
    while key and key not in lines:
        key = key[: max(key.rfind("."), key.rfind("["), 0)]
    return lines.get(key, 1)


class _Scanner:
    """Goes through a document once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.counted = 0
        self.lines: dict[str, int] = {}
        self.tables: dict[str, int] = {}

    def scan(self) -> dict[str, int]:
        """Go through the document."""
        table = ""
        self.skip(_blank)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.skip(_blank)
        return self.lines

    def skip(self, what: re.Pattern[str]) -> str:
        """Step over what matches here."""
        match = what.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return match.group() if match else ""

    def header(self) -> str:
        """Read `[a.b]` or `[[a.b]]`; return the table's key."""
        several = self.text.startswith("[[", self.at)
        self.at += 1 + several
        table = self.key("", items=True)
        self.at += 1 + several
        if several:
            self.tables[table] = self.tables.get(table, -1) + 1
            self.note(table)
            table = f"{table}[{self.tables[table]}]"
        self.note(table, again=True)
        return table

    def pair(self, table: str) -> None:
        """Read `key = value`."""
        key = self.key(table, items=False)
        self.at += 1
        self.skip(_space)
        self.value(key)

    def key(self, under: str, *, items: bool) -> str:
        """Read a dotted key and note it; with `items`, arrays of tables mean their last item."""
        key = under
        while True:
            self.skip(_space)
            key = f"{key}.{self.word()}" if key else self.word()
            self.skip(_space)
            if not items:
                self.note(key)
            if not self.text.startswith(".", self.at):
                return key
            self.note(key)
            self.at += 1
            if items and key in self.tables:
                key = f"{key}[{self.tables[key]}]"

    def word(self) -> str:
        """Read one part of a key, out of its quotes."""
        if self.text[self.at] in "\"'":
            quoted = self.skip(_strings)
            return str(tomllib.loads(f"word = {quoted}")["word"])
        return self.skip(_bare_key)

    def value(self, key: str) -> None:
        """Step over a value; note the keys in it."""
        start = self.text[self.at]
        if start == "[":
            self.array(key)
        elif start == "{":
            self.inline(key)
        elif start in "\"'":
            self.skip(_strings)
        else:
            self.skip(_bare_value)

    def array(self, key: str) -> None:
        """Step over an array."""
        self.at += 1
        self.skip(_blank)
        index = 0
        while self.text[self.at] != "]":
            self.note(f"{key}[{index}]")
            self.value(f"{key}[{index}]")
            self.skip(_blank)
            self.at += self.text[self.at] == ","
            self.skip(_blank)
            index += 1
        self.at += 1

    def inline(self, key: str) -> None:
        """Step over an inline table."""
        self.at += 1
        self.skip(_blank)
        while self.text[self.at] != "}":
            self.pair(key)
            self.skip(_blank)
            self.at += self.text[self.at] == ","
            self.skip(_blank)
        self.at += 1

    def note(self, key: str, *, again: bool = False) -> None:
        """Say that a key is here, the first time or `again`."""
        self.line += self.text.count("\n", self.counted, self.at)
        self.counted = self.at
        if again:
            self.lines[key] = self.line
        else:
            self.lines.setdefault(key, self.line)

"""Mappings as lists of entries: a key, a value as text, and what kind of value it is.

XML has no place for the kinds of value that JSON knows, and clients of SOAP little for values of
any type: so the value is text, and `type` says how it is read. `string` is the usual one and may be
left out. Text that XML cannot carry (XML 1.0, 2.2) travels as `json`, where it is escaped.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Literal

from msgspec import Struct

from protocols.http import media, problem
from protocols.http.problem import HttpProblem

ENTRY = "entry"
EntryType = Literal["string", "integer", "number", "boolean", "null", "json"]

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL = re.compile("[&<>\r]|" + _ILLEGAL.pattern)
_REFERENCES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([Ee][+-]?[0-9]{1,4})?")
_INTEGERS = range(-(2**63), 2**64)
_MAX_NUMBER_CHARS = 400
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_BLANK = " \t\r\n"


class Entry(Struct, frozen=True, kw_only=True):
    """One entry of a mapping.

    Attributes:
        key: What it is called.
        value: The value as text.
        type: How the text is read.
    """

    key: str
    value: str
    type: EntryType = "string"


def is_legal(text: str) -> bool:
    """Whether XML can carry a text as it is."""
    return _ILLEGAL.search(text) is None


def legal(text: str) -> str:
    """Make a text that XML can carry; U+FFFD stands for every character that it cannot."""
    return _ILLEGAL.sub("\ufffd", text)


def escaped(text: str) -> str:
    """Write a text as the content of an element; U+FFFD stands for what XML cannot carry."""
    return _SPECIAL.sub(_reference, text)


def _reference(match: re.Match[str]) -> str:
    return _REFERENCES.get(match[0], "\ufffd")


def entry_of(key: str, value: Any) -> Entry:
    """Make the entry of a value that JSON can carry.

    Args:
        key: What it is called.
        value: Text, a number, a boolean, None, a list or a mapping of such.
    """
    match value:
        case str() if is_legal(value):
            return Entry(key=legal(key), value=value)
        case bool():
            return Entry(key=legal(key), value="true" if value else "false", type="boolean")
        case int():
            return Entry(key=legal(key), value=str(value), type="integer")
        case float():
            return Entry(key=legal(key), value=repr(value), type="number")
        case None:
            return Entry(key=legal(key), value="", type="null")
    return Entry(key=legal(key), value=json.dumps(value), type="json")


def value_of(entry: Entry, field: str) -> Any:
    """Read the value of an entry.

    Args:
        entry: As it came.
        field: What to name where it breaks a rule.

    Raises:
        HttpProblem: 400 with the rule that the text breaks.
    """
    match entry.type:
        case "string":
            return entry.value
        case "integer":
            return integer(entry.value, field)
        case "number":
            return number(entry.value, field)
        case "boolean":
            return boolean(entry.value, field)
        case "null":
            return _null(entry.value, field)
    return _json(entry.value, field)


def integer(text: str, field: str) -> int:
    """Read an integer of 64 bits (XML Schema, xs:integer).

    Raises:
        HttpProblem: 400: it is none.
    """
    stripped = text.strip(_BLANK)
    if not (_INTEGER.fullmatch(stripped) and int(stripped) in _INTEGERS):
        raise problem.invalid(field, "an integer of 64 bits")
    return int(stripped)


def number(text: str, field: str) -> float:
    """Read a finite number (XML Schema, xs:double without INF and NaN).

    Raises:
        HttpProblem: 400: it is none.
    """
    stripped = text.strip(_BLANK)
    if len(stripped) <= _MAX_NUMBER_CHARS and _NUMBER.fullmatch(stripped):
        value = float(stripped)
        if math.isfinite(value):
            return value
    raise problem.invalid(field, "a finite number in decimal")


def boolean(text: str, field: str) -> bool:
    """Read a boolean (XML Schema, xs:boolean).

    Raises:
        HttpProblem: 400: it is none.
    """
    value = _BOOLEANS.get(text.strip(_BLANK))
    if value is None:
        raise problem.invalid(field, "true, false, 1 or 0")
    return value


def _null(text: str, field: str) -> None:
    if text.strip(_BLANK):
        raise problem.invalid(field, "empty, where its type is null")


def _json(text: str, field: str) -> Any:
    try:
        return media.plain(text.encode(), media.JSON)
    except HttpProblem as error:
        raise problem.invalid(field, f"JSON: {error.problem.rule}") from None

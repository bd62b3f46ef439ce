"""The target of a request: path and query, decoded once and strictly (RFC 3986, RFC 9110).

A path is split before it is decoded, so a segment may hold an encoded slash: `%2F` in the path of
an actor is part of its name.
"""

from __future__ import annotations

import re
from typing import NoReturn
from urllib.parse import parse_qsl, unquote

from protocols.http import problem

MAX_PARAMETERS = 32

_PLAIN = re.compile(r"(?:/[A-Za-z0-9._~-]*)+")
"""Paths that mean what they say: nothing in them is encoded or could break a rule."""

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def segments(raw_path: str) -> tuple[str, ...]:
    """Split a path into its decoded segments.

    Args:
        raw_path: The path as it was sent, percent-encoded, without query.

    Returns:
        What is between the slashes: `("api", "v1", "a/b")` for `/api/v1/a%2Fb`.

    Raises:
        HttpProblem: 400 when it cannot be decoded.
    """
    if _PLAIN.fullmatch(raw_path):
        return tuple(raw_path[1:].split("/"))
    if not raw_path.startswith("/"):
        raise problem.invalid("path", "absolute: it starts with a slash")
    return tuple(_decoded("path", part) for part in raw_path[1:].split("/"))


def query(raw_query: str) -> dict[str, str]:
    """Decode a query; each parameter may be given once.

    Args:
        raw_query: The query as it was sent, without the question mark.

    Raises:
        HttpProblem: 400 naming the parameter that breaks a rule, or the query.
    """
    if not raw_query:
        return {}
    _check_escapes("query", raw_query)
    try:
        pairs = parse_qsl(
            raw_query,
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError:  # UnicodeDecodeError is one
        _refuse("query", f"at most {MAX_PARAMETERS} pairs name=value, percent-encoded UTF-8")
    parameters = dict(pairs)
    for name, value in pairs:
        _check_text(name, value)
    if len(parameters) != len(pairs):
        twice = next(name for name, _ in pairs if [n for n, _ in pairs].count(name) > 1)
        _refuse(twice, "given once")
    return parameters


def _decoded(field: str, part: str) -> str:
    _check_escapes(field, part)
    try:
        text = unquote(part, errors="strict")
    except UnicodeDecodeError:
        _refuse(field, "percent-encoded UTF-8")
    _check_text(field, text)
    return text


def _check_escapes(field: str, text: str) -> None:
    if _BAD_ESCAPE.search(text) or not text.isascii():
        _refuse(field, "percent-encoded: each % is followed by two hexadecimal digits")


def _check_text(field: str, text: str) -> None:
    if "\0" in text:
        _refuse(field, "text without U+0000")


def _refuse(field: str, rule: str) -> NoReturn:
    raise problem.invalid(field, rule)

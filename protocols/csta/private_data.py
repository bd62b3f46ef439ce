"""User data and other data that only vigie has, in CSTA's private data."""

from __future__ import annotations

import json
import math
import re
from itertools import chain
from typing import Any

from protocols.csta import xml
from protocols.csta.fields import Kind, ValueRefusedError
from protocols.csta.kinds import below
from protocols.csta.xml import Element, add, text_of

MAX_DATA_DEPTH = 8

_surrogate = re.compile("[\ud800-\udfff]")


def _read_json(element: Element) -> Any:
    try:
        value = json.loads(text_of(element), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ValueRefusedError("is not JSON") from None
    _check_json(value, 1)
    return value


def _check_json(value: object, depth: int) -> None:
    """Only what msgpack and PostgreSQL can carry as well."""
    if depth > MAX_DATA_DEPTH:
        raise ValueRefusedError(f"is nested deeper than {MAX_DATA_DEPTH} levels")
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise ValueRefusedError("has a whole number of more than 64 bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueRefusedError("has a number that is not finite")
    if isinstance(value, str) and _surrogate.search(value):
        raise ValueRefusedError("has half of a surrogate pair")
    if isinstance(value, dict | list):
        for item in chain(value, value.values()) if isinstance(value, dict) else value:
            _check_json(item, depth + 1)


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _write_json(parent: Element, tag: str, value: object) -> None:
    add(parent, tag, json.dumps(value, allow_nan=False))


JSON = Kind(_read_json, _write_json)


def _read_data(element: Element) -> dict[str, Any]:
    items = below(element).get("v:item", [])
    data: dict[str, Any] = {}
    for item in items:
        key = item.get("key")
        if not key:
            raise ValueRefusedError("has a key", "v:item")
        if key in data:
            raise ValueRefusedError("has a key that is there already", "v:item")
        data[key] = _read_json(item) if item.get("type") == "json" else text_of(item)
    return data


def _write_data(parent: Element, tag: str, value: dict[str, Any]) -> None:
    element = add(parent, tag)
    for key, content in value.items():
        plain = isinstance(content, str) and xml.representable(content) == content
        item = add(element, "v:item", content if plain else json.dumps(content, allow_nan=False))
        item.set("key", xml.representable(key))
        if not plain:
            item.set("type", "json")


DATA = Kind(_read_data, _write_data)
"""User data, in vigie's namespace: an element for each key, JSON where it is no plain text."""

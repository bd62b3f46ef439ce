"""How single values are written in XML: text, numbers, and ECMA-323's own types.

Where the form of a type is not certain (docs/csta.md), every form that is known is read, and the
one of edition 3 is written.
"""

from __future__ import annotations

import json
import math
import re
from itertools import chain
from typing import Any, get_args

from protocols.csta import xml
from protocols.csta.fields import Children, Kind, ValueRefusedError, children
from protocols.csta.times import read_time, write_time
from protocols.csta.values import (
    ConnectionID,
    ConnectionListItem,
    Device,
    DeviceHistoryItem,
    ErrorCategory,
    ErrorValue,
)
from protocols.csta.xml import Element, add, text_of

MAX_NAME_CHARS = 255
MAX_TEXT_CHARS = 1_024
MAX_ITEMS = 100
"""Elements of one list."""

MAX_NUMBER = 2**31 - 1
MAX_CORRELATOR_BYTES = 1_024
MAX_DATA_DEPTH = 8

NAMES = frozenset(
    {
        *get_args(ErrorCategory),
        *("deviceIdentifier", "notKnown", "restricted", "callID", "deviceID", "string"),
        *("retryCount", "deviceHistoryListItem", "olddeviceID", "eventCause", "oldConnectionID"),
        *("connectionListItem", "newConnection", "oldConnection", "protocolVersion"),
        *("definedError", "applError", "definedEndReason", "appEndReason"),
        *("definedTermReason", "serverTermReason"),
    }
)
"""Elements below those that a codec's table names."""

_surrogate = re.compile("[\ud800-\udfff]")
_number = re.compile(r"[+-]?[0-9]{1,10}")


def _below(element: Element) -> Children:
    return children(element, xml.split(element)[0])


def _only(found: Children, name: str) -> Element | None:
    elements = found.get(name, [])
    if len(elements) > 1:
        raise ValueRefusedError("is there more than once", name)
    return elements[0] if elements else None


# Text


def _text_reader(max_chars: int, *, strip: bool) -> Any:
    def read(element: Element) -> str | None:
        text = text_of(element)
        text = text.strip() if strip else text
        if len(text) > max_chars:
            raise ValueRefusedError(f"has {len(text)} characters: at most {max_chars} are allowed")
        return text or None

    return read


def _write_text(parent: Element, tag: str, value: str) -> None:
    add(parent, tag, value)


NAME = Kind(_text_reader(MAX_NAME_CHARS, strip=True), _write_text)
"""What identifies something; white space around it does not count, without more it is not there."""

TEXT = Kind(_text_reader(MAX_TEXT_CHARS, strip=False), _write_text)


def one_of(*choices: str) -> Kind:
    """A value of an enumeration.

    Args:
        choices: its values.
    """

    def read(element: Element) -> str:
        text = text_of(element).strip()
        if text not in choices:
            raise ValueRefusedError(f"is one of {', '.join(choices)}")
        return text

    return Kind(read, _write_text)


def _read_comment(element: Element) -> str | None:
    return xml.comment_of(element) or None


# Numbers


def whole(low: int = 0, high: int = MAX_NUMBER) -> Kind:
    """A whole number.

    Args:
        low: the least that is allowed.
        high: the greatest.
    """

    def read(element: Element) -> int:
        text = text_of(element).strip()
        if not _number.fullmatch(text) or not low <= int(text) <= high:
            raise ValueRefusedError(f"is a whole number from {low} to {high}")
        return int(text)

    return Kind(read, lambda parent, tag, value: _write_text(parent, tag, str(value)))


def _read_boolean(element: Element) -> bool:
    text = text_of(element).strip()
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    raise ValueRefusedError("is true or false")


def _write_boolean(parent: Element, tag: str, value: object) -> None:
    add(parent, tag, "true" if value else "false")


BOOLEAN = Kind(_read_boolean, _write_boolean)


def _read_retries(element: Element) -> int | None:
    count = _only(_below(element), "retryCount")
    if count is not None:
        return _retry.read(count)  # type: ignore[no-any-return]
    return _retry.read(element) if text_of(element).strip() else None


def _write_retries(parent: Element, tag: str, value: int) -> None:
    add(add(parent, tag), "retryCount", str(value))


_retry = whole()
RETRIES = Kind(_read_retries, _write_retries)
"""RetryValue: a count; that there is no list or no count says nothing."""


# Bytes


def _from_hex(text: str) -> bytes:
    compact = "".join(text.split())
    try:
        data = bytes.fromhex(compact)
    except ValueError:
        raise ValueRefusedError("is hexadecimal digits, two for each byte") from None
    if len(data) > MAX_CORRELATOR_BYTES:
        raise ValueRefusedError(f"has {len(data)} bytes: at most {MAX_CORRELATOR_BYTES} are read")
    return data


def _read_correlator(element: Element) -> bytes | None:
    string = _only(_below(element), "string")
    text = text_of(element if string is None else string)
    return _from_hex(text) or None


def _write_correlator(parent: Element, tag: str, value: bytes) -> None:
    add(add(parent, tag), "string", value.hex().upper())


CORRELATOR = Kind(_read_correlator, _write_correlator)
"""CorrelatorData: hexBinary, in an element ``string`` or right away."""

TIME = Kind(
    lambda element: read_time(text_of(element).strip()),
    lambda parent, tag, value: _write_text(parent, tag, write_time(value)),
)


# Devices and connections


def _device(element: Element) -> Device | None:
    number = NAME.read(element)
    if number is None:
        return None
    type_of_number = element.get("typeOfNumber")
    if type_of_number is not None and len(type_of_number) > MAX_NAME_CHARS:
        raise ValueRefusedError(f"typeOfNumber has more than {MAX_NAME_CHARS} characters")
    return Device(number, type_of_number or None)


def _write_device(parent: Element, tag: str, value: Device) -> None:
    element = add(parent, tag, value.number)
    if value.type_of_number is not None:
        element.set("typeOfNumber", value.type_of_number)


DEVICE = Kind(_device, _write_device)
"""DeviceID: a number."""


def _read_extended(element: Element) -> Device | None:
    found = _below(element)
    identifier = _only(found, "deviceIdentifier")
    if identifier is not None:
        return _device(identifier)
    if "restricted" in found:
        return Device(status="restricted")
    if "notKnown" in found:
        return Device(status="notKnown")
    return _device(element)


def _write_extended(parent: Element, tag: str, value: Device) -> None:
    if value.status == "known":
        _write_device(add(parent, tag), "deviceIdentifier", value)
    else:
        add(add(parent, tag), value.status)


EXTENDED = Kind(_read_extended, _write_extended)
"""ExtendedDeviceID: a number, or why there is none. A number right away is read as well."""


def _read_connection(element: Element) -> ConnectionID | None:
    found = _below(element)
    call, device = _only(found, "callID"), _only(found, "deviceID")
    connection = ConnectionID(
        None if call is None else NAME.read(call),
        None if device is None else NAME.read(device),
    )
    return None if connection == ConnectionID() else connection


def _write_connection(parent: Element, tag: str, value: ConnectionID) -> None:
    element = add(parent, tag)
    if value.call is not None:
        add(element, "callID", value.call)
    if value.device is not None:
        add(element, "deviceID", value.device)


CONNECTION = Kind(_read_connection, _write_connection)


# Lists


def list_of(tag: str, kind: Kind) -> Kind:
    """Some elements of one name.

    Args:
        tag: the name.
        kind: of each; those that say nothing are left out.
    """

    def read(element: Element) -> tuple[Any, ...]:
        items = _below(element).get(tag, [])
        if len(items) > MAX_ITEMS:
            raise ValueRefusedError(f"has {len(items)} elements: at most {MAX_ITEMS}", tag)
        values = (kind.read(item) for item in items)
        return tuple(value for value in values if value is not None)

    def write(parent: Element, name: str, values: tuple[Any, ...]) -> None:
        element = add(parent, name)
        for value in values:
            kind.write(element, tag, value)

    return Kind(read, write)


def flags(*choices: str) -> Kind:
    """Elements of which each is true or false; the value is the names of those that are true.

    Args:
        choices: the names that are known; others are passed over.
    """

    def read(element: Element) -> tuple[str, ...]:
        found = _below(element)
        return tuple(
            name
            for name in choices
            if (flag := _only(found, name)) is not None and _read_boolean(flag)
        )

    def write(parent: Element, tag: str, values: tuple[str, ...]) -> None:
        element = add(parent, tag)
        for name in values:
            add(element, name, "true")

    return Kind(read, write)


def _item(found: Children, name: str, kind: Kind) -> Any:
    element = _only(found, name)
    return None if element is None else kind.read(element)


def _read_history(element: Element) -> DeviceHistoryItem:
    found = _below(element)
    return DeviceHistoryItem(
        _item(found, "olddeviceID", DEVICE),
        _item(found, "eventCause", NAME),
        _item(found, "oldConnectionID", CONNECTION),
    )


def _write_history(parent: Element, tag: str, value: DeviceHistoryItem) -> None:
    element = add(parent, tag)
    if value.old_device is not None:
        _write_device(element, "olddeviceID", value.old_device)
    if value.event_cause is not None:
        add(element, "eventCause", value.event_cause)
    if value.old_connection is not None:
        _write_connection(element, "oldConnectionID", value.old_connection)


HISTORY = list_of("deviceHistoryListItem", Kind(_read_history, _write_history))


def _read_listed(element: Element) -> ConnectionListItem:
    found = _below(element)
    new, old = _item(found, "newConnection", CONNECTION), _item(found, "oldConnection", CONNECTION)
    return ConnectionListItem(new, old)


def _write_listed(parent: Element, tag: str, value: ConnectionListItem) -> None:
    element = add(parent, tag)
    if value.new is not None:
        _write_connection(element, "newConnection", value.new)
    if value.old is not None:
        _write_connection(element, "oldConnection", value.old)


CONNECTIONS = list_of("connectionListItem", Kind(_read_listed, _write_listed))


# Errors


CATEGORIES = get_args(ErrorCategory)


def error_in(element: Element) -> ErrorValue | None:
    """The error that an element says, by its first category that is known."""
    for category in CATEGORIES:
        found = _only(_below(element), category)
        if found is not None:
            return ErrorValue(category, NAME.read(found) or "")
    return None


def write_error(element: Element, error: ErrorValue) -> None:
    """Say an error in an element."""
    add(element, error.category, error.value or None)


ERROR = Kind(error_in, lambda parent, tag, value: write_error(add(parent, tag), value))


def choice_of(*tags: str) -> Kind:
    """A value in the one of some elements that fits: ECMA-354's defined errors or others.

    Args:
        tags: the elements; the last is the one for values of one's own.
    """

    def read(element: Element) -> str | None:
        found = _below(element)
        for tag in tags:
            value: str | None = _item(found, tag, NAME)
            if value is not None:
                return value
        return None

    def write(parent: Element, tag: str, value: str) -> None:
        defined = value in DEFINED
        add(add(parent, tag), tags[0] if defined else tags[-1], value)

    return Kind(read, write)


DEFINED = frozenset(
    {
        "invalidApplicationInfo",
        "requestedProtocolVersionNotSupported",
        "serverResourcesBusy",
        "maxNumberSessions",
        "invalidSessionID",
        "serverCannotResetSessionTimer",
        "normal",
        "resourceLimitation",
        "sessionTimerExpired",
    }
)
"""What ECMA-354 itself defines for errors and ends."""

COMMENT = Kind(_read_comment, lambda parent, _tag, value: xml.add_comment(parent, value))


# Data


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
    items = _below(element).get("v:item", [])
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

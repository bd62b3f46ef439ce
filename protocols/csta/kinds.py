"""How single values are written in XML: text, numbers, and ECMA-323's own types.

Where the form of a type is not certain (docs/csta.md), every form that is known is read, and the
one of edition 3 is written.
"""

from __future__ import annotations

import re
from typing import Any, get_args

from protocols.csta import xml
from protocols.csta.fields import Children, Kind, ValueRefusedError, children
from protocols.csta.times import read_time, write_time
from protocols.csta.values import (
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

_number = re.compile(r"[+-]?[0-9]{1,10}")


def below(element: Element) -> Children:
    """The elements right below one, by name."""
    return children(element, xml.split(element)[0])


def only(found: Children, name: str) -> Element | None:
    """The only element of a name among others; None where there is none.

    Raises:
        ValueRefusedError: there are several.
    """
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
    count = only(below(element), "retryCount")
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
    string = only(below(element), "string")
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


# Lists


def list_of(tag: str, kind: Kind) -> Kind:
    """Some elements of one name.

    Args:
        tag: the name.
        kind: of each; those that say nothing are left out.
    """

    def read(element: Element) -> tuple[Any, ...]:
        items = below(element).get(tag, [])
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
        found = below(element)
        return tuple(
            name
            for name in choices
            if (flag := only(found, name)) is not None and _read_boolean(flag)
        )

    def write(parent: Element, tag: str, values: tuple[str, ...]) -> None:
        element = add(parent, tag)
        for name in values:
            add(element, name, "true")

    return Kind(read, write)


def item(found: Children, name: str, kind: Kind) -> Any:
    """The value of the only element of a name among others; None where there is none."""
    element = only(found, name)
    return None if element is None else kind.read(element)


# Errors


CATEGORIES = get_args(ErrorCategory)
MISSPELT = "systemResourceAvailibility"
"""By the schema; read in its right spelling as well."""


def error_in(element: Element) -> ErrorValue | None:
    """The error that an element says, by its first category that is known."""
    found = below(element)
    for category in CATEGORIES:
        said = only(found, category)
        if said is None and category == MISSPELT:
            said = only(found, "systemResourceAvailability")
        if said is not None:
            return ErrorValue(category, NAME.read(said) or "")
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
        found = below(element)
        for tag in tags:
            value: str | None = item(found, tag, NAME)
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

"""What a caller may change of a session: the keys, and the rules of their values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from actors.session_api import MAX_KEY_CHARS, USER_DATA_KEY


class InvalidChange(ValueError):  # noqa: N818 - named for what it says of the change
    """A key or a value of a change breaks a rule.

    Args:
        field: The key.
        rule: The rule.
    """

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field} must be {rule}")
        self.field = field
        self.rule = rule


_DIGITS = re.compile(r"[0-9A-D*#]{0,64}")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8}){0,7}")
_MAX_AUTH_LEVEL = 100


def check_changes(changes: Mapping[str, Any], delete: Sequence[str]) -> None:
    """Check the keys and values of a change, from whichever side it comes.

    Args:
        changes: New values by key.
        delete: Keys to delete.

    Raises:
        InvalidChange: Naming the first key that breaks a rule, and the rule.
    """
    for key, value in changes.items():
        _check_key(key)
        _check_value(key, value)
    for key in delete:
        _check_key(key)
        if key in changes:
            raise InvalidChange(key, "set or deleted, not both")


def _check_key(key: str) -> None:
    if key in ("auth_level", "lang", "digits"):
        return
    name = key.removeprefix(USER_DATA_KEY)
    if name == key or not 0 < len(name) <= MAX_KEY_CHARS:
        raise InvalidChange(key, "auth_level, lang, digits or ud.KEY")


def _check_value(key: str, value: object) -> None:
    if key == "auth_level":
        level = value if isinstance(value, int) and not isinstance(value, bool) else -1
        if not 0 <= level <= _MAX_AUTH_LEVEL:
            _refuse(key, f"an integer from 0 to {_MAX_AUTH_LEVEL}")
    elif key == "lang":
        if not (isinstance(value, str) and _LANGUAGE.fullmatch(value)):
            _refuse(key, "a language tag (RFC 5646)")
    elif key == "digits" and not (isinstance(value, str) and _DIGITS.fullmatch(value)):
        _refuse(key, "at most 64 of 0-9, A-D, * and #")


def _refuse(key: str, rule: str) -> NoReturn:
    raise InvalidChange(key, rule)

"""Telephone numbers as E.164 (ITU-T), read as the plan of a region writes them.

The numbering plans are those of the phonenumbers package (Google's libphonenumber). Nothing that a
network may send as a number is an error here: what no plan knows stays as it came.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, TypeAlias

import phonenumbers
from msgspec import Struct

NumberType: TypeAlias = Literal["public", "private", "unknown"]

MAX_CHARS = 64
"""A longer text is no number; it is not looked at, and not kept in the cache."""

CACHE_SIZE = 16_384

_MAX_PRIVATE_DIGITS = 8

_scheme = re.compile(r"^(?:tel|sips?):(?P<user>[^@;?]*)", re.IGNORECASE)
_punctuation = re.compile(r"[\s().\-/]+")
_dialled = re.compile(r"\+?[0-9*#]+")


Notation: TypeAlias = Literal["e164", "national", "international"]

_FORMATS = {
    "national": phonenumbers.PhoneNumberFormat.NATIONAL,
    "international": phonenumbers.PhoneNumberFormat.INTERNATIONAL,
}


class Number(Struct, frozen=True):
    """A number as far as it could be understood.

    Attributes:
        number: E.164 with its `+` when `type` is "public", otherwise what was given.
        type: "private" for what is dialled within a network (extensions, short codes, service
            codes), "unknown" for what is no number: withheld, a name, rubbish.
    """

    number: str
    type: NumberType


def normalise(number: str, region: str) -> Number:
    """Read a number as it is dialled in a region.

    A number that begins with `+` is public when its length is possible in its country, so that
    ranges opened after the plans were published pass; one without must be valid in the region.

    Args:
        number: as the network sent it: national, international, `tel:` or `sip:` URI, a short
            number, anything.
        region: ISO 3166-1, two capital letters; "" when only international numbers can be read.

    Returns:
        Never an error; see `Number`.
    """
    if len(number) > MAX_CHARS:
        return Number(number, "unknown")
    return _normalise(number, region)


@lru_cache(maxsize=CACHE_SIZE)
def _normalise(number: str, region: str) -> Number:
    uri = _scheme.match(number)
    dialled = _punctuation.sub("", uri["user"] if uri else number)
    if not dialled.isascii() or not _dialled.fullmatch(dialled):
        return Number(number, "unknown")
    e164 = _e164(dialled, region)
    if e164 is not None:
        return Number(e164, "public")
    if not dialled.startswith("+") and _is_private(dialled):
        return Number(dialled, "private")
    return Number(number, "unknown")


def _e164(dialled: str, region: str) -> str | None:
    try:
        parsed = phonenumbers.parse(dialled, region or None)
    except phonenumbers.NumberParseException:
        return None
    international = dialled.startswith("+")
    known = phonenumbers.is_possible_number if international else phonenumbers.is_valid_number
    if not known(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def written(number: str, notation: Notation) -> str:
    """Write a number for people.

    Args:
        number: E.164 with its `+`, as `normalise` makes it.
        notation: "e164" as it is; "national" and "international" as ITU-T E.123 has them, with
            blanks: `01 42 34 56 78`, `+33 1 42 34 56 78`.

    Returns:
        The number; what cannot be read as E.164 as it came.
    """
    if notation == "e164" or len(number) > MAX_CHARS or not number.startswith("+"):
        return number
    return _written(number, notation)


@lru_cache(maxsize=CACHE_SIZE)
def _written(number: str, notation: Notation) -> str:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, _FORMATS[notation])


def _is_private(dialled: str) -> bool:
    return len(dialled) <= _MAX_PRIVATE_DIGITS or "*" in dialled or "#" in dialled

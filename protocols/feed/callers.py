"""Who calls: valid numbers of real numbering plans, from several regions, as their share is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import phonenumbers
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

_MOBILE = phonenumbers.PhoneNumberType.MOBILE
_FIXED = phonenumbers.PhoneNumberType.FIXED_LINE
_KEPT_DIGITS = 2
_TRIES = 100


class Origin(Struct, frozen=True):
    """Where calls come from.

    Attributes:
        region: ISO 3166-1.
        lang: what its callers speak, ISO 639-1.
        weight: its share of the calls, relative to the others.
        mobile: share of mobile numbers, 0 to 1.
    """

    region: str
    lang: str
    weight: float
    mobile: float


ORIGINS: tuple[Origin, ...] = (
    Origin("FR", "fr", 70, 0.72),
    Origin("BE", "fr", 6, 0.70),
    Origin("CH", "fr", 4, 0.60),
    Origin("ES", "es", 5, 0.75),
    Origin("DE", "de", 4, 0.55),
    Origin("GB", "en", 4, 0.65),
    Origin("MA", "fr", 4, 0.90),
    Origin("RU", "ru", 2, 0.80),
    Origin("US", "en", 1, 0.50),
)


class Caller(Struct, frozen=True, gc=False):
    """A number in E.164 and the language of its region."""

    ani: str
    lang: str


def draw_callers(count: int, rng: Random, origins: Sequence[Origin] = ORIGINS) -> list[Caller]:
    """Draw callers from the origins by their weights.

    Args:
        count: how many; the same number may be drawn twice, as people call twice.
        rng: where chance comes from.
        origins: where calls come from.
    """
    drawn = rng.choices(origins, [origin.weight for origin in origins], k=count)
    return [Caller(_draw_number(origin, rng), origin.lang) for origin in drawn]


def _draw_number(origin: Origin, rng: Random) -> str:
    """Change the last digits of the plan's example until the plan has the number."""
    kind = _MOBILE if rng.random() < origin.mobile else _FIXED
    example = phonenumbers.example_number_for_type(origin.region, kind)
    if example is None:
        raise ValueError(f"region {origin.region} has no numbers of the kind {kind}")
    e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    changed = len(str(example.national_number)) - _KEPT_DIGITS
    for _ in range(_TRIES):
        number = e164[:-changed] + "".join(rng.choices("0123456789", k=changed))
        if phonenumbers.is_valid_number(phonenumbers.parse(number)):
            return number
    return e164

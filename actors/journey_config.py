"""`[journey]` of the configuration: what is shown of a customer's previous calls."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from actors.config_values import Bytes


class JourneyConfig(Struct, frozen=True, kw_only=True):
    """`[journey]`: the bounds of a journey across calls."""

    max_calls: Annotated[int, Meta(ge=1, le=100)] = 10
    max_age_days: Annotated[int, Meta(ge=1, le=3_650)] = 30
    max_steps: Annotated[int, Meta(ge=1, le=1_000)] = 50
    max_bytes: Bytes = 262_144
    reads: Annotated[int, Meta(ge=1, le=64)] = 2

    @property
    def max_age_s(self) -> float:
        """`max_age_days` in seconds."""
        return self.max_age_days * 86_400.0

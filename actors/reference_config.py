"""`[reference]`: how reference tables are loaded."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class ReferenceConfig(Struct, frozen=True, kw_only=True):
    """`[reference]`: how reference tables are loaded; see `etc/vigie.toml`."""

    directory: str = ""
    max_rows: Annotated[int, Meta(ge=1, le=100_000_000)] = 10_000_000
    max_file_mb: Annotated[int, Meta(ge=1, le=65_536)] = 2_048
    max_drop_share: Annotated[float, Meta(ge=0, le=1)] = 0.2
    load_timeout_s: Annotated[float, Meta(ge=1, le=86_400)] = 900.0

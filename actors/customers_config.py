"""`[customers]` of the configuration: how callers are looked up; `actors.config` reads it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Age = Annotated[float, Meta(ge=0.01, le=86_400)]
Column = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z_][0-9A-Za-z_]{0,62}\Z",
        description="a column: 1 to 63 letters, digits and _",
    ),
]


class CustomersConfig(Struct, frozen=True, kw_only=True):
    """`[customers]`: what is known of a caller by the number, looked up in PostgreSQL."""

    table: Annotated[
        str,
        Meta(
            pattern=r"^([A-Za-z_][0-9A-Za-z_]{0,62}(\.[A-Za-z_][0-9A-Za-z_]{0,62})?)?\Z",
            description="empty, a table or SCHEMA.TABLE of letters, digits and _",
        ),
    ] = ""
    key: Column = "number"
    columns: tuple[Column, ...] = ()
    query: Annotated[str, Meta(max_length=4_096)] = ""
    deadline_ms: Annotated[int, Meta(ge=1, le=10_000)] = 120
    waiting_limit: Annotated[int, Meta(ge=1, le=10_000_000)] = 10_000
    cache_rows: Annotated[int, Meta(ge=1, le=10_000_000)] = 100_000
    max_age_s: Age = 300.0
    negative_age_s: Age = 60.0
    stale_s: Age = 3_600.0
    max_row_bytes: Annotated[int, Meta(ge=64, le=1_048_576)] = 4_096

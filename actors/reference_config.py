"""`[reference]`: how reference tables are loaded, and where the calendars are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from actors.calendars.hours import Calendar
from actors.calendars.reading import CalendarsInvalid, read_file
from actors.etc_files import etc_file
from actors.settings import Mistake

CALENDARS = "calendars.toml"


class ReferenceConfig(Struct, frozen=True, kw_only=True):
    """`[reference]`: how reference tables are loaded; see `etc/vigie.toml`."""

    directory: str = ""
    max_rows: Annotated[int, Meta(ge=1, le=100_000_000)] = 10_000_000
    max_file_mb: Annotated[int, Meta(ge=1, le=65_536)] = 2_048
    max_drop_share: Annotated[float, Meta(ge=0, le=1)] = 0.2
    load_timeout_s: Annotated[float, Meta(ge=1, le=86_400)] = 900.0
    calendars: str = ""


def calendars(config: ReferenceConfig) -> Mapping[str, Calendar]:
    """The calendars that routing points name, by name.

    Args:
        config: `[reference]`.

    Raises:
        CalendarsInvalid: the file has mistakes.
    """
    return read_file(Path(config.calendars) if config.calendars else etc_file(CALENDARS))


def calendar_mistakes(config: ReferenceConfig) -> list[Mistake]:
    """What is wrong with the calendars; a key is one of their file.

    Args:
        config: `[reference]`.
    """
    try:
        calendars(config)
    except CalendarsInvalid as invalid:
        return invalid.mistakes
    return []

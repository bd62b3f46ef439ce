"""How full the outbox may be, and what that means: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from actors.config import JournalConfig

Level: TypeAlias = Literal["", "filling", "full"]

FILLING_ABOVE = 0.8
CALM_BELOW = 0.7
"""Shares of `journal.outbox_limit`: the outbox is filling above the one, and until it is below the
other, so that an alarm does not come and go."""


def level(rows: int, limit: int, before: Level) -> Level:
    """Return how full the outbox is.

    Args:
        rows: In the outbox.
        limit: Rows that it may have.
        before: How full it was.
    """
    if rows >= limit:
        return "full"
    if before == "full" and rows >= FILLING_ABOVE * limit:
        return "full"
    if rows >= (CALM_BELOW if before else FILLING_ABOVE) * limit:
        return "filling"
    return ""


def excess(rows: int, settings: JournalConfig) -> int:
    """Return how many rows, the oldest first, are to give way.

    Args:
        rows: In the outbox.
        settings: Of the journal.
    """
    if settings.on_outbox_full == "refuse":
        return 0
    return max(0, rows - settings.outbox_limit)


def refusal(rows: int, settings: JournalConfig) -> str:
    """Return why no new session may begin; empty where one may.

    Args:
        rows: In the outbox.
        settings: Of the journal.
    """
    limit = settings.outbox_limit
    if settings.on_outbox_full == "refuse" and rows >= limit:
        return f"journal.outbox_limit is {limit}"
    return ""

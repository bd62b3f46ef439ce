"""Long lists without holding up the loop that calls live on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from protocols.http.paging import Page, Selection
from supervision.introspection import Pace

T = TypeVar("T")


async def select(rows: Iterable[T], selection: Selection[T], pace: Pace) -> Page[T]:
    """Go through all rows and select a page, with pauses in which others are served.

    Args:
        rows: The rows, made while they are iterated where they are many.
        selection: What selects the page.
        pace: How fast many rows are gone through, whoever asks.
    """
    async for row in pace.sliced(rows):
        selection.offer(row)
    return selection.result()

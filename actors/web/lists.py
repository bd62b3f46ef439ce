"""Long lists without holding up the loop that calls live on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TypeVar

from protocols.http.paging import Page, Selection

T = TypeVar("T")

SLICE_S = 0.002
_ROWS_PER_LOOK = 32


async def select(rows: Iterable[T], selection: Selection[T]) -> Page[T]:
    """Go through all rows and select a page; others are served every `SLICE_S` seconds.

    Args:
        rows: The rows, made while they are iterated where they are many.
        selection: What selects the page.
    """
    end = time.perf_counter() + SLICE_S
    for number, row in enumerate(rows):
        selection.offer(row)
        if number % _ROWS_PER_LOOK == 0 and time.perf_counter() > end:
            await asyncio.sleep(0)
            end = time.perf_counter() + SLICE_S
    return selection.result()

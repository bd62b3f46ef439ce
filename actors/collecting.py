"""When Python looks for garbage: not while everything that comes stays."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def no_collection() -> Iterator[None]:
    """Look for no garbage meanwhile: it would be gone through again and again in vain.

    What has come is never gone through afterwards either; it goes when nobody knows it any more.
    The first collection would else hold the loop, for a quarter of a second after 300,000 sessions.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()

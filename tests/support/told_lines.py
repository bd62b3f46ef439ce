"""How a program that a test drives is told lines, and tells lines of JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any


def say(what: str, **more: Any) -> None:
    """Tell the test something."""
    sys.stdout.write(json.dumps({"what": what, **more}) + "\n")
    sys.stdout.flush()


async def told() -> asyncio.StreamReader:
    """What the test tells."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader

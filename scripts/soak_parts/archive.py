"""The sessions that have closed, as they lie in PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg

from soak_parts.vigie import Vigie

ASK_AGAIN_S = 0.5
COMPARED = (
    *("session", "call", "state", "ani", "rp", "routing", "timings", "events"),
    *("rev", "ud", "journey"),
)


async def stored(node: Vigie) -> list[dict[str, Any]]:
    """All closed sessions as the API showed them when they closed, of it what is compared.

    Raises:
        OSError: PostgreSQL is away.
        asyncpg.PostgresError: it cannot tell.
    """
    connection = await asyncpg.connect(node.dsn(), timeout=5.0)
    try:
        async with connection.transaction():
            return [
                _compared(json.loads(row["view"]))
                async for row in connection.cursor("SELECT view FROM closed_session", prefetch=1000)
            ]
    finally:
        await connection.close()


def _compared(view: dict[str, Any]) -> dict[str, Any]:
    return {name: view[name] for name in COMPARED if name in view}


async def count_stored(node: Vigie) -> int:
    """How many closed sessions there are; -1 while PostgreSQL cannot tell."""
    try:
        connection = await asyncpg.connect(node.dsn(), timeout=5.0)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return -1
    try:
        return int(await connection.fetchval("SELECT count(*) FROM closed_session"))
    except asyncpg.PostgresError:
        return -1
    finally:
        await connection.close()


async def wait_stored(node: Vigie, wanted: int, patience_s: float) -> int:
    """Wait until so many sessions are stored, or patience ends; returns how many there are."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    while True:
        found = await count_stored(node)
        if found >= wanted or loop.time() > deadline:
            return found
        await asyncio.sleep(ASK_AGAIN_S)

"""The sessions that have closed, as they lie in PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg

from soak_parts.vigie import Vigie

ASK_AGAIN_S = 0.5
_ALL = "SELECT session, call, view FROM closed_session"


async def stored(node: Vigie) -> list[dict[str, Any]]:
    """All closed sessions as the API showed them when they closed.

    Raises:
        OSError: PostgreSQL is away.
        asyncpg.PostgresError: it cannot tell.
    """
    connection = await asyncpg.connect(node.dsn(), timeout=5.0)
    try:
        rows = await connection.fetch(_ALL, timeout=60.0)
    finally:
        await connection.close()
    return [json.loads(row["view"]) for row in rows]


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

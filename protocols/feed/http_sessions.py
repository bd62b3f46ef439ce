"""What vigie knows of calls, asked over its HTTP API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_AT_ONCE = 16
TIMEOUT_S = 10.0


class HttpSessions:
    """Fetches sessions by call; an instance is what `run` takes as `sessions`.

    Args:
        url: of vigie's HTTP server, without a path.
        token: of scope viewer or ivr.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/sessions"
        self._headers = {"Authorization": f"Bearer {token}"}

    async def __call__(self, calls: list[str]) -> Mapping[str, Mapping[str, Any]]:
        """Fetch the sessions of these calls, open or closed.

        Raises:
            aiohttp.ClientError: vigie did not answer, or refused.
        """
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        connector = aiohttp.TCPConnector(limit=MAX_AT_ONCE)
        async with aiohttp.ClientSession(
            headers=self._headers, connector=connector, raise_for_status=True
        ) as client:
            queue = asyncio.Semaphore(MAX_AT_ONCE)

            async def fetch(call: str) -> list[dict[str, Any]]:
                query = {"call": call, "limit": "1"}
                async with queue, client.get(self._url, params=query, timeout=timeout) as answer:
                    found: dict[str, Any] = await answer.json()
                return list(found["items"])

            answers = await asyncio.gather(*map(fetch, calls))
        return {call: items[0] for call, items in zip(calls, answers, strict=True) if items}

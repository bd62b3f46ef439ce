"""The least that can serve sessions over HTTP: what the call path's bench measures vigie beside.

    callpath_peer.py < SESSIONS      a line of JSON: their ids

A bare aiohttp server with a dictionary: it checks no token, asks no actor and keeps nothing on a
disk. It knows revisions, or there would be nothing to compare. Prints its port when it listens.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from aiohttp import web

ROUTES = web.RouteTableDef()
SESSIONS: dict[str, dict[str, Any]] = {}


def shown(session: dict[str, Any], status: int = 200) -> web.Response:
    """A session as an answer."""
    return web.json_response(session, status=status, headers={"ETag": f'"{session["rev"]}"'})


@ROUTES.get("/api/v1/sessions/{session}")
async def read(request: web.Request) -> web.Response:
    """Show a session."""
    return shown(SESSIONS[request.match_info["session"]])


@ROUTES.patch("/api/v1/sessions/{session}")
async def change(request: web.Request) -> web.Response:
    """Change a session of the revision that the request is based on."""
    session, body = SESSIONS[request.match_info["session"]], await request.json()
    if request.headers["If-Match"] != f'"{session["rev"]}"':
        return shown(session, 412)
    session["rev"] += 1
    for key, value in body["set"].items():
        session["ud"][key.removeprefix("ud.")] = value
    return shown(session)


async def main() -> None:
    """Serve until the input ends."""
    for session in json.loads(sys.stdin.readline()):
        SESSIONS[session] = {"session": session, "rev": 1, "call": session, "ud": {}}
    app = web.Application()
    app.add_routes(ROUTES)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    [(_, port)] = runner.addresses
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())

"""A node behind a control socket that answers what a test tells it to."""

from __future__ import annotations

import asyncio
import threading

from supervision.anchor.control import ControlLimits, ControlServer
from supervision.anchor.unixpath import listen


class ScriptedNode:
    """Answers what the test put into `answers`; remembers what it was asked."""

    def __init__(self, directory):
        self.answers, self.asked = {}, []
        self._listener = listen(directory / "anchor.sock", mode=0o600, backlog=8)
        self._serving = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        self._serving.wait()

    async def _serve(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = ControlServer(self._dispatch, ControlLimits())
        server.start(self._listener)
        self._serving.set()
        await self._stop.wait()
        server.close()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

    async def _dispatch(self, op, args):
        key = f"{args['method']} {args['path']}" if op == "api" else op
        self.asked.append((key, args))
        answer = self.answers.get(key, {"status": 404, "body": {"title": "Not found"}})
        if isinstance(answer, Exception):
            raise answer
        scripted = op != "api" or isinstance(answer.get("status"), int)
        return answer if scripted else {"status": 200, "body": answer}

    def close(self):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

"""A node of a recipe as a process of its own: what it starts is in the module ``shop``.

It is told lines of JSON and answers each with one. It knows what its path of modules says: which
version of ``shop`` and of any library, on which interpreter is for the test to choose.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
from pathlib import Path
from typing import Any

import shop
from told_lines import say, told

from supervision import Started, actor_system
from supervision.release.actors_part import ActorsPart
from supervision.release.giving import Giver
from supervision.release.taking import Taker

SECRET = "a secret"


class Side:
    """One of two nodes."""

    def __init__(self) -> None:
        self.base = actor_system(loop=asyncio.get_running_loop())._systemBase
        self.kernel = self.base.kernel
        self.giver: Giver
        self.taker: Taker

    async def do(self, what: str, *words: Any) -> Any:
        return await getattr(self, f"do_{what}")(*words)

    async def do_about(self) -> str:
        return platform.python_version()

    async def do_start(self, kind: str, name: str) -> None:
        actor = getattr(shop, kind)()
        outcome = await self.kernel.start_root(actor, None, name, lambda: None)
        assert isinstance(outcome, Started), outcome

    async def do_cast(self, name: str, request: Any) -> None:
        self.base.cast(self.kernel.roots[name].address, request)

    async def do_call(self, name: str, request: Any) -> Any:
        return await self.base.call(self.kernel.roots[name].address, request, 10.0)

    # A takeover

    async def do_give(self, directory: str) -> str:
        self.giver = Giver(self.kernel, [ActorsPart(self.kernel)])
        return str(await self.giver.listen(Path(directory), SECRET))

    async def do_take(self, path: str) -> None:
        self.taker = Taker(self.kernel, [ActorsPart(self.kernel, taking=True)])
        await self.taker.connect(path, SECRET)
        await self.taker.copied()

    async def do_freeze(self) -> list[str]:
        await self.giver.copied()
        return (await self.giver.freeze()).stragglers

    async def do_prepare(self) -> None:
        await self.taker.prepared()

    async def do_serve(self) -> None:
        await self.taker.switch()


async def main() -> None:
    side, commands = Side(), await told()
    while line := await commands.readline():
        try:
            said = {"what": "done", "value": await side.do(*json.loads(line))}
        except Exception as error:  # noqa: BLE001 - the test is told
            said = {"what": "failed", "why": f"{type(error).__name__}: {error}"}
        say(**said)
    os._exit(0)  # as an old node ends


if __name__ == "__main__":
    asyncio.run(main())

"""The releases of a node, as its API sees them: files on the disk, and the anchor that decides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from actors.releases import shelf
from supervision.anchor import history
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from pathlib import Path

    from actors.releases.shelf import Row

Ask: TypeAlias = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
Tell: TypeAlias = Callable[[dict[str, Any]], None]

TOLD = ("vsn", "from", "state", "timings", "pause", "counts", "stragglers", "report", "missing")
"""What of an answer goes into the event."""


class Releases:
    """What the API does with releases.

    Args:
        data: the data directory.
        ask: asks the anchor: (operation, arguments) -> result; raises Refusal.
        tell: makes an event of kind ``release``.
    """

    def __init__(self, data: Path, ask: Ask, tell: Tell) -> None:
        self._data = data
        self._ask = ask
        self._tell = tell
        self._under_way: set[asyncio.Task[None]] = set()

    async def rows(self) -> list[Row]:
        """The installed releases.

        Raises:
            Refusal: they cannot be read.
        """
        return await asyncio.to_thread(shelf.rows, self._data)

    async def history(self, limit: int) -> list[dict[str, Any]]:
        """What was done with releases, the last one first.

        Args:
            limit: how many lines at most.

        Raises:
            Refusal: it cannot be read.
        """
        try:
            found = await asyncio.to_thread(history.read, self._data, limit)
        except OSError as error:
            why = f"the history cannot be read: {error.strerror}"
            raise Refusal(ExitCode.FAILED, why) from None
        return found[::-1]

    async def ask(self, op: str, args: Mapping[str, Any]) -> Any:
        """Ask the anchor, and wait for the answer.

        Raises:
            Refusal: it refuses, or is not there.
        """
        return await self._ask(op, args)

    def begin(self, step: str, args: Mapping[str, Any]) -> asyncio.Task[Any]:
        """Ask the anchor for something that takes its time; an event tells what has become of it.

        Args:
            step: check, upgrade, commit or rollback.
            args: its arguments, with `who` asks.

        Returns:
            What is done when it is; nobody has to wait for it.
        """
        asked = asyncio.ensure_future(self._ask(f"release.{step}", args))
        task = asyncio.get_running_loop().create_task(self._follow(step, args, asked))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return asked

    async def _follow(self, step: str, args: Mapping[str, Any], asked: asyncio.Future[Any]) -> None:
        told: dict[str, Any] = {"step": step, "by": args.get("who", "")}
        if "vsn" in args:
            told["vsn"] = args["vsn"]
        self._tell(told | {"result": "begun"})
        try:
            done = await asked
        except Refusal as refusal:
            self._tell(told | {"result": "failed", "why": refusal.msg})
            return
        plan = done.get("plan", done)
        told |= {key: done[key] for key in TOLD if key in done}
        told |= {"plan": plan.get("hash", "") if isinstance(plan, dict) else plan}
        if step == "check":
            told |= {"why": "; ".join(done.get("why") or [])}
        self._tell(told | {"result": "done" if done.get("ok", True) else "refused"})


async def nobody(op: str, args: Mapping[str, Any]) -> Any:
    """What asks the anchor where there is none: a node that is started by hand.

    Raises:
        Refusal: always.
    """
    del args
    raise Refusal(ExitCode.UNREACHABLE, f"no anchor guards this node: there is nobody to do {op}")

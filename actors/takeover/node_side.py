"""A node's side of a takeover: what the anchor asks of the one that gives and the one that takes.

The anchor decides, the nodes do. The old node listens, copies what it is to the new one while it
serves, freezes when it is told to, and ends or goes on. The new one starts its tree in standby,
takes all that comes, and serves when it is told to.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import msgspec

from actors import metrics, release_probes
from actors.collecting import no_collection
from actors.release_handler import NAME as RELEASE_HANDLER
from actors.release_handler import MadePermanent
from actors.releases.checking import Checking
from actors.takeover import held_back
from actors.takeover.giving_way import give_way, give_way_no_longer, leave, stay_s
from actors.takeover.http_connections import HttpPart
from actors.takeover.links import LinksPart
from actors.takeover.mirror import Mirror, mirror_of
from actors.takeover.parts import giving_parts, limits, taking_parts
from actors.takeover.pauses import pause
from actors.takeover.shadow import Shadow
from supervision import Cast
from supervision.anchor.messages import ExitCode, Refusal
from supervision.release.giving import Giver
from supervision.release.taking import Taker
from supervision.release.wire import TakeoverFailed

if TYPE_CHECKING:
    from pathlib import Path

    from actors.assembly import Assembly
    from supervision.anchor.inheritance import TakeoverOrder
    from supervision.anchor.worker import Channel

Message: TypeAlias = dict[str, Any]
Operation: TypeAlias = Callable[[Message], Awaitable[Any]]

EVENT = "takeover"


class AnchorLine:
    """The way to the anchor, known before it is open.

    Attributes:
        channel: once it is.
    """

    channel: Channel | None = None

    def tell(self, event: str, info: Mapping[str, Any]) -> None:
        """Tell the anchor of an event."""
        if self.channel is not None:
            self.channel.tell(event, info)

    async def ask(self, op: str, args: Mapping[str, Any]) -> Any:
        """Ask the anchor for one of its operations.

        Raises:
            Refusal: it refuses, or is gone.
        """
        if self.channel is None:
            raise Refusal(ExitCode.TRY_AGAIN, "the node is starting")
        return await self.channel.request(op, args)

    def failed(self, why: str) -> None:
        """This version has failed its probation."""
        self.tell("probation", {"verdict": "failed", "why": why})


class NodeSide:
    """What the anchor may ask of a node.

    Args:
        assembly: of the node.
        order: from whom it takes over; None where it starts alone.
        line: to the anchor.
        config_file: that the node was started with; None is the one that ships.

    Attributes:
        assembly: of the node.
        giving: its handing over.
        taking: its taking over; None where it starts alone.
    """

    def __init__(
        self,
        assembly: Assembly,
        order: TakeoverOrder | None,
        line: AnchorLine,
        config_file: Path | None = None,
    ) -> None:
        self.assembly = assembly
        self.taking = None if order is None else Taking(assembly, order, line)
        self.giving = Giving(assembly, line)
        self._checking = Checking(assembly, config_file)
        self._operations: dict[str, Operation] = {
            "api": assembly.control,
            "release.check": self._checking.check,
            "release.permanent": self._permanent,
            **self.giving.operations,
            "takeover.listen": self._listen,
        }
        if self.taking is not None:
            self._operations |= self.taking.operations

    async def handle(self, op: str, args: Message) -> Any:
        """Do what the anchor asks.

        Raises:
            Refusal: there is no such operation, or it cannot be done now.
        """
        operation = self._operations.get(op)
        if operation is None:
            raise Refusal(ExitCode.USAGE, f"the node has no operation {op!r}", "op")
        return await operation(args)

    async def _listen(self, args: Message) -> Any:
        """A takeover begins: it copies the same states as a check, which ends."""
        await self._checking.end()
        return await self.giving.operations["takeover.listen"](args)

    async def _permanent(self, _: Message) -> Message:
        """This version is permanent: nobody comes back who could not read what it writes.

        What waited for that is done now; the answer says what is missing of it when time is over.
        """
        node = self.assembly
        names = held_back.held(node.kernel)
        node.release.permanence.become()
        node.kernel.cast(RELEASE_HANDLER, Cast(MadePermanent()))
        limit_s = node.config.release.permanent_timeout_s
        return {"missing": await held_back.missing(node.kernel, node.alarms, names, limit_s)}


class Giving:
    """The node that serves, and may have to hand over.

    Args:
        assembly: of the node.
        line: to the anchor.

    Attributes:
        operations: what the anchor may ask for.
        given: whether what this node is may be another's by now: from the freeze on, until it is
            told to go on. It ends without an order then: peers, journal and sockets are the
            other's, or as a crash leaves them, and an actor that stands still cannot stop.
    """

    def __init__(self, assembly: Assembly, line: AnchorLine) -> None:
        self._assembly = assembly
        self._line = line
        self.given = False
        self._items = 0
        self._giver: Giver | None = None
        self._mirror: Mirror | None = None
        self.operations: dict[str, Operation] = {
            "takeover.listen": self._listen,
            "takeover.freeze": self._freeze,
            "takeover.resume": self._resume,
            "takeover.exit": self._exit,
        }

    async def _listen(self, args: Message) -> Message:
        """Wait for a node that takes; one that was waited for before gives way."""
        secret = args.get("secret")
        if not isinstance(secret, str) or not secret:
            raise Refusal(ExitCode.USAGE, "secret: a string that is not empty", "secret")
        await self._resume({})
        node = self._assembly
        parts = giving_parts(node)
        self._giver = giver = Giver(
            node.kernel,
            parts,
            release=node.release.standing.vsn,
            limits=limits(node.config.release),
            tell=self._told,
        )
        self._mirror = mirror_of(node, parts, giver, self._shadow_lost)
        return {"path": str(await giver.listen(node.data, secret))}

    def _told(self, phase: str, more: Message) -> None:
        """Commit rarely while all is copied; tell a shadow what happens from then on."""
        if phase == "connected" and more["mode"] == "takeover":
            self._assembly.journal.spare(sparing=True)
        elif phase == "failed":
            self._assembly.journal.spare(sparing=False)
        mirror = self._mirror
        if mirror is None:
            return
        if phase == "copied" and more.get("mode") == "shadow":
            mirror.begin()
        elif phase == "failed":
            mirror.end()

    def _shadow_lost(self, records: int) -> None:
        """A shadow that has not seen everything has nothing to report: that is told instead."""
        most = limits(self._assembly.config.release).forward_bytes
        why = (
            f"the shadow did not keep up: after {records:,} records more than {most:,} bytes waited"
        )
        self._line.tell(EVENT, {"phase": "failed", "why": why})

    async def _freeze(self, _: Message) -> Message:
        if self._giver is None:
            raise Refusal(ExitCode.FAILED, "no takeover is under way")
        self.given = True
        self._assembly.journal.spare(sparing=False)
        given = await self._giver.freeze()
        self._items = sum(given.counts.values())
        frozen: Message = msgspec.to_builtins(given)
        return frozen

    async def _resume(self, _: Message) -> Message:
        giver, self._giver = self._giver, None
        self._assembly.journal.spare(sparing=False)
        if self._mirror is not None:
            self._mirror.end()
        if giver is not None:
            await giver.resume()
        self.given = False
        return {}

    async def _exit(self, _: Message) -> Message:
        """End without a word to anybody: what is open here lives on elsewhere."""
        if self._giver is None:
            raise Refusal(ExitCode.FAILED, "nobody has taken over")
        stay = stay_s(self._items)
        asyncio.get_running_loop().call_soon(self.exit_at_once, ExitCode.DONE, stay)
        return {}

    @staticmethod
    def exit_at_once(code: int, stay: float = 0.0) -> NoReturn:
        """End this process, and what it has started; nothing else is done.

        Args:
            code: that it ends with.
            stay: seconds for which it keeps its memory, and nothing but that.
        """
        release_probes.end_all()
        leave(stay)
        os._exit(code)


class Taking:
    """The node that takes over.

    Args:
        assembly: of the node, in standby.
        order: where the other node is.
        line: to the anchor.
    """

    def __init__(self, assembly: Assembly, order: TakeoverOrder, line: AnchorLine) -> None:
        self._assembly = assembly
        self._order = order
        self._line = line
        self._serving = asyncio.Event()
        self._parts = taking_parts(assembly)
        self._taker = Taker(
            assembly.kernel,
            self._parts,
            release=assembly.release.standing.vsn,
            limits=limits(assembly.config.release),
            mode="shadow" if order.mode == "shadow" else "takeover",
        )
        self._shadow: Shadow | None = None
        self.operations: dict[str, Operation] = {
            "takeover.switch": self.switch,
            "takeover.report": self._report,
        }

    async def take(self) -> str:
        """Take all that the other node gives, tell the anchor how far that is, and serve.

        Returns:
            Why it could not be taken; empty once this node serves.
        """
        give_way()
        try:
            offer = await self._taker.connect(self._order.path, self._order.secret)
            self._tell("connected")
            with no_collection():
                await self._taker.copied()
            if self._order.mode == "shadow":
                await self._look_on(offer.parts)
            self._tell("copied")
            self._tell("prepared", **msgspec.to_builtins(await self._taker.prepared()))
        except TakeoverFailed as failed:
            self._tell("failed", why=str(failed), own=failed.own)
            return str(failed)
        await self._serving.wait()
        return ""

    async def _look_on(self, versions: Mapping[str, int]) -> None:
        """Follow the other node until it ends that.

        Args:
            versions: of what it copies, by part.

        Raises:
            TakeoverFailed: it has ended it.
        """
        self._shadow = shadow = Shadow(self._assembly, self._parts, versions)
        await shadow.begin()
        self._taker.on_forward = shadow.heard
        self._tell("copied")
        await self._taker.follow()

    async def _report(self, _: Message) -> Message:
        """What this node has seen as a shadow."""
        if self._shadow is None:
            raise Refusal(ExitCode.FAILED, "this node is no shadow, or has not begun to look on")
        return self._shadow.report()

    def _tell(self, phase: str, **more: Any) -> None:
        self._line.tell(EVENT, {"phase": phase, **more})

    async def switch(self, _: Message) -> Message:
        """Serve: from here on there is no way back to the other node's memory."""
        give_way_no_longer()
        switched = await self._taker.switch()
        self._assembly.release.standby.open()
        paused = self._pauses(switched.pause_ms)
        metrics.UPGRADE_PAUSE_SECONDS.observe(paused["max"] / 1000)
        self._serving.set()
        said: Message = msgspec.to_builtins(switched)
        return {**said, "pause": paused}

    def _pauses(self, least_ms: float) -> dict[str, float]:
        moved = [part.held for part in self._parts if isinstance(part, LinksPart | HttpPart)]
        now = self._assembly.kernel.clock.monotonic()
        return pause([held for held in moved if held is not None], now, least_ms)

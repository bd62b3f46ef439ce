"""Children for tests of supervisors, named by the part they play.

Each writes its life down in a journal, a list that is its start argument, as pairs of what
happened (``started``, ``asked``, ``ended``) and its name.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from supervision.childspec import ChildSpec
from supervision.gen_server import GenServer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from supervision.eventloop.calls import PendingCall
    from supervision.reasons import Reason


class Polite(GenServer):
    """Starts and ends at once; answers a call with its request, ends with the reason of a cast."""

    state: list[tuple[str, str]] | None

    def init(self, args: Any) -> Any:
        """Note that it has started."""
        self.state = args
        self.note("started")

    def note(self, what: str) -> None:
        """Write something down, where there is a journal."""
        if self.state is not None:
            self.state.append((what, str(self.address.name)))

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        """Answer with the request."""
        return request

    def handle_cast(self, request: Reason) -> None:
        """End with the reason."""
        self.stop(request)

    def terminate(self, reason: Reason) -> Any:
        """Note that it ends."""
        self.note("ended")


class SlowStart(Polite):
    """Needs two seconds to start."""

    async def init(self, args: Any) -> None:
        """Start, in two seconds."""
        await asyncio.sleep(2.0)
        super().init(args)


class SlowStop(Polite):
    """Needs a second to end."""

    async def terminate(self, reason: Reason) -> None:
        """End, in a second."""
        await asyncio.sleep(1.0)
        super().terminate(reason)


class Stuck(Polite):
    """Does not come to its end by itself."""

    async def terminate(self, reason: Reason) -> None:
        """Wait for what never comes."""
        self.note("asked")
        await asyncio.get_running_loop().create_future()


def specs(
    names: Iterable[str],
    start: type[GenServer] = Polite,
    journal: list[tuple[str, str]] | None = None,
    **options: Any,
) -> list[ChildSpec]:
    """Make the specifications of children that differ in their names only.

    Args:
        names: of the children, in start order.
        start: their class.
        journal: where all of them write their lives down.
        options: further attributes of ``ChildSpec``.
    """
    return [ChildSpec(name, start, journal, **options) for name in names]

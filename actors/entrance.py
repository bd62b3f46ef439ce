"""Whether connections are accepted on a listening socket; it outlives the actor that accepts.

In a node that takes over, it opens at the switch. In one that gives, it is shut meanwhile: who
connects then waits in the backlog of the socket, which both nodes have, and neither refuses.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.standby import Standby

ACCEPTING_TURNS = 4
"""Turns of the loop from the moment when asyncio has accepted a connection until its protocol has
begun: a task makes its transport, that calls ``connection_made``, that may begin a task."""


class Entrance:
    """One entrance of a node; used on its loop only.

    Args:
        standby: the node's gate; None is one that is open.

    Attributes:
        open: whether connections are accepted.
        settled: whether all that was accepted before it was shut is known to whom it is for.
    """

    def __init__(self, standby: Standby | None = None) -> None:
        self.open = False
        self.settled = True
        self._tell: Callable[[bool], None] | None = None
        if standby is None:
            self.open = True
        else:
            standby.when_open(self.reopen)

    def attend(self, tell: Callable[[bool], None]) -> Callable[[], None]:
        """Have somebody accept here; there is one at a time.

        Args:
            tell: called with every change of ``open``, and not with what it is now.

        Returns:
            What takes that back, for one that ends.
        """
        self._tell = tell

        def leave() -> None:
            if self._tell is tell:
                self._tell = None

        return leave

    def shut(self) -> None:
        """Accept no more until ``reopen``."""
        if not self.open:
            return
        self._change(to=False)
        self.settled = False
        _in_turns(asyncio.get_running_loop(), ACCEPTING_TURNS, self._settle)

    def reopen(self) -> None:
        """Accept from now on."""
        if not self.open:
            self._change(to=True)

    def _change(self, *, to: bool) -> None:
        self.open = to
        if self._tell is not None:
            self._tell(to)

    def _settle(self) -> None:
        self.settled = True


class Acceptor:
    """The asyncio server at an entrance, of one incarnation of whoever accepts there.

    It listens on a duplicate of the node's socket, so that the next one can listen again.

    Args:
        entrance: where.
        make: makes the protocol of a connection.
        accepts: connections accepted in one turn of the loop.
        backlog: connections that may wait to be accepted.
    """

    def __init__(
        self,
        entrance: Entrance,
        make: Callable[[], asyncio.BaseProtocol],
        *,
        accepts: int,
        backlog: int,
    ) -> None:
        self._entrance = entrance
        self._make = make
        self._accepts = accepts
        self._backlog = backlog
        self._server: asyncio.Server | None = None
        self._over = False

    async def begin(self, listening: Any) -> None:
        """Accept, where the entrance is open and it does not yet.

        Args:
            listening: the node's socket; it is duplicated.
        """
        if not self._may_begin():
            return
        server = await self._made(listening.dup())
        if not self._may_begin():
            server.close()
            return
        self._server = server
        await server.start_serving()
        listening.listen(self._backlog)  # for asyncio's backlog is also how many it accepts at once

    def _may_begin(self) -> bool:
        return self._entrance.open and self._server is None and not self._over

    async def _made(self, listening: Any) -> asyncio.Server:
        # It does not serve yet, so that no other turn comes before its owner has it.
        try:
            return await asyncio.get_running_loop().create_server(
                self._make, sock=listening, backlog=self._accepts, start_serving=False
            )
        except BaseException:
            listening.close()
            raise

    def pause(self) -> None:
        """Accept no more; ``begin`` goes on.

        What the loop has accepted still gets its protocol: a server that was closed would drop it,
        so it is closed some turns later.
        """
        server, self._server = self._server, None
        if server is None:
            return
        loop = asyncio.get_running_loop()
        for listening in server.sockets:
            loop.remove_reader(listening.fileno())
        _in_turns(loop, ACCEPTING_TURNS, server.close)

    def end(self) -> None:
        """Accept never again."""
        self._over = True
        server, self._server = self._server, None
        if server is not None:
            server.close()


def _in_turns(loop: asyncio.AbstractEventLoop, turns: int, then: Callable[[], object]) -> None:
    if turns:
        loop.call_soon(_in_turns, loop, turns - 1, then)
    else:
        then()

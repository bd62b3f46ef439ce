"""socialServer: takes what social media send while it runs; below channelSup.

Requests come by the HTTP server of the node; whether the channel is served, and what has become of
its events, is this actor's. It is restarted without any other, and operators may stop it alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from supervision import GenServer

if TYPE_CHECKING:
    from actors.channels.social_desk import SocialDesk

NAME = "socialServer"


class SocialState(Struct, frozen=True):
    """The state of socialServer: the names of its sources."""

    sources: tuple[str, ...]


class SocialServer(GenServer):
    """Its argument is a `SocialDesk`."""

    state: SocialState

    def init(self, args: SocialDesk) -> None:
        """Serve."""
        self._desk = args
        self.state = SocialState(tuple(args.config.sources))
        self.register(NAME)
        args.serving = True
        self.at_end(self._end)

    def _end(self) -> None:
        self._desk.serving = False

    def format_status(self, state: SocialState) -> dict[str, Any]:
        """Its sources, and what was taken and refused."""
        return {"sources": list(state.sources), "messages": self._desk.counts.statistics()}

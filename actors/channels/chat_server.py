"""chatServer: the web chat while it runs; below channelSup.

Its connections come by the HTTP server of the node. They end with it, by 1012: visitors come back
with their tokens, and nothing that was acknowledged or said to them is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from supervision import GenServer

if TYPE_CHECKING:
    from actors.channels.chat_desk import ChatDesk

NAME = "chatServer"


class ChatState(Struct, frozen=True):
    """The state of chatServer: the origins whose pages may connect."""

    origins: tuple[str, ...]


class ChatServer(GenServer):
    """Its argument is a `ChatDesk`."""

    state: ChatState

    def init(self, args: ChatDesk) -> None:
        """Serve."""
        self._desk = args
        self.state = ChatState(args.config.origins)
        self.register(NAME)
        args.serving = True
        self.at_end(self._end)

    def _end(self) -> None:
        self._desk.serving = False
        self._desk.end_all()

    def format_status(self, state: ChatState) -> dict[str, Any]:
        """Who is connected, and what was taken and refused."""
        return {
            "origins": list(state.origins),
            "connections": len(self._desk.open),
            "messages": self._desk.counts.statistics(),
        }

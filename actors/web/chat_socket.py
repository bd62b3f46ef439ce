"""The WebSocket of the web chat on the HTTP server (RFC 6455), by aiohttp."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from actors.channels.chat_connection import ChatConnection
from actors.channels.chat_frames import MALFORMED, ChatClosed
from actors.web.problems import (
    NO_SUCH_CHANNEL,
    ORIGIN_REFUSED,
    TOO_MANY_VISITORS,
    UPGRADE_REQUIRED,
    unavailable,
)
from protocols.http.problem import HttpProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.channels.chat_desk import ChatDesk

PATH = "/channels/chat"
CLOSE_S = 0.5
"""How long the visitor is given to answer a close frame, seconds."""
SEND_S = 10.0
"""A visitor who takes nothing for so long is cut off, seconds."""


def check(desk: ChatDesk | None, headers: Mapping[str, str]) -> ChatDesk:
    """Check whether a request may become a connection.

    Args:
        desk: of the chat; None where it is not enabled.
        headers: of the request, by lower-case name.

    Returns:
        The desk that serves it.

    Raises:
        HttpProblem: it may not.
    """
    if desk is None:
        raise HttpProblem(NO_SUCH_CHANNEL, "channels.chat.enabled is false", field="channel")
    if headers.get("upgrade", "").lower() != "websocket":
        own = {"Upgrade": "websocket", "Connection": "Upgrade"}
        raise HttpProblem(UPGRADE_REQUIRED, "this speaks WebSocket", field="Upgrade", headers=own)
    origin = headers.get("origin", "")
    if origin not in desk.config.origins:
        desk.counts.count("refused-origin")
        rule = "one of channels.chat.origins"
        raise HttpProblem(ORIGIN_REFUSED, f"{origin or 'none'}", field="Origin", rule=rule)
    if desk.leaving or not desk.serving:
        raise unavailable("the chat is being restarted", 1.0)
    if len(desk.open) >= desk.config.max_connections:
        desk.counts.count("refused-connections")
        rule = f"at most {desk.config.max_connections}"
        raise HttpProblem(TOO_MANY_VISITORS, "come back later", field="connections", rule=rule)
    return desk


async def serve(desk: ChatDesk, request: web.BaseRequest) -> web.StreamResponse:
    """Serve a visitor on a request that `check` has let through."""
    config = desk.config
    socket = web.WebSocketResponse(
        timeout=CLOSE_S,
        heartbeat=config.ping_s,
        compress=False,
        max_msg_size=config.max_frame_bytes,
    )
    await socket.prepare(request)
    try:
        await ChatConnection(desk, SocketWire(socket)).serve()
    except (ConnectionError, TimeoutError):  # gone without a word: that is how visitors leave
        desk.counts.count("lost")
    return socket


class SocketWire:
    """A WebSocket as a connection of the chat needs it.

    Args:
        socket: prepared.
    """

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def receive(self) -> str | None:
        """The next text; None at the end.

        Raises:
            ChatClosed: something else came.
        """
        message = await self._socket.receive()
        if message.type is WSMsgType.TEXT:
            return str(message.data)
        if message.type is WSMsgType.BINARY:
            raise ChatClosed(MALFORMED, "malformed", "frames of text")
        return None

    async def send(self, text: str) -> None:
        """Send a text.

        Raises:
            TimeoutError: the visitor does not read.
        """
        if not self._socket.closed:
            async with asyncio.timeout(SEND_S):
                await self._socket.send_str(text)

    async def close(self, code: int, reason: str) -> None:
        """Close, and wait for the visitor a moment."""
        await self._socket.close(code=code, message=reason.encode())

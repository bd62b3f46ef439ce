"""The control socket: JSON lines from local commands of the same user.

A connection carries requests one after the other. Whatever a client can do wrong or too much of has
a limit and an answer: a foreign user, too many clients, a long line, something that is not a
request, a client that says nothing or does not read.
"""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from supervision.anchor.messages import (
    ExitCode,
    Message,
    Refusal,
    decode,
    encode,
    failure,
    operation,
    success,
)
from supervision.anchor.peer import peer_user

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    Dispatch = Callable[[str, Message], Awaitable[Any]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ControlLimits:
    """What a client may do.

    Attributes:
        max_clients: Connections at a time.
        max_line_bytes: The length of a request.
        idle_s: Seconds a connection may say nothing.
        write_s: Seconds a client may take to read an answer.
    """

    max_clients: int = 32
    max_line_bytes: int = 64 * 1024
    idle_s: float = 60.0
    write_s: float = 10.0


class ControlServer:
    """Serves a listening Unix socket.

    Args:
        dispatch: Does an operation: (op, args) -> result; raises Refusal.
        limits: What a client may do.
    """

    def __init__(self, dispatch: Dispatch, limits: ControlLimits) -> None:
        self._dispatch = dispatch
        self._limits = limits
        self._clients = 0
        self._server: asyncio.Server | None = None

    async def start(self, listener: socket.socket) -> None:
        """Begin to accept.

        Args:
            listener: The listening socket; the server owns it from now on.
        """
        # Not start_unix_server: since Python 3.13 that looks for the path the socket was bound to,
        # which led through a descriptor and means something else by now.
        self._server = await asyncio.start_server(
            self._serve, sock=listener, limit=self._limits.max_line_bytes
        )

    def close(self) -> None:
        """Stop accepting; connections end with the process."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            await self._converse(reader, writer)
        except (ConnectionError, TimeoutError) as error:
            _log.info("a control client was lost: %r", error)
        finally:
            self._clients -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self._admit(writer)
            while line := await self._read(reader):
                await self._write(writer, await self._answer(line))
        except Refusal as refusal:
            await self._write(writer, failure(None, refusal))

    def _admit(self, writer: asyncio.StreamWriter) -> None:
        user = peer_user(writer.get_extra_info("socket"))
        if user not in {0, os.geteuid()}:
            raise Refusal(ExitCode.NOT_PERMITTED, f"user {user} may not control this anchor")
        if self._clients > self._limits.max_clients:
            limit = self._limits.max_clients
            raise Refusal(ExitCode.TRY_AGAIN, f"{limit} clients are connected, the most allowed")

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        """The next line; empty at the end."""
        try:
            async with asyncio.timeout(self._limits.idle_s):
                return await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise Refusal(ExitCode.USAGE, "a request ends with a line end") from None
            return b""
        except asyncio.LimitOverrunError:
            limit = self._limits.max_line_bytes
            raise Refusal(ExitCode.USAGE, f"a request is longer than {limit} bytes") from None
        except TimeoutError:
            limit_s = self._limits.idle_s
            raise Refusal(ExitCode.TRY_AGAIN, f"no request within {limit_s:g} s") from None

    async def _answer(self, line: bytes) -> Message:
        number = None
        try:
            message = decode(line)
            number = message.get("id")
            op, args = operation(message)
            return success(number, await self._dispatch(op, args))
        except Refusal as refusal:
            return failure(number, refusal)

    async def _write(self, writer: asyncio.StreamWriter, answer: Message) -> None:
        writer.write(encode(answer))
        async with asyncio.timeout(self._limits.write_s):
            await writer.drain()

"""The connection between the two sides of a takeover: messages and descriptors on a Unix socket.

Descriptors travel as SCM_RIGHTS of unix(7): the receiver gets duplicates of its own. They come
with the bytes of their frame or before, in order, so they are gathered and given to the frames
that announce them.
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
from collections import deque
from typing import TYPE_CHECKING, Any
from zlib import crc32

from supervision.release.wire import Frames, PeerGone, TakeoverFailed, WireDamaged, framed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervision.release.records import TakeoverLimits
    from supervision.release.wire import Message

MOST_DESCRIPTORS = 250
"""In one message; the system takes 253 (SCM_MAX_FD)."""
READ_BYTES = 256 * 1024
_INT_BYTES = array.array("i").itemsize
_ANCILLARY = socket.CMSG_SPACE(253 * _INT_BYTES)


class Connection:
    """One end of the connection; everything belongs to the loop's thread.

    Args:
        peer: the connected socket; it becomes this object's own.
        limits: how long a message may be, and how much may wait to be sent.

    Attributes:
        sent_crc: of every byte that was put (CRC-32).
        sent_bytes: how many.
        buffered: bytes that wait to be sent.
    """

    def __init__(self, peer: socket.socket, limits: TakeoverLimits) -> None:
        peer.setblocking(False)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.buffer_bytes)
        self._peer = peer
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._frames = Frames(limits.frame_bytes)
        self._messages: deque[tuple[Message, list[int], int]] = deque()
        self._descriptors: deque[int] = deque()
        self._queue: deque[tuple[memoryview, Sequence[int]]] = deque()
        self._room: asyncio.Future[None] | None = None
        self._more: asyncio.Future[None] | None = None
        self._broken: str | None = None
        self.sent_crc = 0
        self.sent_bytes = 0
        self.buffered = 0
        self.received_crc = 0

    # Sending

    def put(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Say something; what cannot be sent at once waits here.

        Args:
            message: what is said.
            descriptors: open ones, at most `MOST_DESCRIPTORS`, which stay open on this side.

        Raises:
            TakeoverFailed: it is too long.
        """
        assert len(descriptors) <= MOST_DESCRIPTORS
        data = framed(message, len(descriptors), self._limits.frame_bytes)
        self.sent_crc = crc32(data, self.sent_crc)
        self.sent_bytes += len(data)
        if self._broken is not None:
            return  # whoever reads is told
        self._queue.append((memoryview(data), descriptors))
        self.buffered += len(data)
        if len(self._queue) == 1:
            self._write()

    async def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Say something, and wait while more than the limit is left to be sent.

        Raises:
            PeerGone: the other side is not there any more.
            TakeoverFailed: it is too long.
        """
        self.put(message, descriptors)
        await self.sent(self._limits.buffer_bytes)

    async def sent(self, left: int = 0) -> None:
        """Wait until at most `left` bytes are left to be sent.

        Raises:
            PeerGone: the other side is not there any more.
        """
        while self.buffered > left and self._broken is None:
            self._room = self._loop.create_future()
            await self._room
        if self._broken is not None:
            raise PeerGone(self._broken)

    def _write(self) -> None:
        try:
            while self._queue:
                self._write_one(*self._queue[0])
        except BlockingIOError:
            self._loop.add_writer(self._peer, self._writable)
        except OSError as error:
            self._break(f"the other side is gone: {error.strerror}")
        self._tell(self._room)

    def _write_one(self, data: memoryview, descriptors: Sequence[int]) -> None:
        rights = [_rights(descriptors)] if descriptors else []
        count = self._peer.sendmsg([data], rights, socket.MSG_NOSIGNAL)
        self.buffered -= count
        if count == len(data):
            self._queue.popleft()
        else:
            self._queue[0] = (data[count:], ())

    def _writable(self) -> None:
        self._loop.remove_writer(self._peer)
        self._write()

    # Receiving

    async def receive(self) -> tuple[Message, list[int]]:
        """What the other side says next, and this process's own descriptors of it.

        Raises:
            PeerGone: it says nothing more.
            WireDamaged: what came is no message.
            TakeoverFailed: descriptors were cut off.
        """
        while not self._messages:
            if not self._read():
                await self._readable()
        message, descriptors, self.received_crc = self._messages.popleft()
        return message, descriptors

    async def _readable(self) -> None:
        self._more = self._loop.create_future()
        self._loop.add_reader(self._peer, self._tell, self._more)
        try:
            await self._more
        finally:
            if self._peer.fileno() >= 0:
                self._loop.remove_reader(self._peer)

    def _read(self) -> bool:
        """Take in what is there; return whether anything was."""
        try:
            data, ancillary, flags, _ = self._peer.recvmsg(
                READ_BYTES, _ANCILLARY, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return False
        except OSError as error:
            raise PeerGone(f"the other side is gone: {error.strerror}") from None
        for level, kind, raw in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self._descriptors.extend(_numbers(raw))
        if flags & socket.MSG_CTRUNC:
            raise TakeoverFailed(
                "descriptors were cut off (MSG_CTRUNC): this process may open too few files"
            )
        if not data:
            raise PeerGone("the other side is gone")
        self._frames.feed(data)
        self._gather()
        return True

    def _gather(self) -> None:
        frames = self._frames
        for message, count in frames.messages():
            if count > len(self._descriptors):
                raise WireDamaged(
                    f"{count} descriptors were announced: {len(self._descriptors)} came"
                )
            own = [self._descriptors.popleft() for _ in range(count)]
            self._messages.append((message, own, frames.crc_before))

    # The end

    def close(self) -> None:
        """Let go of the connection, and of descriptors that nobody has asked for."""
        if self._peer.fileno() < 0:
            return
        self._loop.remove_reader(self._peer)
        self._break("the connection is closed")
        self._peer.close()
        for _, own, _ in self._messages:
            self._descriptors.extend(own)
        self._messages.clear()
        close_all(self._descriptors)
        self._descriptors.clear()
        if self._more is not None and not self._more.done():
            self._more.set_exception(PeerGone("the connection is closed"))

    def _break(self, why: str) -> None:
        self._broken = self._broken or why
        self._loop.remove_writer(self._peer)
        self._queue.clear()
        self.buffered = 0
        self._tell(self._room)

    @staticmethod
    def _tell(future: asyncio.Future[None] | None) -> None:
        if future is not None and not future.done():
            future.set_result(None)


def close_all(descriptors: Any) -> None:
    """Close descriptors; a plain close sends nothing where a duplicate lives elsewhere."""
    for descriptor in descriptors:
        os.close(descriptor)


def _rights(descriptors: Sequence[int]) -> tuple[int, int, array.array[int]]:
    return (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))


def _numbers(raw: bytes) -> array.array[int]:
    numbers = array.array("i")
    numbers.frombytes(raw[: len(raw) - len(raw) % _INT_BYTES])
    return numbers

"""What CTIs on a loop have in common: a client, its connection, and its timers."""

from __future__ import annotations

import asyncio
import time

from protocols.cti.client import Acknowledged, Answered
from protocols.cti.events import Closed, Transmit

READ_BYTES = 65_536


class LoopCti:
    """A CTI; what it makes of what it hears is for those who inherit.

    Attributes:
        client: of its connection.
        writer: of its connection; None before the first one.
        sent: frames of its own.
    """

    def __init__(self):
        self.client = None
        self.writer = None
        self.sent = 0

    def send(self, t, **fields):
        """Send a frame, now or as soon as there is a connection."""
        self.sent += 1
        self._write(self.client.send_frame({"t": t, **fields}, time.monotonic()))

    def _acknowledged(self, frames):
        raise NotImplementedError

    def _answered(self, answer, asked, at):
        raise NotImplementedError

    def _closed(self, event):
        raise NotImplementedError

    async def _read(self, reader):
        """What comes next; nothing where the connection is over."""
        while self.client.closed is None:
            due = self.client.next_timeout
            left = None if due is None else max(0.001, due - time.monotonic())
            try:
                async with asyncio.timeout(left):
                    return await reader.read(READ_BYTES)
            except TimeoutError:
                self._take(self.client.timeout(time.monotonic()))
        return b""

    def _write(self, data):
        if data and self.writer is not None:
            self.writer.write(data)

    def _take(self, events):
        for event in events:
            match event:
                case Transmit(data):
                    self._write(data)
                case Acknowledged(_, frames):
                    self._acknowledged(frames)
                case Answered(answer, asked, at):
                    self._answered(answer, asked, at)
                case Closed():
                    self._closed(event)

"""What has been written to a transport and not yet been taken by the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


class Unsent:
    """Writes to a transport, and knows what of it is still to be sent.

    asyncio tells how much that is, not what it is; it is the end of what was written.

    Args:
        transport: All that is written to it goes through here.
    """

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport
        self._written = bytearray()

    def write(self, data: bytes) -> None:
        """Send, now or as soon as the other end reads."""
        left = self._transport.get_write_buffer_size()
        self._transport.write(data)
        if self._transport.get_write_buffer_size():
            del self._written[: len(self._written) - left]
            self._written += data
        else:
            self._written.clear()

    def bytes(self) -> bytes:
        """What is still to be sent."""
        left = self._transport.get_write_buffer_size()
        return bytes(self._written[len(self._written) - left :])

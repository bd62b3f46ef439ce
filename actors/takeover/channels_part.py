"""The part ``channels``: what cannot be moved is ended in order, and what is under way is answered.

A mail that is coming when the node hands over is answered before, or not at all: then it comes
again, to the node that takes over. Nothing travels: what has been taken is in the sessions.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from actors.takeover.part_states import read, written
from supervision.release.carrier import Packed, Part

if TYPE_CHECKING:
    from actors.channels.channels import Channels
    from supervision.eventloop.kernel import Kernel

LOOK_S = 0.002
"""Seconds between two looks at whether all is answered."""


class ChannelsState(Struct):
    """What travels: nothing but that there were such channels."""

    mail: bool


_DECODER = msgspec.msgpack.Decoder(ChannelsState)


class ChannelsPart(Part):
    """The connections of mail.

    Args:
        kernel: the node.
        channels: of the node.
    """

    name = "channels"
    version = 1
    optional = True

    def __init__(self, kernel: Kernel, channels: Channels) -> None:
        self._kernel = kernel
        self._channels = channels

    async def drain(self, until: float) -> None:
        """Take no further message; those that have begun are answered."""
        self._channels.leave()
        while self._channels.busy and self._kernel.clock.monotonic() < until:  # noqa: ASYNC110 - answers tell nobody
            await asyncio.sleep(LOOK_S)

    def hold(self) -> None:
        """Let nobody in."""
        self._channels.leave()

    def idle(self) -> bool:
        """Whether who was accepted is known; messages have had their time."""
        return self._channels.entrance.settled

    def stragglers(self) -> list[str]:
        """Messages that are not answered: they come again."""
        return self._channels.busy

    def pack(self, version: int) -> Packed:
        """Say that there was mail."""
        state = ChannelsState(self._channels.desk is not None)
        return Packed(written(self, state, version))

    def copy(self, version: int) -> bytes | None:
        """The same."""
        return self.pack(version).body

    async def resume(self) -> None:
        """Go on."""
        self._channels.stay()

    def unpack(self, version: int, body: bytes, descriptors: tuple[int, ...]) -> None:
        """Check that it is one.

        Raises:
            NoConversion: it is of another version.
            ValueError: it is no such state.
        """
        del descriptors
        read(self, _DECODER, version, body)

"""The part ``agents``: who is there to take calls is known on the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from actors.agent_table import KnownAgent
from actors.takeover.part_states import read, written
from supervision.release.carrier import Packed, Part
from supervision.release.versions import SAME

if TYPE_CHECKING:
    from actors.agent_table import AgentTable
    from supervision.release.versions import Conversions

NAME = "agents"
VERSION = 1


class AgentsState(Struct):
    """All agents, in the order in which they were first heard of."""

    agents: list[KnownAgent]


_DECODER = msgspec.msgpack.Decoder(AgentsState)  # made now: at the freeze it would take time


class AgentsPart(Part):
    """The agents of a node.

    Args:
        table: of the node.
    """

    name = NAME
    version = VERSION
    conversions: Conversions = SAME
    optional = True  # a release without it hears of them again

    def __init__(self, table: AgentTable) -> None:
        self._table = table

    def pack(self, version: int) -> Packed:
        """All of them."""
        return Packed(self.copy(version))

    def copy(self, version: int) -> bytes:
        """As they are now."""
        return written(self, AgentsState(self._table.known()), version)

    def unpack(self, version: int, body: bytes, descriptors: tuple[int, ...]) -> None:
        """Know them.

        Raises:
            NoConversion: no way leads from that version.
            ValueError: they are no agents.
        """
        del descriptors
        self._table.carry(read(self, _DECODER, version, body).agents)

"""Every type of state that travels to another release or lies in the journal, and their shapes.

The shapes of each version are recorded beside this module: who changes one gives it another
version and a conversion in both directions, or ``vigie release coverage`` fails.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from actors import agent_table, cti_record, outbox_records, session_record
from actors.call_messages import StoreSession
from actors.journal.records import OUTBOX
from actors.session_api import SessionState
from actors.takeover.actor_kinds import KINDS
from actors.takeover.agents import AgentsPart, AgentsState
from actors.takeover.channels_part import ChannelsPart, ChannelsState
from actors.takeover.counters import CountersPart, CountersState
from actors.takeover.http_connections import HttpPart, HttpState
from actors.takeover.links import LinksPart
from actors.takeover.links_state import LinksState
from supervision.release.actor_records import Body
from supervision.release.actors_part import ActorsPart
from supervision.release.coverage import Recorded, StateType, check, of_actor, record
from supervision.release.versions import SAME

if TYPE_CHECKING:
    from msgspec import Struct

    from supervision.release.carrier import Part

FILE = Path(__file__).with_name("state_types.json")
"""The shapes that are recorded."""


_PARTS: tuple[tuple[type[Part], type[Struct]], ...] = (
    (ActorsPart, Body),
    (AgentsPart, AgentsState),
    (ChannelsPart, ChannelsState),
    (CountersPart, CountersState),
    (HttpPart, HttpState),
    (LinksPart, LinksState),
)
"""Parts of a takeover that are small enough to be written whole, and what they write."""


def of_parts() -> dict[str, type[Struct]]:
    """The types of what small parts write, by the names of the parts."""
    return {part.name: state for part, state in _PARTS}


def types() -> list[StateType]:
    """The types of state of this release."""
    session = tuple[SessionState, session_record.SCHEMA.record]  # type: ignore[name-defined]
    refused = outbox_records.Refused
    return [
        *map(of_actor, KINDS),
        StateType(session_record.KIND, session_record.VERSION, session, session_record.WAYS),
        StateType(cti_record.KIND, cti_record.VERSION, cti_record.LinkRecord, cti_record.WAYS),
        StateType(agent_table.KIND, agent_table.VERSION, agent_table.KnownAgent, agent_table.WAYS),
        StateType(OUTBOX, outbox_records.VERSION, StoreSession, outbox_records.WAYS),
        StateType(
            outbox_records.REFUSED,
            outbox_records.REFUSED_VERSION,
            refused,
            outbox_records.REFUSED_WAYS,
        ),
        *(
            StateType(f"part {part.name}", part.version, state, part.conversions or SAME)
            for part, state in _PARTS
        ),
    ]


def recorded() -> Recorded:
    """The shapes that are recorded, by type and version."""
    if not FILE.exists():
        return {}
    found: Recorded = msgspec.json.decode(FILE.read_bytes())
    return found


def uncovered() -> list[str]:
    """What is missing, in words; nothing where every state can be converted both ways."""
    return check(types(), recorded())


def write() -> None:
    """Record the shapes of this release's versions; one that is recorded keeps its own."""
    lines = [
        f' "{name}": {{\n' + ",\n".join(map(_line, shapes.items())) + "\n }"
        for name, shapes in record(types(), recorded()).items()
    ]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _line(shape: tuple[str, Any]) -> str:
    version, outline = shape
    return f'  "{version}": {msgspec.json.encode(outline).decode()}'

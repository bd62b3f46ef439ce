"""The operation that lists the agents that CTIs have told of."""

from __future__ import annotations

from actors.agent_table import KnownAgent
from actors.web.api import Call, Operation, Reply, operation
from actors.web.lists import select
from actors.web.parameters import LOOK, PageParameters
from protocols.http import paging
from protocols.http.paging import Key, Page, Selection

AGENT_COLUMNS = ("agent", "st", "since", "at", "cti")


@operation("GET", "/api/v1/agents", scopes=LOOK, query=PageParameters, response=Page[KnownAgent])
async def list_agents(call: Call[PageParameters, None]) -> Reply:
    """The agents, by name unless asked otherwise."""
    selection: Selection[KnownAgent] = Selection(
        paging.parse(call.parameters, AGENT_COLUMNS),
        key_of=_column,
        name_of=lambda agent: agent.agent,
        text_of=lambda agent: f"{agent.agent} {agent.st} {agent.dev or ''} {agent.cti}",
    )
    services = call.services
    return Reply(value=await select(services.agents(), selection, services.introspection.pace))


def _column(agent: KnownAgent, column: str) -> Key:
    key: Key = getattr(agent, column)
    return key


OPERATIONS: tuple[Operation, ...] = (list_agents,)

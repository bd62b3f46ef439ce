"""What tests of the routing core are written with."""

from __future__ import annotations

import pytest

from actors.config import RoutingPoint
from actors.routing import RoutingTable
from actors.routing_core.agents import AgentEvent
from actors.routing_core.core import RoutingCore
from actors.routing_core.facts import Request
from actors.routing_core.rules_file import RuleMistake, RuleSet, RulesInvalid, parse

AT = 1_795_424_400.0
"""Monday, 23 November 2026, 10:00 in Paris."""

TABLE = RoutingTable(
    {
        "sales": RoutingPoint(target="7001", rtype="direct", alternates=("7002", "7009")),
        "support": RoutingPoint(target="7010", rtype="direct"),
    },
    "7000",
)


def ruleset(text: str, version: int = 1) -> RuleSet:
    """Rules of a text that has everything but a version."""
    return parse(f"version = {version}\n{text}".encode(), "routing.toml")


def mistakes_of(text: str | bytes, **options: int) -> list[RuleMistake]:
    """What is wrong with a text."""
    content = text.encode() if isinstance(text, str) else text
    with pytest.raises(RulesInvalid) as refused:
        parse(content, "routing.toml", **options)
    return refused.value.mistakes


def core_of(text: str = "") -> RoutingCore:
    """A core with the rules of a text."""
    return RoutingCore(TABLE, "FR", ruleset(text))


def tell(core: RoutingCore, agent: str, st: str, at: float = AT, **more: object) -> None:
    """One change of an agent's state."""
    core.tell(AgentEvent(agent, st, at, **more))


def ready(core: RoutingCore, *agents: str, at: float = AT, **more: object) -> None:
    """Agents become ready, in this order, a second after each other; the last one at `at`."""
    for index, agent in enumerate(agents):
        tell(core, agent, "ready", at - len(agents) + 1 + index, **more)


def request(rp: str = "sales", call: str = "c-1", **more: object) -> Request:
    """A call at a routing point."""
    return Request(call=call, rp=rp, **more)

"""What the router is asked besides where a call goes, and what it answers.

A `Request` of the routing core asks for a `Decision`; an `AgentEvent` tells of an agent.
"""

from __future__ import annotations

from msgspec import Struct

from actors.routing_core.agents import Agent
from actors.routing_core.facts import Request
from actors.routing_core.rules_file import RuleSet, RulesVersion
from actors.routing_core.waiting import Waiting

NAME = "router"


class CallOver(Struct, frozen=True):
    """Cast: a call is over; it waits nowhere and is counted nowhere.

    Attributes:
        call: its id.
    """

    call: str


class CallTaken(Struct, frozen=True):
    """Cast: somebody talks with the caller, who waits no longer.

    Attributes:
        call: its id.
    """

    call: str


class AgentFound(Struct, frozen=True):
    """The router tells a call's session that an agent is kept for the call, which waits.

    Attributes:
        queue: where it waits.
        agent: his name.
        target: where he is reached.
        reason: how he was chosen.
        for_s: how long he is kept.
    """

    queue: str
    agent: str
    target: str
    reason: str
    for_s: float


class ExplainRoute(Struct, frozen=True):
    """Call: where a call would go, and why; nothing is changed.

    Answered with an `Explanation` of the routing core, or `RoutingNot`.

    Attributes:
        request: the call.
        at: when, seconds since the epoch; None is now.
    """

    request: Request
    at: float | None = None


class ReplaceRules(Struct, frozen=True):
    """Call: have other rules hold, all at once; answered with `RulesReplaced` or `RoutingNot`.

    Attributes:
        ruleset: checked.
        source: the file that they are from.
        dry: whether it is only to be said what would become of it.
    """

    ruleset: RuleSet
    source: str = ""
    dry: bool = False


class RulesReplaced(Struct, frozen=True):
    """These rules hold, or would.

    Attributes:
        version: which.
        before: which held before.
        strays: calls that waited in queues which these rules do not have.
    """

    version: RulesVersion
    before: RulesVersion
    strays: int = 0


class RoutingNot(Struct, frozen=True):
    """Nothing has changed.

    Attributes:
        field: of what was asked.
        rule: what should hold.
    """

    field: str
    rule: str


class ShowRouting(Struct, frozen=True):
    """Call: what there is; answered with `RoutingShown`."""


class RoutingShown(Struct, frozen=True, kw_only=True):
    """What the router works with.

    Attributes:
        version: of the rules in force.
        source: the file that they are from; empty where there are none.
        points: routing points that have rules.
        queues: what there is in each.
        agents: who is there.
        waiting: calls that wait.
        placed: calls that are counted at destinations.
        kept: calls that an agent is kept for.
        decided: decisions by reason.
    """

    version: RulesVersion
    source: str
    points: tuple[str, ...]
    queues: tuple[QueueShown, ...]
    agents: int
    waiting: int
    placed: int
    kept: int
    decided: dict[str, int]


class QueueShown(Struct, frozen=True, kw_only=True):
    """A queue as it is now.

    Attributes:
        queue: its name.
        strategy: how one of the agents or destinations is chosen.
        waiting: calls that wait there.
        ready: agents, or destinations, that would take a call now.
        staffed: agents who are there, or destinations.
        expected_wait_s: of a call that comes now; None where nobody can know, or nobody is there.
    """

    queue: str
    strategy: str
    waiting: int
    ready: int
    staffed: int
    expected_wait_s: float | None


class ShowFloor(Struct, frozen=True):
    """Call: who is there and who waits; answered with `FloorShown`."""


class ShowKept(Struct, frozen=True):
    """Call: for whom an agent is kept until they ask; answered with `KeptCalls`."""


class KeptCalls(Struct, frozen=True):
    """Calls that waited, and have an agent as soon as they ask again."""

    calls: tuple[str, ...]


class FloorShown(Struct, frozen=True):
    """The floor, for operators.

    Attributes:
        agents: who is there.
        waiting: the calls that wait, in the order in which they came.
    """

    agents: tuple[Agent, ...]
    waiting: tuple[Waiting, ...]

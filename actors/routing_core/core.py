"""The routing core as one object: rules in force, floor, decisions. Still without clock or I/O.

A decision is made in steps that only read (`STEPS`, or `route` for all of them) and counts once it
is committed. Whoever owns a core tells it of agents and calls, and asks it for waiting calls when
agents become ready.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from actors.routing_core import steps
from actors.routing_core.facts import (
    LAST_EPOCH_S,
    NO_REFERENCE,
    Facts,
    Ground,
    Reference,
    Request,
    World,
    ground,
)
from actors.routing_core.floor import Floor, FloorState
from actors.routing_core.refusals import RoutingRefused
from actors.routing_core.rules_file import NO_RULES, follows
from actors.routing_core.selection import select

if TYPE_CHECKING:
    from actors.routing import Decision, RoutingTable
    from actors.routing_core.agents import AgentEvent
    from actors.routing_core.customer_use import Need
    from actors.routing_core.rules_file import RuleSet, RulesVersion
    from actors.routing_core.waiting import Waiting


MS_DIGITS = 3

Took: TypeAlias = tuple[tuple[str, float], ...]
"""Milliseconds, by the name of the step."""


class Step(Struct, frozen=True):
    """One step of a decision.

    Attributes:
        name: what its time is filed under.
        take: the step; it changes nothing.
    """

    name: str
    take: Callable[[World, Facts], Facts]


STEPS: tuple[Step, ...] = (
    Step("normalise", steps.normalise_caller),
    Step("interception", steps.intercept),
    Step("customer", steps.know_customer),
    Step("platform", steps.find_platform),
    Step("services", steps.find_services),
    Step("routing_point", steps.enter_point),
    Step("strategy", steps.choose_queue),
    Step("select", select),
)
"""The steps in their order; none is taken after the one that decides."""


class Explanation(Struct, frozen=True):
    """A decision with all its reasons.

    Attributes:
        decision: where the call would go.
        at: when, seconds since the epoch.
        version: of the rules that it rests on.
        steps: names of the steps that were taken, each with its lines.
        facts: all that was found out.
        took: milliseconds by the name of the step; empty where nobody has measured.
    """

    decision: Decision
    at: float
    version: RulesVersion
    steps: tuple[tuple[str, tuple[str, ...]], ...]
    facts: Facts
    took: Took = ()


def route(world: World, request: Request, at: float) -> Facts:
    """Take all steps of a decision; nothing is changed.

    Args:
        world: what decisions rest on.
        request: the call.
        at: when, seconds since the epoch.

    Returns:
        Facts whose `decision` is made.

    Raises:
        RoutingRefused: the moment is none that calendars know.
    """
    facts = begin(request, at)
    for step in STEPS:
        facts = step.take(world, facts)
        if facts.decision is not None:
            break
    return facts


def measured(
    world: World, request: Request, at: float, clock: Callable[[], float]
) -> tuple[Facts, Took]:
    """Take all steps of a decision, and tell what each took; nothing is changed.

    Args:
        world: what decisions rest on.
        request: the call.
        at: when, seconds since the epoch.
        clock: tells monotonic seconds.

    Returns:
        Facts whose `decision` is made, and milliseconds by the name of the step.

    Raises:
        RoutingRefused: the moment is none that calendars know.
    """
    facts, took = begin(request, at), []
    before = clock()
    for step in STEPS:
        facts = step.take(world, facts)
        now = clock()
        took.append((step.name, round((now - before) * 1000, MS_DIGITS)))
        before = now
        if facts.decision is not None:
            break
    return facts, tuple(took)


def begin(request: Request, at: float) -> Facts:
    """Return what is known before the first step, for those who take the steps themselves.

    Args:
        request: the call.
        at: when, seconds since the epoch.

    Raises:
        RoutingRefused: the moment is none that calendars know.
    """
    if not 0 <= at <= LAST_EPOCH_S:
        raise RoutingRefused("at", f"must be from 0 to {LAST_EPOCH_S:.0f} seconds since the epoch")
    return steps.begin(request, at)


class RoutingCore:
    """Rules in force, and the floor that they are applied to.

    Args:
        table: the targets of the node's configuration.
        region: where numbers without a prefix are read, ISO 3166-1.
        ruleset: checked rules; without any, calls go to the targets of the configuration.
        state: a floor to go on with.
        reference: tables from elsewhere.
    """

    def __init__(
        self,
        table: RoutingTable,
        region: str,
        ruleset: RuleSet = NO_RULES,
        state: FloorState | None = None,
        reference: Reference = NO_REFERENCE,
    ) -> None:
        self._table = table
        self._region = region
        self._ruleset = ruleset
        self._reference = reference
        self._world = World(self._ground(ruleset), Floor(ruleset.rules, state))

    @property
    def version(self) -> RulesVersion:
        """Which rules are in force."""
        return self._ruleset.version

    @property
    def world(self) -> World:
        """What decisions rest on now, for those who take the steps themselves."""
        return self._world

    @property
    def floor(self) -> Floor:
        """Who is there, and who waits."""
        return self._world.floor

    def replace(self, ruleset: RuleSet) -> list[Waiting]:
        """Put other rules in force, all at once; agents and calls stay.

        Args:
            ruleset: checked rules.

        Returns:
            The calls that wait in queues which these rules do not have: they are to be routed anew.

        Raises:
            RoutingRefused: their version does not go up.
        """
        rule = follows(ruleset, self._ruleset)
        if rule:
            raise RoutingRefused("version", rule)
        floor = Floor(ruleset.rules, self.floor.dump())
        self._world = World(self._ground(ruleset), floor)
        self._ruleset = ruleset
        return floor.strays

    def refer(self, reference: Reference) -> None:
        """Have other tables hold, all at once.

        Args:
            reference: tables from elsewhere.
        """
        self._reference = reference
        self._world = World(self._ground(self._ruleset), self.floor)

    def is_plain(self, rp: str) -> bool:
        """Whether no rules are about a call: it goes to the target of its routing point.

        Args:
            rp: the routing point where it waits.
        """
        ground = self._world.ground
        return ground.point(rp) is None and not any(ground.interceptions)

    def need(self, request: Request, at: float) -> Need:
        """What has to be known of the customer before a call can be decided.

        Args:
            request: the call; it is not known what there is of its customer.
            at: now, seconds since the epoch.

        Returns:
            ``none`` also of a call that is on an interception list.
        """
        need = self.need_of(request.rp)
        if need == "none":
            return need
        facts = steps.normalise_caller(self._world, begin(request, at))
        return "none" if steps.intercept(self._world, facts).decision is not None else need

    def need_of(self, rp: str) -> Need:
        """What has to be known of the customers of a routing point.

        Args:
            rp: the routing point.
        """
        return self._world.ground.needs.get(rp, "none")

    def decide_measured(
        self, request: Request, at: float, clock: Callable[[], float]
    ) -> tuple[Facts, Took]:
        """Decide and commit, and tell what each step took, in milliseconds.

        Args:
            request: the call.
            at: now, seconds since the epoch.
            clock: tells monotonic seconds.
        """
        self.floor.expire(at)
        facts, took = measured(self._world, request, at, clock)
        self.commit(facts)
        return facts, took

    def decide(self, request: Request, at: float) -> Facts:
        """Decide and commit.

        Args:
            request: the call.
            at: now, seconds since the epoch.
        """
        self.floor.expire(at)
        facts = route(self._world, request, at)
        self.commit(facts)
        return facts

    def commit(self, facts: Facts) -> None:
        """Have a decision count: its agent is reserved, its call waits, its share is taken.

        Args:
            facts: of a decision made on the floor as it is now.

        Raises:
            RoutingRefused: the floor is another one by now: the agent is not ready any more.
        """
        choice, call, floor = facts.choice, facts.request.call, self.floor
        kept = floor.kept_for(call)
        is_kept = kept is not None and choice.kind == "agent" and kept.agent == choice.agent
        if choice.kind == "agent" and not (is_kept or floor.is_available(choice.agent)):
            raise RoutingRefused("agent", "must still be ready when a decision is committed")
        if choice.kind == "wait":
            floor.lines.enter(call, choice.queue, facts.at, facts.prio, facts.extra)
        else:
            floor.lines.leave(call)
        if is_kept:
            floor.take_kept(call, facts.at)
        else:
            floor.let_go(call)
        if choice.kind == "agent" and not is_kept:
            floor.reserve(choice.queue, choice.agent, facts.extra, facts.at)
        if choice.shared is not None:
            floor.place(call, *choice.shared, facts.at)
        else:
            floor.displace(call, facts.at)

    def tell(self, event: AgentEvent) -> None:
        """Take a change of an agent's state.

        Args:
            event: what he is now.

        Raises:
            RoutingRefused: there are as many agents, or skills of his, as there may be.
        """
        self.floor.tell(event)

    def next_call(self, agent: str, at: float) -> Waiting | None:
        """Give an agent who has become ready the call that waits for one like him, if one does.

        Args:
            agent: who.
            at: now, seconds.

        Returns:
            The call; it waits no longer, and the agent is kept for it until it asks again, or has
            not asked in time.
        """
        waiting = self.floor.next_call(agent)
        if waiting is not None:
            self.floor.give(waiting, agent, at)
        return waiting

    def over(self, call: str, at: float) -> None:
        """Note that a call is over, or has left: it waits nowhere and is counted nowhere.

        Args:
            call: its id.
            at: now, seconds.
        """
        self.floor.over(call, at)

    def explain(
        self, request: Request, at: float, clock: Callable[[], float] | None = None
    ) -> Explanation:
        """Say where a call would go at a moment, and why; nothing is changed.

        Args:
            request: the call.
            at: when, seconds since the epoch.
            clock: tells monotonic seconds, for what the steps take; None: nobody asks.

        Raises:
            RoutingRefused: the moment is none that calendars know.
        """
        explanation = explain(self._world, request, at)
        if clock is None:
            return explanation
        return replace(explanation, took=measured(self._world, request, at, clock)[1])

    def _ground(self, ruleset: RuleSet) -> Ground:
        return ground(ruleset, self._table, self._region, self._reference)


def explain(world: World, request: Request, at: float) -> Explanation:
    """Say where a call would go at a moment, and why; nothing is changed.

    Args:
        world: what decisions rest on.
        request: the call.
        at: when, seconds since the epoch.

    Raises:
        RoutingRefused: the moment is none that calendars know.
    """
    facts = begin(request, at)
    taken = []
    for step in STEPS:
        said = len(facts.why)
        facts = step.take(world, facts)
        taken.append((step.name, facts.why[said:]))
        if facts.decision is not None:
            break
    assert facts.decision is not None
    return Explanation(facts.decision, at, world.ground.version, tuple(taken), facts)

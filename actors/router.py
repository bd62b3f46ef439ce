"""router: who takes the call. A thin server around the pure core in ``routing_core``.

A routing point that no rules are about goes to its target in the configuration, at once. What has
to be known of agents and calls the router is told by messages; it never asks.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.call_names import call_name
from actors.customer_lookup import Facts
from actors.customers_router import CustomersRouter
from actors.router_messages import (
    NAME,
    AgentFound,
    CallOver,
    CallTaken,
    ExplainRoute,
    FloorShown,
    KeptCalls,
    QueueShown,
    ReplaceRules,
    RoutingNot,
    RoutingShown,
    RulesReplaced,
    ShowFloor,
    ShowKept,
    ShowRouting,
)
from actors.router_waiting import FactsDue
from actors.routing import Decision, decide
from actors.routing_core.agents import AgentEvent, rank_strategy
from actors.routing_core.facts import Request
from actors.routing_core.floor import FloorState
from actors.routing_core.refusals import RoutingRefused
from actors.routing_core.rules_file import NO_RULES, RulesVersion, follows
from supervision import Cast, Timeout
from supervision.release.messages import Adapters
from supervision.release.versions import Conversions

if TYPE_CHECKING:
    from actors.reference.live import Tables
    from actors.routing_core.core import Explanation, RoutingCore
    from actors.routing_desk import RoutingDesk
    from supervision.eventloop.calls import PendingCall
    from supervision.eventloop.timers import Timer

__all__ = ["NAME", "Decide", "Router", "RouterCarried"]

LOOK_S = 1.0
"""How often it is looked whether an agent was kept long enough, while somebody is there."""


class Decide(Struct, frozen=True):
    """Ask who takes a call, as versions before did that knew no rules; answered with a Decision.

    Attributes:
        rp: where the call waits.
        tried: targets that did not take it.
    """

    rp: str
    tried: tuple[str, ...] = ()


class RouterState(Struct):
    """What the router has done.

    Attributes:
        decided: decisions by reason.
        kept: calls that an agent was found for while they waited.
        refused: what was told of agents and not taken, by the field that was wrong.
    """

    decided: dict[str, int] = {}
    kept: int = 0
    refused: dict[str, int] = {}


class RouterCarried(Struct):
    """What of the router travels to another version.

    Attributes:
        decided: decisions by reason.
        floor: agents, calls and shares.
        rules: which ones were in force.
    """

    decided: dict[str, int] = {}
    floor: FloorState = msgspec.field(default_factory=FloorState)
    rules: RulesVersion = NO_RULES.version


def _with_floor(decided: Any) -> Any:
    """Of version 2: a router that knew no rules had nobody on its floor."""
    return msgspec.to_builtins(RouterCarried(decided))


def _counts(state: Any) -> Any:
    """Of version 1: it knew no floor."""
    return state["decided"]


def _plain_question(request: Request) -> tuple[str, dict[str, Any]]:
    return f"{Decide.__module__}:Decide", {"rp": request.rp, "tried": request.tried}


def _unknown_there(_: Any) -> None:
    """Version 1 has no use for it."""


class Router(CustomersRouter):
    """Decides for every routing point; registered as ``router``."""

    version = 2
    carried = RouterCarried
    conversions = Conversions(up={1: _with_floor}, down={2: _counts})
    adapters = Adapters(
        down={
            "actors.routing_core.facts:Request": _plain_question,
            "actors.routing_core.agents:AgentEvent": _unknown_there,
            "actors.router_messages:CallOver": _unknown_there,
            "actors.router_messages:CallTaken": _unknown_there,
        }
    )
    state: RouterState

    def init(self, args: RoutingDesk) -> None:
        """Go on from what the last incarnation had."""
        self.state = RouterState()
        self._desk = args
        self._look: Timer | None = None
        # One record for each routing point, shared by all the sessions that it is the answer of.
        self._first = {name: decide(args.table, name) for name in args.table.points}
        self._plain: dict[str, Decision] = {}
        self._seen: Tables | None = None
        self._begin_waiting()
        self._take(args.core())
        self.register(NAME)
        if args.agents is not None:
            args.agents.hand_to(self._hear)

    def _hear(self, event: AgentEvent) -> None:
        self.send(self.address, Cast(event))

    def _take(self, core: RoutingCore) -> None:
        self._core = core
        self._prepare()
        self._look_later()

    def _prepare(self) -> None:
        """Have the answers ready that neither rules nor lists of numbers say anything about."""
        self._seen = self._desk.tables.tables
        is_plain = self._core.is_plain
        self._plain = {name: one for name, one in self._first.items() if is_plain(name)}

    # Deciding

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        """Decide, or do what an operator asks."""
        if type(request) is Request:
            known = self._plain.get(request.rp)
            if known is None or request.tried or self._seen is not self._desk.tables.tables:
                return self._decided(request, from_)
            if self._look is not None:  # somebody is on the floor: this call may be
                self._over(request.call)
            return self._counted(known)
        answer = self._CALLS.get(type(request))
        if answer is None:
            raise TypeError(f"the router answers no {type(request).__name__}")
        return answer(self, request)

    def _old_question(self, request: Decide) -> Decision:
        asked = Request(call="", rp=request.rp, tried=request.tried)
        if not self._core.is_plain(request.rp):
            return self._counted(self._by_rules(asked, self.wall()))
        return self._counted(self._by_table(asked))

    def _counted(self, decision: Decision) -> Decision:
        counts = self.state.decided
        counts[decision.reason] = counts.get(decision.reason, 0) + 1
        return decision

    def _decided(self, request: Request, from_: PendingCall) -> Any:
        if self._seen is not self._desk.tables.tables:
            self._prepare()
        if not self._core.is_plain(request.rp):
            return self._ruled(request, from_)
        return self._counted(self._by_table(request))

    def _by_table(self, request: Request) -> Decision:
        self._over(request.call)
        known = None if request.tried else self._first.get(request.rp)
        return known or decide(self._desk.table, request.rp, request.tried)

    # Agents and calls

    def handle_cast(self, request: Any) -> None:
        """Hear of an agent or a call."""
        match request:
            case AgentEvent():
                self._told(request)
            case CallOver(call):
                self._call_over(call)
                self._over(call)
            case CallTaken(call):
                self._core.floor.lines.leave(call)
            case _:
                super().handle_cast(request)

    def _told(self, event: AgentEvent) -> RoutingNot | None:
        """Take a change of an agent's state; he may have a call that waits."""
        at = self.wall()
        try:
            self._core.tell(event)
        except RoutingRefused as refused:
            counts = self.state.refused
            counts[refused.field] = counts.get(refused.field, 0) + 1
            return RoutingNot(refused.field, refused.rule)
        if event.st == "ready":
            self._serve(event.agent, at)
        self._look_later()
        return None

    def _over(self, call: str) -> None:
        at = self.wall()
        kept = self._core.floor.kept_for(call)
        self._core.over(call, at)
        if kept is not None:
            self._serve(kept.agent, at)

    def _serve(self, agent: str, at: float) -> None:
        """Keep an agent who is ready for the call that waits for one like him, if one does."""
        waiting = self._core.next_call(agent, at)
        if waiting is None:
            return
        self.state.kept += 1
        session = self.whereis(call_name(waiting.call))
        if session is not None:
            self.send(session, self._found(waiting.queue, agent))

    def _found(self, queue: str, agent: str) -> AgentFound:
        """What the session of a call is told that waits in a queue."""
        floor = self._core.floor
        rules, device = floor.rules.queue[queue], floor.book.agents[agent].device
        return AgentFound(queue, agent, device, rank_strategy(rules), rules.reserve_s)

    def _expire(self, at: float) -> None:
        for agent in self._core.floor.expire(at):
            self._serve(agent, at)

    def handle_info(self, message: Any, sender: Any) -> None:
        """Hear of a customer, or look whether somebody was kept long enough."""
        match message:
            case Facts():
                self._facts_told(message)
            case Timeout(_, FactsDue() as due):
                self._facts_due(due)
            case Timeout(ref) if ref is self._look:
                self._look = None
                self._expire(self.wall())
                self._look_later()
            case _:
                super().handle_info(message, sender)

    def _look_later(self) -> None:
        if self._look is None and not self._core.floor.idle:
            self._look = self.start_timer(LOOK_S, "look")

    # Operators

    def _explained(self, asked: ExplainRoute) -> Explanation | RoutingNot:
        at = self.wall() if asked.at is None else asked.at
        try:
            return self._core.explain(self._told_of(asked.request, at), at, self.now)
        except RoutingRefused as refused:
            return RoutingNot(refused.field, refused.rule)

    def _replaced(self, asked: ReplaceRules) -> RulesReplaced | RoutingNot:
        """Put other rules in force; calls that wait in a queue which is gone ask again."""
        before = self._core.version
        rule = follows(asked.ruleset, self._desk.ruleset)
        if rule:
            return RoutingNot("version", rule)
        if asked.dry:
            return RulesReplaced(asked.ruleset.version, before)
        strays = self._core.replace(asked.ruleset)
        self._prepare()
        self._desk.ruleset, self._desk.source = asked.ruleset, asked.source
        self.kernel.report(
            "rules", self.address.path, version=str(asked.ruleset.version), before=str(before)
        )
        return RulesReplaced(asked.ruleset.version, before, len(strays))

    def _shown(self, _: ShowRouting) -> RoutingShown:
        core, floor = self._core, self._core.floor
        return RoutingShown(
            version=core.version,
            source=self._desk.source,
            points=tuple(floor.rules.rp),
            queues=tuple(map(self._queue, floor.rules.queue)),
            agents=len(floor.book.agents),
            waiting=len(floor.lines),
            placed=floor.placed,
            kept=floor.kept,
            decided=dict(self.state.decided),
        )

    def _queue(self, name: str) -> QueueShown:
        floor = self._core.floor
        pool, waiting = floor.pool(name), floor.lines.length(name)
        wait_s = floor.expected_wait_s(name, waiting)
        return QueueShown(
            queue=name,
            strategy=floor.rules.queue[name].strategy,
            waiting=waiting,
            ready=0 if pool is None else len(pool),
            staffed=0 if pool is None else pool.staffed,
            expected_wait_s=None if wait_s is None or math.isinf(wait_s) else wait_s,
        )

    def _floor_shown(self, _: ShowFloor) -> FloorShown:
        state = self._core.floor.dump()
        return FloorShown(tuple(map(replace, state.agents)), tuple(state.waiting))

    def _kept_shown(self, _: ShowKept) -> KeptCalls:
        return KeptCalls(self._core.floor.kept_calls)

    def format_status(self, state: RouterState) -> Any:
        """The routing points, the rules in force and the counts."""
        table = self._desk.table
        points = {
            name: {"target": point.target, "alternates": list(point.alternates)}
            for name, point in table.points.items()
        }
        shown = msgspec.to_builtins(self._shown(ShowRouting()))
        return {
            "default_target": table.default_target,
            "routing_points": points,
            "rules": shown | {"version": str(self._core.version)},
            "decided": dict(state.decided),
            "kept": state.kept,
            "waiting_for_facts": len(self._waiting),
            "refused": dict(state.refused),
        }

    # Going on in another process

    def hand_over(self) -> RouterCarried:
        """The counts and the floor; routing points and rules are those of the new version."""
        return RouterCarried(dict(self.state.decided), self._core.floor.dump(), self._core.version)

    def adopt(self, state: RouterCarried) -> None:
        """Count on, with whom the other process knew."""
        counts = self.state.decided
        for reason, count in state.decided.items():
            counts[reason] = counts.get(reason, 0) + count
        self._desk.follow(state.rules)
        self._take(self._desk.core_of(state.floor))

    _CALLS: ClassVar[dict[type, Any]] = {
        Decide: _old_question,
        AgentEvent: _told,
        ExplainRoute: _explained,
        ReplaceRules: _replaced,
        ShowRouting: _shown,
        ShowFloor: _floor_shown,
        ShowKept: _kept_shown,
    }

"""Operations on routing: what is in force, where a call would go, rules that are applied live."""

from __future__ import annotations

import logging
from typing import Annotated, Any

from msgspec import Meta, Struct

from actors.router_messages import RoutingShown, RulesReplaced
from actors.routing_core.agents import Agent
from actors.routing_core.facts import LAST_EPOCH_S, Request
from actors.routing_core.waiting import Waiting
from actors.web.api import Call, Operation, Reply, operation
from actors.web.lists import select
from actors.web.parameters import ACT, LOOK, PageParameters, Reason
from actors.web.problems import RULES_INVALID, RULES_REFUSED
from protocols.cti.message_base import MAX_TEXT_CHARS
from protocols.http import paging
from protocols.http.paging import Key, Page, Selection
from protocols.numbering import normalise

logger = logging.getLogger(__name__)

ROUTING = "/api/v1/routing"
TOML = "application/toml"

Short = Annotated[str, Meta(max_length=MAX_TEXT_CHARS)]

_AGENT_COLUMNS = ("name", "st", "at", "handled", "ready_since")
_WAITING_COLUMNS = ("call", "queue", "since", "prio", "due")


class ExplainParameters(Struct, frozen=True, kw_only=True):
    """A call that is not made.

    Attributes:
        rp: The routing point.
        ani: The caller's number, in any notation.
        at: When, seconds since the epoch; now when left out.
        dnis: The number dialled.
        tried: Targets that did not take it, with commas between them.
    """

    rp: Short
    ani: Short = ""
    at: Annotated[float, Meta(ge=0, le=LAST_EPOCH_S)] | None = None
    dnis: Short = ""
    lang: Short = ""
    media: Short = ""
    prio: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    tried: Short = ""


class ApplyParameters(Struct, frozen=True, kw_only=True):
    """How rules are taken.

    Attributes:
        check: Whether they are only to be checked.
    """

    check: bool = False


class SentRules(Reason, frozen=True, kw_only=True):
    """Rules of routing.

    Attributes:
        toml: The contents of the file.
    """

    toml: str


@operation("GET", ROUTING, scopes=LOOK, response=RoutingShown)
async def get_routing(call: Call[None, None]) -> Reply:
    """The rules in force, the queues as they are now, decisions by reason."""
    return Reply(value=await call.services.routing.shown())


@operation(
    "GET",
    f"{ROUTING}/explain",
    scopes=LOOK,
    query=ExplainParameters,
    response=dict[str, Any],
    problems=(RULES_REFUSED,),
)
async def explain_route(call: Call[ExplainParameters, None]) -> Reply:
    """Where a call would go now or at another time, and why; nothing is changed."""
    asked = call.query
    request = Request(
        call="",
        rp=asked.rp,
        ani=asked.ani,
        number=normalise(asked.ani, call.services.region),
        dnis=asked.dnis,
        lang=asked.lang,
        media=asked.media,
        prio=asked.prio,
        tried=tuple(one for one in asked.tried.split(",") if one),
    )
    return Reply(value=await call.services.routing.explain(request, asked.at))


@operation("GET", f"{ROUTING}/agents", scopes=LOOK, query=PageParameters, response=Page[Agent])
async def list_agents(call: Call[PageParameters, None]) -> Reply:
    """The agents that the CTI has told of."""
    selection: Selection[Agent] = Selection(
        paging.parse(call.parameters, _AGENT_COLUMNS),
        key_of=_column,
        name_of=lambda agent: agent.name,
        text_of=lambda agent: f"{agent.name} {agent.device} {agent.st}",
    )
    floor = await call.services.routing.floor()
    return Reply(value=await select(floor.agents, selection, call.services.introspection.pace))


@operation("GET", f"{ROUTING}/waiting", scopes=LOOK, query=PageParameters, response=Page[Waiting])
async def list_waiting(call: Call[PageParameters, None]) -> Reply:
    """The calls that wait."""
    selection: Selection[Waiting] = Selection(
        paging.parse(call.parameters, _WAITING_COLUMNS),
        key_of=_column,
        name_of=lambda waiting: waiting.call,
        text_of=lambda waiting: f"{waiting.call} {waiting.queue}",
    )
    floor = await call.services.routing.floor()
    return Reply(value=await select(floor.waiting, selection, call.services.introspection.pace))


@operation(
    "PUT",
    f"{ROUTING}/rules",
    scopes=ACT,
    query=ApplyParameters,
    request=SentRules,
    request_texts={TOML: "toml"},
    response=RulesReplaced,
    problems=(RULES_REFUSED, RULES_INVALID),
)
async def apply_rules(call: Call[ApplyParameters, SentRules]) -> Reply:
    """Have other rules hold, all at once; with `check` only say whether they could."""
    dry = call.query.check
    content = call.body.toml.encode()
    logger.info("%s %s rules: %s", call.who, "checks" if dry else "applies", call.body.reason)
    return Reply(value=await call.services.routing.apply(content, dry=dry))


def _column(one: Agent | Waiting, column: str) -> Key:
    key: Key = getattr(one, column)
    return key


OPERATIONS: tuple[Operation, ...] = (
    get_routing,
    explain_route,
    list_agents,
    list_waiting,
    apply_rules,
)

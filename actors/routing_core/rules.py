"""The rules of routing as typed records, one per table of `routing.toml`.

A name ends in its unit (`_s`); one without is a count. What each key means is written beside it in
`etc/routing.toml`. Relations between keys are in `rules_relations`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from protocols.cti.messages import RouteType

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)

Name = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Za-z*#+._-]{1,64}\Z",
        description="1 to 64 of the characters 0-9 A-Z a-z * # + . _ -",
    ),
]
NoName = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Za-z*#+._-]{0,64}\Z",
        description="empty or 1 to 64 of the characters 0-9 A-Z a-z * # + . _ -",
    ),
]
NoTarget = Annotated[
    str,
    Meta(
        pattern=r"^[0-9A-Za-z*#+@._:-]{0,64}\Z",
        description="empty or 1 to 64 of the characters 0-9 A-Z a-z * # + @ . _ : -",
    ),
]
AgentName = Annotated[
    str,
    Meta(min_length=1, max_length=255, description="text of 1 to 255 characters"),
]
Word = Annotated[str, Meta(min_length=1, max_length=64, description="text of 1 to 64 characters")]
Label = Annotated[str, Meta(max_length=128)]
Announcement = Annotated[str, Meta(max_length=256)]
Dialled = Annotated[
    str,
    Meta(
        pattern=r"^\+?[0-9*#]{1,32}\Z",
        description="a number: digits, * and #, with + before an international one",
    ),
]
Zone = Annotated[
    str,
    Meta(pattern=r"^[0-9A-Za-z_+/-]{1,64}\Z", description="a zone such as Europe/Paris"),
]
Period = Annotated[
    str,
    Meta(
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z",
        description="a period such as 08:30-18:00, to 24:00 at most",
    ),
]
DayName: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Day = Annotated[
    str,
    Meta(
        pattern=r"^([0-9]{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\Z",
        description="a day: MM-DD of every year, or YYYY-MM-DD",
    ),
]
Moment = Annotated[datetime, Meta(tz=True, description="a date and time with its offset from UTC")]
Level = Annotated[int, Meta(ge=1, le=100)]
Priority = Annotated[int, Meta(ge=-100, le=100)]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Skills: TypeAlias = dict[Name, Level]
"""Levels by skill, 1 the lowest."""

SendItem = Annotated[
    str,
    Meta(
        pattern=(
            r"^(call|ani|ani_type|dnis|digits|lang|media|platform|rp|services"
            r"|customer|customer\.[0-9A-Za-z_-]{1,32})\Z"
        ),
        description=(
            "call, ani, ani_type, dnis, digits, lang, media, platform, rp, services, customer"
            " or customer.KEY"
        ),
    ),
]
AgentStrategy: TypeAlias = Literal["round-robin", "most-idle", "skills", "least-loaded"]
Strategy: TypeAlias = Literal[
    "round-robin", "most-idle", "skills", "least-loaded", "percentage", "last-agent"
]


FactsUse: TypeAlias = Literal["auto", "wanted", "required", "cached"]


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every table is: it has the keys that are written here and no others."""


class Calendar(Table, frozen=True, kw_only=True):
    """`[calendar.NAME]`: opening hours, in the zone's own time.

    Attributes:
        zone: of the IANA time zone database.
        week: periods by day; a day that is left out is closed.
        holidays: closed days.
        days: periods of special days, which win over the others.
    """

    zone: Zone = "UTC"
    week: dict[DayName, tuple[Period, ...]] = {}
    holidays: tuple[Day, ...] = ()
    days: dict[Day, tuple[Period, ...]] = {}


class Treatment(Table, frozen=True, kw_only=True):
    """Where a call goes that is not connected; an empty target is none.

    Attributes:
        message: what is announced there, for the one who plays it.
    """

    target: NoTarget = ""
    rtype: RouteType = "announcement"
    message: Announcement = ""


class Callback(Table, frozen=True, kw_only=True):
    """`[queue.NAME.callback]`: who takes the calls that are offered to be called back.

    Attributes:
        above_s: expected wait above which it is offered.
    """

    target: NoTarget = ""
    rtype: RouteType = "direct"
    message: Announcement = ""
    above_s: Seconds = 300.0


class Destination(Table, frozen=True, kw_only=True):
    """`[[queue.NAME.destinations]]`: a target, or a queue of agents, that takes a share of calls.

    Attributes:
        percent: its share, of strategy `percentage`.
        capacity: calls that it holds at once; 0 is without limit.
    """

    target: NoTarget = ""
    queue: NoName = ""
    rtype: RouteType = "direct"
    percent: Annotated[float, Meta(ge=0, le=100)] = 0.0
    capacity: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class Queue(Table, frozen=True, kw_only=True):
    """`[queue.NAME]`: who takes calls, in which order, and what happens when it would take long.

    Attributes:
        target: where its calls wait; empty: nowhere.
        strategy: how one of the agents or destinations is chosen.
        then: how it is when the last agent is not there, of strategy `last-agent`.
        skills: an agent with each of these, at this level or above, takes its calls.
        agents: agents who do whatever their skills are.
        ageing_s: waiting this long weighs as much as one step of priority; 0: who came first.
        handle_s: how long a call keeps its agent, until enough of them have been seen.
        max_wait_s: expected wait with which a call is still let in.
        max_calls: calls that wait at most.
        overflow: queues that are tried next, in this order.
        overflow_above_s: expected wait above which their ready agents are asked.
        dissuasion: where calls go that are not let in anywhere.
        reserve_s: how long an agent who was chosen is left alone until he is seen busy.
    """

    label: Label = ""
    target: NoTarget = ""
    rtype: RouteType = "direct"
    strategy: Strategy = "most-idle"
    then: AgentStrategy = "most-idle"
    skills: Skills = {}
    agents: tuple[AgentName, ...] = ()
    destinations: tuple[Destination, ...] = ()
    ageing_s: Seconds = 60.0
    handle_s: Annotated[float, Meta(ge=0.1, le=86_400)] = 180.0
    max_wait_s: Seconds = 600.0
    max_calls: Annotated[int, Meta(ge=0, le=1_000_000)] = 1_000
    overflow: tuple[Name, ...] = ()
    overflow_above_s: Seconds = 0.0
    callback: Callback = Callback()
    dissuasion: Treatment = Treatment()
    reserve_s: Annotated[float, Meta(ge=0.1, le=3_600)] = 15.0


class Condition(Table, frozen=True, kw_only=True):
    """`[[rp.NAME.when]]`: for which calls a routing point does something else.

    A call meets it when it meets each list that is not empty, that is when it has one of its items.

    Attributes:
        callers: how the caller's number begins.
        vip: only customers who are.
        queue: where these calls go; empty: where the others do.
        prio: added to their priority.
        skills: what their agent must have besides.
    """

    segments: tuple[Word, ...] = ()
    products: tuple[Word, ...] = ()
    platforms: tuple[Word, ...] = ()
    services: tuple[Word, ...] = ()
    langs: tuple[Word, ...] = ()
    media: tuple[Word, ...] = ()
    dnis: tuple[Word, ...] = ()
    callers: tuple[Dialled, ...] = ()
    vip: bool = False
    queue: NoName = ""
    prio: Priority = 0
    skills: Skills = {}


class Point(Table, frozen=True, kw_only=True):
    """`[rp.NAME]`: what a routing point does, beyond its target in the node's configuration.

    Attributes:
        calendar: when it is open; empty: always.
        closed: where calls go when it is not.
        queue: who takes its calls; empty: the target in the node's configuration.
        prio: added to the priority of its calls.
        follow_services: a service of the customer that names a routing point has the last word.
        facts: whether a customer who is not known is looked up in the database: where the rules
            use what is found (auto), always (wanted), always and nothing is decided without
            (required), or never (cached).
        send: what is sent along with the call.
        when: conditions; the first one that a call meets holds.
    """

    label: Label = ""
    calendar: NoName = ""
    closed: Treatment = Treatment()
    queue: NoName = ""
    prio: Priority = 0
    follow_services: bool = False
    facts: FactsUse = "auto"
    send: tuple[SendItem, ...] = ()
    when: tuple[Condition, ...] = ()


class AgentProfile(Table, frozen=True, kw_only=True):
    """`[agent.NAME]`: what an agent has unless his `agent.state` says otherwise.

    Attributes:
        device: where calls reach him; empty: his name does.
    """

    label: Label = ""
    device: NoTarget = ""
    skills: Skills = {}


class Interception(Table, frozen=True, kw_only=True):
    """What is done with a number that is on a list: `{ action = ..., target = ..., until = ... }`.

    Attributes:
        action: `route` to the target, `reject`, or `message`: an announcement.
        until: the moment from which it no longer holds.
    """

    action: Literal["route", "reject", "message"]
    target: NoTarget = ""
    rtype: RouteType = "direct"
    message: Announcement = ""
    until: Moment = FOREVER


class InterceptionList(Table, frozen=True, kw_only=True):
    """`[interception.NAME]`: numbers, whole and by how they begin.

    Attributes:
        dnis: numbers dialled that it holds for; none: all of them.
    """

    label: Label = ""
    dnis: tuple[Word, ...] = ()
    exact: dict[Dialled, Interception] = {}
    prefix: dict[Dialled, Interception] = {}


class Service(Table, frozen=True, kw_only=True):
    """`[service.CODE]`: a technical service that customers have.

    Attributes:
        rp: the routing point of calls about it, where a point follows services.
        skill: what the agent of such a call must have; `level` is how much of it.
        calendar: when it is looked after; empty: always.
    """

    label: Label = ""
    rp: NoName = ""
    skill: NoName = ""
    level: Level = 1
    calendar: NoName = ""


class Platforms(Table, frozen=True, kw_only=True):
    """`[platforms]`: which platform serves whom.

    Attributes:
        product: platform by product (PRDPTF).
        number: platform by the caller's number (msisdnPTF); it wins.
    """

    product: dict[Word, Word] = {}
    number: dict[Dialled, Word] = {}


class Limits(Table, frozen=True, kw_only=True):
    """`[limits]`: what may grow, and how far.

    Attributes:
        agents: known at once.
        agent_skills: of one agent.
        waiting: calls that wait, in all queues.
        placed: calls that are counted at destinations.
        pools: groups of agents by queue and further skills; beyond, agents are looked at in turn.
        priority: of a call, both ways.
        waiting_s: a call that nothing is heard of for so long is forgotten.
    """

    agents: Annotated[int, Meta(ge=1, le=100_000)] = 5_000
    agent_skills: Annotated[int, Meta(ge=1, le=1_000)] = 64
    waiting: Annotated[int, Meta(ge=1, le=1_000_000)] = 20_000
    placed: Annotated[int, Meta(ge=1, le=1_000_000)] = 300_000
    pools: Annotated[int, Meta(ge=1, le=100_000)] = 1_000
    priority: Annotated[int, Meta(ge=0, le=1_000)] = 100
    waiting_s: Annotated[float, Meta(ge=1, le=604_800)] = 14_400.0


class Rules(Table, frozen=True, kw_only=True):
    """The whole of `routing.toml`.

    Attributes:
        version: goes up with every change.
    """

    version: Annotated[int, Meta(ge=0, le=2**53)] = 0
    limits: Limits = Limits()
    calendar: dict[Name, Calendar] = {}
    interception: dict[Name, InterceptionList] = {}
    platforms: Platforms = Platforms()
    service: dict[Word, Service] = {}
    rp: dict[Name, Point] = {}
    queue: dict[Name, Queue] = {}
    agent: dict[AgentName, AgentProfile] = {}

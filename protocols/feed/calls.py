"""What happens to a call: from its route request to its end, as steps with their times.

Life cycles and their shares are those of a consumer service line; the times between two steps are
drawn around the means below: exponential for what people wait, log-normal for what they say.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from random import Random

    from protocols.feed.callers import Caller

Act: TypeAlias = Literal[
    "route.used",
    "reroute.request",
    "queued",
    "delivered",
    "established",
    "held",
    "retrieved",
    "diverted",
    "transferred",
    "conferenced",
    "cleared",
    "failed",
    "abandoned",
]

Fill: TypeAlias = Literal["target", "failed"]

FILLS: dict[Act, Fill] = {"route.used": "target", "reroute.request": "failed"}

ANSWER_S = 0.3
"""The answer's time, which no speed shortens: what needs the answer comes after it."""

TALK_SPREAD = 0.8
"""Sigma of the logarithm of a talk's length."""

MEAN_S: dict[Act, float] = {
    "route.used": 0.2,
    "reroute.request": 0.5,
    "queued": 0.3,
    "delivered": 14.0,
    "established": 6.0,
    "held": 70.0,
    "retrieved": 35.0,
    "diverted": 18.0,
    "transferred": 25.0,
    "conferenced": 20.0,
    "cleared": 170.0,
    "failed": 4.0,
    "abandoned": 40.0,
}
"""Mean time from the step before to this one, seconds."""

_TALK: frozenset[Act] = frozenset({"held", "cleared", "transferred", "conferenced"})


class LifeCycle(Struct, frozen=True):
    """One way for a call to go, and how often calls go so relative to the others."""

    name: str
    weight: float
    acts: tuple[Act, ...]


LIFE_CYCLES: tuple[LifeCycle, ...] = (
    LifeCycle("answered", 52, ("route.used", "queued", "delivered", "established", "cleared")),
    LifeCycle("answered at once", 12, ("route.used", "delivered", "established", "cleared")),
    LifeCycle(
        "held",
        10,
        ("route.used", "queued", "delivered", "established", "held", "retrieved", "cleared"),
    ),
    LifeCycle(
        "transferred",
        8,
        ("route.used", "queued", "delivered", "established", "held", "transferred", "cleared"),
    ),
    LifeCycle(
        "conferenced",
        2,
        ("route.used", "queued", "delivered", "established", "conferenced", "cleared"),
    ),
    LifeCycle(
        "diverted",
        3,
        ("route.used", "queued", "delivered", "diverted", "delivered", "established", "cleared"),
    ),
    LifeCycle("busy, tried again", 3, ("reroute.request", "delivered", "established", "cleared")),
    LifeCycle("failed", 1, ("route.used", "failed", "cleared")),
    LifeCycle("abandoned in the queue", 7, ("route.used", "queued", "abandoned")),
    LifeCycle("abandoned while ringing", 3, ("route.used", "queued", "delivered", "abandoned")),
)

REQUEST_ONLY = LifeCycle("request only", 1, ())


class Step(Struct, frozen=True, gc=False):
    """One frame and when it is due.

    Attributes:
        at: seconds from the start of the feed.
        frame: section 3 of the contract without `i`; without `ts` it gets the time of its sending.
        fill: the field that takes the target of the call's last answer; such a step is left out
            while there is none.
    """

    at: float
    frame: dict[str, Any]
    fill: Fill | None = None


class Call(Struct, frozen=True):
    """Who calls whom, when.

    Attributes:
        id: the switch's id, unique among all runs.
        at: seconds from the start of the feed.
        caller: None when the number is withheld.
        rp: the routing point, also the name of its queue.
    """

    id: str
    at: float
    caller: Caller | None
    dnis: str
    rp: str


def plan_call(call: Call, life: LifeCycle, rng: Random, *, speed: float) -> list[Step]:
    """Lay out the steps of one call.

    Args:
        call: who calls.
        life: how it goes.
        rng: where chance comes from.
        speed: how many seconds of the call pass in one.

    Returns:
        The steps in their order, the route request first.
    """
    steps = [Step(call.at, _request(call, rng))]
    agent = f"agent-{rng.randrange(1, 400):03}"
    at = call.at
    for seq, act in enumerate(life.acts, 1):
        at += _time_before(act, rng) / speed + (ANSWER_S if act in FILLS else 0.0)
        frame = _frame(call, act, agent)
        if frame["t"] == "call.event":
            frame["seq"] = seq
        steps.append(Step(at, frame, FILLS.get(act)))
    return steps


def _time_before(act: Act, rng: Random) -> float:
    mean = MEAN_S[act]
    if act not in _TALK:
        return rng.expovariate(1 / mean)
    return rng.lognormvariate(math.log(mean) - TALK_SPREAD**2 / 2, TALK_SPREAD)


def _request(call: Call, rng: Random) -> dict[str, Any]:
    account = rng.randrange(10_000_000, 99_999_999)
    frame: dict[str, Any] = {
        "t": "route.request",
        "xref": f"{call.id}/1",
        "call": call.id,
        "rp": call.rp,
        "dnis": call.dnis,
        "digits": str(rng.randrange(1, 10)),
        "ctype": "in",
        "media": "voice",
        "trunk": f"sip-{rng.randrange(1, 9)}",
        "ud": {"account": str(account), "segment": rng.choice(("consumer", "consumer", "pro"))},
    }
    if call.caller is not None:
        frame |= {"ani": call.caller.ani, "ani_type": "public", "lang": call.caller.lang}
    return frame


def _frame(call: Call, act: Act, agent: str) -> dict[str, Any]:
    if act == "route.used":
        return {"t": act, "xref": f"{call.id}/1", "reason": "selected"}
    if act == "reroute.request":
        return {"t": act, "xref": f"{call.id}/1", "cause": "busy"}
    return {"t": "call.event", "call": call.id, "ev": act} | _detail(call, act, agent)


def _detail(call: Call, act: Act, agent: str) -> dict[str, str]:
    match act:
        case "queued" | "abandoned":
            return {"queue": call.rp}
        case "failed":
            return {"cause": "invalid-dest"}
        case "cleared":
            return {"agent": agent, "cause": "normal"}
        case "transferred" | "conferenced":
            return {"agent": agent, "other": "agent-900"}
    return {"agent": agent}

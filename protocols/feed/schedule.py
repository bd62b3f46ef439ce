"""All steps of all calls in the order of their times, drawn as they are needed."""

from __future__ import annotations

import heapq
from itertools import count
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct, field

from protocols.feed.arrivals import CONTACT_CENTRE_DAY, arrivals
from protocols.feed.callers import ORIGINS, Caller, Origin, draw_callers
from protocols.feed.calls import (
    LIFE_CYCLES,
    REQUEST_ONLY,
    Call,
    LifeCycle,
    Step,
    plan_call,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROUTING_POINTS = MappingProxyType({"sales": "3900", "support": "3901", "billing": "3902"})

_KNOWN_CALLERS = 5_000
_STEPS_A_CALL = 6


class Load(Struct, frozen=True, kw_only=True):
    """What a generated load is like.

    Attributes:
        rate: route requests a second, on average.
        seconds: how long calls arrive; None for ever.
        speed: how many seconds of a call's life pass in one.
        tail_s: how long open calls may take to end after `seconds`.
        day_factor: how many seconds of the day profile pass in one.
        start_s: time of day at the start, seconds since midnight.
        seed: of all chance; the same seed gives the same load.
        life_cycles: False for route requests alone.
        routing_points: name to the number that callers dial.
        withheld: share of callers without a number.
    """

    rate: float
    seconds: float | None
    speed: float = 1.0
    tail_s: float = 5.0
    day_factor: float = 1.0
    start_s: float = 10 * 3_600.0
    seed: int = 0
    life_cycles: bool = True
    profile: tuple[float, ...] = CONTACT_CENTRE_DAY
    origins: tuple[Origin, ...] = ORIGINS
    routing_points: dict[str, str] = field(default_factory=lambda: dict(ROUTING_POINTS))
    withheld: float = 0.04


_Due: TypeAlias = tuple[float, int, Step]


def generate(load: Load, *, run: str) -> Iterator[Step]:
    """Draw the steps of a load.

    Every call ends with all its steps: when no more arrive, what the open calls have left is
    brought forward, to be done in `tail_s`, or in what the load's own pace needs if that is longer.

    Args:
        load: what it is like.
        run: begins the ids of the calls, so that two runs never share one.

    Returns:
        Steps with rising times, drawn as they are taken: what is held is the calls that are open.
        The callers are drawn now, for that takes a while.
    """
    rng = Random(load.seed)  # noqa: S311 - chance that can be repeated, not secrets
    callers = draw_callers(_KNOWN_CALLERS, rng, load.origins)
    return _merge(_draw_calls(load, run, callers, rng), load, rng)


def _merge(calls: Iterator[tuple[Call, LifeCycle]], load: Load, rng: Random) -> Iterator[Step]:
    order = count()
    waiting: list[_Due] = []
    for call, life in calls:
        while waiting and waiting[0][0] <= call.at:
            yield heapq.heappop(waiting)[2]
        first, *rest = plan_call(call, life, rng, speed=load.speed)
        yield first
        for step in rest:
            heapq.heappush(waiting, (step.at, next(order), step))
    if load.seconds is not None:
        yield from _bring_forward(sorted(waiting), load, load.seconds)


def _draw_calls(
    load: Load, run: str, callers: Sequence[Caller], rng: Random
) -> Iterator[tuple[Call, LifeCycle]]:
    routing_points = list(load.routing_points.items())
    lives = LIFE_CYCLES if load.life_cycles else (REQUEST_ONLY,)
    weights = [life.weight for life in lives]
    times = arrivals(
        load.rate,
        load.seconds,
        rng,
        profile=load.profile,
        start_s=load.start_s,
        day_factor=load.day_factor,
    )
    for number, at in enumerate(times, 1):
        rp, dnis = rng.choice(routing_points)
        caller = None if rng.random() < load.withheld else rng.choice(callers)
        call = Call(id=f"{run}-{number}", at=at, caller=caller, dnis=dnis, rp=rp)
        yield call, rng.choices(lives, weights)[0]


def _bring_forward(waiting: list[_Due], load: Load, end: float) -> Iterator[Step]:
    if not waiting:
        return
    tail_s = max(load.tail_s, len(waiting) / (load.rate * _STEPS_A_CALL))
    factor = min(1.0, tail_s / max(waiting[-1][0] - end, tail_s))
    for at, _, step in waiting:
        yield Step(end + (at - end) * factor, step.frame, step.fill)

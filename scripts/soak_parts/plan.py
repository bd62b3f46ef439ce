"""When what is struck: drawn before the run from one seed, so that a run can be had again.

What is struck is drawn as shares (0 to 1) of what lives at that moment, for that is known only
then.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "actor", "link cut", "link half-open", "http cut", "backend", "postgres", "node", "upgrade"
]


@dataclass(frozen=True)
class Blow:
    """One blow.

    Attributes:
        at: seconds from the start.
        draw: which of those that could be struck, 0 to 1; `more` likewise, for what is left to
            be decided.
    """

    at: float
    kind: Kind
    draw: float
    more: float


@dataclass(frozen=True)
class Pace:
    """Mean time between two blows of a kind, seconds; the node's is kept to, as with a clock.

    Attributes:
        upgrade: the time between two upgrades or rollbacks; 0 for none at all.
    """

    actor: float = 0.7
    link_cut: float = 4.0
    link_half_open: float = 15.0
    http_cut: float = 3.0
    backend: float = 6.0
    postgres: float = 50.0
    node: float = 30.0
    upgrade: float = 0.0


def draw_plan(seconds: float, seed: int, pace: Pace) -> list[Blow]:
    """Draw the blows of a run.

    Args:
        seconds: how long blows fall.
        seed: of all chance.
        pace: how often.

    Returns:
        The blows in the order of their times; the node and PostgreSQL are struck at least once.
    """
    rng = Random(seed)  # noqa: S311 - chance that can be repeated, not secrets
    means: dict[Kind, float] = {
        "actor": pace.actor,
        "link cut": pace.link_cut,
        "link half-open": pace.link_half_open,
        "http cut": pace.http_cut,
        "backend": pace.backend,
    }
    blows = [
        Blow(at, kind, rng.random(), rng.random())
        for kind, mean in means.items()
        for at in _poisson(seconds, mean, rng)
    ]
    programs: dict[Kind, float] = {"postgres": pace.postgres, "node": pace.node}
    if pace.upgrade:
        programs["upgrade"] = pace.upgrade
    for kind, every in programs.items():
        for at in _regular(seconds, every, rng):
            blows.append(Blow(at, kind, rng.random(), rng.random()))  # noqa: PERF401 - two draws
    return sorted(blows, key=lambda blow: blow.at)


def _poisson(seconds: float, mean: float, rng: Random) -> list[float]:
    times: list[float] = []
    at = rng.expovariate(1 / mean)
    while at < seconds:
        times.append(at)
        at += rng.expovariate(1 / mean)
    return times


def _regular(seconds: float, every: float, rng: Random) -> list[float]:
    """One in each period, somewhere in its middle half; at least one."""
    periods = max(1, round(seconds / every))
    period = seconds / periods
    return [period * (number + 0.25 + rng.random() / 2) for number in range(periods)]

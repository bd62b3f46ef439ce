"""When calls arrive: a Poisson process whose rate follows the hours of a day.

Calls come independently of each other and of the answers (an open loop), more at ten in the morning
than at four: the model of contact-centre planning (non-homogeneous Poisson, made by thinning, Lewis
and Shedler 1979).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

DAY_S = 86_400.0
HOURS = 24

CONTACT_CENTRE_DAY: tuple[float, ...] = (
    *(4, 3, 2, 2, 2, 4, 12, 35, 70, 95, 100, 92),
    *(68, 74, 88, 86, 82, 78, 66, 48, 32, 20, 12, 7),
)
"""Calls in each hour from midnight, relative to the busiest: a day of a consumer service line."""

_SAMPLES = 1_000


def intensity(profile: Sequence[float], time_of_day_s: float) -> float:
    """The profile's value at an instant, linear between the middles of the hours.

    Args:
        profile: 24 weights, none negative.
        time_of_day_s: seconds since midnight; later days are like the first.
    """
    position = (time_of_day_s / (DAY_S / HOURS) - 0.5) % HOURS
    hour = int(position) % HOURS
    share = position - int(position)
    return profile[hour] * (1 - share) + profile[(hour + 1) % HOURS] * share


def arrivals(
    rate: float,
    seconds: float | None,
    rng: Random,
    *,
    profile: Sequence[float] = CONTACT_CENTRE_DAY,
    start_s: float = 10 * 3_600.0,
    day_factor: float = 1.0,
) -> Iterator[float]:
    """Draw the instants at which calls arrive.

    Args:
        rate: calls a second on average over the run (over the day when it has no end).
        seconds: how long; None for ever.
        rng: where chance comes from; the same seed gives the same instants.
        profile: 24 weights, one an hour.
        start_s: the time of day at the start, seconds since midnight.
        day_factor: how many seconds of the day pass in one.

    Yields:
        Seconds from the start, rising.
    """
    span = DAY_S if seconds is None else seconds * day_factor
    values = [intensity(profile, start_s + span * k / _SAMPLES) for k in range(_SAMPLES + 1)]
    # The profile's own peak may lie between two samples, by less than these two per cent.
    peak = max(values) * 1.02
    peak_rate = rate * peak * len(values) / sum(values)
    at = 0.0
    while True:
        at += rng.expovariate(peak_rate)
        if seconds is not None and at >= seconds:
            return
        if rng.random() * peak < intensity(profile, start_s + at * day_factor):
            yield at

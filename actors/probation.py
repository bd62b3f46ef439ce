"""Probation: whether a version that has just taken over behaves; the pure core.

What a node has counted comes in about once a second; what was counted in the last seconds is held
against the limits of ``[release.probation]``: how often actors crashed, what share of the requests
failed, was answered late or was refused, and how long route requests waited. Shares need a number
of requests to mean anything; a single slow answer in the night is no reason to go back. Programs
of the operator's own may say no as well, several times in a row.

The beginning is apart: what waited for the switch is answered late, and counts for nothing but
crashes. A verdict is final, and there is only a bad one: that nothing bad was seen for long enough
is for the anchor to say, which goes by the clock.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.config import ProbationConfig

QUANTILE: Final = 0.99


class Counts(Struct, frozen=True):
    """What a node has counted since it began; only differences mean something.

    Attributes:
        crashes: actors that ended with an error.
        answered: requests that got an answer, by a link or over HTTP, refusals apart.
        failed: of these, the ones that vigie could not do, or whose answer was not durable.
        late: route answers after the late mark.
        refused: requests refused under overload.
        waits: for each bound of `BOUNDS` given with them, route answers within it; the last number
            is of all of them.
    """

    crashes: int = 0
    answered: int = 0
    failed: int = 0
    late: int = 0
    refused: int = 0
    waits: tuple[int, ...] = ()


class Sample(Struct, frozen=True):
    """Counts and when they were read, in monotonic seconds."""

    at: float
    counts: Counts


class Measures(Struct, frozen=True):
    """What the last seconds were like.

    Attributes:
        seconds: how many they are.
        crashes: actors that ended with an error.
        requests: that came in, refused ones included.
        failed_share: of the requests, 0 to 1.
        late_share: of the route answers, 0 to 1.
        refused_share: of the requests, 0 to 1.
        p99_ms: what 99 in 100 route answers took at most, as far as the histogram tells; None
            where there were none.
    """

    seconds: float = 0.0
    crashes: int = 0
    requests: int = 0
    failed_share: float = 0.0
    late_share: float = 0.0
    refused_share: float = 0.0
    p99_ms: float | None = None
    routes: int = 0


class Probation(Struct, frozen=True):
    """A probation under way.

    Attributes:
        since: when it began, in monotonic seconds.
        samples: of the last ``window_s`` seconds, oldest first, and one before them.
        crashed: crashes since it began.
        probes: how often each program has said no in a row.
        measures: of the last seconds.
        verdict: why the version failed; empty while it has not.
    """

    since: float
    samples: tuple[Sample, ...]
    crashed: int = 0
    probes: dict[str, int] = {}
    measures: Measures = Measures()
    verdict: str = ""


def begin(sample: Sample) -> Probation:
    """The new version serves: what was counted before is not its own."""
    return Probation(sample.at, (sample,))


def advance(
    probation: Probation, sample: Sample, bounds: Sequence[float], limits: ProbationConfig
) -> Probation:
    """Take a sample in.

    Args:
        probation: before it.
        sample: no older than the last one.
        bounds: of the histogram whose counts are in ``Counts.waits``, seconds, ascending; what is
            over the last one has no bound.
        limits: what is allowed.

    Returns:
        The probation after it; once there is a verdict it stays.
    """
    last = probation.samples[-1]
    crashed = probation.crashed + max(0, sample.counts.crashes - last.counts.crashes)
    if sample.at - probation.since < limits.settle_s:
        # As if nothing had been asked yet, but for the crashes.
        fresh = replace(sample.counts, crashes=probation.samples[0].counts.crashes)
        samples: tuple[Sample, ...] = (Sample(sample.at, fresh),)
    else:
        samples = _recent((*probation.samples, sample), sample.at - limits.window_s)
    measures = between(samples[0], sample, bounds)
    verdict = probation.verdict or judge(measures, limits)
    return replace(probation, samples=samples, crashed=crashed, measures=measures, verdict=verdict)


def probed(probation: Probation, name: str, why: str, limits: ProbationConfig) -> Probation:
    """Take the outcome of one of the operator's programs in.

    Args:
        probation: before it.
        name: of the program.
        why: what it said against the version; empty where it agrees.
        limits: how often it may say no in a row.
    """
    row = probation.probes.get(name, 0) + 1 if why else 0
    verdict = probation.verdict
    if not verdict and row >= limits.probe_failures:
        verdict = f"probe {name} failed {row} times in a row: {why}"
    return replace(probation, probes={**probation.probes, name: row}, verdict=verdict)


def between(first: Sample, last: Sample, bounds: Sequence[float]) -> Measures:
    """What was measured from one sample to a later one."""
    old, new = first.counts, last.counts
    # A counter that is lower than before has begun anew; nothing can be said of what it missed.
    answered, refused = max(0, new.answered - old.answered), max(0, new.refused - old.refused)
    waits = _waits(old.waits, new.waits)
    routes = waits[-1] if waits else 0
    requests = answered + refused
    p99 = quantile(QUANTILE, bounds, waits)
    return Measures(
        seconds=round(last.at - first.at, 3),
        crashes=max(0, new.crashes - old.crashes),
        requests=requests,
        failed_share=_share(new.failed - old.failed, requests),
        late_share=_share(new.late - old.late, routes),
        refused_share=_share(refused, requests),
        p99_ms=None if p99 is None else round(1_000 * p99, 3),
        routes=routes,
    )


def judge(measures: Measures, limits: ProbationConfig) -> str:
    """Hold what was measured against the limits.

    Returns:
        Why the version fails, with the key that says so; empty where it does not.
    """
    if measures.crashes > limits.max_crashes:
        said = f"{measures.crashes} actors crashed in {measures.seconds:g} s"
        return _over(said, "max_crashes", limits.max_crashes)
    if measures.requests >= limits.min_requests:
        for what, share, key in (
            ("failed", measures.failed_share, "max_failed_share"),
            ("were refused", measures.refused_share, "max_refused_share"),
        ):
            if share > getattr(limits, key):
                said = f"{share:.1%} of {measures.requests} requests {what}"
                return _over(said, key, getattr(limits, key))
    if measures.routes >= limits.min_requests:
        return _judge_routes(measures, limits)
    return ""


def _judge_routes(measures: Measures, limits: ProbationConfig) -> str:
    if measures.late_share > limits.max_late_share:
        said = f"{measures.late_share:.1%} of {measures.routes} route answers were late"
        return _over(said, "max_late_share", limits.max_late_share)
    if measures.p99_ms is not None and measures.p99_ms > limits.max_p99_ms:
        said = f"99 % of {measures.routes} route answers took up to {measures.p99_ms:g} ms"
        return _over(said, "max_p99_ms", limits.max_p99_ms)
    return ""


def quantile(share: float, bounds: Sequence[float], within: Sequence[int]) -> float | None:
    """Estimate a quantile from a histogram, evenly spread inside a bucket, as Prometheus does.

    Args:
        share: 0 to 1.
        bounds: upper bounds of the buckets, ascending; the bucket over them has none.
        within: how many were at most each bound, and last, how many there were.

    Returns:
        The quantile, the last bound where it is over that; None where nothing was counted.
    """
    if not within or within[-1] <= 0:
        return None
    rank = share * within[-1]
    edges = pairwise((0.0, *bounds))
    counts = pairwise((0, *within))
    for (low, high), (under, upto) in zip(edges, counts, strict=False):
        if upto >= rank:
            return low + (high - low) * (rank - under) / (upto - under)
    return bounds[-1]


def _waits(old: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, ...]:
    if len(old) != len(new):
        return new
    return tuple(max(0, after - before) for before, after in zip(old, new, strict=True))


def _recent(samples: tuple[Sample, ...], oldest: float) -> tuple[Sample, ...]:
    """Leave out what is older, but for the one with which the window begins."""
    first = max((i for i, sample in enumerate(samples) if sample.at <= oldest), default=0)
    return samples[first:]


def _share(part: int, whole: int) -> float:
    return min(1.0, max(0, part) / whole) if whole > 0 else 0.0


def _over(said: str, key: str, limit: float) -> str:
    return f"{said}: release.probation.{key} is {limit:g}"

"""releaseHandler: which version runs here, and whether it behaves while it is on probation.

The last child of the node, named as OTP's. A version that is not permanent yet is measured about
once a second and held against ``[release.probation]`` (`actors.probation`); where it fails, the
anchor is told once, and takes the permanent one back. The anchor alone decides, and tells when the
version has become permanent. Nothing of this actor travels in a takeover: each version's own one
begins anew, at the switch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors import metrics, probation
from actors.probation import Measures, Probation, Sample
from actors.release_counts import BOUNDS
from supervision import GenServer, Timeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.config import ProbationConfig
    from actors.probation import Counts
    from actors.standby import Standby
    from supervision.eventloop.timers import Timer

NAME = "releaseHandler"

Phase: TypeAlias = Literal["standby", "probation", "failed", "permanent"]


class Probes(Protocol):
    """Runs the operator's programs; see `actors.release_probes.Prober`."""

    def run(
        self, name: str, words: tuple[str, ...], timeout_s: float, told: Callable[[str, str], None]
    ) -> None:
        """Begin a program; `told` hears its name and why it says no, empty where it agrees."""
        ...

    def stop(self) -> None:
        """End all that runs."""
        ...


class Standing:
    """How the release of this node stands; it outlives the handler, whose supervisor restarts it.

    Args:
        vsn: of this node.
        permanent: the version that a crash of this node brings back.
        provisional: whether this node is on probation once it serves.
        generation: how often the anchor has started a node, this time included.

    Attributes:
        probation: while there is one, and of the one that failed.
    """

    def __init__(self, vsn: str, permanent: str, *, provisional: bool, generation: int) -> None:
        self.vsn = vsn
        self.permanent = permanent
        self.provisional = provisional
        self.generation = generation
        self.probation: Probation | None = None

    def made_permanent(self) -> None:
        """The anchor has said so."""
        self.permanent, self.provisional, self.probation = self.vsn, False, None

    @property
    def verdict(self) -> str:
        """Why the version has failed; empty while it has not."""
        return "" if self.probation is None else self.probation.verdict


class HandlerArgs(Struct, frozen=True, kw_only=True):
    """What the handler starts with.

    Attributes:
        standing: how the release stands.
        standby: whether this node serves yet.
        config: what is allowed on probation, and how it is measured.
        counts: reads what the node has counted.
        failed: tells the anchor why the version failed.
        probes: runs the operator's programs.
    """

    standing: Standing
    standby: Standby
    config: ProbationConfig
    counts: Callable[[], Counts]
    failed: Callable[[str], None]
    probes: Probes


class MadePermanent(Struct, frozen=True):
    """Cast: the probation is over, or was cut short by an operator; answered with nothing."""


class Status(Struct, frozen=True):
    """Call: how the release stands; answered with `ReleaseStatus`."""


class ReleaseStatus(Struct, frozen=True):
    """How the release of this node stands.

    Attributes:
        vsn: the version that runs.
        permanent: the one that a crash brings back; the same when nothing is on probation.
        phase: waiting for its switch, on probation, failed there, or permanent.
        generation: how often the anchor has started a node, this time included.
        since: when the phase began, seconds since the epoch.
        seconds: on probation: how long it lasts already.
        crashed: on probation: actors that crashed since it began.
        measures: on probation: what its last seconds were like.
        probes: on probation: how often each of the operator's programs has said no in a row.
        verdict: why it failed; empty where it did not.
    """

    vsn: str
    permanent: str
    phase: Phase
    generation: int
    since: float
    seconds: float = 0.0
    crashed: int = 0
    measures: Measures = Measures()
    probes: dict[str, int] = {}
    verdict: str = ""


class HandlerState(Struct):
    """What the handler itself knows; the rest is the node's `Standing`.

    Attributes:
        phase: see `ReleaseStatus`.
        since: when the phase began, seconds since the epoch.
        sampling: the timer of the next sample.
        probing: the timer of the next round of programs.
    """

    phase: Phase
    since: float
    sampling: Timer | None = None
    probing: Timer | None = None


class _Opened(Struct, frozen=True):
    """The node serves from now on."""


class _Probed(Struct, frozen=True):
    """One of the operator's programs has ended."""

    name: str
    why: str


class ReleaseHandler(GenServer):
    """The handler; registered as ``releaseHandler``."""

    state: HandlerState

    def init(self, args: HandlerArgs) -> None:
        """Wait for the switch where there is one to come."""
        self._args = args
        self.state = HandlerState("standby", self.wall())
        self.register(NAME)
        self.at_end(args.probes.stop)
        self.at_end(args.standby.when_open(lambda: self.send(self.address, _Opened())))

    def handle_call(self, request: Any, from_: Any) -> ReleaseStatus:
        """Tell how the release stands, whatever is asked."""
        del request, from_
        return self._status()

    def handle_cast(self, request: Any) -> None:
        """Take the word of the anchor that this version is permanent."""
        match request:
            case MadePermanent():
                self._args.standing.made_permanent()
                self._args.probes.stop()
                self._enter("permanent")
            case _:
                super().handle_cast(request)

    def handle_info(self, message: Any, sender: Any) -> None:
        """Begin at the switch; measure, and have the operator's programs look, again and again."""
        match message:
            case _Opened():
                self._begin()
            case Timeout(ref) if ref is self.state.sampling:
                self._sample()
            case Timeout(ref) if ref is self.state.probing:
                self._probe()
            case Timeout():
                return  # cancelled when it was already on its way
            case _Probed(name, why):
                self._probed(name, why)
            case _:
                super().handle_info(message, sender)

    def status(self) -> Any:
        """How the release stands."""
        return msgspec.to_builtins(self._status())

    # On probation

    def _begin(self) -> None:
        standing = self._args.standing
        if not standing.provisional:
            self._enter("permanent")
        elif standing.verdict:
            self._enter("failed")
        else:  # one that goes on after a crash of this actor keeps what it knows
            standing.probation = standing.probation or probation.begin(self._now())
            self._enter("probation")
            self._sample_later()
            self._probe()

    def _sample(self) -> None:
        known = self._running()
        if known is not None:
            self._judged(probation.advance(known, self._now(), BOUNDS, self._args.config))
            self._sample_later()

    def _probe(self) -> None:
        config = self._args.config
        if self._running() is None or not config.probes:
            return
        for name, words in config.probes.items():
            self._args.probes.run(name, words, config.probe_timeout_s, self._tell_probed)
        self.state.probing = self.start_timer(config.probe_every_s, "probe")

    def _tell_probed(self, name: str, why: str) -> None:
        """On the loop, but not in a turn of this actor."""
        self.send(self.address, _Probed(name, why))

    def _probed(self, name: str, why: str) -> None:
        known = self._running()
        if known is not None:
            self._judged(probation.probed(known, name, why, self._args.config))

    def _judged(self, now: Probation) -> None:
        self._args.standing.probation = now
        if now.verdict:
            metrics.PROBATION_FAILURES.inc()
            self._enter("failed")
            self._args.failed(now.verdict)

    def _running(self) -> Probation | None:
        """The probation, while it is under way."""
        return self._args.standing.probation if self.state.phase == "probation" else None

    def _sample_later(self) -> None:
        if self._running() is not None:
            self.state.sampling = self.start_timer(self._args.config.sample_s, "sample")

    def _now(self) -> Sample:
        return Sample(self.now(), self._args.counts())

    # What is told

    def _enter(self, phase: Phase) -> None:
        if phase == self.state.phase:
            return
        standing = self._args.standing
        self.state.phase, self.state.since = phase, self.wall()
        metrics.RELEASE_INFO.clear()
        metrics.RELEASE_INFO.labels(standing.vsn, phase).set(1)
        told = {"vsn": standing.vsn, "phase": phase, "why": standing.verdict}
        self.kernel.report("release", self.address.path, **told)

    def _status(self) -> ReleaseStatus:
        standing, state = self._args.standing, self.state
        stands = ReleaseStatus(
            standing.vsn, standing.permanent, state.phase, standing.generation, state.since
        )
        known = standing.probation
        if known is None:
            return stands
        return replace(
            stands,
            seconds=round(self.now() - known.since, 3),
            crashed=known.crashed,
            measures=known.measures,
            probes=known.probes,
            verdict=known.verdict,
        )

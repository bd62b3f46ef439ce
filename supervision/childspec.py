"""What a supervisor is told: its flags and the specifications of its children (supervisor(3))."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from supervision._thespian import Actor

if TYPE_CHECKING:
    from collections.abc import Sequence

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one"]
RestartType = Literal["permanent", "transient", "temporary"]
Shutdown = float | Literal["brutal_kill", "infinity"]
ChildType = Literal["worker", "supervisor"]


class SpecError(ValueError):
    """Flags or specifications that no supervisor accepts.

    Attributes:
        what: the kind of mistake in OTP's words: ``invalid_intensity``, ``missing_id``, ...
        value: what was given.
    """

    def __init__(self, what: str, value: Any) -> None:
        super().__init__(f"{what}: {value!r}")
        self.what = what
        self.value = value


class SupervisorFlags(msgspec.Struct, frozen=True):
    """How a supervisor restarts its children.

    Attributes:
        strategy: who is restarted when one ends.
        intensity: restarts that are allowed within ``period``; one more ends the supervisor.
        period: seconds.
        pool_ratio: for a pool, the share of its children that may be restarted within ``period``
            where that is more than ``intensity``: a bound that grows with the pool.
        child_intensity: for a pool, restarts of one child within ``period`` after which that
            child alone is given up; None charges the supervisor as OTP does.
    """

    strategy: Strategy = "one_for_one"
    intensity: int = 1
    period: float = 5.0
    pool_ratio: float = 0.0
    child_intensity: int | None = None


class ChildSpec(msgspec.Struct, frozen=True):
    """How one child is started, restarted and stopped.

    Attributes:
        id: its name below the supervisor, unique there.
        start: the actor class.
        args: what its ``init`` is given; each member of a pool is given those of its StartChild.
        restart: ``permanent`` always, ``transient`` after an error, ``temporary`` never.
        shutdown: seconds it has to end, ``infinity``, or ``brutal_kill``, which is the same as 0;
            the default is 5 seconds for a worker and ``infinity`` for a supervisor.
        type: ``worker`` or ``supervisor``.
        keep_state: keep the last handled state of a StateMachine for its next incarnation, until
            it stops by itself in order or is terminated by a management call.
    """

    id: str
    start: type[Actor]
    args: Any = None
    restart: RestartType = "permanent"
    shutdown: Shutdown | None = None
    type: ChildType = "worker"
    keep_state: bool = False

    @property
    def stop_timeout(self) -> float | None:
        """Seconds that the child has to end; None is for ever, 0 kills it at once."""
        shutdown = self.shutdown
        if shutdown is None:
            return None if self.type == "supervisor" else 5.0
        if shutdown == "brutal_kill":
            return 0.0
        return None if shutdown == "infinity" else float(shutdown)


def check_flags(flags: SupervisorFlags) -> None:
    """Refuse flags outside of what supervisor(3) allows.

    Raises:
        SpecError: naming the flag.
    """
    _require(isinstance(flags, SupervisorFlags), "invalid_flags", flags)
    _require(flags.strategy in get_args(Strategy), "invalid_strategy", flags.strategy)
    _require(_is_count(flags.intensity), "invalid_intensity", flags.intensity)
    _require(_is_number(flags.period) and flags.period > 0, "invalid_period", flags.period)
    _require(_is_ratio(flags.pool_ratio), "invalid_pool_ratio", flags.pool_ratio)
    _require(
        flags.child_intensity is None or _is_count(flags.child_intensity),
        "invalid_child_intensity",
        flags.child_intensity,
    )


def check_specs(flags: SupervisorFlags, specs: Sequence[ChildSpec]) -> None:
    """Refuse specifications that are wrong in themselves or together.

    Raises:
        SpecError: naming the mistake.
    """
    if flags.strategy == "simple_one_for_one":
        _require(len(specs) == 1, "bad_start_spec", [spec.id for spec in specs])
    seen: set[str] = set()
    for spec in specs:
        check_spec(spec)
        _require(spec.id not in seen, "duplicate_child_name", spec.id)
        seen.add(spec.id)


def check_spec(spec: Any) -> ChildSpec:
    """Refuse a specification outside of what supervisor(3) allows.

    Returns:
        The specification.

    Raises:
        SpecError: naming the mistake.
    """
    if not isinstance(spec, ChildSpec):
        raise SpecError("invalid_child_spec", spec)
    check_id(spec.id)
    _require(_is_actor_class(spec.start), "invalid_start", spec.start)
    _require(spec.restart in get_args(RestartType), "invalid_restart_type", spec.restart)
    _require(spec.type in get_args(ChildType), "invalid_child_type", spec.type)
    _require(_is_shutdown(spec.shutdown), "invalid_shutdown", spec.shutdown)
    _require(not spec.keep_state or hasattr(spec.start, "restore"), "invalid_keep_state", spec.id)
    return spec


def check_id(child_id: Any) -> None:
    """Refuse what cannot be one segment of a path.

    Raises:
        SpecError: ``invalid_id``.
    """
    is_name = isinstance(child_id, str) and child_id != "" and "/" not in child_id
    _require(is_name, "invalid_id", child_id)


def _require(holds: bool, what: str, value: Any) -> None:
    if not holds:
        raise SpecError(what, value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_ratio(value: Any) -> bool:
    return _is_number(value) and 0.0 <= value <= 1.0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_actor_class(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Actor)


def _is_shutdown(value: Any) -> bool:
    if value is None or value in ("brutal_kill", "infinity"):
        return True
    return _is_number(value) and value >= 0

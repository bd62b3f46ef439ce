"""What a supervisor is told: its flags and the specifications of its children (supervisor(3))."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Literal, get_args

import msgspec

from supervision._thespian import Actor
from supervision.backoff import Backoff, is_backoff

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one"]
AutoShutdown = Literal["never", "any_significant", "all_significant"]
RestartType = Literal["permanent", "transient", "temporary"]
Shutdown = float | Literal["brutal_kill", "infinity"]
ChildType = Literal["worker", "supervisor"]
OnRestart = Literal["drop", "keep"]

_ABOUT_FLAGS = "supervisor_data"
_ABOUT_SPECS = "start_spec"


class SpecError(ValueError):
    """Flags or specifications that no supervisor accepts.

    Attributes:
        what: the kind of mistake in OTP's words: ``invalid_intensity``, ``missing_id``, ...
        value: what was given.
        shape: OTP's error term as tuples: ``("supervisor_data", ("invalid_intensity", -1))``,
            ``("start_spec", "missing_id")``, ``("bad_start_spec", ["a", "b"])``.
    """

    def __init__(self, what: str, value: Any = None, about: str = _ABOUT_SPECS) -> None:
        super().__init__(what if what in _BARE else f"{what}: {value!r}")
        self.what = what
        self.value = value
        self.shape: tuple[Any, ...] = (about, what if what in _BARE else (what, value))
        if what in _ALONE:
            self.shape = (what, value)


_RESTART_TYPES, _CHILD_TYPES = frozenset(get_args(RestartType)), frozenset(get_args(ChildType))
_ON_RESTART = frozenset(get_args(OnRestart))
_KEEP_LIMIT = 1000
_BARE = frozenset({"missing_id", "missing_start"})
_ALONE = frozenset({"bad_start_spec", "bad_return", "badarg"})


class SupervisorFlags(msgspec.Struct, frozen=True):
    """How a supervisor restarts its children.

    Attributes:
        strategy: who is restarted when one ends.
        intensity: restarts that are allowed within ``period``; one more ends the supervisor.
        period: seconds.
        auto_shutdown: whether the supervisor ends when a significant child has ended by itself
            (``any_significant``) or the last of them (``all_significant``).
        backoff: how long restarts wait, where the child's spec says nothing; None restarts at
            once, as OTP does.
        max_shutdown_s: seconds for the end of all children together; what is left then is
            killed. None adds up what the specs allow.
        pool_ratio: for a pool, the share of its children that may be restarted within ``period``
            where that is more than ``intensity``: a bound that grows with the pool.
        child_intensity: for a pool, restarts of one child within ``period`` after which that
            child alone is given up; None charges the supervisor as OTP does.
        child_backoff: how long a child waits instead, uncharged, from so many failures in a row on.
    """

    strategy: Strategy = "one_for_one"
    intensity: int = 1
    period: float = 5.0
    auto_shutdown: AutoShutdown = "never"
    backoff: Backoff | None = None
    max_shutdown_s: float | None = None
    pool_ratio: float = 0.0
    child_intensity: int | None = None
    child_backoff: Backoff | None = None


class ChildSpec(msgspec.Struct, frozen=True):
    """How one child is started, restarted and stopped.

    Attributes:
        id: its name below the supervisor, unique there.
        start: the actor class.
        args: what its ``init`` is given; each member of a pool is given those of its StartChild.
        restart: ``permanent`` always, ``transient`` after an error, ``temporary`` never.
        significant: whether its own end counts for the supervisor's ``auto_shutdown``.
        shutdown: seconds it has to end, ``infinity``, or ``brutal_kill``, which is the same as 0;
            the default is 5 seconds for a worker and ``infinity`` for a supervisor.
        type: ``worker`` or ``supervisor``.
        modules: the modules it is made of, for release handling: names, or ``dynamic``; None is
            the module of ``start``.
        keep_state: keep the last handled state of a StateMachine for its next incarnation, until
            it stops by itself in order or is terminated by a management call.
        backoff: how long its restarts wait; None is what the flags say.
        on_restart: what becomes of messages that it has not handled when it fails: ``drop`` fails
            calls at once and makes dead letters of the rest, ``keep`` hands all of them to the
            next incarnation, in order, with those that come while it is down.
        keep_limit: messages kept at most.
    """

    id: str
    start: type[Actor]
    args: Any = None
    restart: RestartType = "permanent"
    significant: bool = False
    shutdown: Shutdown | None = None
    type: ChildType = "worker"
    modules: Sequence[str] | Literal["dynamic"] | None = None
    keep_state: bool = False
    backoff: Backoff | None = None
    on_restart: OnRestart = "drop"
    keep_limit: int = _KEEP_LIMIT

    @property
    def stop_timeout(self) -> float | None:
        """Seconds that the child has to end; None is for ever, 0 kills it at once."""
        shutdown = self.shutdown
        if shutdown is None:
            return None if self.type == "supervisor" else 5.0
        if shutdown == "brutal_kill":
            return 0.0
        return None if shutdown == "infinity" else float(shutdown)

    def filled(self) -> ChildSpec:
        """The same with every default of OTP's written out (``supervisor:get_childspec/2``)."""
        shutdown: Shutdown | None = self.shutdown
        if shutdown is None:
            shutdown = "infinity" if self.type == "supervisor" else 5.0
        modules = (self.start.__module__,) if self.modules is None else self.modules
        return msgspec.structs.replace(self, shutdown=shutdown, modules=modules)


# Flags


def as_flags(given: Any) -> SupervisorFlags:
    """Flags from a record or a mapping with OTP's keys, checked.

    Raises:
        SpecError: naming the flag; ``shape`` begins with ``supervisor_data``.
    """
    if isinstance(given, Mapping):
        given = SupervisorFlags(**_known(given, SupervisorFlags))
    check_flags(given)
    return given  # type: ignore[no-any-return]


def unknown_keys(flags: Any, specs: Any) -> list[str]:
    """What nobody heeds in flags and specifications that are mappings, for whoever misspelt it.

    Args:
        flags: of a supervisor; None where there are none.
        specs: a sequence of specifications.

    Returns:
        Texts that name the keys, and whose they are.
    """
    texts = [f"flags: {key}" for key in _others(flags, SupervisorFlags)]
    for one in specs:
        texts += [f"the spec of {_id_of(one)}: {key}" for key in _others(one, ChildSpec)]
    return texts


def _others(given: Any, record: type[msgspec.Struct]) -> list[Any]:
    keys = given if isinstance(given, Mapping) else ()
    return [key for key in keys if key not in record.__struct_fields__]


def _known(given: Mapping[str, Any], record: type[msgspec.Struct]) -> dict[str, Any]:
    """What a record knows of a mapping; unknown keys are nobody's business, as in OTP."""
    return {key: given[key] for key in record.__struct_fields__ if key in given}


def check_flags(flags: Any) -> None:
    """Refuse flags outside of what supervisor(3) allows.

    Raises:
        SpecError: naming the flag.
    """
    _flag(isinstance(flags, SupervisorFlags), "invalid_type", flags)
    _flag(_one_of(flags.strategy, Strategy), "invalid_strategy", flags.strategy)
    _flag(_is_count(flags.intensity), "invalid_intensity", flags.intensity)
    _flag(_is_positive(flags.period), "invalid_period", flags.period)
    _flag(_one_of(flags.auto_shutdown, AutoShutdown), "invalid_auto_shutdown", flags.auto_shutdown)
    _flag(_is_ratio(flags.pool_ratio), "invalid_pool_ratio", flags.pool_ratio)
    _flag(is_backoff(flags.backoff), "invalid_backoff", flags.backoff)
    total = flags.max_shutdown_s
    _flag(total is None or _is_time(total), "invalid_max_shutdown_s", total)
    each = flags.child_intensity
    _flag(each is None or _is_count(each), "invalid_child_intensity", each)
    _flag(is_backoff(flags.child_backoff), "invalid_child_backoff", flags.child_backoff)
    alone = flags.strategy != "simple_one_for_one" or flags.auto_shutdown == "never"
    _flag(alone, "bad_combination", _pairs(flags, "strategy", "auto_shutdown"))


# Specifications


def as_specs(flags: SupervisorFlags, given: Any) -> list[ChildSpec]:
    """Specifications from records or mappings with OTP's keys, checked alone and together.

    Raises:
        SpecError: naming the mistake; ``shape`` begins with ``start_spec`` or is
            ``("bad_start_spec", ids)`` for a pool without exactly one template.
    """
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise SpecError("invalid_type", given, _ABOUT_FLAGS)
    if flags.strategy == "simple_one_for_one" and len(given) != 1:
        raise SpecError("bad_start_spec", [_id_of(one) for one in given])
    specs: dict[str, ChildSpec] = {}
    for one in given:
        spec = as_spec(one, flags.auto_shutdown)
        _spec(spec.id not in specs, "duplicate_child_name", spec.id)
        specs[spec.id] = spec
    return list(specs.values())


def _id_of(given: Any) -> Any:
    return given.get("id") if isinstance(given, Mapping) else getattr(given, "id", given)


def as_spec(given: Any, auto_shutdown: AutoShutdown | None = None) -> ChildSpec:
    """A specification from a record or a mapping with OTP's keys, checked.

    Args:
        given: the specification.
        auto_shutdown: of the supervisor that it is for; None does not look at it.

    Raises:
        SpecError: naming the mistake.
    """
    return check_spec(_spec_of(given) if isinstance(given, Mapping) else given, auto_shutdown)


def _spec_of(given: Mapping[str, Any]) -> ChildSpec:
    for key, missing in (("id", "missing_id"), ("start", "missing_start")):
        _spec(key in given, missing, None)
    return ChildSpec(**_known(given, ChildSpec))


def check_specs(flags: SupervisorFlags, specs: Sequence[ChildSpec]) -> None:
    """Refuse specifications that are wrong in themselves or together.

    Raises:
        SpecError: naming the mistake.
    """
    as_specs(flags, specs)


def check_childspecs(specs: Any, auto_shutdown: AutoShutdown | None = None) -> None:
    """Check specifications without starting anything (``supervisor:check_childspecs/1,2``).

    Args:
        specs: records or mappings.
        auto_shutdown: of the supervisor that they are for; None does not look at it.

    Raises:
        SpecError: naming the mistake; ``badarg`` where no list or no such mode was given.
    """
    mode = auto_shutdown if auto_shutdown is not None else "never"
    _spec(_one_of(mode, AutoShutdown), "badarg", auto_shutdown)
    is_list = isinstance(specs, Sequence) and not isinstance(specs, str | bytes)
    _spec(is_list, "badarg", specs)
    seen: set[str] = set()
    for one in specs:
        spec = as_spec(one, auto_shutdown)
        _spec(spec.id not in seen, "duplicate_child_name", spec.id)
        seen.add(spec.id)


def check_spec(spec: Any, auto_shutdown: AutoShutdown | None = None) -> ChildSpec:
    """Refuse a specification outside of what supervisor(3) allows.

    Args:
        spec: the specification.
        auto_shutdown: of the supervisor that it is for; None does not look at it.

    Returns:
        The specification.

    Raises:
        SpecError: naming the mistake.
    """
    if not isinstance(spec, ChildSpec):
        raise SpecError("invalid_child_spec", spec)
    check_id(spec.id)
    _spec(_is_actor_class(spec.start), "invalid_start", spec.start)
    if _is_usual(spec):  # a pool may be given thousands a second
        return spec
    _spec(_one_of(spec.restart, RestartType), "invalid_restart_type", spec.restart)
    _spec(isinstance(spec.significant, bool), "invalid_significant", spec.significant)
    _spec(_one_of(spec.type, ChildType), "invalid_child_type", spec.type)
    _spec(_is_shutdown(spec.shutdown), "invalid_shutdown", spec.shutdown)
    _check_modules(spec.modules)
    _check_combination(spec, auto_shutdown)
    _check_beyond_otp(spec)
    return spec


def _is_usual(spec: Any) -> bool:
    """Whether a specification says how it is restarted, and is silent of most else."""
    return (
        isinstance(spec.restart, str)
        and spec.restart in _RESTART_TYPES
        and isinstance(spec.type, str)
        and spec.type in _CHILD_TYPES
        and spec.significant is False
        and spec.shutdown is spec.modules is spec.backoff is None
        and spec.keep_state is False
        and isinstance(spec.on_restart, str)
        and spec.on_restart in _ON_RESTART
        and spec.keep_limit is _KEEP_LIMIT
    )


def _check_modules(modules: Any) -> None:
    if modules is None or modules == "dynamic":
        return
    _spec(isinstance(modules, list | tuple), "invalid_modules", modules)
    for one in modules:
        _spec(isinstance(one, str), "invalid_module", one)


def _check_combination(spec: ChildSpec, auto_shutdown: AutoShutdown | None) -> None:
    if not spec.significant:
        return
    pairs = (("auto_shutdown", auto_shutdown), *_pairs(spec, "significant"))
    _spec(auto_shutdown != "never", "bad_combination", pairs)
    pairs = _pairs(spec, "restart", "significant")
    _spec(spec.restart != "permanent", "bad_combination", pairs)


def _check_beyond_otp(spec: ChildSpec) -> None:
    _spec(not spec.keep_state or hasattr(spec.start, "restore"), "invalid_keep_state", spec.id)
    _spec(is_backoff(spec.backoff), "invalid_backoff", spec.backoff)
    _spec(_one_of(spec.on_restart, OnRestart), "invalid_on_restart", spec.on_restart)
    _spec(_is_count(spec.keep_limit), "invalid_keep_limit", spec.keep_limit)


def check_id(child_id: Any) -> None:
    """Refuse what cannot be one segment of a path.

    Raises:
        SpecError: ``invalid_id``.
    """
    if not isinstance(child_id, str) or child_id == "" or "/" in child_id:
        raise SpecError("invalid_id", child_id)


# What both are made of


def _flag(holds: bool, what: str, value: Any) -> None:
    if not holds:
        raise SpecError(what, value, _ABOUT_FLAGS)


def _spec(holds: bool, what: str, value: Any) -> None:
    if not holds:
        raise SpecError(what, value)


def _pairs(record: Any, *names: str) -> tuple[tuple[str, Any], ...]:
    return tuple((name, getattr(record, name)) for name in names)


def _one_of(value: Any, words: Any) -> bool:
    return isinstance(value, str) and value in get_args(words)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_time(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_ratio(value: Any) -> bool:
    return _is_number(value) and 0.0 <= value <= 1.0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_actor_class(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Actor)


def _is_shutdown(value: Any) -> bool:
    return value is None or _one_of(value, Literal["brutal_kill", "infinity"]) or _is_time(value)

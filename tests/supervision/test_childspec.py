"""Flags and specifications: what is accepted, and the word for every mistake (S-26 to S-28)."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from supervision import (
    Backoff,
    ChildSpec,
    GenServer,
    SpecError,
    StateMachine,
    SupervisorFlags,
    check_childspecs,
)
from supervision.childspec import (
    as_flags,
    as_spec,
    as_specs,
    check_flags,
    check_id,
    check_spec,
    check_specs,
)

WAIT = Backoff(0.1, 10.0)
NO_WAITS = [
    *(1.0, "backoff", Backoff(0.0, 1.0), Backoff(2.0, 1.0), Backoff(1.0, float("inf"))),
    *(Backoff(1.0, 2.0, jitter=1.1), Backoff(1.0, 2.0, reset_after_s=-1.0)),
    *(Backoff(1.0, 2.0, crash_loop_after=0), Backoff("1", 2.0), Backoff(1.0, None)),
]

GOOD_FLAGS = {
    "strategy": ["one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one"],
    "intensity": [0, 1, 1_000],
    "period": [1, 0.5, 3_600.0],
    "auto_shutdown": ["never"],
    "backoff": [None, WAIT],
    "max_shutdown_s": [None, 0, 30.0],
    "pool_ratio": [0, 0.01, 1.0],
    "child_intensity": [None, 0, 5],
    "child_backoff": [None, WAIT],
}
BAD_FLAGS = {
    "strategy": ["", None, "one_for_none", 1],
    "intensity": [-1, 1.5, None, True, "1", float("inf")],
    "period": [0, -1, None, "5", True, float("inf"), float("nan")],
    "auto_shutdown": ["", None, True, "any", "significant"],
    "backoff": NO_WAITS,
    "max_shutdown_s": [-1, "1", True, float("inf")],
    "pool_ratio": [-0.1, 1.1, None, "0.1", float("nan")],
    "child_intensity": [-1, 1.5, True, "1"],
    "child_backoff": NO_WAITS,
}
GOOD_SPEC = {
    "id": ["a", "callSession-1", "with space"],
    "start": [GenServer, StateMachine],
    "restart": ["permanent", "transient", "temporary"],
    "shutdown": [None, 0, 0.5, 5, "brutal_kill", "infinity"],
    "type": ["worker", "supervisor"],
    "modules": [None, [], ("a.b",), "dynamic"],
    "backoff": [None, WAIT],
    "on_restart": ["drop", "keep"],
}
BAD_SPEC = {
    "id": ["", "a/b", None, 1, ("a",)],
    "start": [None, "GenServer", int, GenServer()],
    "restart": [None, "always", 1],
    "shutdown": [-1, "5", True, float("inf"), float("nan"), []],
    "type": [None, "manager", 1],
    "significant": [None, 0, "true"],
    "backoff": NO_WAITS,
    "on_restart": [None, "stash", 1],
    "keep_limit": [-1, 1.5, None],
}
WORDS = {
    "strategy": "invalid_strategy",
    "intensity": "invalid_intensity",
    "period": "invalid_period",
    "pool_ratio": "invalid_pool_ratio",
    "child_intensity": "invalid_child_intensity",
    "child_backoff": "invalid_child_backoff",
    "auto_shutdown": "invalid_auto_shutdown",
    "backoff": "invalid_backoff",
    "max_shutdown_s": "invalid_max_shutdown_s",
    "significant": "invalid_significant",
    "on_restart": "invalid_on_restart",
    "keep_limit": "invalid_keep_limit",
    "id": "invalid_id",
    "start": "invalid_start",
    "restart": "invalid_restart_type",
    "shutdown": "invalid_shutdown",
    "type": "invalid_child_type",
}


def product(choices):
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def single(choices):
    return [(name, value) for name, values in choices.items() for value in values]


def test_every_combination_of_good_flags_is_accepted():
    for values in product(GOOD_FLAGS):
        check_flags(SupervisorFlags(**values))


@pytest.mark.parametrize(("name", "value"), single(BAD_FLAGS), ids=repr)
def test_a_bad_flag_is_named(name, value):
    """S-26."""
    for given in (SupervisorFlags(**{name: value}), {name: value}):
        with pytest.raises(SpecError, match=WORDS[name]) as mistake:
            as_flags(given)
        assert mistake.value.what == WORDS[name]
        assert mistake.value.shape == ("supervisor_data", (WORDS[name], value))


def test_flags_may_be_a_mapping_whose_unknown_keys_are_nobodys_business():
    assert as_flags({"intensity": 3, "silly": "flag"}) == SupervisorFlags(intensity=3)
    assert as_flags({}) == SupervisorFlags()


@pytest.mark.parametrize("mode", ["any_significant", "all_significant"])
def test_a_pool_has_no_auto_shutdown(mode):
    """S-61."""
    for strategy in ("one_for_one", "one_for_all", "rest_for_one"):
        check_flags(SupervisorFlags(strategy, auto_shutdown=mode))
    with pytest.raises(SpecError) as mistake:
        check_flags(SupervisorFlags("simple_one_for_one", auto_shutdown=mode))
    pairs = (("strategy", "simple_one_for_one"), ("auto_shutdown", mode))
    assert mistake.value.shape == ("supervisor_data", ("bad_combination", pairs))


def test_flags_of_another_type_are_refused():
    with pytest.raises(SpecError, match="invalid_type"):
        check_flags("one_for_one")


def test_every_combination_of_good_attributes_is_accepted():
    """S-28."""
    for values in product(GOOD_SPEC):
        spec = ChildSpec(**values)
        assert check_spec(spec) is spec


@pytest.mark.parametrize(("name", "value"), single(BAD_SPEC))
def test_a_bad_attribute_is_named(name, value):
    given = {"id": "a", "start": GenServer, name: value}
    for spec in (ChildSpec(**given), given):
        with pytest.raises(SpecError, match=WORDS[name]) as mistake:
            as_spec(spec)
        assert mistake.value.shape == ("start_spec", (WORDS[name], value))


def test_what_is_missing_in_a_mapping_is_named():
    """S-15."""
    for given, what in (({"start": GenServer}, "missing_id"), ({"id": "a"}, "missing_start")):
        with pytest.raises(SpecError, match=what) as mistake:
            as_spec(given)
        assert mistake.value.shape == ("start_spec", what)


def test_a_mapping_may_have_keys_that_nobody_knows():
    """S-15."""
    assert as_spec({"id": "a", "start": GenServer, "dummy": 1}) == ChildSpec("a", GenServer)


@pytest.mark.parametrize(
    ("modules", "shape"),
    [
        ("a.b", ("invalid_modules", "a.b")),
        (7, ("invalid_modules", 7)),
        (["a", 7], ("invalid_module", 7)),
    ],
)
def test_modules_are_names(modules, shape):
    with pytest.raises(SpecError) as mistake:
        as_spec(ChildSpec("a", GenServer, modules=modules))
    assert mistake.value.shape == ("start_spec", shape)


@pytest.mark.parametrize("auto_shutdown", [None, "never", "any_significant", "all_significant"])
@pytest.mark.parametrize("restart", GOOD_SPEC["restart"])
def test_who_may_be_significant(auto_shutdown, restart):
    """S-28: a child that always comes back never counts, and somebody has to heed it."""
    spec = ChildSpec("a", GenServer, restart=restart, significant=True)
    check_spec(msgspec.structs.replace(spec, significant=False), auto_shutdown)
    if restart != "permanent" and auto_shutdown != "never":
        check_spec(spec, auto_shutdown)
        check_childspecs([spec], auto_shutdown)
        return
    for refuse in (check_spec, lambda spec, mode: check_childspecs([spec], mode)):
        with pytest.raises(SpecError) as mistake:
            refuse(spec, auto_shutdown)
        assert mistake.value.what == "bad_combination"


def test_specs_are_checked_without_a_supervisor():
    check_childspecs([])
    check_childspecs([ChildSpec("a", GenServer), {"id": "b", "start": GenServer}])
    for given, what in (
        ([{"id": "a"}], "missing_start"),
        ([ChildSpec("a", GenServer)] * 2, "duplicate_child_name"),
        (["a"], "invalid_child_spec"),
        ("a", "badarg"),
        (7, "badarg"),
    ):
        with pytest.raises(SpecError) as mistake:
            check_childspecs(given)
        assert mistake.value.what == what
    with pytest.raises(SpecError, match="badarg"):
        check_childspecs([], "sometimes")


def test_a_spec_of_another_type_is_refused():
    with pytest.raises(SpecError, match="invalid_child_spec"):
        check_spec(("a", GenServer))


def test_only_a_machine_can_have_its_state_kept():
    check_spec(ChildSpec("a", StateMachine, keep_state=True))
    with pytest.raises(SpecError, match="invalid_keep_state"):
        check_spec(ChildSpec("a", GenServer, keep_state=True))


@pytest.mark.parametrize("count", [0, 2])
def test_a_pool_has_exactly_one_template(count):
    """S-27."""
    flags = SupervisorFlags(strategy="simple_one_for_one")
    names = [f"t{number}" for number in range(count)]
    with pytest.raises(SpecError) as mistake:
        check_specs(flags, [ChildSpec(name, GenServer) for name in names])
    assert mistake.value.shape == ("bad_start_spec", names)
    with pytest.raises(SpecError) as mistake:
        as_specs(flags, [{"id": name, "start": GenServer} for name in names])
    assert mistake.value.shape == ("bad_start_spec", names)


def test_two_children_cannot_have_one_name():
    with pytest.raises(SpecError, match="duplicate_child_name"):
        check_specs(SupervisorFlags(), [ChildSpec("a", GenServer)] * 2)


@pytest.mark.parametrize("specs", [None, 7, "a", {"id": "a"}])
def test_specs_are_a_list(specs):
    with pytest.raises(SpecError) as mistake:
        as_specs(SupervisorFlags(), specs)
    assert mistake.value.shape == ("supervisor_data", ("invalid_type", specs))


def test_a_name_is_one_segment_of_a_path():
    check_id("a")
    with pytest.raises(SpecError, match="invalid_id"):
        check_id("a/b")


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        (ChildSpec("a", GenServer), 5.0),
        (ChildSpec("a", GenServer, type="supervisor"), None),
        (ChildSpec("a", GenServer, shutdown="infinity"), None),
        (ChildSpec("a", GenServer, shutdown="brutal_kill"), 0.0),
        (ChildSpec("a", GenServer, shutdown=2), 2.0),
    ],
)
def test_the_time_to_end_has_otps_defaults(spec, seconds):
    """S-13."""
    assert spec.stop_timeout == seconds


def test_a_spec_is_shown_with_otps_defaults():
    """S-13."""
    filled = ChildSpec("a", GenServer).filled()
    assert (filled.shutdown, filled.modules) == (5.0, ("supervision.gen_server",))
    assert (filled.restart, filled.type, filled.significant) == ("permanent", "worker", False)
    assert ChildSpec("a", GenServer, type="supervisor").filled().shutdown == "infinity"
    given = ChildSpec("a", GenServer, shutdown="brutal_kill", modules="dynamic")
    assert given.filled() == given

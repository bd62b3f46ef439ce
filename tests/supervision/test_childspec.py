"""Flags and specifications: what is accepted, and the word for every mistake (S-26 to S-28)."""

from __future__ import annotations

import itertools

import pytest

from supervision import ChildSpec, GenServer, SpecError, StateMachine, SupervisorFlags
from supervision.childspec import check_flags, check_id, check_spec, check_specs

GOOD_FLAGS = {
    "strategy": ["one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one"],
    "intensity": [0, 1, 1_000],
    "period": [1, 0.5, 3_600.0],
    "pool_ratio": [0, 0.01, 1.0],
    "child_intensity": [None, 0, 5],
}
BAD_FLAGS = {
    "strategy": ["", None, "one_for_none", 1],
    "intensity": [-1, 1.5, None, True, "1", float("inf")],
    "period": [0, -1, None, "5", True, float("inf"), float("nan")],
    "pool_ratio": [-0.1, 1.1, None, "0.1", float("nan")],
    "child_intensity": [-1, 1.5, True, "1"],
}
GOOD_SPEC = {
    "id": ["a", "callSession-1", "with space"],
    "start": [GenServer, StateMachine],
    "restart": ["permanent", "transient", "temporary"],
    "shutdown": [None, 0, 0.5, 5, "brutal_kill", "infinity"],
    "type": ["worker", "supervisor"],
}
BAD_SPEC = {
    "id": ["", "a/b", None, 1, ("a",)],
    "start": [None, "GenServer", int, GenServer()],
    "restart": [None, "always", 1],
    "shutdown": [-1, "5", True, float("inf"), float("nan"), []],
    "type": [None, "manager", 1],
}
WORDS = {
    "strategy": "invalid_strategy",
    "intensity": "invalid_intensity",
    "period": "invalid_period",
    "pool_ratio": "invalid_pool_ratio",
    "child_intensity": "invalid_child_intensity",
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
    with pytest.raises(SpecError, match=WORDS[name]) as mistake:
        check_flags(SupervisorFlags(**{name: value}))
    assert mistake.value.what == WORDS[name]


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
    with pytest.raises(SpecError, match=WORDS[name]):
        check_spec(ChildSpec(**{"id": "a", "start": GenServer, name: value}))


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
    with pytest.raises(SpecError, match="bad_start_spec"):
        check_specs(flags, [ChildSpec(f"t{number}", GenServer) for number in range(count)])


def test_two_children_cannot_have_one_name():
    with pytest.raises(SpecError, match="duplicate_child_name"):
        check_specs(SupervisorFlags(), [ChildSpec("a", GenServer)] * 2)


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

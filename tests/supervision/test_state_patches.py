"""Patches of an actor's state: merged into its plain fields, or refused and nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from msgspec import Struct
from msgspec import field as struct_field
from sys_actors import PATH, Account, Door, System, Wait, cast

from supervision import SupervisorFlags
from supervision.introspection import (
    ActionRefused,
    CallbackFailed,
    NotPlain,
)
from supervision.introspection.merging import NoPatch, merged, plain_copy


@pytest.fixture
def server(kit):
    return kit.start(Account, name=PATH)


@pytest.fixture
def system(kit):
    return System(kit)


def test_a_patch_is_merged_into_the_plain_fields_of_a_state(kit, server, system):
    kit.actor(server).state.limits = {"day": 1, "week": 5}
    shown = system.patch_state(PATH, {"owner": "bob", "limits": {"day": None, "month": 9}})
    assert shown == {"owner": "bob", "amount": 0, "limits": {"week": 5, "month": 9}}
    assert kit.actor(server).state.secret == "4711"


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"amount": "much"}, "state.amount"),
        ({"nothing": 1}, "state.nothing"),
        ({"limits": {"day": "x"}}, "state.limits.day"),
        ({"partner": {"x": 1}}, None),
        (7, "state"),
    ],
)
def test_a_patch_that_does_not_fit_changes_nothing_and_is_named(kit, server, system, patch, field):
    kit.actor(server).state.limits = {"day": 1}
    if field is None:
        assert system.patch_state(PATH, patch, dry_run=True)
    else:
        with pytest.raises(NotPlain) as failure:
            system.patch_state(PATH, patch)
        assert failure.value.field == field
    assert kit.actor(server).state.amount == 0


def test_of_a_machine_state_and_data_are_patched(kit, system):
    kit.start(Door, name=PATH)
    with pytest.raises(NotPlain):
        system.patch_state(PATH, {"data": {"count": 1}})
    with pytest.raises(NotPlain, match="a machine has state and data"):
        system.patch_state(PATH, {"colour": "red"})
    assert system.patch_state(PATH, {"state": "open"}) == {"state": "open", "data": 0}
    assert kit.actor(kit.address(PATH)).state == "open"


def test_what_is_no_plain_record_is_not_patched(kit, system):
    kit.start_supervisor(SupervisorFlags(), name=PATH)
    with pytest.raises(ActionRefused):
        system.patch_state(PATH, {"flags": None})


@dataclass
class Limits:
    day: int = 1
    flags: dict = field(default_factory=lambda: {"open": True, "rate": 1.5, "inner": {"a": 1}})


class Mixed(Struct):
    limits: Limits = struct_field(default_factory=Limits)
    socket: object = None
    callback: Callable[[], None] = print
    hidden: Unknown = 7  # noqa: F821 - a type that is known to checkers only


@pytest.mark.parametrize(
    ("patch", "made"),
    [
        ({"limits": {"day": 2}}, Limits(2)),
        ({"limits": {"flags": {"rate": 2}}}, {"open": True, "rate": 2, "inner": {"a": 1}}),
        (
            {"limits": {"flags": {"inner": {"a": 5}}}},
            {"open": True, "rate": 1.5, "inner": {"a": 5}},
        ),
        ({"limits": {"flags": {"open": None}}}, {"rate": 1.5, "inner": {"a": 1}}),
    ],
)
def test_a_patch_goes_on_inside_of_records_and_dictionaries(patch, made):
    new = merged(before := Mixed(limits=Limits()), patch)
    assert made in (new.limits, new.limits.flags)
    assert before == Mixed(limits=Limits())


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"hidden": 1}, "state.hidden"),
        ({"limits": {"flags": {"open": 1}}}, "state.limits.flags.open"),
        ({"limits": {"flags": {"rate": True}}}, "state.limits.flags.rate"),
        ({"limits": {"flags": {"inner": 1}}}, "state.limits.flags.inner"),
        ({"limits": {"nothing": 1}}, "state.limits.nothing"),
    ],
)
def test_a_value_that_is_not_of_the_old_one_s_kind_is_refused(patch, field):
    with pytest.raises(NoPatch) as refusal:
        merged(Mixed(limits=Limits()), patch)
    assert refusal.value.field == field


def test_a_field_that_is_no_plain_data_is_refused():
    with pytest.raises(NoPatch, match=r"state\.callback"):
        merged(Mixed(), {"callback": 1})


def test_a_copy_has_plain_parts_of_its_own_and_shares_the_rest():
    state = {"list": [1, {2}], "lock": (lock := object()), "limits": Limits()}
    copy = plain_copy(state)
    assert copy == state
    assert copy["list"] is not state["list"]
    assert copy["list"][1] is not state["list"][1]
    assert copy["lock"] is lock
    endless = []
    endless.append(endless)
    assert plain_copy(endless)


def test_a_dry_run_on_a_machine_shows_what_its_callbacks_allow(kit, system):
    kit.start(Door, name=PATH)
    machine = kit.actor(kit.address(PATH))
    machine.format_status = lambda data: "hidden"
    shown = system.replace_state(PATH, lambda held: (held[0], 5), dry_run=True)
    assert shown == {"state": "shut", "data": "hidden"}
    with pytest.raises(NotPlain, match="the name of a state"):
        system.patch_state(PATH, {"state": 7})


def test_a_function_that_raises_after_a_wait_is_named_too(kit, server, system):
    cast(kit, Wait(2.0))
    with pytest.raises(CallbackFailed):
        system.replace_state(PATH, lambda _: 1 / 0)
    assert kit.alive(server)

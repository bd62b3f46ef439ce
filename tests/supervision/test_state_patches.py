"""Patches of an actor's state: merged into its plain fields, or refused and nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from msgspec import Struct
from msgspec import field as struct_field
from sys_actors import PATH, Account, Balance, Door, Plain, System, Wait, cast

from supervision import Keep, StateMachine, SupervisorFlags
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
        ({"partner": {"x": 1}}, "state.partner"),
        ({"secret": "0815"}, "state.secret"),
        (7, "state"),
    ],
)
def test_a_patch_that_does_not_fit_changes_nothing_and_is_named(kit, server, system, patch, field):
    kit.actor(server).state.limits = {"day": 1}
    for dry_run in (True, False):
        with pytest.raises(NotPlain) as failure:
            system.patch_state(PATH, patch, dry_run=dry_run)
        assert failure.value.field == field
    assert kit.actor(server).state == Balance("ann", limits={"day": 1})


def test_what_a_state_shows_is_what_can_be_patched_and_is_named(kit, server, system):
    found = system.state(PATH)
    assert found.patchable == ["owner", "amount", "limits"]
    assert set(found.patchable) <= set(found.state)
    for name in ("secret", "nothing"):
        with pytest.raises(NotPlain, match="what can be patched is owner, amount, limits"):
            system.patch_state(PATH, {name: "x"})
    assert system.state(PATH).state == found.state


def test_by_what_others_know_an_actor_stays(kit, server, system, monkeypatch):
    monkeypatch.setattr(Account, "fixed_fields", frozenset({"owner"}))
    assert system.state(PATH).patchable == ["amount", "limits"]
    with pytest.raises(NotPlain, match="others know the actor by"):
        system.patch_state(PATH, {"owner": "bob"})


def test_new_members_of_a_dictionary_have_the_type_that_it_says(kit, server, system):
    for patch, where in (({"day": "x"}, "day"), ({"month": None, "year": "x"}, "year")):
        with pytest.raises(NotPlain) as failure:
            system.patch_state(PATH, {"limits": patch})
        assert failure.value.field == f"state.limits.{where}"
    system.patch_state(PATH, {"limits": {"day": 5}})
    assert kit.actor(server).state.limits == {"day": 5}


class Lamp(StateMachine):
    """Knows its states by its methods."""

    callback_mode = "state_functions"

    def init(self, args):
        return "off", {"watts": 5}

    def in_off(self, kind, event, data):
        return Keep(data)

    in_on = in_off


class Light(Lamp):
    """Tells its states."""

    states = ("off", "dim")


@pytest.mark.parametrize(("machine", "state"), [(Lamp, "on"), (Light, "dim")])
def test_a_machine_is_put_into_no_state_that_it_does_not_know(kit, system, machine, state):
    kit.start(machine, name=PATH)
    assert system.state(PATH).patchable == ["state", "data.watts"]
    with pytest.raises(NotPlain, match=rf"state: one of .*{state}"):
        system.patch_state(PATH, {"state": "bogus"}, dry_run=True)
    shown = system.patch_state(PATH, {"state": state, "data": {"watts": 7}})
    assert shown == {"state": state, "data": {"watts": 7}}


def test_an_actor_without_a_record_for_a_state_has_nothing_to_be_patched(kit, system):
    kit.start(Door, name=PATH)
    assert system.state(PATH).patchable == ["state"]
    kit.start_supervisor(SupervisorFlags(), name="top")
    kit.start(Plain, name="plain")
    assert [system.state(path).patchable for path in ("top", "plain")] == [[], []]


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
    by_day: dict[int, int] | None = field(default_factory=lambda: {1: 5})


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
        ({"limits": {"by_day": {"2": 7}}}, {1: 5, 2: 7}),
    ],
)
def test_a_patch_goes_on_inside_of_records_and_dictionaries(patch, made):
    new = merged(before := Mixed(limits=Limits()), patch)
    assert made in (new.limits, new.limits.flags, new.limits.by_day)
    assert before == Mixed(limits=Limits())


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"hidden": 1}, "state.hidden"),
        ({"limits": {"flags": {"open": 1}}}, "state.limits.flags.open"),
        ({"limits": {"flags": {"rate": True}}}, "state.limits.flags.rate"),
        ({"limits": {"flags": {"inner": 1}}}, "state.limits.flags.inner"),
        ({"limits": {"by_day": {"x": 1}}}, "state.limits.by_day.x"),
        ({"limits": {"by_day": {"2": "x"}}}, "state.limits.by_day.2"),
        ({"socket": 7}, "state.socket"),
        ({"limits": {"nothing": 1}}, "state.limits.nothing"),
    ],
)
def test_a_value_that_is_not_of_the_old_one_s_kind_is_refused(patch, field):
    with pytest.raises(NoPatch) as refusal:
        merged(Mixed(limits=Limits(), socket=object()), patch)
    assert refusal.value.field == field
    assert " a int " not in f" {refusal.value.rule} "


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

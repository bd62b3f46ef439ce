"""Patches of an actor's state: merged into its plain fields, or refused and nothing changed."""

from __future__ import annotations

import pytest
from sys_actors import PATH, Account, Door, System

from supervision import SupervisorFlags
from supervision.introspection import (
    ActionRefused,
    NotPlain,
)


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

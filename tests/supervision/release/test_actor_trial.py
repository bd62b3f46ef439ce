"""Conversions are tried on copies of living states, there and back, and nothing is touched."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from supervision import GenServer
from supervision.release.actor_trial import first_difference
from supervision.release.versions import Conversions
from supervision.testing import Takeover


class Old(Struct):
    kept: int = 1
    lost: str = "x"
    members: frozenset[str] = frozenset({"a", "b", "c"})


class New(Struct):
    kept: int
    members: frozenset[str]
    lost: str = ""


class OldKeeper(GenServer):
    carried = Old
    carried_as = "Keeper"

    def init(self, args: Any) -> None:
        self.state = Old()


class NewKeeper(OldKeeper):
    carried = New
    version = 2
    conversions = Conversions(up={1: lambda state: state}, down={2: lambda state: state})

    def init(self, args: Any) -> None:
        self.state = New(0, frozenset())


def without(key: str) -> Any:
    return lambda state: {name: value for name, value in state.items() if name != key}


class Losing(NewKeeper):
    conversions = Conversions(
        up={1: without("lost")}, down={2: lambda state: {**state, "lost": "y"}}
    )


class Failing(NewKeeper):
    conversions = Conversions(up={1: without("kept")}, down={2: lambda state: state})


class NoWayBack(NewKeeper):
    conversions = Conversions(up={1: lambda state: state}, down={2: lambda state: state["gone"]})


@pytest.mark.parametrize(
    ("kind", "word", "why"),
    [
        (NewKeeper, "equal", ""),
        (Losing, "lossy", "state['lost'] has another value"),
        (Failing, "failed", "keeper: Keeper of version 1: Object missing required field `kept`"),
        (NoWayBack, "failed", "keeper: Keeper: from version 2 to 1: KeyError: 'gone'"),
    ],
)
def test_a_trial_says_what_would_become_of_each_state(kind: Any, word: str, why: str) -> None:
    with Takeover() as pair:
        pair.old.start(OldKeeper, name="keeper")
        pair.new.start(kind, name="keeper")
        body = pair.gave.pack(1).body
        assert pair.took.trials(1, body) == {"keeper": (word, why)}
        assert pair.new.actor(pair.new.address("keeper")).state == New(0, frozenset())


PLAIN: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
    max_leaves=12,
)


@given(PLAIN)
def test_what_is_alike_has_no_difference(value: Any) -> None:
    assert first_difference(value, value, "state") == ""


@given(PLAIN, PLAIN)
def test_what_differs_has_one(one: Any, other: Any) -> None:
    wanted = {"same": [], "value": one} == {"same": [], "value": other}
    found = first_difference({"same": [], "value": one}, {"same": [], "value": other}, "state")
    if not wanted:
        assert found.startswith("state['value']") or sorted_alike(one, other)


def sorted_alike(one: Any, other: Any) -> bool:
    """Whether two values differ in the order of plain items only, at any level."""
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        if sorted(map(repr, one)) == sorted(map(repr, other)):
            return True
        return all(
            sorted_alike(*pair) or pair[0] == pair[1] for pair in zip(one, other, strict=True)
        )
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return all(sorted_alike(one[key], other[key]) or one[key] == other[key] for key in one)
    return False


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"a": 1}, {}, "state['a'] is lost"),
        ({}, {"a": 1}, "state['a'] comes from nowhere"),
        ({"a": [1, 2]}, {"a": [1]}, "state['a']: 1 items, not 2"),
        ({"a": True}, {"a": 1}, "state['a']: of type int, not bool"),
        ({"a": [{"b": "secret"}]}, {"a": [{"b": "other"}]}, "state['a'][0]['b'] has another value"),
        ({"a": ["x", "y"]}, {"a": ["y", "x"]}, ""),
        ({"a": 1}, {"a": 1.0}, ""),
    ],
)
def test_a_difference_is_told_by_its_place_and_without_its_value(
    before: Any, after: Any, told: str
) -> None:
    assert first_difference(before, after, "state") == told

"""Conversions chain between the versions of a state, or say which step is missing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.release.carrier import NoConversion
from supervision.release.versions import SAME, ConversionFailed, Conversions


def plus(key: str) -> Any:
    return lambda state: {**state, key: None}


def minus(key: str) -> Any:
    return lambda state: {name: value for name, value in state.items() if name != key}


WAYS = Conversions(
    up={1: plus("b"), 2: plus("c"), 3: plus("d")},
    down={2: minus("b"), 3: minus("c"), 4: minus("d")},
)
KEYS = "abcd"


@given(st.integers(1, 4), st.integers(1, 4))
def test_a_way_walks_through_every_version_in_between(have: int, want: int) -> None:
    state = dict.fromkeys(KEYS[:have])
    assert list(WAYS.convert("thing", state, have, want)) == list(KEYS[:want])
    assert WAYS.leads(have, want)


def test_nothing_is_called_where_nothing_is_to_be_converted() -> None:
    state = object()
    assert SAME.convert("thing", state, 7, 7) is state


def test_a_missing_step_is_named_before_any_function_is_called() -> None:
    called: list[Any] = []
    ways = Conversions(up={1: called.append})
    with pytest.raises(NoConversion, match="thing: no code_change from version 2 to 3, on the way"):
        ways.convert("thing", {}, 1, 4)
    with pytest.raises(NoConversion, match=r"^thing: no downgrade from version 2 to 1$"):
        ways.way("thing", 2, 1)
    assert called == []
    assert not ways.leads(1, 3)
    assert ways.missing(3) == ["up from 2 to 3", "down from 3 to 2", "down from 2 to 1"]


def test_a_function_that_raises_is_told_with_its_type_and_step() -> None:
    ways = Conversions(up={1: plus("b"), 2: lambda state: state["nowhere"]})
    with pytest.raises(ConversionFailed, match="thing: from version 2 to 3: KeyError") as failed:
        ways.convert("thing", {}, 1, 3)
    assert (failed.value.have, failed.value.want) == (2, 3)
    assert isinstance(failed.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("up", "down"),
    [({0: plus("b")}, {}), ({"1": plus("b")}, {}), ({}, {1: minus("b")}), ({1: None}, {})],
)
def test_what_is_no_step_is_refused_at_once(up: Any, down: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"^(up|down): "):
        Conversions(up=up, down=down)

"""A state that changed its shape needs a version of its own and both conversions."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

import msgspec
import pytest
from msgspec import Struct

from supervision import GenServer
from supervision.eventloop.cell import LocalAddress
from supervision.eventloop.timers import Timer
from supervision.release.coverage import StateType, check, of_actor, outline, record
from supervision.release.versions import Conversions


class Colour(Enum):
    RED = "r"
    BLUE = "b"


class Leaf(Struct):
    name: str
    size: float = 0.0


class Rich(Struct):
    leaves: list[Leaf]
    by_name: dict[str, Leaf | None] = {}
    pair: tuple[int, str] = (0, "")
    colour: Colour = Colour.RED
    word: Literal["a", "b"] = "a"
    whom: LocalAddress | None = None
    timer: Timer | None = None
    inner: Rich | None = None
    anything: Any = None


class RichElsewhere(Struct):
    """The same under other names of classes."""

    leaves: tuple[Leaf, ...]
    by_name: dict[str, Leaf | None] = {}
    pair: tuple[int, str] = (1, "x")
    colour: Literal["r", "b"] = "r"
    word: Literal["b", "a"] = "b"
    whom: LocalAddress | None = None
    timer: Timer | None = None
    inner: RichElsewhere | None = None
    anything: Any = None


def same(state: Any) -> Any:
    return state


def test_a_shape_is_what_is_written_and_not_what_classes_are_called() -> None:
    assert outline(Rich) == outline(RichElsewhere)
    assert msgspec.json.decode(msgspec.json.encode(outline(Rich))) == outline(Rich)


def test_what_is_recorded_is_covered() -> None:
    types = [StateType("rich", 1, Rich), StateType("leaf", 1, Leaf)]
    assert check(types, record(types)) == []


def test_a_type_that_is_not_recorded_is_told() -> None:
    assert check([StateType("leaf", 1, Leaf)], {}) == ["leaf: version 1 is not recorded"]


class NewLeaf(Struct):
    name: int
    colour: str = ""


def test_another_shape_without_another_version_is_told_with_the_difference() -> None:
    known = record([StateType("leaf", 1, Leaf)])
    (word,) = check([StateType("leaf", 1, NewLeaf)], known)
    assert word == (
        "leaf: version 1 has another shape than is recorded (state.size is gone;"
        " state.colour is new; state.name: str became int):"
        " make it version 2, with a conversion up and one down"
    )


class InList(Struct):
    leaves: list[NewLeaf]


class WasInList(Struct):
    leaves: list[Leaf]


class Row(Struct, array_like=True):
    one: int
    two: int


class Swapped(Struct, array_like=True):
    two: int
    one: int


def test_the_order_of_fields_counts_where_they_are_written_without_names() -> None:
    (word,) = check([StateType("row", 1, Swapped)], record([StateType("row", 1, Row)]))
    assert "(state: its fields have another order)" in word


def test_a_difference_deep_inside_is_told_by_its_place() -> None:
    known = record([StateType("tree", 1, WasInList)])
    (word,) = check([StateType("tree", 1, InList)], known)
    assert "(state.leaves[].size is gone; state.leaves[].colour is new;" in word


class Pair(Struct):
    both: tuple[str, dict[str, Leaf | None]]


class WasPair(Struct):
    both: tuple[str, dict[str, NewLeaf | None]]


def test_a_difference_in_tuples_mappings_and_unions_is_told_by_its_place_alone() -> None:
    known = record([StateType("pair", 1, WasPair)])
    (word,) = check([StateType("pair", 1, Pair)], known)
    told = "(state.both[1]{}.colour is gone; state.both[1]{}.size is new; state.both[1]{}.name: "
    assert told in word


def test_a_shape_that_is_long_is_not_told_whole() -> None:
    words = Literal[tuple(f"word-{number}" for number in range(100))]  # type: ignore[misc]
    (word,) = check([StateType("w", 1, int)], record([StateType("w", 1, words)]))
    assert "... became int" in word
    assert len(word) < 500


@pytest.mark.parametrize(
    ("ways", "missing"),
    [
        (Conversions(), ["up from 1 to 2", "down from 2 to 1"]),
        (Conversions(up={1: same}), ["down from 2 to 1"]),
        (Conversions(down={2: same}), ["up from 1 to 2"]),
        (Conversions(up={1: same}, down={2: same}), []),
    ],
)
def test_another_version_needs_both_conversions(ways: Conversions, missing: list[str]) -> None:
    known = record([StateType("leaf", 1, Leaf)])
    new = StateType("leaf", 2, NewLeaf, ways)
    known = record([new], known)
    assert list(known["leaf"]) == ["1", "2"]
    assert check([new], known) == [f"leaf: no way {way}" for way in missing]


def test_a_version_that_is_recorded_keeps_its_shape() -> None:
    known = record([StateType("leaf", 1, Leaf)])
    assert record([StateType("leaf", 1, NewLeaf)], known) == known


def test_a_version_older_than_what_is_recorded_is_told() -> None:
    known = record([StateType("leaf", 3, Leaf)])
    words = check([StateType("leaf", 2, Leaf)], known)
    assert words == ["leaf: version 3 is recorded, and the code says 2"]


class ByHand(GenServer):
    carried = NewLeaf
    carried_as = "leaf"
    version = 2

    def code_change(self, old_vsn: Any, state: Any, extra: Any) -> Any:
        return state

    def downgrade(self, new_vsn: Any, state: Any, extra: Any) -> Any:
        return state


class HalfByHand(ByHand):
    downgrade = GenServer.downgrade


def test_conversions_by_code_of_an_actor_count() -> None:
    known = record([StateType("leaf", 1, Leaf), of_actor(ByHand)])
    assert check([of_actor(ByHand)], known) == []
    assert len(check([of_actor(HalfByHand)], known)) == 2


def test_an_actor_that_does_not_travel_has_no_type_of_state() -> None:
    with pytest.raises(ValueError, match="GenServer: nothing of it travels"):
        of_actor(GenServer)

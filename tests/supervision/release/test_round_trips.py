"""Users test their conversions in three lines."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import strategies as st
from msgspec import Struct

from supervision import GenServer, StateMachine
from supervision.eventloop.timers import Timer
from supervision.release.carrier import NoConversion
from supervision.release.coverage import StateType, of_actor, outline, record
from supervision.release.versions import Conversions
from supervision.testing import round_trips


class Call(Struct):
    number: str
    tries: int = 0
    tags: frozenset[str] = frozenset()
    word: Literal["a", "b"] = "a"
    timer: Timer | None = None


class OldCall(Struct):
    number: str
    tags: frozenset[str] = frozenset()
    word: Literal["a", "b"] = "a"
    timer: Timer | None = None


def with_tries(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, "tries": 0}


def without_tries(state: dict[str, Any]) -> dict[str, Any]:
    del state["tries"]
    return state


class Caller(GenServer):
    carried = Call
    version = 2
    conversions = Conversions(up={1: with_tries}, down={2: without_tries})


RECORDED = record([StateType("Caller", 1, OldCall)])


def test_a_conversion_that_forgets_is_found() -> None:
    with pytest.raises(
        AssertionError, match=r"Caller by way of version 1 does not come back.*tries"
    ):
        round_trips(Caller, RECORDED)


class Kept(Struct):
    number: int


class WasKept(Struct):
    text: str


def to_number(state: dict[str, Any]) -> dict[str, Any]:
    return {"number": int.from_bytes(state["text"].encode(), "big")}


def to_text(state: dict[str, Any]) -> dict[str, Any]:
    number = state["number"]
    return {"text": number.to_bytes((number.bit_length() + 7) // 8, "big").decode()}


LETTERS = st.text("abc", max_size=6)
KEPT = StateType("kept", 2, Kept, Conversions(up={1: to_number}, down={2: to_text}))


def test_conversions_that_keep_all_pass() -> None:
    round_trips(
        KEPT,
        states=LETTERS.map(lambda text: Kept(**to_number({"text": text}))),
        older={1: LETTERS.map(lambda text: {"text": text})},
    )


def test_what_goes_up_has_to_be_of_the_present_type() -> None:
    wrong = StateType("kept", 2, Kept, Conversions(up={1: lambda state: state}, down={2: to_text}))
    with pytest.raises(ValueError, match="missing required field `number`"):
        round_trips(
            wrong, states=st.just(Kept(0)), older={1: LETTERS.map(lambda text: {"text": text})}
        )


def test_a_missing_step_is_told() -> None:
    with pytest.raises(NoConversion, match="kept: no downgrade from version 2 to 1"):
        round_trips(StateType("kept", 2, Kept), record([StateType("kept", 1, WasKept)]))


class ByHand(GenServer):
    carried = Kept
    version = 2

    def code_change(self, old_vsn: Any, state: Any, extra: Any) -> Any:
        return Kept(int(state["text"]))

    def downgrade(self, new_vsn: Any, state: Any, extra: Any) -> Any:
        return {"text": str(state["number"])}


def test_conversions_by_code_are_tried_too() -> None:
    numbers = st.integers(0, 9999).map(lambda number: {"text": str(number)})
    round_trips(ByHand, older={1: numbers})
    with pytest.raises(AssertionError, match=r"state.'text'. has another value"):
        round_trips(ByHand, older={1: st.just({"text": "007"})})


class Ringer(StateMachine):
    carried = Kept
    version = 2
    conversions = Conversions(
        up={1: lambda it: ["on" if it[0] == "busy" else it[0], it[1]]},
        down={2: lambda it: ["busy" if it[0] == "on" else it[0], it[1]]},
    )


def test_of_a_machine_pairs_of_state_and_data_are_converted() -> None:
    ringer = of_actor(Ringer)
    assert outline(ringer.kind) == {"tuple": ["str", outline(Kept)]}
    states = st.tuples(st.sampled_from(["on", "off"]), st.integers(0, 9).map(Kept))
    older = st.tuples(
        st.sampled_from(["busy", "off"]), st.integers(0, 9).map(lambda n: {"number": n})
    )
    round_trips(Ringer, states=states, older={1: older.map(list)})


def test_a_type_of_one_version_is_written_and_read_as_it_is() -> None:
    round_trips(StateType("call", 1, Call))


def test_what_cannot_be_made_up_is_told() -> None:
    with pytest.raises(ValueError, match="no Timer can be made up"):
        round_trips(StateType("timer", 1, Timer))

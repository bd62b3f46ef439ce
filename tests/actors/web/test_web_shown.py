from collections import deque
from dataclasses import dataclass
from enum import Enum

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.web.shown import MAX_CHARS, MAX_DEPTH, MAX_MEMBERS, shown


class Agent(msgspec.Struct):
    name: str
    skills: set[str]


@dataclass
class Queue:
    calls: deque


class Mode(Enum):
    OPEN = "open"


@pytest.mark.parametrize(
    ("state", "plain"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        (2**63, 2**63),
        (2**70, repr(2**70)),
        ("text", "text"),
        (b"\xff", "b'\\xff'"),
        ("\ud800", "\\ud800"),
        (Mode.OPEN, "open"),
        (Agent("a", {"x"}), {"name": "a", "skills": ["x"]}),
        (Queue(deque([1, 2])), {"calls": [1, 2]}),
        ({("a", 1): (1, 2)}, {"('a', 1)": [1, 2]}),
        ({1: 2}.values(), [2]),
        (int, "<class 'int'>"),
    ],
)
def test_a_state_is_shown_as_plain_data(state, plain):
    assert shown(state) == plain


def test_what_is_long_is_cut_and_tells_how_much_is_missing():
    assert shown(list(range(MAX_MEMBERS + 7)))[-1] == "… 7 more"
    assert shown(dict.fromkeys(range(MAX_MEMBERS + 7)))["…"] == 7
    assert len(shown("x" * 100_000)) == MAX_CHARS + 1


def test_what_is_deep_or_contains_itself_ends():
    loop = []
    loop.append(loop)
    plain = shown(loop)
    for _ in range(MAX_DEPTH - 1):
        (plain,) = plain
    assert plain == ["[[...]]"]


anything = st.recursive(
    st.none() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.integers() | st.text(), inner),
    max_leaves=20,
)


@given(anything)
def test_what_is_shown_can_be_encoded_in_every_media_type(state):
    assert msgspec.json.encode(shown(state))
    assert msgspec.msgpack.encode(shown(state))

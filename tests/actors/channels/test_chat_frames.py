"""Frames and tickets of the web chat, whatever comes."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.channels import chat_frames
from actors.channels.chat_frames import ChatAdmission, ChatClosed, End, Hello, Say, Typing
from actors.channels.rate import Rate
from protocols.http import tickets
from protocols.http.tickets import TicketRefused

SECRET = b"s" * 32

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FRAMES = st.fixed_dictionaries(
    {"t": st.sampled_from(["hello", "message", "typing", "end", "x"]) | VALUES},
    optional=dict.fromkeys(("ticket", "token", "n", "seq", "text"), VALUES),
)


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ('{"t": "hello", "ticket": "a.b"}', Hello(ticket="a.b")),
        ('{"t": "hello", "token": "a.b", "n": 3, "more": 1}', Hello(token="a.b", n=3)),
        ('{"t": "message", "seq": 1, "text": "hi"}', Say(seq=1, text="hi")),
        ('{"t": "typing"}', Typing()),
        ('{"t": "end"}', End()),
    ],
)
def test_a_frame_is_what_it_says(text, frame):
    assert chat_frames.read(text) == frame


@given(st.text(max_size=200) | st.builds(json.dumps, FRAMES | VALUES))
def test_any_text_is_a_frame_or_malformed(text):
    with contextlib.suppress(ChatClosed):
        frame = chat_frames.read(text)
        assert isinstance(frame, Hello | Say | Typing | End)


@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{43}\Z"))
def test_no_text_but_a_ticket_is_one(text):
    with pytest.raises(TicketRefused):
        tickets.read(SECRET, "chat ticket", text, ChatAdmission)


@given(st.builds(ChatAdmission, call=st.text(), rp=st.text(), ani=st.text(), expires=st.just(1.0)))
def test_a_ticket_says_what_it_was_made_of(admission):
    made = tickets.make(SECRET, "k", admission)
    assert tickets.read(SECRET, "k", made, ChatAdmission) == admission
    for secret, kind in ((b"t" * 32, "k"), (SECRET, "l")):
        with pytest.raises(TicketRefused):
            tickets.read(secret, kind, made, ChatAdmission)


def test_a_rate_lets_as_much_through_as_a_second_brings():
    rate = Rate(2, 10.0)
    assert [rate.takes(10.0) for _ in range(3)] == [True, True, False]
    assert [rate.takes(10.5), rate.takes(10.5)] == [True, False]
    assert [rate.takes(9.0), rate.takes(100.0, 3), rate.takes(100.0, 2)] == [False, False, True]

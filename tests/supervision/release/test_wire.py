"""The bytes between the two sides: any messages in any split, and what is no message."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.release.carrier import Slice
from supervision.release.wire import (
    Agreed,
    Begin,
    Body,
    Copied,
    Descriptors,
    End,
    Failed,
    Forward,
    Frames,
    Hello,
    Items,
    Offer,
    PartHead,
    Prepared,
    Refused,
    TakeoverFailed,
    WireDamaged,
    framed,
)

LIMIT = 100_000
NAMES = st.text(max_size=8)
COUNTS = st.dictionaries(NAMES, st.integers(0, 2**40), max_size=3)
CRCS = st.integers(0, 2**32 - 1)
VERSIONS = st.dictionaries(NAMES, st.integers(1, 99), max_size=3)
SLICES = st.builds(
    Slice,
    st.lists(st.tuples(NAMES, st.binary(max_size=50)), max_size=5).map(tuple),
    st.lists(NAMES, max_size=5).map(tuple),
)
HEADS = st.builds(PartHead, st.integers(1, 99), st.booleans(), st.booleans(), VERSIONS)
MESSAGES = st.one_of(
    st.builds(
        Hello,
        st.just(1),
        NAMES,
        st.sampled_from(["takeover", "check", "shadow"]),
        NAMES,
        st.dictionaries(NAMES, HEADS, max_size=3),
        st.lists(NAMES, max_size=3).map(tuple),
    ),
    st.builds(Offer, NAMES, VERSIONS, st.dictionaries(NAMES, VERSIONS, max_size=2)),
    st.builds(Refused, NAMES),
    st.builds(Agreed),
    st.builds(Begin),
    st.builds(Items, NAMES, SLICES),
    st.builds(Copied, COUNTS),
    st.builds(Body, NAMES, st.binary(max_size=500), st.integers(0, 1000)),
    st.builds(Descriptors),
    st.builds(End, COUNTS, CRCS, st.floats(0, 1e9)),
    st.builds(Prepared, COUNTS, CRCS),
    st.builds(Failed, NAMES),
    st.builds(Forward, st.binary(max_size=500)),
)
SAID = st.lists(st.tuples(MESSAGES, st.integers(0, 250)), max_size=12)


def portions(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def taken(frames: Frames, data: list[bytes]) -> list[tuple[object, int]]:
    got = []
    for portion in data:
        frames.feed(portion)
        got += list(frames.messages())
    return got


@given(SAID, st.lists(st.integers(0, 2**20)))
def test_messages_are_the_same_in_whatever_portions_their_bytes_come(said, cuts):
    data = b"".join(framed(message, count, LIMIT) for message, count in said)
    whole, split = Frames(LIMIT), Frames(LIMIT)
    assert taken(whole, [data]) == said
    assert taken(split, portions(data, cuts)) == said
    assert (whole.crc, whole.crc_before) == (split.crc, split.crc_before)
    assert not split.begun


@given(SAID.filter(bool), st.integers(0, 2**20), st.integers(1, 255))
def test_a_byte_that_changed_on_the_way_never_goes_unseen(said, where, change):
    """It is no message any more, or not whole, or the checksum tells."""
    data = bytearray(b"".join(framed(message, count, LIMIT) for message, count in said))
    sent = Frames(LIMIT)
    taken(sent, [bytes(data)])
    data[where % len(data)] ^= change
    frames = Frames(LIMIT)
    try:
        taken(frames, [bytes(data)])
    except WireDamaged:
        return
    assert frames.begun or frames.crc != sent.crc


@given(st.binary(min_size=6, max_size=200))
def test_bytes_that_are_no_messages_are_refused_or_waited_for(data):
    frames = Frames(1_000)
    try:
        got = taken(frames, [data])
    except WireDamaged:
        return
    assert not got or frames.crc


def test_a_message_over_the_limit_is_neither_sent_nor_taken():
    with pytest.raises(TakeoverFailed, match=r"body of actors: \d+ bytes, .* at most 100"):
        framed(Body("actors", bytes(200)), 0, 100)
    frames = Frames(100)
    frames.feed(framed(Body("actors", bytes(200)), 0, 1_000))
    with pytest.raises(WireDamaged, match="at most 100 are taken"):
        list(frames.messages())


def test_a_kind_of_message_that_is_not_known_is_refused():
    payload = msgspec.msgpack.encode({"t": "surprise"})
    frames = Frames(LIMIT)
    frames.feed(len(payload).to_bytes(4, "big") + b"\0\0" + payload)
    with pytest.raises(WireDamaged, match="surprise"):
        list(frames.messages())


def test_fields_that_a_later_release_adds_do_not_matter():
    payload = msgspec.msgpack.encode({"t": "failed", "why": "x", "more": [1]})
    frames = Frames(LIMIT)
    frames.feed(len(payload).to_bytes(4, "big") + b"\0\0" + payload)
    assert list(frames.messages()) == [(Failed("x"), 0)]

import random

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.cti.framing import Decoder, FramingError, encode, recognise, unpack

HEARTBEAT = {"t": "hb", "i": 1, "ts": 5.0}

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
frames = st.dictionaries(st.text(), values, max_size=6)


def framed(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + payload


def taken(decoder: Decoder) -> list[dict]:
    return list(iter(decoder.next_frame, None))


@given(st.lists(frames, max_size=5), st.data())
def test_frames_come_out_the_same_wherever_the_stream_is_cut(sent, data):
    stream = b"".join(map(encode, sent))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    decoder = Decoder()
    received = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        decoder.feed(stream[start:end])
        received += taken(decoder)
    assert repr(received) == repr(sent)  # as text: a NaN differs from itself
    assert decoder.pending == b""


def test_a_frame_fed_byte_by_byte_comes_out_with_its_last_byte():
    decoder = Decoder()
    *head, last = encode(HEARTBEAT)
    for byte in head:
        decoder.feed(bytes([byte]))
        assert decoder.next_frame() is None
    decoder.feed(bytes([last]))
    assert decoder.next_frame() == HEARTBEAT


def test_a_truncated_frame_stays_pending():
    decoder = Decoder()
    decoder.feed(encode(HEARTBEAT)[:-1])
    assert taken(decoder) == []
    assert decoder.pending == encode(HEARTBEAT)[:-1]


def test_the_longest_frame_is_65535_bytes_and_one_more_is_413_before_its_payload_comes():
    decoder = Decoder()
    longest = {"x": "y" * (65_535 - 6)}
    decoder.feed(encode(longest))
    assert decoder.next_frame() == longest
    decoder.feed((65_536).to_bytes(4, "big"))
    with pytest.raises(FramingError) as refused:
        decoder.next_frame()
    assert refused.value.code == 413


def test_the_limit_can_be_configured_at_both_ends():
    with pytest.raises(FramingError) as refused:
        encode({"x": "y" * 10}, max_bytes=10)
    assert refused.value.code == 413
    decoder = Decoder(max_bytes=10)
    decoder.feed(encode({"x": "y" * 10}))
    with pytest.raises(FramingError):
        decoder.next_frame()


def test_frames_before_a_broken_one_are_returned():
    decoder = Decoder()
    decoder.feed(encode(HEARTBEAT) + framed(b"\xc1") + encode(HEARTBEAT))
    assert decoder.next_frame() == HEARTBEAT
    with pytest.raises(FramingError):
        decoder.next_frame()


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc1", id="a byte that msgpack never uses"),
        pytest.param(b"\x93\x01\x02\x03", id="a list"),
        pytest.param(b"\x07", id="a number"),
        pytest.param(b"\x81\xa1a", id="a map cut short"),
        pytest.param(b"\x81\xa1a\x01\x02", id="more than one object"),
        pytest.param(b"\x81\xa1a\xa2\xff\xfe", id="text that is not UTF-8"),
        pytest.param(b"\x81\xa1a\xa3\xed\xa0\x80", id="text with a surrogate"),
        pytest.param(b"\x81\x01\x01", id="a number as key"),
        pytest.param(b"\x81\xa1a\xd4\x05\x00", id="an extension"),
        pytest.param(b"\x81\xa1a\xc7\x00\x05", id="an empty extension"),
        pytest.param(b"\x81\xa1a\xd6\xff\0\0\0\0", id="a timestamp"),
        pytest.param(b"\xdf\xff\xff\xff\xff", id="4,294,967,295 keys"),
        pytest.param(b"\x81\xa1a\xdd\xff\xff\xff\xff", id="4,294,967,295 items"),
        pytest.param(b"\x81\xa1a" + b"\x91" * 60_000 + b"\x01", id="60,000 lists deep"),
    ],
)
def test_what_is_not_one_well_formed_map_is_400(payload):
    with pytest.raises(FramingError) as refused:
        unpack(payload)
    assert refused.value.code == 400


@pytest.mark.parametrize(
    ("first", "framing"),
    [
        (b"", "undecided"),
        (b"\0\0\x01\x00", "undecided"),
        (b"\0\0\0\x80\x8f", "A"),
        (b"\0\0\0\x80\x80", "A"),
        (b"\xff\xff\xff\xff\xde", "A"),
        (b"\0\0\0\x80\xdf rest", "A"),
        (b"\0\0\x01\x000", "B"),
        (b"\0\0\x01\x009999", "B"),
        (b"\0\x01\0\x009", "unknown"),
        (b"\0\0\0\x80/", "unknown"),
        (b"\0\0\0\x80:", "unknown"),
        (b"\0\0\0\x80\x90", "unknown"),
        (b"GET / HTTP/1.1", "unknown"),
    ],
)
def test_the_first_five_bytes_decide_the_framing(first, framing):
    assert recognise(first) == framing


def test_10000_random_byte_strings_raise_nothing_but_framing_errors():
    rng = random.Random(7300)
    shapes = (framed, lambda payload: payload, lambda payload: framed(b"\x82\xa1t" + payload))
    for number in range(10_000):
        decoder = Decoder()
        decoder.feed(shapes[number % 3](rng.randbytes(rng.randrange(80))))
        try:
            received = taken(decoder)
        except FramingError as error:
            assert error.code in (400, 413)  # noqa: PT017 - most strings are refused, not all
        else:
            assert all(isinstance(frame, dict) for frame in received)


def test_a_flipped_bit_in_a_good_frame_raises_nothing_but_framing_errors():
    good = bytearray(msgpack.packb(HEARTBEAT | {"ud": {"k": ["v", None, 1.5]}}))
    for bit in range(len(good) * 8):
        good[bit // 8] ^= 1 << bit % 8
        try:
            unpack(bytes(good))
        except FramingError as error:
            assert error.code == 400  # noqa: PT017 - some flips give another good frame
        good[bit // 8] ^= 1 << bit % 8

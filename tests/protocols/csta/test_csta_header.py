"""The eight bytes before each message of CSTA XML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.csta.header import (
    EVENT_INVOKE_ID,
    HEADER_BYTES,
    MAX_TOTAL_BYTES,
    Decoder,
    HeaderError,
    Segment,
    encode,
)
from protocols.cti.framing import recognise

segments = st.lists(
    st.builds(Segment, st.integers(0, EVENT_INVOKE_ID), st.binary(max_size=60)), max_size=8
)


def taken(decoder: Decoder) -> list[Segment]:
    return list(iter(decoder.next_segment, None))


def refused(data: bytes, **limits) -> HeaderError:
    decoder = Decoder(**limits)
    decoder.feed(data)
    with pytest.raises(HeaderError) as error:
        decoder.next_segment()
    return error.value


@given(segments, st.data())
def test_any_split_of_the_stream_gives_the_same_segments(sent, data):
    stream = b"".join(encode(one.invoke_id, one.payload) for one in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    decoder, received = Decoder(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        decoder.feed(stream[start:end])
        received += taken(decoder)
    assert received == sent
    assert decoder.pending_bytes == 0


def test_one_byte_at_a_time_gives_a_segment_when_its_last_byte_has_come():
    decoder = Decoder()
    stream = encode(7, b"<a/>")
    for byte in stream[:-1]:
        decoder.feed(bytes([byte]))
        assert decoder.next_segment() is None
    assert decoder.pending == stream[:-1]
    decoder.feed(stream[-1:])
    assert decoder.next_segment() == Segment(7, b"<a/>")


def test_the_length_counts_the_header():
    assert encode(42, b"<a/>") == b"\0\0\0\x0c0042<a/>"


def test_a_message_of_65535_bytes_travels_and_one_more_does_not():
    payload = b"x" * (MAX_TOTAL_BYTES - HEADER_BYTES)
    decoder = Decoder()
    decoder.feed(encode(0, payload) + encode(1, b""))
    assert taken(decoder) == [Segment(0, payload), Segment(1, b"")]
    with pytest.raises(HeaderError, match="too-long"):
        encode(0, payload + b"x")


def test_a_message_over_the_configured_limit_is_refused_before_it_has_come():
    error = refused(b"\0\0\x01\x010001", max_bytes=256)
    assert (error.rule, error.code) == ("too-long", 413)
    assert "257" in error.msg


@pytest.mark.parametrize("total", range(HEADER_BYTES))
def test_a_length_under_eight_is_named(total):
    error = refused(b"\0\0\0" + bytes([total]) + b"0001")
    assert (error.rule, error.code) == ("too-short", 400)


@pytest.mark.parametrize("first", [b"\0\x01", b"\x01\0", b"<?"])
def test_other_first_bytes_than_two_noughts_are_named(first):
    assert refused(first + b"\0\x0c0001<a/>").rule == "format"


@pytest.mark.parametrize("digits", [b"   1", b"-001", b"1e01", b"00\xb21", b"\0\0\0\0", b"+123"])
def test_an_invoke_id_is_four_ascii_digits(digits):
    assert refused(b"\0\0\0\x0c" + digits + b"<a/>").rule == "invoke-id"


@pytest.mark.parametrize("invoke_id", [-1, 10_000])
def test_an_invoke_id_out_of_range_is_not_written(invoke_id):
    with pytest.raises(HeaderError, match="invoke-id"):
        encode(invoke_id, b"<a/>")


def test_segments_before_a_broken_header_are_returned_and_none_after_it():
    decoder = Decoder()
    decoder.feed(encode(1, b"a") + b"\0\0\0\x010002" + encode(3, b"b"))
    assert decoder.next_segment() == Segment(1, b"a")
    for _ in range(2):
        with pytest.raises(HeaderError, match="too-short"):
            decoder.next_segment()


def test_its_first_five_bytes_are_recognised_as_framing_b():
    assert recognise(encode(9_998, b"<a/>")[:5]) == "B"


@given(st.binary(max_size=40))
def test_any_bytes_give_segments_or_a_named_error(data):
    decoder = Decoder()
    decoder.feed(data)
    rules = {"none", "format", "too-short", "too-long", "invoke-id"}
    assert outcome(decoder) in rules


def outcome(decoder: Decoder) -> str:
    try:
        taken(decoder)
    except HeaderError as error:
        return error.rule
    return "none"

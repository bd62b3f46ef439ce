"""Where requests begin and end in a connection's bytes is known, however they are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.http.arriving import Arriving

GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nGET / H\r\n\r\n"
CHUNKED = (
    b"PUT /b HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n"
    b"5;a=b\r\n\r\n\r\n\r\r\n1\r\n\n\r\n0\r\nTrailer: y\r\n\r\n"
)
EMPTY = b"POST /c HTTP/1.1\r\ncontent-length: 0\r\n\r\n"
REQUESTS = (GET, POST, CHUNKED, EMPTY)


def fed(data, cuts):
    """What is known after these bytes, read in pieces."""
    one = Arriving()
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    for begin, end in pairwise(places):
        one.take(data[begin:end])
    return one


@given(
    st.lists(st.sampled_from(REQUESTS), max_size=5),
    st.sampled_from(REQUESTS),
    st.integers(0, 10_000),
    st.lists(st.integers(0, 10_000), max_size=12),
)
def test_what_has_begun_is_kept_however_the_bytes_are_cut(before, last, part, cuts):
    begun = last[: part % (last.index(b"\r\n\r\n") + 4)]
    one = fed(b"".join(before) + begun, cuts)
    assert one.between
    assert one.begun == begun


@given(
    st.lists(st.sampled_from(REQUESTS), max_size=3),
    st.sampled_from((POST, CHUNKED)),
    st.integers(0, 10_000),
    st.lists(st.integers(0, 10_000), max_size=12),
)
def test_within_a_body_no_request_begins(before, last, part, cuts):
    head = last.index(b"\r\n\r\n") + 4
    begun = last[: head + part % (len(last) - head)]
    assert not fed(b"".join(before) + begun, cuts).between


def test_empty_lines_before_a_request_belong_to_none():
    one = fed(b"\r\n\r\n" + GET + b"\r\n", [3, 7])
    assert one.between
    assert one.begun == b""
    one.take(b"\r\nGE")
    assert one.begun == b"GE"


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n",
    ],
    ids=["upgrade", "connect", "no chunk"],
)
def test_what_follows_something_else_than_a_request_is_not_known(head):
    one = fed(head, [])
    one.take(GET)
    assert not one.between
    assert one.place == "unknown"

"""What two versions have decided: the comparison, frame by frame."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.takeover import decisions
from actors.takeover.decisions import Decisions, Stream
from protocols.cti.framing import encode


def asked(number: int = 1, xref: str = "x-1") -> dict[str, Any]:
    return {"t": "route.request", "i": number, "xref": xref, "call": "c", "rp": "sales"}


def decided(xref: str = "x-1", **fields: Any) -> dict[str, Any]:
    return {"t": "route.select", "i": 9, "xref": xref, "target": "7001", "reason": "r", **fields}


def told(one: Decisions, live: dict[str, Any], shadow: dict[str, Any], link: int = 1) -> None:
    one.live(link, live)
    one.shadow(link, shadow, 0.010)


def test_decisions_are_alike_whatever_numbers_and_sessions_they_name() -> None:
    one = Decisions()
    one.asked(1, asked(), 0.0)
    told(one, decided(i=3, session="a", rev=1), decided(i=8, session="b", rev=2, durable=True))
    report = one.report(5.0, 1.0)
    assert (report["same"], report["different"]) == (1, 0)
    assert report["shadow_ms"] == {"p50": 10.0, "p99": 10.0, "max": 10.0}


def test_those_that_differ_are_counted_by_field_and_shown() -> None:
    one = Decisions()
    one.asked(1, asked(), 0.0)
    told(one, decided(), decided(target="7002", treat={"play": "wait"}))
    report = one.report(5.0, 1.0)
    assert report["different"] == 1
    assert report["fields"] == {"target": 1, "treat": 1}
    assert report["differences"][0]["xref"] == "x-1"


def test_a_decision_that_was_late_on_one_side_is_no_other_decision() -> None:
    one = Decisions()
    one.asked(1, asked(), 0.0)
    told(one, decided(), decided(target="9000", reason="late-default"))
    assert one.report(5.0, 1.0)["late_on_one_side"] == 1


def test_what_only_one_side_decides_is_missed_after_a_while() -> None:
    one = Decisions()
    one.asked(1, asked(1, "x-1"), 0.0)
    one.asked(1, asked(2, "x-2"), 0.0)
    one.asked(1, asked(3, "x-3"), 9.5)
    one.live(1, decided("x-1"))
    one.shadow(1, decided("x-2"), 1.0)
    one.live(1, decided("x-3"))
    report = one.report(10.0, 1.0)
    assert (report["only_live"], report["only_shadow"]) == (1, 1)


def test_refusals_are_found_by_the_number_of_what_they_refuse() -> None:
    one = Decisions()
    one.asked(1, {"t": "call.event", "i": 5, "call": "c", "ev": "cleared"}, 0.0)
    refused = {"t": "error", "i": 2, "code": 404, "ref": 5, "msg": "in other words"}
    told(one, refused, {**refused, "msg": "in words", "i": 7})
    assert one.report(5.0, 1.0)["same"] == 1


def test_what_was_asked_before_or_by_another_link_is_left_out() -> None:
    one = Decisions()
    one.asked(2, asked(), 0.0)
    told(one, decided(), decided(target="1"))
    assert one.report(0.5, 1.0)["different"] == 0


def test_it_remembers_no_more_than_it_may(monkeypatch: Any) -> None:
    monkeypatch.setattr(decisions, "MOST_OPEN", 10)
    one = Decisions()
    for n in range(100):
        one.asked(1, asked(n, f"x-{n}"), 0.0)
        if n % 2:
            told(one, decided(f"x-{n}"), decided(f"x-{n}"))
    report = one.report(0.0, 1.0)
    assert (report["requests"], report["same"]) == (100, 50)
    assert 80 < report["forgotten"] < 100  # each by its dialogue and by its number


def test_a_request_that_is_asked_again_is_decided_again() -> None:
    one = Decisions()
    one.asked(1, asked(), 0.0)
    told(one, decided(), decided())
    one.asked(1, {"t": "reroute.request", "i": 2, "xref": "x-1", "failed": "7001"}, 0.005)
    told(one, decided(target="7002"), decided(target="7003"))
    report = one.report(5.0, 1.0)
    assert (report["same"], report["different"]) == (1, 1)
    assert report["shadow_ms"]["p50"] == 10.0


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.integers(0, 9), max_size=4), max_size=6),
    st.lists(st.integers(0, 500)),
    st.integers(0, 30),
)
def test_a_stream_gives_the_same_frames_in_whatever_portions_it_comes(frames, cuts, begun):
    data = b"".join(encode(frame) for frame in frames)
    begun = min(begun, len(data))
    stream, got = Stream(data[:begun]), []
    rest = data[begun:]
    edges = sorted({0, len(rest), *(cut % (len(rest) + 1) for cut in cuts)})
    for first, last in itertools.pairwise(edges):
        got += stream.frames(rest[first:last])
    got += stream.frames(b"")
    assert got == frames


def test_a_stream_that_is_broken_gives_nothing_more() -> None:
    stream = Stream()
    assert stream.frames(b"\xff\xff\xff\xff") == []
    assert stream.frames(encode({"a": 1})) == []

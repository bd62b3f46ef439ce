"""Cases that the framing A of a link is fuzzed with, each made of its number alone.

    python tests/support/cti_fuzz.py [--first N] [--cases N] [--state FILE]

runs the cases from ``--first`` on and says how far it is. With ``--state`` it notes that in a file,
and goes on there when it is called again. One that fails ends the run, which says its
number: that is all that it takes to see it again.
"""

from __future__ import annotations

import random
import struct
from typing import Any, get_args

import fuzz_run
import msgpack

from protocols.cti import link_session
from protocols.cti.events import Closed, HelloReceived, Received, Refused, Transmit
from protocols.cti.framing import Decoder, encode
from protocols.cti.link import Link
from protocols.cti.link_state import LinkConfig, session_limits
from protocols.cti.messages import ErrorCode
from protocols.cti.parsing import to_frame

MISSED = 50
"""More heartbeats than may be missed, with the pauses between them."""
HEADER = struct.Struct(">I")
CODES = get_args(ErrorCode)
HELLO = {"t": "hello", "proto": 1, "name": "cti-a", "side": "primary", "token": "secret"}

TEMPLATES: list[dict[str, Any]] = [
    HELLO | {"caps": ["x"], "resume": {"session": "0" * 24, "last_i": 2}},
    {"t": "hb", "ts": 1.5},
    {"t": "hb.ok", "ts": 1},
    {"t": "rp.register", "rp": ["sales", "*"], "load": 3},
    {"t": "rp.cancel", "reg": "r1", "cause": "x"},
    {"t": "rp.abort", "reg": "r1"},
    {
        "t": "route.request",
        "xref": "x1",
        "call": "c-1",
        "rp": "sales",
        "ts": 1e9,
        "reg": "r1",
        "ani": "+33612345678",
        "ani_type": "public",
        "dnis": "3900",
        "digits": "12#",
        "ctype": "in",
        "prio": 3,
        "lang": "fr",
        "media": "voice",
        "hist": ["a"],
        "ud": {"k": "v", "deep": [{"a": [1, None, True]}]},
        "reply_ms": 250,
    },
    {"t": "route.used", "xref": "x1", "target": "100", "reason": "selected"},
    {"t": "route.end", "xref": "x1", "cause": "ok"},
    {"t": "reroute.request", "xref": "x1", "failed": "100", "cause": "busy", "reply_ms": 200},
    {"t": "call.event", "call": "c-1", "ev": "queued", "ts": 1.0, "seq": 1, "agent": "a"},
    {"t": "agent.state", "agent": "a", "st": "ready", "ts": 1.0, "skills": {"s": 2}, "dev": "1"},
    {"t": "data.update", "call": "c-1", "rev": 1, "set": {"lang": "fr"}, "del": ["ud.k"]},
    {"t": "snapshot", "calls": ["c-1"], "agents": ["a"], "more": True, "ref": 3},
    {"t": "resync", "calls": ["c-1"], "agents": []},
    {"t": "error", "code": 400, "ref": 1, "msg": "no", "field": "x"},
    {"t": "void"},
]
"""One frame of each type that a CTI sends, with all that it may say."""
OTHERS: list[dict[str, Any]] = [{"t": "ack", "last_i": 3}, {"t": "no.such"}, {}]

VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2**63 - 1, 2**64 - 1, -(2**63), 1.5, float("nan"), float("inf"),
    -0.0, 1e308, "", "x", "\0", "\ud7ff", "é" * 70, "x" * 70_000, b"", b"\xff\0", [], [[]], {},
    {"": {}}, ["x"] * 300, [[[[[[[[[[1]]]]]]]]]],
    {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": 1}}}}}}}},
    {"k" * 40: "v" * 300}, {f"k{n}": n for n in range(300)}, "*", "hello", "\u202e", "+33612345678",
    msgpack.ExtType(5, b"x"), msgpack.Timestamp(1, 2), {1: 2}, {b"x": 1}, {None: 1},
]  # fmt: skip
"""What fields may be instead of what they should be."""

RAW = [
    b"\xc1",
    b"\xdf\xff\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\x91" * 600,
    b"\x81\xa1t" * 300,
    b"\x82\xa1t\xa2hb\xa1t\xa2hb",
    b"\x81\xa1t\xa2\xff\xfe",
    b"\x80",
    b"",
    b"\x81\xd6\xff\0\0\0\0\x01",
]
"""Payloads that no encoder makes: lengths that lie, depth, keys that are doubled, no UTF-8."""


def changed(chance: random.Random, frame: dict[str, Any]) -> dict[str, Any]:
    """A frame with a field or two left out, replaced or added."""
    found = dict(frame)
    for _ in range(chance.choice([1, 1, 2])):
        key = chance.choice([*found, "zz", "", "i", "session", "rev", "more"])
        if chance.random() < 0.2:
            found.pop(key, None)
        else:
            found[key] = chance.choice(VALUES)
    return found


def payload(chance: random.Random, i: int) -> bytes:
    """What is in one frame."""
    if chance.random() < 0.02:
        return chance.choice(RAW)
    frame = {"i": i} | chance.choice(TEMPLATES if chance.random() < 0.97 else OTHERS)
    if chance.random() < 0.02:
        frame["i"] = chance.choice([0, i + 1, i - 1, -1, "1", None, 2**64 - 1])
    data: bytes = msgpack.packb(changed(chance, frame) if chance.random() < 0.5 else frame)
    if chance.random() < 0.05:
        broken = bytearray(data)
        broken[chance.randrange(len(broken))] = chance.randrange(256)
        data = bytes(broken)
    return data


def mutated(seed: int) -> list[bytes]:
    """A few frames, mostly well framed, in reads of any lengths."""
    chance = random.Random(seed)
    stream = b""
    if chance.random() < 0.2:
        hello = msgpack.packb(changed(chance, HELLO))
        stream = HEADER.pack(len(hello)) + hello
    for i in range(1, chance.randint(2, 9)):
        data = payload(chance, i)
        lie = chance.choice([0, 1, 2**31, 2**32 - 1]) if chance.random() < 0.02 else len(data)
        stream += HEADER.pack(lie) + data
    if chance.random() < 0.1:
        stream = stream[: chance.randrange(len(stream) + 1)]
    at = sorted(chance.randrange(len(stream) + 1) for _ in range(chance.choice([0, 0, 1, 3])))
    ends = zip([0, *at], [*at, len(stream)], strict=True)
    return [stream[begin:end] for begin, end in ends if end > begin]


def survives(reads: list[bytes], *, opened: bool) -> None:
    """Feed a link, and do what its caller would."""
    config = LinkConfig(window=5)
    link = Link(config, now=0.0, wall=1e9)
    if opened:
        link.receive(encode(HELLO), 0.0)
        link.accept("0" * 24, 0.0)
    events: list[Any] = []
    for read in reads:
        told = link.receive(read, 0.0)
        if any(isinstance(event, HelloReceived) for event in told):
            told += greeted(link, config)
        events += told
    hold(link, events)
    for _ in range(MISSED):
        if (due := link.next_timeout) is None:
            break
        link.timeout(due)
    assert link.state.phase == "closed"


def greeted(link: Link, config: LinkConfig) -> list[Any]:
    """Let a peer in that says hello: with what it resumes, where it does."""
    resume = link.state.resume
    if resume is None:
        return link.accept("1" * 24, 0.0)
    name, side = link.state.name, link.state.side
    told = link_session.begin(resume.session, name, side, session_limits(config))
    return link.resume(told, 0.0)


def hold(link: Link, events: list[Any]) -> None:
    """Hold what was told against what is promised."""
    closed = [event for event in events if isinstance(event, Closed)]
    assert len(closed) <= 1
    assert bool(closed) == (link.state.phase == "closed")
    assert not closed or closed[0].msg
    said = Decoder()
    for event in events:
        if isinstance(event, Received):
            assert to_frame(event.message)
        if isinstance(event, Refused):
            assert event.code in CODES
            assert event.msg
        if isinstance(event, Transmit):
            said.feed(event.data)
    errors = 0
    while (frame := said.next_frame()) is not None:
        errors += frame["t"] == "error"
        assert frame["t"] != "error" or (frame["code"] in CODES and frame["msg"])
    assert said.pending_bytes == 0
    assert errors == sum(isinstance(event, Refused) for event in events)
    assert errors == sum(link.state.refused.values())


def case(number: int) -> None:
    """Try one case."""
    survives(mutated(number), opened=bool(number % 8))


if __name__ == "__main__":
    fuzz_run.main(case, __doc__.partition("\n")[0])

"""Cases that the framing B of a link is fuzzed with, each made of its number alone.

    python tests/support/csta_fuzz.py [--first N] [--cases N] [--state FILE]

runs the cases from ``--first`` on, a million in all, and says how far it is. With ``--state`` it
notes that in a file, and goes on there when it is called again. One that fails ends the run, which
says its number: that is all that it takes to see it again.
"""

from __future__ import annotations

import random

import fuzz_run

from protocols.csta import header
from protocols.csta.link import Link
from protocols.csta.link_state import CstaConfig
from protocols.csta.services import CODECS, VOCABULARY
from protocols.csta.vocabulary import MAX_NAMES
from protocols.csta.xml import CSTA, SESSION
from protocols.cti.events import Closed, HelloReceived, Received, Transmit
from protocols.cti.link_state import LinkConfig
from protocols.cti.parsing import to_frame

START = (
    f'<StartApplicationSession xmlns="{SESSION}"><applicationInfo><applicationID>a'
    "</applicationID><applicationSpecificInfo>t</applicationSpecificInfo></applicationInfo>"
    "</StartApplicationSession>"
).encode()

PIECES = [
    *(f'<{codec.element} xmlns="{CSTA}ed4">'.encode() for codec in CODECS),
    *(f'<{codec.element} xmlns="{SESSION}">'.encode() for codec in CODECS),
    *(f"</{codec.element}>".encode() for codec in CODECS),
    *{
        b"<%s>" % name.encode()
        for codec in CODECS
        for field in codec.fields
        for name in field.path.split("/")
    },
    *{
        b"</%s>" % name.encode()
        for codec in CODECS
        for field in codec.fields
        for name in field.path.split("/")
    },
    b"<deviceIdentifier>",
    b"</deviceIdentifier>",
    b"<callID>",
    b"</callID>",
    b"<string>",
    b"</string>",
    b'<v:item key="a" type="json">',
    b"</v:item>",
    b' xmlns:v="urn:vigie:csta:1"',
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"-->",
    b"<?xml version='1.0' encoding='utf-16'?>",
    b"&b;",
    b"&#1;",
    b"&#x10FFFF;",
    b"1",
    b"-1",
    b"true",
    b"00FF",
    b"2026-11-23T13:00:00Z",
    b'{"a": [1e999, "\\ud800"]}',
    b"c-1",
    b" ",
    b"\xff",
    b"\0",
    b'"',
]


def survives(stream: bytes, *, opened: bool) -> None:
    """Feed a link, and do what its caller would."""
    if len(VOCABULARY) > MAX_NAMES - 1_000:
        VOCABULARY._learnt.clear()  # else nothing new would be parsed
    link = Link(LinkConfig(window=5), CstaConfig(max_monitors=3), now=0.0, wall=1e9)
    if opened:
        link.receive(header.encode(1, START), 0.0)
        link.accept("0" * 24, 0.0)
    events = link.receive(stream, 0.0)
    if any(isinstance(event, HelloReceived) for event in events):
        events += link.accept("1" * 24, 0.0)
    closed = [event for event in events if isinstance(event, Closed)]
    assert len(closed) <= 1
    assert bool(closed) == (link.state.phase == "closed")
    for event in events:
        if isinstance(event, Received):
            assert to_frame(event.message)
        if isinstance(event, Transmit):
            well_said(event.data)
    link.timeout(1e6)
    assert link.state.phase == "closed"


def well_said(data: bytes) -> None:
    decoder = header.Decoder()
    decoder.feed(data)
    while (segment := decoder.next_segment()) is not None:
        assert segment.payload.startswith(b"<?xml")
    assert decoder.pending_bytes == 0


def mutated(seed: int) -> bytes:
    """One or two messages of pieces in any order, mostly well framed."""
    chance = random.Random(seed)
    stream = b""
    for _ in range(chance.randint(1, 2)):
        codec = chance.choice(CODECS)
        namespace = chance.choice([CSTA + "ed3", CSTA + "ed4", CSTA + "ed5", SESSION])
        inner = b"".join(chance.choices(PIECES, k=chance.randint(0, 12)))
        body = f'<{codec.element} xmlns="{namespace}">'.encode() + balanced(chance, codec) + inner
        body += f"</{codec.element}>".encode() if chance.random() < 0.9 else b""
        message = bytearray(header.encode(chance.choice([0, 7, 9_998, 9_999]), body))
        if chance.random() < 0.2:
            message[chance.randrange(len(message))] = chance.randrange(256)
        stream += message
    return stream


def balanced(chance: random.Random, codec) -> bytes:
    """Elements that the service has, with content that need not be right."""
    words = [b"1", b"c-1", b"true", b"00FF", b"<deviceIdentifier>1</deviceIdentifier>", b"", b"-"]
    words += [b"<callID>c</callID>", b"2026-11-23T13:00:00Z", b"normal", b"null", b"\xc3\xa9"]
    found = b""
    for field in codec.fields:
        if chance.random() < 0.7 and field.path != ".":
            names = [name.encode() for name in field.path.split("/")]
            content = chance.choice(words)
            for name in reversed(names):
                content = b'<%s xmlns:v="urn:vigie:csta:1">%s</%s>' % (name, content, name)
            found += content
    return found


def case(number: int) -> None:
    """Try one case."""
    survives(mutated(number), opened=bool(number % 8))


if __name__ == "__main__":
    fuzz_run.main(case, __doc__.partition("\n")[0])
